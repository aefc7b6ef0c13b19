"""Values that callers give as arrays, tables or lists: those that NumPy would silently make other numbers of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regsearch.errors import DataError

_TIMES = ("date", "time", "duration", "period")
"""How the names of types of moments and of spans begin, in NumPy, pandas, polars and Arrow."""


def require_unmasked(values: Any, what: str) -> None:
    """Raise `DataError` if a value of an array is masked, which counts as missing."""
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else np.zeros(0, dtype=bool)
    if mask.any():
        raise DataError(
            f"{what}: expected no masked values, found {int(mask.sum())}, the first in row {np.argwhere(mask)[0][0]} "
            "(from 0); drop or fill them first"
        )


def require_no_times(values: Any, what: str) -> None:
    """Raise `DataError` if values, or a table's column, are dates or durations, of which libraries make numbers."""
    if not hasattr(values, "columns"):
        kinds = [np.asarray(values).dtype]
    else:  # pandas and polars, or Arrow
        kinds = values.dtypes if hasattr(values, "dtypes") else values.schema.types
    for kind in sorted({str(kind).lower() for kind in kinds}):
        if kind.startswith(_TIMES):
            raise _no_real_numbers(what, kind)


def require_dense(values: Any, what: str) -> None:
    """Raise `DataError` if values come as a sparse matrix."""
    if hasattr(values, "toarray"):
        raise DataError(f"{what}: expected a dense array, found a sparse one; give {what}.toarray()")


def real_numbers(values: Any, what: str) -> NDArray[Any]:
    """Return an array-like as an array of real numbers, in the type that it has.

    Raises
    ------
    DataError
        If it is sparse, a value is masked, or it holds anything but real numbers.
    """
    require_dense(values, what)
    require_unmasked(values, what)
    try:
        found = np.asarray(values)
        if found.dtype.kind in "OUS":
            found = found.astype(np.float64)
    except (TypeError, ValueError):
        do = "drop or convert what is none"
        raise DataError(f"{what}: expected a number in every place, found others or nothing; {do}") from None
    if found.dtype.kind not in "biuf":
        raise _no_real_numbers(what, str(found.dtype))
    return found


def _no_real_numbers(what: str, found: str) -> DataError:
    return DataError(f"{what}: expected real numbers, found values of type {found}; convert them first")
