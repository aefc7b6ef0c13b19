"""The rows that a search may read, and the test rows, which it may not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from regsearch.data.blocks import Columnwise
from regsearch.data.recording import Recording
from regsearch.data.split import Block, Split, in_words
from regsearch.data.table import Table
from regsearch.errors import DataError


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a recording.

    Parameters
    ----------
    X : Columnwise of float32 or float64, shape (n_rows, n_features)
    y : ndarray of float64, shape (n_rows,)
    index : ndarray of int, shape (n_rows,)
        Places of the rows in the recording.
    weights : ndarray of float64, shape (n_rows,), or None
        One positive weight per row; ``None`` if all weigh the same.
    """

    X: Columnwise
    y: NDArray[np.float64]
    index: NDArray[np.int64]
    weights: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class FoldRows:
    """The rows of one fold: to fit on, and to compare on."""

    train: Rows
    validation: Rows


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
    source, target, feature_names, column_types, notes
        Fields of the recording.
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

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.model.X.shape[1])


class SealedTest:
    """The test rows, unreadable until promotion opens them.

    It cannot be pickled, so it cannot reach a worker, and its text shows only the number of rows.
    """

    __slots__ = ("__rows",)

    def __init__(self, rows: Rows) -> None:
        self.__rows = rows

    def open(self) -> Rows:
        """Return the test rows.  Only `regsearch.search.promotion` calls this, and records that it did."""
        return self.__rows

    def __repr__(self) -> str:
        return f"<SealedTest of {len(self.__rows.y)} rows>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("sealed test rows cannot be pickled or copied")


def seal(recording: Recording, split: Split) -> tuple[Development, SealedTest]:
    """Cut a recording into the rows that the search may read and the sealed test rows.

    The rows are copied, so the recording can be deleted: the rows of the search once, in however many folds they are,
    and the test rows apart from them.

    Raises
    ------
    DataError
        If the split does not fit the recording, the target is constant in one of its parts, or the files of the
        recording have changed since it was read through.
    """
    split.check(len(recording.y))
    parts = {blocks for fold in split.folds for blocks in (fold.train, fold.validation)} | {split.model}
    table = _copied(recording, chain.from_iterable(parts))
    taken = {blocks: _take(recording, table, blocks) for blocks in parts}
    development = Development(
        tuple(FoldRows(taken[fold.train], taken[fold.validation]) for fold in split.folds),
        taken[split.model],
        recording.sha256,
        split,
        recording.source,
        recording.target,
        recording.feature_names,
        recording.column_types,
        recording.notes,
    )
    test = (split.test,)
    return development, SealedTest(_take(recording, _copied(recording, test), test))


def _copied(recording: Recording, blocks: Iterable[Block]) -> Table:
    return Table.copy(recording.X, blocks, row_sums=recording.row_sums, source=recording.source)


def _take(recording: Recording, table: Table, blocks: Sequence[Block]) -> Rows:
    y = np.concatenate([recording.y[start:stop] for start, stop in blocks])
    if y.min() == y.max():
        raise DataError(
            f"{recording.source}: {recording.target} is constant in rows {in_words(blocks)}, where R² would mean "
            "nothing; choose other rows in [data.split]"
        )
    return Rows(table.select(blocks), y, np.concatenate([np.arange(start, stop) for start, stop in blocks]))
