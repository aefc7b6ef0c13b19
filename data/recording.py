"""A recording: the responses of many features and one target, identified by the SHA-256 of its values."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from regsearch.data.blocks import Matrix, row_blocks
from regsearch.errors import DataError

_SHOWN_AFTER_SECONDS = 2


@dataclass(frozen=True, eq=False)
class Recording:
    """Responses of many features and one target, row by row in time.

    `Recording.checked` makes one from values; the constructor itself reads and checks nothing.

    Parameters
    ----------
    X : Matrix of float32 or float64, shape (n_rows, n_features)
        Responses, in the recording's own units.
    y : ndarray of float64, shape (n_rows,)
        Target, in the recording's own units.
    sha256 : str
        SHA-256 of the values, types and shapes of `X` and `y`, as 64 hexadecimal digits.
    source : str
        Where the recording came from, for people: ``"twin"``, ``"stringer"``, ``"memory"`` or a path.
    feature_names : tuple of str
        One name per column of `X`, or empty if the columns have no names.
    target : str
        Name of the target.
    """

    X: Matrix
    y: NDArray[np.float64]
    sha256: str
    source: str
    feature_names: tuple[str, ...] = ()
    target: str = "y"

    @classmethod
    def checked(
        cls,
        X: Matrix,
        y: NDArray[np.float64],
        *,
        source: str,
        feature_names: tuple[str, ...] = (),
        target: str = "y",
        progress: bool = False,
    ) -> Recording:
        """Check the values and return them as a recording.  All values are read once.

        Parameters
        ----------
        X, y, source, feature_names, target
            Fields of the recording.
        progress : bool
            Whether to draw a progress bar in a terminal if reading takes more than two seconds.

        Raises
        ------
        DataError
            If the shapes disagree, a value is not finite, there are fewer than two rows, or `y` is constant.
        """
        _require_shapes(X, y, source, target)
        if feature_names and len(feature_names) != X.shape[1]:
            raise DataError(f"{source}: {len(feature_names)} feature names for {X.shape[1]} columns; give one each")
        recording = cls(
            X, y, _read_through(X, y, source, feature_names, target, progress), source, feature_names, target
        )
        if y.min() == y.max():
            raise DataError(
                f"{source}: {target} is {y[0]:g} in every row, so there is nothing to predict; choose another target"
            )
        return recording


def _require_shapes(X: Matrix, y: NDArray[np.float64], source: str, target: str) -> None:
    if len(X.shape) != 2 or X.shape[1] == 0:
        raise DataError(
            f"{source}: X must be a table of rows and columns, found shape {X.shape}; "
            "give one row per frame and one column per feature"
        )
    if y.ndim != 1:
        raise DataError(
            f"{source}: {target} must hold one number per row, found shape {y.shape}; give a one-dimensional target"
        )
    if X.shape[0] != len(y):
        do = "give X transposed" if X.shape[1] == len(y) else "they must be of the same length"
        raise DataError(f"{source}: X has {X.shape[0]} rows and {target} has {len(y)}; {do}")
    if len(y) < 2:
        raise DataError(f"{source}: found {len(y)} row(s); a search needs at least 2")


def _read_through(
    X: Matrix, y: NDArray[np.float64], source: str, feature_names: tuple[str, ...], target: str, progress: bool
) -> str:
    """Return the SHA-256 of all values, after checking in the same pass that they are finite."""
    digest = hashlib.sha256()
    with tqdm(
        total=X.dtype.itemsize * math.prod(X.shape) + y.nbytes,
        unit="B",
        unit_scale=True,
        desc="reading",
        delay=_SHOWN_AFTER_SECONDS,
        leave=False,
        disable=None if progress else True,  # None: draw only in a terminal
    ) as bar:
        for values, shape, name, columns in (
            (X, X.shape, "X", feature_names),
            (y[:, None], y.shape, target, ()),
        ):
            digest.update(f"{values.dtype.newbyteorder('<').str}{shape}".encode())
            for block in _finite_blocks(values, f"{source}: {name}", columns):
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
