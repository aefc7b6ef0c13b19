"""What a search may read, and the test rows, which it may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from data.recording import DataError, Recording
from data.split import Block, Split


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a recording.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n_rows, n_features)
    y : ndarray of float64, shape (n_rows,)
    start : int
        Row of the recording that the first one was, for a figure's time axis.
    """

    X: NDArray[np.floating]
    y: NDArray[np.float64]
    start: int


@dataclass(frozen=True, eq=False)
class FoldRows:
    """The rows of one fold: to fit on, and to compare on."""

    train: Rows
    validation: Rows


@dataclass(frozen=True, eq=False)
class Development:
    """Everything of a recording that a search may read.

    Parameters
    ----------
    folds : tuple of FoldRows
    data_sha256 : str
        Identity of the whole recording.
    split : Split
    source, target : str
        Where the recording came from, and what is predicted.
    feature_names : tuple of str
        Empty where the columns have no names.
    """

    folds: tuple[FoldRows, ...]
    data_sha256: str
    split: Split
    source: str
    target: str
    feature_names: tuple[str, ...]

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.folds[0].train.X.shape[1])


class SealedTest:
    """The test rows, unreadable until promotion opens them.

    It cannot be pickled, so it cannot reach a worker, and shows nothing of itself but its size.
    """

    __slots__ = ("__rows",)

    def __init__(self, rows: Rows) -> None:
        self.__rows = rows

    def open(self) -> Rows:
        """Return the test rows.  Only `search.promote` calls this, and records that it did."""
        return self.__rows

    def __repr__(self) -> str:
        return f"<SealedTest of {len(self.__rows.y)} rows>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("sealed test rows cannot be pickled or copied")


def seal(recording: Recording, split: Split) -> tuple[Development, SealedTest]:
    """Cut a recording into what the search may read and the sealed test rows.

    The rows are copied, so the recording can be let go of.

    Raises
    ------
    DataError
        If the split does not fit the recording, or the target is constant in one of its blocks.
    """
    split.check(len(recording.y))
    for start, stop in (*split.development, split.test):
        if recording.y[start:stop].min() == recording.y[start:stop].max():
            raise DataError(
                f"{recording.source}: {recording.target} is constant in rows [{start}, {stop}), where R² would mean "
                "nothing; choose other rows in [data.split]"
            )
    parts = {block: _copy(recording, block) for block in split.development}
    folds = tuple(
        FoldRows(train=_join([parts[block] for block in fold.train]), validation=parts[fold.validation])
        for fold in split.folds
    )
    development = Development(
        folds, recording.sha256, split, recording.source, recording.target, recording.feature_names
    )
    return development, SealedTest(_copy(recording, split.test))


def _copy(recording: Recording, block: Block) -> Rows:
    start, stop = block
    return Rows(recording.X[start:stop].copy(), recording.y[start:stop].copy(), start)


def _join(parts: Sequence[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    return Rows(np.concatenate([part.X for part in parts]), np.concatenate([part.y for part in parts]), parts[0].start)
