"""The weights of a trial, and how well they did, as its run keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from regsearch.errors import NoWinnerError
from regsearch.tracking.records import WEIGHTS

if TYPE_CHECKING:
    import pandas as pd

    from regsearch.search.trial import Trial
    from regsearch.tracking.runs import SearchRun


@dataclass(frozen=True, eq=False)
class Weights:
    """The model of a trial, as its run keeps it.

    Attributes
    ----------
    coef : ndarray of float64, shape (n_features,)
    intercept : float
    predicted : tuple of ndarray of float64
        Predictions at the validation rows of each fold.
    selected : ndarray of int16, shape (n_features,), or None
        In how many of the folds' models each weight is not zero; ``None`` for a trial of the first version.
    covariate_coef : ndarray of float64, shape (n_covariates,)
        Target units per unit of each covariate.
    """

    coef: NDArray[np.float64]
    intercept: float
    predicted: tuple[NDArray[np.float64], ...]
    selected: NDArray[np.int16] | None = None
    covariate_coef: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def table(
        self, feature_names: Sequence[str] = (), lags: Sequence[int] = (0,), covariate_names: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Return one row per feature and lag, the largest weights first, and after them one per covariate.

        The columns are `feature` (its name, or its number from 0); `lag`, if there are lags; `coefficient`; `n_folds`,
        in how many folds' models it is not zero, unless that was not kept; and with covariates `penalised`.

        Parameters
        ----------
        feature_names : sequence of str
            Names of the features without lags; empty if they have none.
        lags : sequence of int
            How many rows before each feature was taken.
        covariate_names : sequence of str
            Empty if they have none.
        """
        import pandas as pd

        n_columns, n_covariates = len(self.coef), len(self.covariate_coef)
        n_features = n_columns // len(lags)
        features = [*(feature_names or range(n_features))] * len(lags)
        columns: dict[str, Any] = {"feature": [*features, *(covariate_names or range(n_covariates))]}
        if tuple(lags) != (0,):
            columns["lag"] = [*np.repeat(lags, n_features), *[0] * n_covariates]
        columns["coefficient"] = np.append(self.coef, self.covariate_coef)
        if self.selected is not None:
            columns["n_folds"] = [*self.selected, *[len(self.predicted)] * n_covariates]
        if n_covariates:
            columns["penalised"] = [True] * n_columns + [False] * n_covariates
        order = [*np.argsort(-np.abs(self.coef), kind="stable"), *range(n_columns, n_columns + n_covariates)]
        return pd.DataFrame(columns).iloc[order]


def read_losses(run: SearchRun, trial: Trial) -> NDArray[np.float64]:
    """Return a trial's losses: see `solving.evaluate.Evaluation.losses`.

    Raises
    ------
    NoWinnerError
        If the trial is of the first version, which did not keep them.
    """
    with _archive(run, trial.run_id) as archive:
        if "losses" not in archive.files:
            raise NoWinnerError(
                f'{trial.name}: its losses were not kept, so select = "one-se-paired" cannot compare it; use "one-se"'
            )
        losses: NDArray[np.float64] = archive["losses"]
        return losses


def read_feature_names(run: SearchRun, run_id: str) -> tuple[str, ...]:
    """Return the names of the features that a trial's run holds; none if they have none."""
    with _archive(run, run_id) as archive:
        return tuple(map(str, archive["feature_names"])) if "feature_names" in archive.files else ()


def read_weights(run: SearchRun, run_id: str) -> Weights:
    """Return the weights that a trial's run holds."""
    with _archive(run, run_id) as archive:
        folds = sum(name.startswith("predicted_fold_") for name in archive.files)
        predicted = tuple(archive[f"predicted_fold_{number}"] for number in range(1, folds + 1))
        selected = archive["selected"] if "selected" in archive.files else None
        covariate_coef = archive["covariate_coef"] if "covariate_coef" in archive.files else np.empty(0)
        return Weights(archive["coef"], float(archive["intercept"]), predicted, selected, covariate_coef)


def _archive(run: SearchRun, run_id: str) -> NpzFile:
    archive: NpzFile = np.load(BytesIO(run.read(run_id, WEIGHTS)), allow_pickle=False)
    return archive
