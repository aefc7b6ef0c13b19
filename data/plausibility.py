"""Suspicious values: numbers that cannot be squared, fill values, sorted rows, and columns that count the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from regsearch.data.blocks import Matrix
from regsearch.errors import DataError

_LARGEST, _SMALLEST = 1e100, 1e-100
FILL_VALUES = (1e20, 9.969209968386869e36)
"""What NumPy's masked arrays and netCDF write for a missing value by default."""
_FAR = 1e6
"""How many times a fill value must exceed all other values of its column."""
_SORTED = 0.95
_FEWEST_ROWS = 20
_GAP = 1.5
"""Steps of the median length that are a gap between two times."""
_LOOKED_AT = 100
"""Largest number of columns that are read once more to make sure of a suspicion."""


@dataclass(frozen=True, eq=False)
class Ranges:
    """Smallest and largest value of every column.

    Parameters
    ----------
    low, high : ndarray of float32 or float64, shape (n_columns,)
    """

    low: NDArray[np.floating]
    high: NDArray[np.floating]

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Self:
        """Return the ranges of values of shape (n_rows,) or (n_rows, n_columns)."""
        columns = values.reshape(len(values), -1)
        return cls(columns.min(axis=0), columns.max(axis=0))

    def require_squares(self, what: str, names: Sequence[str] = ()) -> None:
        """Raise `DataError` if the square of a column's values, or of their differences, leaves double precision."""
        low, high = self.low.astype(np.float64), self.high.astype(np.float64)
        largest, spread = np.maximum(np.abs(low), np.abs(high)), high / 2 - low / 2
        too_large, too_small = largest > _LARGEST, (spread > 0) & (spread < _SMALLEST / 2)
        bad = np.flatnonzero(too_large | too_small)
        if bad.size:
            column = int(bad[0])
            found = f"{largest[column]:.3g}" if too_large[column] else f"values that differ by {2 * spread[column]:.3g}"
            place = f" in column {names[column] if names else column}" if len(low) > 1 else ""
            raise DataError(
                f"{what}: expected magnitudes and differences between {_SMALLEST:g} and {_LARGEST:g}, found {found}"
                f"{place}; squares of such numbers leave double precision: give them in other units"
            )

    def require_no_fill(
        self, values: Matrix, what: str, names: Sequence[str] = (), do: str = "drop or fill them first"
    ) -> None:
        """Raise `DataError` if a column's largest value is a known fill value, and far larger than all others."""
        for column in self._at_fill_values()[:_LOOKED_AT]:
            numbers = values[slice(0, values.shape[0]), slice(column, column + 1)][:, 0]
            filled = numbers == self.high[column]
            others = np.abs(numbers[~filled])
            if others.size and others.max() < self.high[column] / _FAR:
                raise DataError(
                    f"{what} has {int(filled.sum())} value(s) of {self.high[column]:g} in column "
                    f"{names[column] if names else column}, which masked arrays and netCDF write for missing values; "
                    f"{do}"
                )

    def counting(self, values: Matrix) -> Iterator[int]:
        """Yield the columns that count the rows from 0 or 1."""
        n_rows = values.shape[0]
        if n_rows < _FEWEST_ROWS:
            return
        counts = (self.high - self.low == n_rows - 1) & ((self.low == 0) | (self.low == 1))
        for column in np.flatnonzero(counts).tolist()[:_LOOKED_AT]:
            numbers = values[slice(0, n_rows), slice(column, column + 1)][:, 0]
            if np.array_equal(numbers, np.arange(n_rows) + numbers[0]):
                yield column

    def _at_fill_values(self) -> list[int]:
        fills = np.array(FILL_VALUES).astype(self.high.dtype)
        return np.flatnonzero(np.isin(self.high, fills)).tolist()


def require_weighable(weights: NDArray[np.float64], what: str) -> None:
    """Raise `DataError` if a weight above zero is so large or small that weighted squares leave double precision."""
    wrong = weights[(weights > _LARGEST) | ((weights > 0) & (weights < _SMALLEST))]
    if wrong.size:
        raise DataError(
            f"{what}: expected weights of 0 or between {_SMALLEST:g} and {_LARGEST:g}, found {wrong[0]:.3g}; "
            "divide them all by their mean"
        )


def gap_notes(times: NDArray[np.float64]) -> tuple[str, ...]:
    """Return a note if times leave some out, as between the epochs of a recording; none if they do not."""
    steps = np.diff(times)
    gaps = np.flatnonzero(steps > _GAP * np.median(steps))
    if not len(gaps):
        return ()
    count = "a gap" if len(gaps) == 1 else f"{len(gaps)} gaps, the first"
    return (
        f"its times have {count} after row {gaps[0]}, and rows beside a gap count as neighbours; name the stretches by "
        "groups, so that lags and folds keep them apart",
    )


def sorted_note(y: NDArray[np.float64], target: str) -> str | None:
    """Return a note if the rows are sorted by the target, or nearly so."""
    if len(y) < _FEWEST_ROWS:
        return None
    steps = np.diff(y)
    rho = spearman(y)
    if abs(rho) <= _SORTED and not (steps >= 0).all() and not (steps <= 0).all():
        return None
    return (
        f"rows are sorted by {target} (Spearman's rho with the row number is {rho:.2f}), so validation and test rows "
        'hold values that no training row has; if the order means nothing, set rows = "independent" in [data]'
    )


def spearman(y: NDArray[np.float64]) -> float:
    """Return the rank correlation of a target with the row number; ties have their mean rank."""
    _, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float(np.corrcoef(ranks, np.arange(len(y)))[0, 1])
