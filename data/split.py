"""Rows to train on, to choose by, and to keep for the end: contiguous blocks, since neighbouring rows are alike."""

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
    """Rows to fit a model on, and rows to compare it on, in time order.

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
    test : Block
    shown : mapping of str to str
        The split in words, for people.
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
        """Return the split that cuts some rows into `folds` contiguous parts, and validates on each of them in turn.

        The parts are those of ``sklearn.model_selection.KFold(folds)`` over the rows in time order.

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
        """Return the default holdout: the first 70 % of the rows train, the next 15 % validate, the last 15 % test.

        Raises
        ------
        DataError
            If there are fewer than 14 rows, so that a part would have fewer than the two that a score needs.
        """
        if n_rows < 14:
            raise DataError(
                f"split: {n_rows} rows are too few to cut into train, validation and test; give at least 14"
            )
        first, second = round(0.7 * n_rows), round(0.85 * n_rows)
        return cls.holdout([(0, first)], (first, second), (second, n_rows))

    def check(self, n_rows: int) -> None:
        """Raise `DataError` if a block ends after row `n_rows`, or a part has a single row, which has no score."""
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
    """Return ranges of rows as text."""
    return ", ".join(f"[{start}, {stop})" for start, stop in blocks)
