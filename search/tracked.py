"""The search of an estimator with runs: `run_search` on the estimator's rows, and its trials read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regsearch.data import MEMORY, Annotations, Recording
from regsearch.errors import ConfigError, SearchStoppedError
from regsearch.search.config import SearchConfig
from regsearch.search.estimator_rows import Indices, Splits
from regsearch.search.launch import run_search
from regsearch.search.output.progress import Progress
from regsearch.search.untracked import Tried
from regsearch.search.weights import read_losses, read_weights
from regsearch.tracking.records import TrialRecord
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store


def recording(
    X: NDArray[np.floating],
    y: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    splits: Splits,
    *,
    feature_names: Sequence[str],
    target: str,
) -> Recording:
    """Return the rows of an estimator as a recording.

    Parameters
    ----------
    X : ndarray, shape (n_rows, n_features)
    y : ndarray of float64, shape (n_rows,)
    weights : ndarray of float64, shape (n_rows,), or None
    splits : sequence of pairs of ndarray of int
        Rows to fit on, and rows to compare on.
    feature_names : sequence of str
        Empty if the columns have none.
    target : str

    Raises
    ------
    DataError
        If the values cannot be searched.
    """
    known = Annotations(weights=weights, folds=_labels(splits, weights, len(y)))
    names = tuple(map(str, feature_names))
    return Recording.checked(X, y, source=MEMORY, feature_names=names, target=target, annotations=known)


def _labels(splits: Splits, weights: NDArray[np.float64] | None, n_rows: int) -> NDArray[np.str_] | None:
    """Return the fold in which each row is compared, if each is in one fold and trained on in all others; else None."""
    fold_of = np.full(n_rows, -1)
    for number, (_, validation) in enumerate(splits):
        fold_of[validation] = number
    counting = np.ones(n_rows, dtype=bool) if weights is None else weights > 0
    parts = [
        (np.flatnonzero(counting & (fold_of != number)), np.flatnonzero(fold_of == number))
        for number in range(len(splits))
    ]
    dealt = (fold_of >= 0).sum() == counting.sum() == sum(len(validation) for _, validation in splits)
    same = all(np.array_equal(a, c) and np.array_equal(b, d) for (a, b), (c, d) in zip(parts, splits, strict=True))
    return fold_of.astype(np.str_) if dealt and same else None


class _Counted(Progress):
    """Says nothing, and calls for each trial."""

    def __init__(self, count: Callable[[], object]) -> None:
        self._count = count

    def count(self, record: TrialRecord) -> None:  # noqa: ARG002
        self._count()


def _fault_of(y: NDArray[np.float64], train: Indices, validation: Indices) -> str:
    """Return why no search with runs takes a split, or nothing if one does."""
    if len(validation) < 2:
        return "one validation row"
    if np.ptp(y[train]) == 0:
        return "training rows of one value"
    both = np.intersect1d(train, validation).size
    return f"{both} row(s) in both" if both else ""


def search(
    config: SearchConfig, rows: Recording, splits: Splits, *, workers: int, count: Callable[[], object]
) -> list[Tried]:
    """Run a search with runs on given folds, or resume it, and return its trials without the baseline.

    Parameters
    ----------
    config : SearchConfig
        Its name is that of the experiment.
    rows : Recording
    splits : sequence of pairs of ndarray of int
        Rows to fit on, and rows to compare on.
    workers : int
        Number of processes that solve.
    count : callable
        Called for each trial that is solved.

    Raises
    ------
    ConfigError
        If there is a single split, or runs cannot record one of them.
    RegsearchError
        As `run_search` does.
    """
    if len(splits) < 2:
        raise ConfigError("tracking: expected at least 2 splits, found 1; give cv more, or leave tracking out")
    for number, (train, validation) in enumerate(splits):
        if fault := _fault_of(rows.y, train, validation):
            raise ConfigError(
                "tracking: expected splits of two validation rows or more, training rows of more than one value, and "
                f"no row in both, found {fault} in split {number}; change cv, or leave tracking out"
            )
    folds: dict[str, Any] = {"column": "cv"}  # far shorter than every fold row by row
    if rows.annotations.folds is None:
        folds = {"given": [{"train": train, "validation": validation} for train, validation in splits]}
    values = config.model_dump(exclude_none=True)
    values["data"]["split"] = {"validation": folds, "test": "none"}
    with_rows = SearchConfig.from_values(values, "tracking")
    result = run_search(with_rows, data=rows, workers=workers, promote=False, progress=_Counted(count))
    run = SearchRun.find(open_store(), result.search_id)
    if run is None:
        raise SearchStoppedError(f"search {result.search_id} is no longer in the store; the same call starts it again")
    tried = []
    for trial in result.finished:
        if trial.family != "none":
            weights = read_weights(run, trial.run_id)
            tried.append(Tried(trial, read_losses(run, trial), weights.coef, weights.intercept))
    families = list(config.families.searched)
    return sorted(tried, key=lambda one: (families.index(one.trial.family), one.trial.number))
