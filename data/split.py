"""Which rows are trained on, chosen by, and kept for the end: contiguous blocks, as neighbouring rows are alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from regsearch.errors import DataError

Block = tuple[int, int]
"""Half-open range of rows, ``(start, stop)``."""


@dataclass(frozen=True)
class Fold:
    """Rows that a model is fitted on and rows that it is compared on, in time order.

    Parameters
    ----------
    train, validation : tuple of Block
    """

    train: tuple[Block, ...]
    validation: tuple[Block, ...]


@dataclass(frozen=True)
class Split:
    """The folds of a search, the rows of its final model, and the test rows that none of them touches.

    Parameters
    ----------
    folds : tuple of Fold
        One for a holdout.
    model : tuple of Block
        What a trial's own model is fitted on: a holdout's training rows, or every row of the folds.
    test : Block
    shown : mapping of str to str
        The split in words.
    """

    folds: tuple[Fold, ...]
    model: tuple[Block, ...]
    test: Block
    shown: Mapping[str, str]

    @classmethod
    def holdout(cls, train: Sequence[Block], validation: Block, test: Block) -> Split:
        """Return the split with one fold.

        Raises
        ------
        DataError
            If a range is empty, reversed or negative, or two of them overlap.
        """
        _require_disjoint(("train", train), ("validation", [validation]), ("test", [test]))
        blocks = tuple(sorted(train))
        shown = {"train": in_words(blocks), "validation": in_words([validation]), "test": in_words([test])}
        return cls((Fold(blocks, (validation,)),), blocks, test, shown)

    @classmethod
    def blocked(cls, rows: Sequence[Block], folds: int, embargo: int, test: Block) -> Split:
        """Return the split that validates on each of `folds` contiguous parts of some rows in turn.

        The parts are those of ``sklearn.model_selection.KFold(folds)`` over the rows in time order.

        Parameters
        ----------
        rows : sequence of Block
        folds : int
            At least 2.
        embargo : int
            How many rows on either side of a validation block are left out of that fold's training rows.
        test : Block
            At least `embargo` rows away from `rows`.

        Raises
        ------
        DataError
            If a range is empty, reversed or negative, two of them overlap, the test rows are too near, or a fold is
            left without rows.
        """
        _require_disjoint(("train", rows), ("test", [test]))
        blocks = tuple(sorted(rows))
        every = np.concatenate([np.arange(*block) for block in blocks])
        nearest = int(np.minimum(np.abs(every - test[0]), np.abs(every - (test[1] - 1))).min()) - 1
        if nearest < embargo:
            raise DataError(
                f"split: test rows {in_words([test])} come within {nearest} row(s) of the training rows; "
                f"an embargo of {embargo} needs at least as many between them"
            )
        if len(every) < 2 * folds:
            raise DataError(f"split: {len(every)} rows are too few for {folds} folds; each needs at least 2")
        made = []
        for part in np.array_split(every, folds):
            validation = _as_blocks(part)
            near = np.zeros(len(every), dtype=bool)
            for start, stop in validation:
                near |= (every >= start - embargo) & (every < stop + embargo)
            if near.sum() > len(every) - 2:
                raise DataError(f"split: an embargo of {embargo} leaves a fold without training rows; lower it")
            made.append(Fold(_as_blocks(every[~near]), validation))
        shown = {
            "train": in_words(blocks),
            "validation": f"{folds} blocked folds of these, embargo {embargo}",
            "test": in_words([test]),
        }
        return cls(tuple(made), blocks, test, shown)

    @classmethod
    def by_fractions(cls, n_rows: int) -> Split:
        """Return the holdout used where none is given: 70 % of the rows train, then 15 % and 15 %.

        Raises
        ------
        DataError
            If that leaves a part without the two rows that a score needs.
        """
        if n_rows < 14:
            raise DataError(
                f"split: {n_rows} rows are too few to cut into train, validation and test; give at least 14"
            )
        first, second = round(0.7 * n_rows), round(0.85 * n_rows)
        return cls.holdout([(0, first)], (first, second), (second, n_rows))

    def check(self, n_rows: int) -> None:
        """Raise `DataError` if a block reaches past a recording of `n_rows` rows, or a score has a single row."""
        folds = chain.from_iterable((fold.train, fold.validation) for fold in self.folds)
        for blocks in (*folds, self.model, (self.test,)):
            if max(stop for _, stop in blocks) > n_rows:
                raise DataError(
                    f"split: rows {in_words(blocks)} reach past the recording's {n_rows} rows; change [data.split]"
                )
            if sum(stop - start for start, stop in blocks) < 2:
                raise DataError(f"split: rows {in_words(blocks)} hold one row; a score needs at least 2")


def _require_disjoint(*purposes: tuple[str, Sequence[Block]]) -> None:
    named = [(name, block) for name, blocks in purposes for block in blocks]
    for name, (start, stop) in named:
        if start < 0 or stop <= start:
            raise DataError(f"split: {name} rows must be [start, stop) with 0 <= start < stop, found [{start}, {stop})")
    for (one, a), (other, b) in combinations(named, 2):
        if a[0] < b[1] and b[0] < a[1]:
            raise DataError(
                f"split: {one} rows {in_words([a])} and {other} rows {in_words([b])} overlap; "
                "a row may serve one purpose only"
            )


def _as_blocks(rows: NDArray[np.int64]) -> tuple[Block, ...]:
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    return tuple((int(run[0]), int(run[-1]) + 1) for run in runs)


def in_words(blocks: Iterable[Block]) -> str:
    """Return ranges of rows as people write them."""
    return ", ".join(f"[{start}, {stop})" for start, stop in blocks)
