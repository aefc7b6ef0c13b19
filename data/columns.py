"""Columns of a table of numbers: one is the target, all others are features in the order of the file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from regsearch.data.memory import require_memory
from regsearch.data.refusal import refusal, require_present, short

MAX_COLUMNS = 100_000
"""Largest number of columns of a ``.csv`` or ``.parquet``: each costs some 10 kB to parse.  ``.npz`` has no limit."""

_Arrays = tuple[NDArray[np.floating], NDArray[np.float64]]


def require_columns(names: Sequence[str], target: str) -> None:
    """Raise `DataError` unless the columns have different names, and the target and at least one other are there."""
    require_few(len(names))
    if not all(names):
        raise refusal("a name for every column", "a column without one", "name it or drop it")
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise refusal("column names that differ", f"{short(twice)} more than once", "rename or drop one")
    require_present(target, names, "column", "say by --target which column to predict")
    if len(names) == 1:
        raise refusal("features beside the target", f"no column but {short(target)}", "add a column per feature")


def require_few(n_columns: int) -> None:
    """Raise `DataError` if there are too many columns to parse."""
    if n_columns > MAX_COLUMNS:
        raise refusal(f"at most {MAX_COLUMNS} columns", f"{n_columns}", "save it as .npz")


def require_numbers(schema: pa.Schema, table: pa.Table | None = None) -> None:
    """Raise `DataError` if a column holds anything but numbers; a table at hand shows the first such value."""
    bad = [i for i, dtype in enumerate(schema.types) if not is_numeric(dtype)]
    if bad:
        first = short(str(schema.types[bad[0]]))
        if table is not None:
            values = table.column(bad[0]).to_pylist()
            first = short(next((value for value in values if not _is_number(value)), values[0]))
        names = ", ".join(short(schema.names[i]) for i in bad[:3])
        found = (
            f"{len(bad)} column(s) of something else: {names}{', ...' if len(bad) > 3 else ''}, the first with {first}"
        )
        raise refusal("numbers in every column", found, "write them as numbers or drop them")


def is_numeric(dtype: pa.DataType) -> bool:
    """Return whether a column of this type holds numbers, or nothing at all."""
    kinds = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_null)
    return any(is_kind(dtype) for is_kind in kinds)


def type_name(dtype: pa.DataType) -> str:
    """Return the name that NumPy gives to the type of a column, or Arrow's if NumPy has no such type."""
    name = np.dtype(dtype.to_pandas_dtype()).name
    return str(dtype) if name == "object" else name


def assemble(schema: pa.Schema, n_rows: int, tables: Iterable[pa.Table], target: str) -> _Arrays:
    """Return features and target as arrays.

    Parameters
    ----------
    schema : Schema
        The columns to take, one of them the target.
    n_rows : int
    tables : iterable of Table
        The rows, part by part; each table has at least these columns.
    target : str

    Returns
    -------
    X : ndarray of float32 or float64, shape (n_rows, n_features)
        C-contiguous; float32 if every feature is stored in 32 bits or fewer of floating point.
    y : ndarray of float64, shape (n_rows,)
    """
    if n_rows == 0:
        raise refusal("rows of numbers", "a header and no rows", "write one row per frame")
    features = [(name, dtype) for name, dtype in zip(schema.names, schema.types, strict=True) if name != target]
    small = all(pa.types.is_float32(dtype) or pa.types.is_float16(dtype) for _, dtype in features)
    dtype, arrow = (np.float32, pa.float32()) if small else (np.float64, pa.float64())
    require_memory(2 * n_rows * len(schema) * np.dtype(dtype).itemsize, "its table")
    X = np.empty((n_rows, len(features)), dtype)
    y = np.empty(n_rows)
    start = 0
    for table in tables:
        rows = slice(start, start := start + table.num_rows)
        places = {name: place for place, name in enumerate(table.schema.names)}
        for column, (name, _) in enumerate(features):
            X[rows, column] = _numbers(table.column(places[name]), arrow)
        y[rows] = _numbers(table.column(places[target]), pa.float64())
    if start != n_rows:
        raise refusal(f"{n_rows} rows", f"{start}", "save the file again")
    return X, y


def _numbers(column: pa.ChunkedArray, dtype: pa.DataType) -> NDArray[np.floating]:
    cast = column if column.type == dtype else column.cast(dtype, safe=False)
    values: NDArray[np.floating] = cast.to_numpy()
    return values


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return value is None
    return True
