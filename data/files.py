"""The user's own recording: numbers out of ``.npz``, ``.csv`` or ``.parquet``, never code and never more than fits."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
from numpy.typing import NDArray

from regsearch.data.memory import memory_bytes
from regsearch.data.npy import kept_type, read_header
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, naming, refusal, require_present, short

MAX_COLUMNS = 100_000
"""Columns of a ``.csv`` or ``.parquet``: each costs some 10 kB to parse, whatever it holds; ``.npz`` has no limit."""

_HEADER_BYTES = 16_384
_CSV_HEADER_CHARACTERS = 2**24
_CSV_BLOCK_BYTES = 2**25

_Arrays = tuple[NDArray[np.floating], NDArray[np.float64], tuple[str, ...]]


def read_file(path: str | Path, target: str = "y") -> Recording:
    """Read a recording from a file of numbers.

    Parameters
    ----------
    path : str or Path
        ``.npz`` with the arrays `X` (n_rows, n_features) and `target` (n_rows,) or (n_rows, 1); or ``.csv`` with a
        header line, or ``.parquet``, where every column but `target` is a feature, in file order.
    target : str
        Name of the array or column to predict.

    Returns
    -------
    Recording
        `X` C-contiguous: float32 where every feature is stored in 32 bits or fewer of floating point, else float64.

    Raises
    ------
    DataError
        If the file cannot be read as numbers, would not fit in this machine's memory, or is no recording.
        Always one line that names the file.
    """
    path = Path(path)
    with naming(path):
        X, y, feature_names = _read(path, target)
    return Recording.checked(X, y, source=line(path), feature_names=feature_names, target=line(target))


def file_shape(path: str | Path, target: str = "y") -> tuple[int, int]:
    """Return how many rows and features a file holds, by its header alone; of a ``.csv`` the lines are counted.

    Raises
    ------
    DataError
        If `read_file` would refuse the file for what its header says.
    """
    path = Path(path)
    with naming(path):
        _require_readable(path)
        match path.suffix.lower():
            case ".npz":
                return _npz_shape(path, target)
            case ".csv":
                return _csv_shape(path, target)
            case _:
                with pa_parquet.ParquetFile(path) as file:
                    _require_columns(file.schema_arrow.names, target)
                    _require_numbers(file.schema_arrow)
                    return file.metadata.num_rows, len(file.schema_arrow) - 1


def _read(path: Path, target: str) -> _Arrays:
    _require_readable(path)
    return _READERS[path.suffix.lower()](path, target)


def _require_readable(path: Path) -> None:
    if path.suffix.lower() not in _READERS and not path.is_dir():
        found = f"the suffix {path.suffix!r}" if path.suffix else "a name without suffix"
        raise refusal(
            "a .npz, .csv or .parquet file", found, "save it as one of the three, or name a recording: twin or stringer"
        )
    try:
        found = "a directory" if path.is_dir() else "nothing" if not path.exists() else "no regular file"
        if path.is_file():
            path.open("rb").close()
        else:
            raise refusal("a file", found, "check the path")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise refusal("a file that can be read", reason, "check the path and its permissions") from error


def _read_npz(path: Path, target: str) -> _Arrays:
    with zipfile.ZipFile(path) as archive:
        X = _read_member(archive, "X")
        y = _read_member(archive, target).astype(np.float64, copy=False)
    return X, y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y, ()


def _npz_shape(path: Path, target: str) -> tuple[int, int]:
    with zipfile.ZipFile(path) as archive:
        shape, _ = _checked_header(archive, "X")
        _checked_header(archive, target)
    if len(shape) != 2:
        raise refusal("an array X of rows and columns", f"shape {short(shape)}", "give one row per frame")
    n_rows, n_features = shape
    return n_rows, n_features


def _read_member(archive: zipfile.ZipFile, name: str) -> NDArray[np.floating]:
    _, kept = _checked_header(archive, name)
    with archive.open(f"{name}.npy") as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False), dtype=kept, order="C")


def _checked_header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return an array's shape and the type to keep it in, after checking that it can be read safely."""
    arrays = [member.removesuffix(".npy") for member in archive.namelist() if member.endswith(".npy")]
    require_present(name, arrays, "array")
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile bounds what a read may expand to for deflate alone
        raise refusal("arrays stored or deflated", f"another compression of {short(name)}", "use numpy.savez")
    with archive.open(member) as stream:
        header = io.BytesIO(stream.read(_HEADER_BYTES))
    shape, _, dtype = read_header(header)
    kept = kept_type(dtype, name)
    size = math.prod(shape)
    _require_memory(size * (dtype.itemsize + kept.itemsize), f"array {short(name)}")
    if header.tell() + size * dtype.itemsize != member.file_size:
        found = f"{member.file_size} bytes for shape {short(shape)} of {dtype}"
        raise refusal(f"array {short(name)} to be as long as its header says", found, "save the file again")
    return shape, kept


def _read_csv(path: Path, target: str) -> _Arrays:
    _require_memory(4 * path.stat().st_size, "its table")  # "1," in the file is 8 bytes in memory
    _require_csv_columns(path, target)
    table = pa_csv.read_csv(path, read_options=pa_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES))
    _require_numbers(table.schema, table)
    return _assemble(table.schema, table.num_rows, [table], target)


def _csv_shape(path: Path, target: str) -> tuple[int, int]:
    n_columns = _require_csv_columns(path, target)
    uninterpreted = pa_csv.ConvertOptions(include_columns=[target], column_types={target: pa.string()})
    with pa_csv.open_csv(
        path, read_options=pa_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES), convert_options=uninterpreted
    ) as batches:
        return sum(batch.num_rows for batch in batches), n_columns - 1


def _require_csv_columns(path: Path, target: str) -> int:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        head = io.StringIO(file.read(_CSV_HEADER_CHARACTERS), newline="")
    names = next((row for row in csv.reader(head) if row), [])
    if not names:
        raise refusal("a header line of column names", "an empty file", "write the names in the first line")
    if len(names) == 1 and (other := next((mark for mark in ";\t" if mark in names[0]), None)):
        raise refusal("commas between columns", f"{other!r} in the header line", "save it with commas")
    _require_columns(names, target)
    return len(names)


def _read_parquet(path: Path, target: str) -> _Arrays:
    with pa_parquet.ParquetFile(path, pre_buffer=False) as file:
        schema = file.schema_arrow
        _require_columns(schema.names, target)
        _require_numbers(schema)
        groups = range(file.num_row_groups)
        n_rows = sum(file.metadata.row_group(i).num_rows for i in groups)
        return _assemble(schema, n_rows, (file.read_row_group(i) for i in groups), target)


_READERS: dict[str, Callable[[Path, str], _Arrays]] = {
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}


def _assemble(schema: pa.Schema, n_rows: int, tables: Iterable[pa.Table], target: str) -> _Arrays:
    if n_rows == 0:
        raise refusal("rows of numbers", "a header and no rows", "write one row per frame")
    names, types = schema.names, schema.types  # each access builds the whole list
    features = [i for i, name in enumerate(names) if name != target]
    small = all(pa.types.is_float32(types[i]) or pa.types.is_float16(types[i]) for i in features)
    dtype, arrow = (np.float32, pa.float32()) if small else (np.float64, pa.float64())
    _require_memory(2 * n_rows * len(schema) * np.dtype(dtype).itemsize, "its table")
    X = np.empty((n_rows, len(features)), dtype)
    y = np.empty(n_rows)
    start = 0
    for table in tables:
        rows = slice(start, start := start + table.num_rows)
        for column, i in enumerate(features):
            X[rows, column] = _numbers(table.column(i), arrow)
        y[rows] = _numbers(table.column(names.index(target)), pa.float64())
    if start != n_rows:
        raise refusal(f"{n_rows} rows", f"{start}", "save the file again")
    return X, y, tuple(names[i] for i in features)


def _numbers(column: pa.ChunkedArray, dtype: pa.DataType) -> NDArray[np.floating]:
    cast = column if column.type == dtype else column.cast(dtype, safe=False)
    values: NDArray[np.floating] = cast.to_numpy()
    return values


def _require_columns(names: list[str], target: str) -> None:
    if len(names) > MAX_COLUMNS:
        raise refusal(f"at most {MAX_COLUMNS} columns", f"{len(names)}", "save it as .npz")
    if any(not name or name.startswith("__index_level_") for name in names):
        do = "save it without its row index (index=False), or name the column"
        raise refusal("a name for every column", "a column without one", do)
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise refusal("column names that differ", f"{short(twice)} more than once", "rename or drop one")
    require_present(target, names, "column")
    if len(names) == 1:
        raise refusal("features beside the target", f"no column but {short(target)}", "add a column per feature")


def _require_numbers(schema: pa.Schema, table: pa.Table | None = None) -> None:
    kinds = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_null)
    bad = [i for i, dtype in enumerate(schema.types) if not any(is_kind(dtype) for is_kind in kinds)]
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


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return value is None
    return True


def _require_memory(needed: int, what: str) -> None:
    memory = memory_bytes()
    if needed > memory:
        found = f"{needed / 2**30:.3g} GiB for {what}"
        raise refusal(f"at most the {memory / 2**30:.3g} GiB of this machine", found, "save fewer rows or columns")
