"""The rows that a search may read, and the test rows, which it may not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from regsearch.data.blocks import Columnwise
from regsearch.data.lagged import Lagged, Past
from regsearch.data.plausibility import sorted_note
from regsearch.data.recording import Recording
from regsearch.data.split import Block, Index, Split, as_blocks, in_words, rows_of
from regsearch.data.table import Table
from regsearch.errors import DataError

Scale = Literal["unit-norm", "standard", "none"]
"""What a column is divided by once it is centred: its Euclidean norm, its standard deviation, or nothing."""

_SHOWN = 200

Parts = Mapping[tuple[Block, ...], Index]


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a recording.

    Parameters
    ----------
    X : Columnwise of float32 or float64, shape (n_rows, n_features)
        With lags, a column for each feature and lag.
    y : ndarray of float64, shape (n_rows,)
    index : ndarray of int, shape (n_rows,)
        Places of the rows in the recording.
    groups : ndarray of str, shape (n_rows,), or None
        Session or subject of each row.
    weights : ndarray of float64, shape (n_rows,), or None
        Positive.
    covariates : ndarray of float64, shape (n_rows, n_covariates), or None
    """

    X: Columnwise
    y: NDArray[np.float64]
    index: NDArray[np.int64]
    groups: NDArray[np.str_] | None = None
    weights: NDArray[np.float64] | None = None
    covariates: NDArray[np.float64] | None = None

    @property
    def total_weight(self) -> float:
        """Sum of the weights; the number of rows if all weigh the same."""
        return float(len(self.y) if self.weights is None else self.weights.sum())

    @property
    def mean(self) -> float:
        """Weighted mean of the target."""
        return float(self.y.mean() if self.weights is None else np.average(self.y, weights=self.weights))


@dataclass(frozen=True, eq=False)
class FoldRows:
    """The rows of one fold: to fit on, and to compare on."""

    train: Rows
    validation: Rows


@dataclass(frozen=True)
class Preparation:
    """How rows become the columns and the errors of a fit.

    Attributes
    ----------
    lags : tuple of int
        How many rows before each feature is taken.
    scale : {"unit-norm", "standard", "none"}
        What centred columns are divided by.
    independent : bool
        Whether the order of rows means nothing, so that errors are resampled row by row instead of by blocks.
    """

    lags: tuple[int, ...] = (0,)
    scale: Scale = "unit-norm"
    independent: bool = False


AS_IS = Preparation()
"""Features of the same row, on the tutorial's scale, in time order."""


@dataclass(frozen=True, eq=False)
class Development:
    """The part of a recording that a search may read.

    Parameters
    ----------
    folds : tuple of FoldRows
    model : Rows
        Rows that a trial's own model is fitted on; for a holdout, the same object as its fold's training rows.
    data_sha256 : str
        SHA-256 of the whole recording.
    split : Split
    source, target, column_types, notes, covariate_names
        Fields of the recording.
    feature_names : tuple of str
        One name per column of `X`, that of its feature and, with lags, its lag; empty if the features have none.
    preparation : Preparation
    """

    folds: tuple[FoldRows, ...]
    model: Rows
    data_sha256: str
    split: Split
    source: str
    target: str
    feature_names: tuple[str, ...] = ()
    column_types: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    covariate_names: tuple[str, ...] = ()
    preparation: Preparation = AS_IS

    @property
    def n_features(self) -> int:
        """Number of columns that are penalised: features, times lags."""
        return int(self.model.X.shape[1])

    @property
    def sets(self) -> tuple[Rows, ...]:
        """Every set of rows, each once: those of the folds, and those of the trials' own models."""
        of_folds = [rows for fold in self.folds for rows in (fold.train, fold.validation)]
        return tuple(dict.fromkeys([*of_folds, self.model]))


class SealedTest:
    """The test rows, unreadable until promotion opens them.

    It cannot be pickled, so it cannot reach a worker, and its text shows only the number of rows.
    """

    __slots__ = ("__rows",)

    def __init__(self, rows: Rows | None) -> None:
        self.__rows = rows

    def open(self) -> Rows:
        """Return the test rows.  Only promotions and null distributions call this, and record that they did."""
        assert self.__rows is not None, "no row was kept for a test"  # noqa: S101
        return self.__rows

    def __repr__(self) -> str:
        return f"<SealedTest of {len(self.__rows.y) if self.__rows else 0} rows>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("sealed test rows cannot be pickled or copied")


def seal(recording: Recording, split: Split, preparation: Preparation = AS_IS) -> tuple[Development, SealedTest]:
    """Cut a recording into the rows that the search may read and the sealed test rows; see `seal_targets`."""
    (made,) = seal_targets([recording], split, preparation)
    return made


def require_usable(recording: Recording, split: Split) -> None:
    """Check that a recording can be cut by a split, without copying any row.

    Raises
    ------
    DataError
        If the split does not fit the recording, the target is constant in one of its parts other than a fold to
        validate on among several, or there are as many covariates as rows to fit on.
    """
    split.check(len(recording.y))
    _require_fit(recording, split, *_parts_of(split))


def _parts_of(split: Split) -> tuple[Parts, Parts]:
    """Return the rows of each part that a search may read, and of the test if there is one."""
    every = [blocks for fold in split.folds for blocks in (fold.train, fold.validation)]
    parts = {blocks: rows_of(blocks) for blocks in (*every, split.model)}
    return parts, {split.test: rows_of(split.test)} if split.test else {}


def _require_fit(recording: Recording, split: Split, parts: Parts, test: Parts) -> None:
    one_of_several = {fold.validation for fold in split.folds} if len(split.folds) > 1 else set()
    for blocks, rows in (*parts.items(), *test.items()):
        if blocks not in one_of_several and np.ptp(recording.y[rows]) == 0:
            words = in_words(blocks)
            raise DataError(
                f"{recording.source}: {recording.target} is constant in rows "
                f"{words if len(words) < _SHOWN else f'{words[:_SHOWN]}…'}, where R² would mean nothing; choose other "
                "rows in [data.split]"
            )
    covariates = recording.annotations.covariates
    fewest = min(len(parts[blocks]) for blocks in (*(fold.train for fold in split.folds), split.model))
    if covariates is not None and covariates.shape[1] + 1 >= fewest:
        raise DataError(
            f"{recording.source}: expected at least two more rows to fit on than covariates, found {fewest} rows for "
            f"{covariates.shape[1]} covariates; give fewer covariates, or more rows"
        )


def seal_targets(
    recordings: Sequence[Recording], split: Split, preparation: Preparation = AS_IS
) -> list[tuple[Development, SealedTest]]:
    """Cut recordings that differ in their target alone; their rows are copied once.

    The recordings can then be deleted.  With several folds a row is held once, and the test rows apart from all others.

    Parameters
    ----------
    recordings : sequence of Recording
        With the same features.
    split : Split
    preparation : Preparation

    Raises
    ------
    DataError
        As `require_usable` does, or if the files of the recordings have changed since they were read through.
    """
    first = recordings[0]
    split.check(len(first.y))
    parts, test = _parts_of(split)
    for recording in recordings:
        _require_fit(recording, split, parts, test)
    past = Past.of(len(first.y), preparation.lags, first.annotations.groups)
    features = _features(first, past, parts)
    tested = _features(first, past, test)
    made = []
    for recording in recordings:
        taken = {blocks: _rows(recording, parts[blocks], features[blocks]) for blocks in parts}
        sealed = [_rows(recording, test[blocks], tested[blocks]) for blocks in test]
        in_order = () if preparation.independent else filter(None, [sorted_note(recording.y, recording.target)])
        development = Development(
            tuple(FoldRows(taken[fold.train], taken[fold.validation]) for fold in split.folds),
            taken[split.model],
            recording.sha256,
            split,
            recording.source,
            recording.target,
            past.names(recording.feature_names, recording.X.shape[1]),
            recording.column_types,
            (*recording.notes, *in_order),
            recording.covariate_names,
            preparation,
        )
        made.append((development, SealedTest(sealed[0] if sealed else None)))
    return made


def _features(recording: Recording, past: Past, parts: Parts) -> dict[tuple[Block, ...], Columnwise]:
    """Copy the rows that some parts need out of the recording once, and return the features of each part."""
    if not parts:
        return {}
    needed = np.unique(np.concatenate([past.sources(rows).ravel() for rows in parts.values()]))
    table = Table.copy(recording.X, as_blocks(needed), row_sums=recording.row_sums, source=recording.source)
    if past.is_present:
        return {blocks: table.select(blocks) for blocks in parts}
    held = table.select(table.blocks)
    return {blocks: Lagged(held, table.places(past.sources(rows))) for blocks, rows in parts.items()}


def _rows(recording: Recording, rows: Index, X: Columnwise) -> Rows:
    known = recording.annotations.at(rows)
    return Rows(X, recording.y[rows], rows, known.groups, known.weights, known.covariates)
