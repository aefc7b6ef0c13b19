"""What is decoded: one recording of responses and a target, identified by its values."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass, field

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from regsearch.data.blocks import Matrix, row_blocks
from regsearch.errors import DataError

_SHOWN_AFTER_SECONDS = 2


@dataclass(frozen=True, eq=False)
class Recording:
    """Responses of many features and one target, row by row in time.

    Parameters
    ----------
    X : Matrix of float32 or float64, shape (n_rows, n_features)
        Responses, in the recording's own units.
    y : ndarray of float64, shape (n_rows,)
        Target, in the recording's own units.
    source : str
        Where it came from, for people: ``"twin"``, ``"stringer"`` or a path.
    feature_names : tuple of str
        One name per column of `X`, or empty where the columns have none.
    target : str
        Name of the target.
    progress : bool
        Whether reading the values through draws a bar in a terminal once it has taken two seconds.

    Attributes
    ----------
    sha256 : str
        SHA-256 of the values, types and shapes of `X` and `y`, as 64 hexadecimal digits.

    Raises
    ------
    DataError
        If the shapes disagree, a value is not finite, there are fewer than two rows, or `y` is constant.
    """

    X: Matrix
    y: NDArray[np.float64]
    source: str
    feature_names: tuple[str, ...] = ()
    target: str = "y"
    progress: InitVar[bool] = False
    sha256: str = field(init=False)

    def __post_init__(self, progress: bool) -> None:
        if len(self.X.shape) != 2 or self.X.shape[1] == 0:
            raise DataError(
                f"{self.source}: X must be a table of rows and columns, found shape {self.X.shape}; "
                "give one row per frame and one column per feature"
            )
        if self.y.ndim != 1:
            raise DataError(
                f"{self.source}: {self.target} must hold one number per row, found shape {self.y.shape}; "
                "give a one-dimensional target"
            )
        if self.X.shape[0] != len(self.y):
            do = "give X transposed" if self.X.shape[1] == len(self.y) else "they must be of the same length"
            raise DataError(f"{self.source}: X has {self.X.shape[0]} rows and {self.target} has {len(self.y)}; {do}")
        if len(self.y) < 2:
            raise DataError(f"{self.source}: found {len(self.y)} row(s); a search needs at least 2")
        if self.feature_names and len(self.feature_names) != self.X.shape[1]:
            raise DataError(
                f"{self.source}: {len(self.feature_names)} feature names for {self.X.shape[1]} columns; give one each"
            )
        object.__setattr__(self, "sha256", self._read_through(progress))
        if self.y.min() == self.y.max():
            raise DataError(
                f"{self.source}: {self.target} is {self.y[0]:g} in every row; there is nothing to predict, "
                "choose another target"
            )

    def _read_through(self, progress: bool) -> str:
        """Return the hash of all values, in the one pass that also sees whether they are finite."""
        digest = hashlib.sha256()
        with tqdm(
            total=self.X.dtype.itemsize * math.prod(self.X.shape) + self.y.nbytes,
            unit="B",
            unit_scale=True,
            desc="reading",
            delay=_SHOWN_AFTER_SECONDS,
            leave=False,
            disable=None if progress else True,  # None: where standard error is no terminal
        ) as bar:
            for values, shape, name, columns in (
                (self.X, self.X.shape, "X", self.feature_names),
                (self.y[:, None], self.y.shape, self.target, ()),
            ):
                digest.update(f"{values.dtype.newbyteorder('<').str}{shape}".encode())
                for block in _finite_blocks(values, f"{self.source}: {name}", columns):
                    digest.update(np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("<")).data)
                    bar.update(block.nbytes)
        return digest.hexdigest()


def _finite_blocks(values: Matrix, what: str, names: Sequence[str]) -> Iterator[NDArray[np.floating]]:
    """Yield a matrix by blocks of rows; raise `DataError` after the last one if any of its values was not finite."""
    bad = 0
    first: tuple[int, int] | None = None
    for rows in row_blocks(values):
        block = values[rows, :]
        wrong = ~np.isfinite(block)
        if wrong.any():
            bad += int(wrong.sum())
            if first is None:
                row, column = np.argwhere(wrong)[0]
                first = (rows.start + int(row), int(column))
        yield block
    if first is not None:
        raise DataError(
            f"{what} has {bad} value(s) that are NaN or infinite, the first at row {first[0]} (from 0), column "
            f"{names[first[1]] if names else first[1]}; every value must be finite: drop or fill them first"
        )
