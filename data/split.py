"""Which rows a search fits on, which it compares trials on, and which stay sealed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from regsearch.data.refusal import refusal
from regsearch.errors import DataError

Block = tuple[int, int]
"""Half-open range of rows, ``(start, stop)``."""

Index = NDArray[np.intp]
"""Places of rows in the recording, ascending."""


@dataclass(frozen=True)
class Fold:
    """Rows to fit a model on, and rows to compare it on, in the order of the recording.

    Parameters
    ----------
    train, validation : tuple of Block
    """

    train: tuple[Block, ...]
    validation: tuple[Block, ...]


@dataclass(frozen=True)
class Split:
    """The folds of a search, the rows of its final model, and the test rows, which are in none of them.

    Parameters
    ----------
    folds : tuple of Fold
        One for a holdout.
    model : tuple of Block
        Rows that a trial's own model is fitted on: the training rows of a holdout, or all rows of the folds.
    test : tuple of Block
        Empty if nothing is kept for a test.
    shown : mapping of str to str
        The split in words, for people.
    """

    folds: tuple[Fold, ...]
    model: tuple[Block, ...]
    test: tuple[Block, ...]
    shown: Mapping[str, str]

    @classmethod
    def of(
        cls, folds: Iterable[tuple[Index, Index]], model: Index, test: Index, shown: Mapping[str, str] | None = None
    ) -> Split:
        """Return the split of any rows: places of the training and validation rows of each fold, ascending."""
        made = tuple(Fold(as_blocks(train), as_blocks(validation)) for train, validation in folds)
        words = shown or {
            "train": in_words(as_blocks(model)),
            "validation": in_words(made[0].validation) if len(made) == 1 else f"{len(made)} folds of these",
            "test": in_words(as_blocks(test)),
        }
        return cls(made, as_blocks(model), as_blocks(test), words)

    @classmethod
    def holdout(cls, train: Sequence[Block], validation: Block, test: Block) -> Split:
        """Return the split with one fold of ranges.

        Raises
        ------
        DataError
            If a range is empty, reversed or negative, or two of them overlap.
        """
        require_disjoint(("train", train), ("validation", [validation]), ("test", [test]))
        blocks = tuple(sorted(train))
        shown = {"train": in_words(blocks), "validation": in_words([validation]), "test": in_words([test])}
        return cls((Fold(blocks, (validation,)),), blocks, (test,), shown)

    @classmethod
    def blocked(cls, rows: Sequence[Block], folds: int, embargo: int, test: Block) -> Split:
        """Return the split that cuts some rows into `folds` contiguous parts, and validates on each of them in turn.

        Parameters
        ----------
        rows : sequence of Block
        folds : int
            At least 2.
        embargo : int
            Number of rows on either side of a validation block that the fold does not train on.
        test : Block
            At least `embargo` rows away from `rows`.

        Raises
        ------
        DataError
            If a range is empty, reversed or negative, two ranges overlap, the test rows are too near, or a fold has no
            training rows left.
        """
        require_disjoint(("train", rows), ("test", [test]))
        every = rows_of(rows)
        require_embargo(every, rows_of([test]), embargo)
        shown = {
            "train": in_words(as_blocks(every)),
            "validation": f"{folds} blocked folds of these, embargo {embargo}",
            "test": in_words([test]),
        }
        return cls.of(blocked_folds(every, folds, embargo), every, rows_of([test]), shown)

    def check(self, n_rows: int) -> None:
        """Raise `DataError` if a block ends after row `n_rows`, or a part has a single row, which has no score."""
        parts = [(part, rows) for fold in self.folds for part, rows in _parts_of(fold)]
        parts += [("training", self.model), *([("test", self.test)] if self.test else [])]
        for part, blocks in parts:
            if max((stop for _, stop in blocks), default=0) > n_rows:
                raise DataError(
                    f"split: rows {in_words(blocks)} reach past the recording's {n_rows} rows; change [data.split]"
                )
            if count(blocks) < 2:
                found = f"{part} rows {in_words(blocks)} hold one row" if blocks else f"no {part} rows are left"
                lost = f" (left out: {self.shown['left_out']})" if "left_out" in self.shown else ""
                raise DataError(f"split: {found}{lost}; a score needs at least 2, change [data.split]")


def _parts_of(fold: Fold) -> tuple[tuple[str, tuple[Block, ...]], ...]:
    return ("training", fold.train), ("validation", fold.validation)


def blocked_folds(rows: Index, folds: int, embargo: int = 0) -> list[tuple[Index, Index]]:
    """Return the training and validation rows of contiguous folds, those of ``sklearn.model_selection.KFold(folds)``.

    Parameters
    ----------
    rows : ndarray of int, shape (n_rows,)
        Places of rows, ascending.
    folds : int
    embargo : int
        Number of rows on either side of a validation block that its fold does not train on.

    Raises
    ------
    DataError
        If there are too few rows, or a fold has no training rows left.
    """
    if len(rows) < 2 * folds:
        raise DataError(f"split: {len(rows)} rows are too few for {folds} folds; each needs at least 2")
    made = []
    for part in np.array_split(rows, folds):
        near = distances(rows, part) <= embargo
        if near.sum() > len(rows) - 2:
            raise DataError(f"split: an embargo of {embargo} leaves a fold without training rows; lower it")
        made.append((rows[~near], part))
    return made


def require_embargo(rows: Index, test: Index, embargo: int) -> None:
    """Raise `DataError` if a test row is nearer to other rows than an embargo allows."""
    nearest = rows.size and test.size and int(distances(rows, test).min()) - 1
    if rows.size and test.size and nearest < embargo:
        raise DataError(
            f"split: test rows {in_words(as_blocks(test))} come within {nearest} row(s) of the training rows; "
            f"an embargo of {embargo} needs at least as many between them"
        )


def distances(rows: Index, others: Index) -> Index:
    """Return how far each row is from the nearest of some other rows, given in ascending order."""
    after = np.searchsorted(others, rows)
    left = np.abs(rows - others[np.maximum(after - 1, 0)])
    right = np.abs(rows - others[np.minimum(after, len(others) - 1)])
    return np.asarray(np.minimum(left, right), dtype=np.intp)


def require_disjoint(*purposes: tuple[str, Sequence[Block]]) -> None:
    """Raise `DataError` if a range is empty, reversed or negative, or two of them overlap."""
    named = [(name, block) for name, blocks in purposes for block in blocks]
    for name, (start, stop) in named:
        if start < 0 or stop <= start:
            raise DataError(f"split: {name} rows must be [start, stop) with 0 <= start < stop, found [{start}, {stop})")
    ordered = sorted(named, key=lambda one: one[1])
    for (one, a), (other, b) in pairwise(ordered):
        if b[0] < a[1]:
            raise DataError(
                f"split: {one} rows {in_words([a])} and {other} rows {in_words([b])} overlap; "
                "a row may serve one purpose only"
            )


def rows_of(blocks: Iterable[Block]) -> Index:
    """Return the rows of ranges, ascending."""
    return np.concatenate([np.arange(start, stop, dtype=np.intp) for start, stop in sorted(blocks)] or [_NO_ROWS])


_NO_ROWS = np.empty(0, dtype=np.intp)


def row_numbers(given: NDArray[np.generic]) -> Index:
    """Return the rows that a mask or an array of row numbers names, ascending.

    Raises
    ------
    DataError
        If it is neither, or names a row twice.
    """
    if given.ndim != 1 or (given.size and given.dtype.kind not in "biu"):
        found = f"an array of type {given.dtype} and shape {given.shape}"
        raise refusal("a mask or numbers of rows", found, "give a value for each row, or whole numbers")
    rows = np.flatnonzero(given) if given.dtype == bool else np.sort(given.astype(np.intp))
    twice = rows[1:][np.diff(rows) == 0]
    if twice.size:
        raise refusal("each row once", f"row {twice[0]} again", "give a weight instead")
    return rows


def as_blocks(rows: Index) -> tuple[Block, ...]:
    """Return ascending rows as ranges."""
    if not rows.size:
        return ()
    gaps = np.flatnonzero(np.diff(rows) > 1)
    starts, stops = rows[np.append(0, gaps + 1)], rows[np.append(gaps, rows.size - 1)] + 1
    return tuple(zip(starts.tolist(), stops.tolist(), strict=True))


def count(blocks: Iterable[Block]) -> int:
    """Return the number of rows in ranges."""
    return sum(stop - start for start, stop in blocks)


def in_words(blocks: Iterable[Block]) -> str:
    """Return ranges of rows as text."""
    return ", ".join(f"[{start}, {stop})" for start, stop in blocks)
