"""Columns of a table: those without another role are features, in the order of the file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from regsearch.data.annotations import Annotations, Labels, labels_from
from regsearch.data.memory import require_memory
from regsearch.data.recording import Recording
from regsearch.data.refusal import excluding, line, refusal, require_names, short, some, them
from regsearch.data.roles import Roles
from regsearch.errors import DataError

MAX_COLUMNS = 100_000
"""Largest number of columns of a ``.csv`` or ``.parquet``: each costs some 10 kB to parse.  ``.npz`` has no limit."""


_LOOKED_AT = 100
"""Number of rows from which a line of units is told."""


def require_columns(names: Sequence[str]) -> None:
    """Raise `DataError` unless the columns have names that differ, and there are not too many to parse."""
    require_few(len(names))
    require_names(names)


def require_few(n_columns: int) -> None:
    """Raise `DataError` if there are too many columns to parse."""
    if n_columns > MAX_COLUMNS:
        raise refusal(f"at most {MAX_COLUMNS} columns", f"{n_columns}", "save it as .npz")


def require_numbers(schema: pa.Schema, table: pa.Table | None = None, roles: Roles | None = None) -> None:
    """Raise `DataError` if a column holds anything but numbers.

    Parameters
    ----------
    schema : Schema
        Of the features, and of what else must be numbers.
    table : Table or None
        Shows the first value that is no number, and whether only the first row has such values.
    roles : Roles or None
        Tell which columns are no features, so that they cannot be excluded.
    """
    bad = [i for i, dtype in enumerate(schema.types) if not is_numeric(dtype)]
    if bad:
        kinds = dict.fromkeys(_kind(schema.types[i]) for i in bad)
        first = ""
        if table is not None:
            values = table.column(schema.names[bad[0]]).to_pylist()
            first = f", the first with {short(next((value for value in values if not _is_number(value)), values[0]))}"
        names = [schema.names[i] for i in bad]
        found = f"{' and '.join(kinds)} in {len(bad)} of {len(schema)} columns: {some(names)}{first}"
        named = [name for name in names if roles and name in roles.numbers]
        if table is not None and all(_has_numbers_below(table.column(name)) for name in names):
            do = "the first row holds no numbers: if it holds units, delete that line"
        elif named:
            another = ", or name another column by --target" if roles and named[0] in roles.targets else ""
            do = f"write {some(named)} as numbers, such as 0 and 1 for two classes or seconds for times{another}"
            features = [name for name in names if name not in named]
            do += f"; leave {some(features)} out by {excluding(features)}" if features else ""
        else:
            do = f"leave {them(names)} out by {excluding(names)}, or write numbers"
        raise refusal("numbers in every column", found, do)


def is_numeric(dtype: pa.DataType) -> bool:
    """Return whether a column of this type holds numbers, or nothing at all."""
    kinds = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_null)
    return any(is_kind(dtype) for is_kind in kinds)


def type_name(dtype: pa.DataType) -> str:
    """Return the name that NumPy gives to the type of a column of numbers, or Arrow's of any other."""
    if pa.types.is_dictionary(dtype):
        return type_name(dtype.value_type)
    if not is_numeric(dtype) or pa.types.is_decimal(dtype) or pa.types.is_null(dtype):
        return str(dtype)
    return str(np.dtype(dtype.to_pandas_dtype()).name)


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of a table by the part that they play.

    Attributes
    ----------
    features : Schema
        Names and types of the features.
    X : ndarray of float32 or float64, shape (n_rows, n_features)
        C-contiguous; float32 if every feature is stored in 32 bits or fewer of floating point.
    targets : dict of str to ndarray of float64, shape (n_rows,)
    annotations : Annotations
    """

    features: pa.Schema
    X: NDArray[np.floating]
    targets: dict[str, NDArray[np.float64]]
    annotations: Annotations

    @classmethod
    def of(cls, features: pa.Schema, n_rows: int, tables: Iterable[pa.Table], roles: Roles) -> Columns:
        """Take the columns out of a table.

        Parameters
        ----------
        features : Schema
            Names and types of the features.
        n_rows : int
        tables : iterable of Table
            The rows, part by part; each table has at least the columns that play a part.
        roles : Roles
        """
        if n_rows == 0:
            raise refusal("rows of numbers", "a header and no rows", "write one row per frame")
        small = all(pa.types.is_float32(dtype) or pa.types.is_float16(dtype) for dtype in features.types)
        dtype, arrow = (np.float32, pa.float32()) if small else (np.float64, pa.float64())
        require_memory(2 * n_rows * len(features) * np.dtype(dtype).itemsize, "its table")
        X = np.empty((n_rows, len(features)), dtype)
        numbers = {name: np.empty(n_rows) for name in roles.numbers}
        texts: dict[str, list[str | None]] = {name: [] for name in roles.labels}
        start = 0
        for table in tables:
            rows = slice(start, start := start + table.num_rows)
            places = {name: place for place, name in enumerate(table.schema.names)}
            for column, name in enumerate(features.names):
                X[rows, column] = _numbers(table.column(places[name]), arrow)
            for name, values in numbers.items():
                values[rows] = _numbers(table.column(places[name]), pa.float64())
            for name, column_texts in texts.items():
                column_texts += _texts(table.column(places[name]))
        if start != n_rows:
            raise refusal(f"{n_rows} rows", f"{start}", "save the file again")
        covariates = np.column_stack([numbers[name] for name in roles.covariates]) if roles.covariates else None

        def labels(name: str | None) -> Labels | None:
            return labels_from(texts[name], roles.role_of(name), f" in column {short(name)}") if name else None

        return cls(
            features,
            X,
            {line(name): numbers[name] for name in roles.targets},
            Annotations(
                groups=labels(roles.groups),
                weights=numbers[roles.weights] if roles.weights else None,
                covariates=covariates,
                folds=labels(roles.folds),
            ),
        )

    def recordings(self, source: str, roles: Roles, notes: Iterable[str]) -> tuple[Recording, ...]:
        """Return a recording for each target."""
        return Recording.several(
            self.X,
            self.targets,
            source=source,
            feature_names=tuple(self.features.names),
            column_types=tuple(map(type_name, self.features.types)),
            notes=tuple(notes),
            annotations=self.annotations,
            covariate_names=roles.covariates,
        )


def target_in(table: pa.Table, roles: Roles) -> NDArray[np.float64]:
    """Return the first target, the only column of a table; missing values are NaN."""
    require_numbers(table.schema, table, roles)
    return _numbers(table.column(roles.target), pa.float64()).astype(np.float64, copy=False)


def column_roles(names: Sequence[str], left_out: Iterable[str], roles: Roles) -> list[str]:
    """Return the part that each column would play, as `Entry` has it; this raises nothing."""
    excluded = {*left_out}
    try:
        features = set(roles.features_among([name for name in names if name not in excluded]))
    except DataError:  # such as a target that is not there
        features = {name for name in names if name not in excluded and not roles.role_of(name)}
    return [
        "features" if name in features and name not in excluded else roles.role_of(name) or "left out" for name in names
    ]


def among(schema: pa.Schema, names: Iterable[str]) -> pa.Schema:
    """Return the columns of these names, in the order of the table."""
    kept = {*names}
    return pa.schema([field for field in schema if field.name in kept])


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    is_float = pa.types.is_floating(column.type)
    is_missing = column.is_null(nan_is_null=is_float).to_pylist()
    texts = column.to_numpy().astype(np.str_).tolist() if is_float else column.cast(pa.string()).to_pylist()
    return [None if absent else text for absent, text in zip(is_missing, texts, strict=True)]


def _numbers(column: pa.ChunkedArray, dtype: pa.DataType) -> NDArray[np.floating]:
    cast = column if column.type == dtype else column.cast(dtype, safe=False)
    values: NDArray[np.floating] = cast.to_numpy()
    return values


def _kind(dtype: pa.DataType) -> str:
    """Return what a column that is not numeric holds, for people."""
    if pa.types.is_dictionary(dtype):
        return _kind(dtype.value_type) if not is_numeric(dtype.value_type) else "categories"
    if pa.types.is_temporal(dtype):
        return "dates or times"
    text = pa.types.is_string(dtype) or pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype)
    return "text" if text else f"values of type {short(str(dtype))}"


def _has_numbers_below(column: pa.ChunkedArray) -> bool:
    """Return whether the first value is no number, and the next ones are."""
    first, *others = column.slice(0, _LOOKED_AT).to_pylist() or [None]
    numbers = [value for value in others if value is not None]
    return bool(numbers) and not _is_number(first) and all(isinstance(one, str) and _is_number(one) for one in numbers)


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return value is None
    return True
