"""Lagged features as a step of a scikit-learn pipeline, for a champion that was searched with lags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from regsearch.data.array_likes import require_no_times, require_unmasked
from regsearch.data.frames import as_pandas, labels_of
from regsearch.data.lagged import MOST_LAG, lagged_names, nearest_sources
from regsearch.data.refusal import short
from regsearch.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


class Lags(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Compute lagged features: the columns that the champion of a search with the same lags takes.

    A row without a past (or, with a negative lag, without a future) takes the nearest row of its group instead.  A
    search leaves such rows out, so leave them out of a score, too.

    Parameters
    ----------
    lags : sequence of int
        Delays in rows; a negative delay looks ahead.
    groups : str or None
        Column of a table with the session or subject of each row. No lag crosses groups.
    covariates : str or sequence of str
        Columns of a table that come last, without lags, as the champion takes them.

    Attributes
    ----------
    n_features_in_ : int
        Number of features, without groups and covariates.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Names of the features of a table.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"unit": [1.0, 2.0, 3.0], "session": ["a", "a", "b"]})
    >>> Lags((0, 1), groups="session").fit_transform(table)
       unit @ lag 0  unit @ lag 1
    0           1.0           1.0
    1           2.0           1.0
    2           3.0           3.0
    """

    def __init__(
        self, lags: Sequence[int] = (0, 1, 2), *, groups: str | None = None, covariates: str | Sequence[str] = ()
    ) -> None:
        self.lags = lags
        self.groups = groups
        self.covariates = covariates

    def fit(self, X: ArrayLike | pd.DataFrame, y: object = None) -> Lags:  # noqa: ARG002  # scikit-learn's signature
        """Remember the features, so that `transform` refuses others; without `set_output`, `transform` works unfitted.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n_rows, n_columns)
        y : object
            Not used.

        Raises
        ------
        DataError
            If there are no lags or no features, a lag is not a whole number, is too large or is repeated, a value is
            masked, or a column is missing.
        """
        self._require_lags()
        validate_data(self, self._without_others(as_pandas(X)))
        return self

    def transform(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.float64] | pd.DataFrame:
        """Return the lagged columns, all features at the first lag first, and then the covariates.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n_rows, n_columns)
            In time order within each group.

        Returns
        -------
        ndarray of float64 or DataFrame, shape (n_rows, n_lags * n_features + n_covariates)
            A table of pandas for a table of pandas, polars or Arrow.

        Raises
        ------
        DataError
            As `fit` raises it, or if a row has no group.
        ValueError
            If a value is not finite, as scikit-learn has it.
        """
        import pandas as pd

        self._require_lags()
        X = as_pandas(X)
        own = self._without_others(X)
        if hasattr(self, "n_features_in_"):
            features = validate_data(self, own, reset=False, dtype=np.float64)
        else:
            features = check_array(own, dtype=np.float64)
        if not isinstance(X, pd.DataFrame):
            made: NDArray[np.float64] = np.hstack(
                [features[rows] for rows in nearest_sources(len(features), self.lags)]
            )
            return made
        groups = None if self.groups is None else labels_of(X[self.groups], "groups")
        blocks = [features[rows] for rows in nearest_sources(len(features), self.lags, groups)]
        covariates = check_array(
            X[self._covariates].to_numpy(np.float64), ensure_min_features=0, input_name="covariates"
        )
        return pd.DataFrame(np.hstack([*blocks, covariates]), columns=self._names(list(own.columns)), index=X.index)

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> NDArray[np.object_]:
        """Return the names of the columns, such as ``"unit_3 @ lag 1"``, as the champion has them.

        Parameters
        ----------
        input_features : sequence of str, shape (n_features_in_,), or None
            Names of the features of an array, such as the step before gives them.

        Raises
        ------
        NotFittedError
            If it is not fitted.
        ValueError
            If there is not one name for each feature.
        """
        check_is_fitted(self, "n_features_in_")
        unnamed = [f"feature {number}" for number in range(self.n_features_in_)]
        given = list(unnamed if input_features is None else input_features)
        features = list(getattr(self, "feature_names_in_", given))
        if len(features) != self.n_features_in_:
            raise ValueError(f"expected {self.n_features_in_} names of features, found {len(features)}; name each one")
        return np.array(self._names(features), dtype=object)

    def __sklearn_tags__(self) -> Any:
        """Say that a pipeline may use it as it is."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Say that a pipeline of it and a fitted champion is fitted."""
        return True

    def _names(self, features: list[str]) -> list[str]:
        names = features if tuple(self.lags) == (0,) else lagged_names(features, self.lags)
        return [*names, *self._covariates]

    @property
    def _covariates(self) -> list[str]:
        return [self.covariates] if isinstance(self.covariates, str) else list(self.covariates)

    def _require_lags(self) -> None:
        is_list = np.ndim(self.lags) == 1 and len(self.lags)
        if not is_list or not all(isinstance(lag, int | np.integer) for lag in self.lags):
            do = "give a list of numbers of rows, such as (0, 1)"
            raise DataError(f"expected whole numbers as lags, found {short(self.lags)}; {do}")
        if (largest := max(map(abs, map(int, self.lags)))) >= MOST_LAG:
            raise DataError(f"expected lags below {MOST_LAG}, found {largest}; give smaller numbers of rows")
        if len(set(self.lags)) < len(self.lags):
            raise DataError(f"expected lags that differ, found {short(self.lags)}; give each once")

    def _without_others(self, X: Any) -> Any:
        """Return the features of a table or an array."""
        others = [*([self.groups] if self.groups is not None else []), *self._covariates]
        require_unmasked(X, "X")
        if not others:
            require_no_times(X, "X")
            return X
        found = list(getattr(X, "columns", ()))
        missing = [name for name in others if name not in found]
        if missing:
            what = f"columns {', '.join(map(str, found[:5]))}" if found else f"{type(X).__name__} without names"
            raise DataError(f"expected a table with the column {missing[0]!r}, found {what}; give a DataFrame")
        features = [name for name in found if name not in others]
        if not features:
            raise DataError("expected features beside groups and covariates, found none; give their columns, too")
        require_no_times(X[features], "X")
        return X[features]
