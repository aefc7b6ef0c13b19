"""Arrays that stay in their files: what the headers of features and target must say before anything is read."""

from __future__ import annotations

import numpy as np

from regsearch.data.blocks import Matrix
from regsearch.data.memory import require_share
from regsearch.data.refusal import refusal, short

FEATURES = "X"
"""Name of the features' array, unless another is given."""


def require_shapes(X: tuple[int, ...], y: tuple[int, ...], target: str) -> None:
    """Raise `DataError` unless `X` is a table and `y` has one number for each of its rows."""
    if len(X) != 2:
        raise refusal("an array X of rows and columns", f"shape {short(X)}", "give one row per frame")
    if y not in ((X[0],), (X[0], 1)):
        do = "give X transposed" if y in ((X[1],), (X[1], 1)) else "save as many of both"
        raise refusal(
            f"one number of {short(target)} per row of X", f"shape {short(y)} beside X of shape {short(X)}", do
        )


def require_bounded(X: Matrix, n_rows: int) -> None:
    """Raise `DataError` if a row of `X`, or the target of all rows, would fill memory."""
    require_share(X.dtype.itemsize * X.shape[1], "rows", "give one row per frame and one column per feature")
    require_share(2 * np.dtype(np.float64).itemsize * n_rows, "a target", "save fewer rows")
