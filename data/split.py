"""Which rows are trained on, chosen by, and kept for the end: contiguous blocks, as neighbouring rows are alike."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from data.recording import DataError

Block = tuple[int, int]
"""Half-open range of rows, ``(start, stop)``."""


@dataclass(frozen=True)
class Fold:
    """Rows that a model is fitted on and rows that it is compared on.

    Parameters
    ----------
    train : tuple of Block
    validation : Block
    """

    train: tuple[Block, ...]
    validation: Block


@dataclass(frozen=True)
class Split:
    """The folds of a search, and the test rows that no fold touches.

    Parameters
    ----------
    folds : tuple of Fold
        One for a holdout.
    test : Block
    """

    folds: tuple[Fold, ...]
    test: Block

    @classmethod
    def holdout(cls, train: Block, validation: Block, test: Block) -> Split:
        """Return the split with one fold.

        Raises
        ------
        DataError
            If a range is empty, reversed or negative, or two of them overlap.
        """
        named = {"train": train, "validation": validation, "test": test}
        for name, (start, stop) in named.items():
            if start < 0 or stop <= start:
                raise DataError(
                    f"split: {name} rows must be [start, stop) with 0 <= start < stop, found [{start}, {stop})"
                )
        for (one, a), (other, b) in combinations(named.items(), 2):
            if a[0] < b[1] and b[0] < a[1]:
                raise DataError(
                    f"split: {one} rows [{a[0]}, {a[1]}) and {other} rows [{b[0]}, {b[1]}) overlap; "
                    "a row may serve one purpose only"
                )
        return cls((Fold((train,), validation),), test)

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
        return cls.holdout((0, first), (first, second), (second, n_rows))

    @property
    def development(self) -> tuple[Block, ...]:
        """Every row that the search may read, as disjoint blocks in time order; touching blocks stay apart."""
        blocks = {block for fold in self.folds for block in (*fold.train, fold.validation)}
        return tuple(sorted(blocks))

    def check(self, n_rows: int) -> None:
        """Raise `DataError` if a block reaches past a recording of `n_rows` rows, or holds a single row."""
        for start, stop in (*self.development, self.test):
            if stop > n_rows:
                raise DataError(
                    f"split: rows [{start}, {stop}) reach past the recording's {n_rows} rows; change [data.split]"
                )
            if stop - start < 2:
                raise DataError(f"split: rows [{start}, {stop}) hold one row; a score needs at least 2")
