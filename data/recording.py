"""What is decoded: one recording of responses and a target, identified by its values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_HASH_CHUNK_ROWS = 256


class DataError(ValueError):
    """Data that cannot be searched: the message says what was expected, what was found and what to do."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Responses of many features and one target, row by row in time.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n_rows, n_features)
        Responses, in the recording's own units.
    y : ndarray of float64, shape (n_rows,)
        Target, in the recording's own units.
    source : str
        Where it came from, for people: ``"twin"``, ``"stringer"`` or a path.
    feature_names : tuple of str
        One name per column of `X`, or empty where the columns have none.
    target : str
        Name of the target.

    Raises
    ------
    DataError
        If the shapes disagree, a value is not finite, there are fewer than two rows, or `y` is constant.
    """

    X: NDArray[np.floating]
    y: NDArray[np.float64]
    source: str
    feature_names: tuple[str, ...] = ()
    target: str = "y"

    def __post_init__(self) -> None:
        if self.X.ndim != 2 or self.X.shape[1] == 0:
            raise DataError(
                f"{self.source}: X must be a table of rows and columns, found shape {self.X.shape}; "
                "give one row per frame and one column per feature"
            )
        if self.y.ndim != 1:
            raise DataError(
                f"{self.source}: {self.target} must hold one number per row, found shape {self.y.shape}; "
                "give a one-dimensional target"
            )
        if len(self.X) != len(self.y):
            raise DataError(
                f"{self.source}: X has {len(self.X)} rows and {self.target} has {len(self.y)}; "
                "they must be of the same length"
            )
        if len(self.X) < 2:
            raise DataError(f"{self.source}: found {len(self.X)} row(s); a search needs at least 2")
        if self.feature_names and len(self.feature_names) != self.X.shape[1]:
            raise DataError(
                f"{self.source}: {len(self.feature_names)} feature names for {self.X.shape[1]} columns; give one each"
            )
        _require_finite(self.X, f"{self.source}: X")
        _require_finite(self.y[:, None], f"{self.source}: {self.target}")
        if self.y.min() == self.y.max():
            raise DataError(
                f"{self.source}: {self.target} is {self.y[0]:g} in every row; there is nothing to predict, "
                "choose another target"
            )

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the values, types and shapes of `X` and `y`, as 64 hexadecimal digits."""
        digest = hashlib.sha256()
        for array in (self.X, self.y):
            digest.update(f"{array.dtype.newbyteorder('<').str}{array.shape}".encode())
            for start in range(0, len(array), _HASH_CHUNK_ROWS):
                block = array[start : start + _HASH_CHUNK_ROWS]
                digest.update(np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("<")).data)
        return digest.hexdigest()


def _require_finite(values: NDArray[np.floating], what: str) -> None:
    bad = 0
    first: tuple[int, int] | None = None
    for start in range(0, len(values), _HASH_CHUNK_ROWS):
        block = values[start : start + _HASH_CHUNK_ROWS]
        wrong = ~np.isfinite(block)
        if wrong.any():
            bad += int(wrong.sum())
            if first is None:
                row, column = np.argwhere(wrong)[0]
                first = (start + int(row), int(column))
    if first is not None:
        raise DataError(
            f"{what} has {bad} value(s) that are NaN or infinite, the first at row {first[0]}, column {first[1]}; "
            "every value must be finite: drop or fill them first"
        )
