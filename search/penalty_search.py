"""`PenaltySearchCV`: a whole search as a scikit-learn estimator."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence, Sized
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import UNUSED, MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import assert_all_finite, check_is_fitted, validate_data

from regsearch.data import Scale
from regsearch.data.array_likes import require_dense, require_no_times, require_unmasked
from regsearch.data.plausibility import Ranges
from regsearch.data.refusal import short
from regsearch.errors import ConfigError
from regsearch.search.callbacks import Count, TakesCallbacks, followed, with_callbacks
from regsearch.search.config import Rule, SearchConfig
from regsearch.search.config.names import is_name
from regsearch.search.cv_results import cv_results, params_of
from regsearch.search.estimator_rows import EstimatorRows, Splits
from regsearch.search.penalty import PARAMETERS
from regsearch.search.solving.local_engines import is_whole
from regsearch.search.untracked import Tried, place_of_the_winner, search_targets
from regsearch.search.winner import doubt

_TYPES = (np.float64, np.float32)
_MIXED = {"of": "max", "points": 5}
"""Strengths of ElasticNet by default: as many of each kind, in every combination."""


class PenaltySearchCV(TakesCallbacks, MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]  # no types there
    """Linear model with a penalty chosen by cross-validation among ridge, lasso and ElasticNet.

    For every penalty that it tries, it minimises the objective of `regsearch.penalized_path` on each fold and on all
    rows. Each fit is certified: a penalty with a relative duality gap above `tolerance` cannot be chosen. Proposals,
    scores and choice are the same as in `regsearch.run_search` on the same folds, without the unregularised baseline.

    Parameters
    ----------
    ridge, lasso : bool, array-like, tuple or dict, default=True
        The strengths ``alpha`` of a family. An array or a list is an exact grid; a tuple ``(low, high)`` is a range, in
        which `sampler` proposes `n_trials` strengths on a log scale. ``True`` is the whole useful range of the data,
        ``False`` leaves the family out. A dict is what a configuration has, such as
        ``{"of": "max", "low": 1e-3, "points": 100}``.
    elasticnet : bool, pair or dict, default=True
        The strengths ``l1_alpha`` and ``l2_alpha``, as a pair or as a dict with these names. If both are grids, every
        combination is tried; otherwise both are ranges. ``True`` tries every combination of five and five strengths.
    cv : int, splitter or iterable, default=5
        Number of contiguous folds, a splitter of scikit-learn, or pairs of training and validation rows.
    scale : {"unit-norm", "standard", "none"}, default="unit-norm"
        What a centred column is divided by before it is penalised: its Euclidean norm, its standard deviation, or
        nothing. With ``"none"``, the objective is that of scikit-learn's ``Lasso``, ``ElasticNet`` and ``Ridge``; with
        ``"standard"``, it is theirs after a ``StandardScaler``. Weights are always in the units of the columns.
    select : {"best", "one-se", "one-se-paired"} or {"at_most": int}, default="best"
        Rule that chooses the penalty: the best score; the sparsest model within one standard error of it, or of the
        difference to it; or the best score with at most so many non-zero weights.
    sampler : {"tpe", "random", "grid", "gp", "cmaes", "nsgaii"}, default="tpe"
        How strengths are proposed within ranges.
    n_trials : int, default=30
        Number of penalties to try for each family that has a range.
    random_state : int, RandomState or None, default=0
        Seed of the proposals.
    tracking : str or None, default=None
        Name of an experiment in MLflow, where each trial then becomes a run. The same fit again resumes the search or
        reads its result. With several targets, each has an experiment with the target's name added. ``None`` writes
        nothing and does not import MLflow.
    n_jobs : int or None, default=None
        Number of processes that solve. The strengths are the same with any number; scores agree to rounding error.
    tolerance : float, default=1e-6
        Relative duality gap that every fit must reach. A penalty that misses it cannot be chosen, and a
        `ConvergenceWarning` counts such penalties.

    Attributes
    ----------
    coef_ : ndarray of float64, shape (n_features,) or (n_targets, n_features)
        Weights of the model on all rows, in target units per unit of each column.
    intercept_ : float or ndarray of float64, shape (n_targets,)
    best_params_ : dict, or list of one per target
        Family and strengths that were chosen.
    best_score_ : float or ndarray of float64, shape (n_targets,)
        Score of the chosen penalty, pooled over folds: 1 minus the ratio of two sums over all validation rows. The
        first is that of the squared errors, the second that of the squared deviations from the mean of the fold's
        training rows. With a single split it is R² on its validation rows.
    best_index_ : int or ndarray of int, shape (n_targets,)
        Its place in `cv_results_`.
    cv_results_ : dict, or list of one per target
        ``params``, ``param_*``, ``split*_test_score``, ``mean_test_score``, ``std_test_score``, ``rank_test_score`` and
        ``mean_fit_time`` as in scikit-learn, and ``duality_gap`` (the worst of a penalty's fits) and ``n_nonzero``.
        Scores of splits are contributions to the pooled score: their mean is the score by which penalties are compared.
    coef_path_ : ndarray of float64, shape (n_penalties, n_features) or (n_targets, n_penalties, n_features)
        Weights on all rows under every penalty that was tried, in the order of `cv_results_`.
    intercept_path_ : ndarray of float64, shape (n_penalties,) or (n_targets, n_penalties)
    n_splits_ : int
        Number of splits that were scored.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        If the columns have names.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(60, 20, n_informative=3, noise=5, random_state=0)
    >>> model = PenaltySearchCV(ridge=False, elasticnet=False).fit(X, y)
    >>> model.best_params_["family"]
    'lasso'
    """

    __metadata_request__fit: ClassVar = {"groups": UNUSED}  # they go to the splitter, and need not be requested

    def __init__(
        self,
        *,
        ridge: Any = True,
        lasso: Any = True,
        elasticnet: Any = True,
        cv: Any = 5,
        scale: Scale = "unit-norm",
        select: Rule = "best",
        sampler: str = "tpe",
        n_trials: int = 30,
        tracking: str | None = None,
        random_state: Any = 0,
        n_jobs: int | None = None,
        tolerance: float = 1e-6,
    ) -> None:
        self.ridge = ridge
        self.lasso = lasso
        self.elasticnet = elasticnet
        self.cv = cv
        self.scale = scale
        self.select = select
        self.sampler = sampler
        self.n_trials = n_trials
        self.tracking = tracking
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.tolerance = tolerance

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(
        self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Search, and keep the model of the chosen penalty on all rows.

        Parameters
        ----------
        X : array-like, shape (n_rows, n_features)
        y : array-like, shape (n_rows,) or (n_rows, n_targets)
            Each target gets a search, and a penalty, of its own.
        groups : array-like, shape (n_rows,), optional
            Passed to `cv`.
        sample_weight : array-like, shape (n_rows,), optional
            At least 0. Fits and scores are weighted: a row of weight 2 counts as the row twice. A row of weight 0 does
            not count, but its values must be finite. A split with validation rows of weight 0 only is left out, with a
            warning.

        Raises
        ------
        ConfigError
            If a parameter has a value that is not described above.
        DataError
            If a target is constant, a value is masked or too large or small to be squared, weights are negative or all
            zero, or a split has too few rows.
        NoWinnerError
            If no fit reached the tolerance.
        """
        require_unmasked(X, "X")
        require_unmasked(y, "y")
        require_dense(y, "y")
        require_no_times(X, "X")
        require_no_times(y, "y")
        values, given = validate_data(
            self, X, y, dtype=list(_TYPES), multi_output=True, y_numeric=True, ensure_min_samples=2
        )
        targets = np.asarray(given, dtype=np.float64).reshape(len(values), -1).T
        assert_all_finite(targets, input_name="y")  # None among objects is a number only now
        Ranges.of(values).require_squares("X")
        Ranges.of(targets.T).require_squares("y")
        config, workers = self._config(), _workers(self.n_jobs)
        rows = EstimatorRows.of(values, sample_weight, config.data.preparation)
        splits = rows.checked(self._splits(values, given, groups))
        if not splits:
            do = "give one or more; an iterator is used up by its first fit, so give a list"
            raise ConfigError(f"cv: expected pairs of training and validation rows, found none; {do}")
        developments = [rows.development(target, splits) for target in targets]
        n_trials = config.n_trials - (self.tracking is None)  # without runs there is no baseline
        metadata = None if rows.weights is None else {"sample_weight": rows.weights}
        with followed(self, len(targets) * n_trials, X=values, y=given, metadata=metadata) as counter:
            counts = [counter(target) for target in targets]
            if self.tracking is None:
                searched = search_targets(config, developments, workers, counts)
            else:
                names = _target_names(y, len(targets), is_single=given.ndim == 1)
                named = list(zip(names, targets, strict=True))
                searched = self._tracked(config, rows, named, splits, counts=counts, workers=workers)
        self.n_splits_ = len(splits)
        self._keep(searched, config, is_single=given.ndim == 1)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the predictions of the chosen model, shape (n_rows,) or (n_rows, n_targets), in target units."""
        check_is_fitted(self)
        require_unmasked(X, "X")
        require_no_times(X, "X")
        X = validate_data(self, X, reset=False, dtype=list(_TYPES))
        predicted: NDArray[np.float64] = X @ self.coef_.T + self.intercept_
        return predicted

    def get_metadata_routing(self) -> MetadataRouter:
        """Return how metadata are routed: `groups` to the splitter, `sample_weight` to this estimator."""
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(splitter=check_cv(self.cv), method_mapping=MethodMapping().add(caller="fit", callee="split"))

    def _splits(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None) -> Iterable[tuple[ArrayLike, ArrayLike]]:
        for number, split in enumerate(self.cv if isinstance(self.cv, list | tuple) else ()):
            if not isinstance(split, Sized) or len(split) != 2:
                expected = "a pair of training and validation rows"
                raise ConfigError(
                    f"cv: split {number}: expected {expected}, found {short(split)}; give a list of pairs"
                )
        splitter = check_cv(self.cv)
        given = {} if groups is None else {"groups": groups}
        if get_config()["enable_metadata_routing"]:
            given = process_routing(self, "fit", **given).splitter.split
        found: Iterable[tuple[ArrayLike, ArrayLike]] = splitter.split(X, y, **given)
        return found

    def _config(self) -> SearchConfig:
        if self.tracking is not None and not is_name(self.tracking):
            raise ConfigError(
                'tracking: expected None or the name of an experiment, a word or more without / : or " that begins '
                f"with no dot, found {short(self.tracking)}"
            )
        asked: dict[str, dict[str, Any]] = {}
        for family in ("ridge", "lasso", "elasticnet"):
            given = getattr(self, family)
            if isinstance(given, bool | np.bool_) and not given:
                continue
            asked[family] = _both(given) if family == "elasticnet" else {"alpha": _strengths(family, given)}
            if any(isinstance(one, dict) and "points" not in one for one in asked[family].values()):
                asked[family]["trials"] = self.n_trials
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31 - 1)
        return SearchConfig.from_values(
            {
                "name": type(self).__name__ if self.tracking is None else self.tracking,
                "seed": int(seed),
                "sampler": self.sampler,
                "select": self.select,
                "tolerance": self.tolerance,
                "data": {"scale": self.scale},
                "families": asked,
            },
            source=type(self).__name__,
        )

    def _tracked(
        self,
        config: SearchConfig,
        rows: EstimatorRows,
        targets: Sequence[tuple[str, NDArray[np.float64]]],
        splits: Splits,
        *,
        counts: Sequence[Count],
        workers: int,
    ) -> list[list[Tried]]:
        from regsearch.search import tracked  # MLflow

        features, searched = getattr(self, "feature_names_in_", ()), []
        for (name, y), count in zip(targets, counts, strict=True):
            recording = tracked.recording(rows.X, y, rows.weights, splits, feature_names=features, target=name or "y")
            named = config.updated(name=config.name_for(name) if name else None)
            searched.append(tracked.search(named, recording, splits, workers=workers, count=partial(count, None)))
        return searched

    def _keep(self, searched: Sequence[list[Tried]], config: SearchConfig, *, is_single: bool) -> None:
        places = np.array([place_of_the_winner(tried, config) for tried in searched])
        if doubtful := doubt([one.trial for tried in searched for one in tried], config.tolerance):
            warnings.warn(f"{doubtful}; raise `tolerance`", ConvergenceWarning, stacklevel=4)
        winners = [tried[place].trial for tried, place in zip(searched, places, strict=True)]
        coef = np.array([[one.coef for one in tried] for tried in searched])
        intercept = np.array([[one.intercept for one in tried] for tried in searched])
        every = np.arange(len(searched))
        kept: dict[str, Any] = {
            "best_params_": [params_of(trial) for trial in winners],
            "best_score_": np.array([trial.r2_validation for trial in winners]),
            "best_index_": places,
            "cv_results_": [cv_results(one, self.n_splits_) for one in searched],
            "coef_path_": coef,
            "intercept_path_": intercept,
            "coef_": coef[every, places],
            "intercept_": intercept[every, places],
        }
        for name, of_targets in kept.items():
            setattr(self, name, of_targets[0] if is_single else of_targets)


def _workers(n_jobs: int | None) -> int:
    """Return the number of processes that joblib would start."""
    if n_jobs is not None and (not is_whole(n_jobs) or n_jobs == 0):
        raise ConfigError(
            f"n_jobs: expected None or a whole number other than 0, found {short(n_jobs)}; -1 takes all cores"
        )
    return int(effective_n_jobs(n_jobs))


def _strengths(name: str, given: Any) -> dict[str, Any] | list[float]:
    """Return strengths as a configuration has them."""
    if isinstance(given, bool | np.bool_) and given:
        return {"of": "max"}
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, tuple) and len(given) == 2:
        return {"low": given[0], "high": given[1]}
    try:
        grid = np.atleast_1d(np.asarray(given, dtype=np.float64))
    except (TypeError, ValueError):
        grid = None
    if given is None or grid is None or grid.ndim != 1:
        expected = "True, False, an array of strengths, or a range as a tuple (low, high)"
        raise ConfigError(f"{name}: expected {expected}, found {short(given)}")
    values: list[float] = grid.tolist()
    return values


def _both(given: Any) -> dict[str, Any]:
    """Return ElasticNet's strengths as a configuration has them."""
    names = PARAMETERS["elasticnet"]
    if isinstance(given, bool | np.bool_):
        return dict.fromkeys(names, _MIXED)
    if isinstance(given, Mapping):
        pair = given
    elif isinstance(given, tuple | list) and len(given) == 2:
        pair = dict(zip(names, given, strict=True))
    else:
        pair = {}
    if pair.keys() != set(names):
        raise ConfigError(
            f"elasticnet: expected True, False, or a pair of {names[0]} and {names[1]}, each an array of strengths or "
            f"a range as a tuple (low, high), found {short(given)}"
        )
    return {name: _strengths(f"elasticnet: {name}", pair[name]) for name in names}


def _target_names(y: Any, n_targets: int, *, is_single: bool) -> list[str]:
    """Return what is added to the name of each target's search: the names of a table's columns, or numbers from 0."""
    if is_single:
        return [""]
    return [str(name) for name in getattr(y, "columns", range(n_targets))]
