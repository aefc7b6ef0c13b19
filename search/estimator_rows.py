"""The rows that an estimator is given, their weights and their splits, and the rows of a search that they make."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regsearch.data import MEMORY, Development, FoldRows, Preparation, Rows, Split
from regsearch.data.array_likes import real_numbers
from regsearch.data.blocks import Columnwise
from regsearch.data.plausibility import require_weighable
from regsearch.data.split import row_numbers
from regsearch.errors import DataError

Indices = NDArray[np.intp]
Splits = Sequence[tuple[Indices, Indices]]
"""Rows to fit on, and rows to compare on, of each fold; ascending."""

_UNSAID = Split((), (), (), {})
"""What only the run of a search would say of its split."""


@dataclass(frozen=True, eq=False)
class EstimatorRows:
    """The rows that an estimator is fitted on: the columns that every target shares, and the rows' weights.

    Attributes
    ----------
    X : ndarray of float32 or float64, shape (n_rows, n_features)
    weights : ndarray of float64, shape (n_rows,), or None
        At least 0; ``None`` if all rows count the same.
    preparation : Preparation
    """

    X: NDArray[np.floating]
    weights: NDArray[np.float64] | None
    preparation: Preparation

    @classmethod
    def of(cls, X: NDArray[np.floating], sample_weight: ArrayLike | None, preparation: Preparation) -> EstimatorRows:
        """Return the rows of an estimator.

        Raises
        ------
        DataError
            If there is not one finite weight of at least 0 for each row, or none is above 0.
        """
        return cls(X, _weights(sample_weight, len(X)), preparation)

    @property
    def counting(self) -> NDArray[np.bool_]:
        """Which rows have a weight."""
        return np.ones(len(self.X), dtype=bool) if self.weights is None else self.weights > 0

    def checked(self, splits: Iterable[tuple[ArrayLike, ArrayLike]]) -> list[tuple[Indices, Indices]]:
        """Return the rows of each split that count, ascending, without splits whose validation rows all weigh 0.

        Raises
        ------
        DataError
            If a split names rows that are not there, or has too few rows with a weight.
        """
        counting = self.counting
        kept, weightless = [], []
        for number, split in enumerate(splits):
            train, given = (_ascending(part, len(counting), f"cv: split {number}") for part in split)
            train, validation = train[counting[train]], given[counting[given]]
            if len(given) and not len(validation):
                weightless.append(str(number))
                continue
            if len(train) < 2 or not len(validation):
                raise DataError(
                    f"cv: split {number}: expected at least 2 rows to train on and 1 to validate on, found "
                    f"{len(train)} and {len(validation)} with a weight; give fewer or larger folds"
                )
            kept.append((train, validation))
        if weightless and not kept:
            raise DataError(
                "cv: expected a split with validation rows of a weight above 0, found none; give other splits"
            )
        if weightless:
            left_out = f"all validation rows of split {', '.join(weightless)} weigh 0: left out"
            warnings.warn(f"cv: {left_out}", stacklevel=4)
        return kept

    def development(self, y: NDArray[np.float64], splits: Splits) -> Development:
        """Return the rows of a search of one target.

        Raises
        ------
        DataError
            If the target does not vary where it must.
        """
        every = np.flatnonzero(self.counting)
        if y[every].min() == y[every].max():
            raise DataError(f"y: expected values that vary, found {y[every][0]:g} in every row; there is no R² of that")
        if len(splits) == 1 and np.ptp(y[splits[0][1]]) == 0:
            raise DataError("cv: expected validation rows whose target varies, found that y does not vary there")
        if all(np.ptp(y[train]) == 0 for train, _ in splits):
            do = "give splits that mix the rows, such as KFold(5, shuffle=True)"
            raise DataError(f"cv: expected a split whose training rows differ in y, found none; {do}")
        folds = tuple(FoldRows(self._rows(y, train), self._rows(y, validation)) for train, validation in splits)
        return Development(folds, self._rows(y, every), "", _UNSAID, MEMORY, "y", preparation=self.preparation)

    def _rows(self, y: NDArray[np.float64], index: Indices) -> Rows:
        weights = None if self.weights is None else self.weights[index]
        return Rows(_taken(self.X, index), y[index], index, weights=weights)


def _weights(given: ArrayLike | None, n_rows: int) -> NDArray[np.float64] | None:
    if given is None:
        return None
    weights = real_numbers(given, "sample_weight").astype(np.float64)
    if weights.ndim == 0:
        weights = np.full(n_rows, weights)
    if weights.shape != (n_rows,):
        raise DataError(f"sample_weight: expected one weight for each of the {n_rows} rows, found {weights.shape}")
    wrong = weights[~(np.isfinite(weights) & (weights >= 0))]
    if wrong.size:
        raise DataError(f"sample_weight: expected finite weights of at least 0, found {wrong[0]:g}")
    if not weights.any():
        raise DataError("sample_weight: expected some weights above zero, found that every weight is zero")
    require_weighable(weights, "sample_weight")
    return weights


class _Taken:
    """Some rows of an array, without a copy of them."""

    def __init__(self, values: NDArray[np.floating], index: Indices) -> None:
        self._values = values
        self._index = index
        self.shape = (len(index), values.shape[1])
        self.dtype: np.dtype[np.floating] = values.dtype

    def __getitem__(self, key: tuple[slice, slice | Indices]) -> NDArray[np.floating]:
        rows, columns = key
        if isinstance(columns, slice):
            return self._values[self._index[rows], columns]
        return self._values[np.ix_(self._index[rows], columns)]


def _taken(values: NDArray[np.floating], index: Indices) -> Columnwise:
    first, last = int(index[0]), int(index[-1])
    return values[first : last + 1] if last - first == len(index) - 1 else _Taken(values, index)


def _ascending(part: ArrayLike, n_rows: int, where: str) -> Indices:
    given = np.asarray(part)
    if given.dtype == bool and given.shape != (n_rows,):
        raise DataError(
            f"{where}: expected a mask of {n_rows} rows, found one of shape {given.shape}; give a value for each row"
        )
    try:
        index = row_numbers(given)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if len(index) and (index[0] < 0 or index[-1] >= n_rows):
        raise DataError(f"{where}: expected rows from 0 to {n_rows - 1}, found {index[0]} to {index[-1]}")
    return index
