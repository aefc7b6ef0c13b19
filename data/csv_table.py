"""Recordings in a `.csv` table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pa_compute
import pyarrow.csv as pa_csv

from regsearch.data.columns import assemble, is_numeric, require_columns, require_numbers, type_name
from regsearch.data.csv_dialect import Dialect, dialect_of, group_marks, number_pattern
from regsearch.data.entry import Entry
from regsearch.data.file_state import state_of
from regsearch.data.memory import require_memory
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, naming, refusal, short
from regsearch.data.regular_file import open_regular

_BLOCK_BYTES = 2**25
_ARROW_ENCODINGS = {"utf-8": "utf8", "utf-8-sig": "utf8"}
"""Arrow decodes UTF-8 by itself, but only under this name."""
_DECIMALS = {".": "points", ",": "commas"}


@dataclass(frozen=True)
class CsvTable:
    """A `.csv` table with a header line: every column that has a name is a feature, except the target.

    Parameters
    ----------
    path : Path
    target : str
        Name of the target's column.
    """

    path: Path
    target: str

    def read(self, *, progress: bool = False) -> Recording:  # noqa: ARG002  # it is read in one go
        """Read all columns that have a name."""
        with naming(self.path):
            dialect = self._dialect()
            require_memory(4 * self.path.stat().st_size, "its table")  # "1," in the file is 8 bytes in memory
            table, notes = self._table(dialect)
            require_numbers(table.schema, table)
            X, y = assemble(table.schema, table.num_rows, [table], self.target)
        features = [field for field in table.schema if field.name != self.target]
        return Recording.checked(
            X,
            y,
            source=line(self.path),
            feature_names=tuple(field.name for field in features),
            target=line(self.target),
            column_types=tuple(type_name(field.type) for field in features),
            notes=tuple(f"{line(self.path.name)}: {note}" for note in (*dialect.notes, *notes)),
        )

    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and features; this counts the lines."""
        with naming(self.path):
            dialect = self._dialect()
            uninterpreted = {"include_columns": [self.target], "column_types": {self.target: pa.string()}}
            with (
                open_regular(self.path) as file,
                pa_csv.open_csv(file, **_options(dialect, **uninterpreted)) as batches,
            ):
                return sum(batch.num_rows for batch in batches), len(_named(dialect)) - 1

    def contents(self) -> tuple[Entry, ...]:
        """Return the columns of the table, with the types of their first values."""
        with naming(self.path):
            with open_regular(self.path) as file:
                dialect = dialect_of(file, self.target)
            options = _options(dialect, decimal_point=dialect.decimal or ".")
            with open_regular(self.path) as file, pa_csv.open_csv(file, **options) as batches:
                types = [type_name(field.type) for field in batches.schema]
        return tuple(
            Entry(line(name), None, dtype, self._role(name)) for name, dtype in zip(dialect.names, types, strict=True)
        )

    def fingerprint(self) -> str | None:
        """Return the state of the file."""
        return state_of([self.path])

    def _dialect(self) -> Dialect:
        with open_regular(self.path) as file:
            dialect = dialect_of(file, self.target)
        require_columns(_named(dialect), self.target)
        return dialect

    def _table(self, dialect: Dialect) -> tuple[pa.Table, list[str]]:
        """Return the columns that have a name, and notes."""
        decimal = dialect.decimal or "."
        table, notes = self._named_columns(dialect, decimal)
        marks = [
            mark for mark in dialect.decimal or ".," if all(_are_numbers(column, mark) for column in _texts(table))
        ]
        if _texts(table) and len(marks) > 1:
            value = next(cell for cell in _texts(table)[0].to_pylist() if cell is not None)
            found = f"{short(value)}, whose mark may be either"
            raise refusal("decimal points or decimal commas", found, "save numbers without marks between thousands")
        if _texts(table) and marks and marks[0] != decimal:
            decimal = marks[0]
            table, notes = self._named_columns(dialect, decimal)
        if dialect.delimiter != "," or decimal != ".":
            between = {",": "commas", ";": "semicolons", "\t": "tabs"}.get(dialect.delimiter, repr(dialect.delimiter))
            notes.append(f"it was read with {between} between columns and decimal {_DECIMALS[decimal]}")
        if _texts(table) and all(_are_numbers(column, decimal) for column in _texts(table)):
            notes.append(f"marks between thousands were left out; decimal marks are {_DECIMALS[decimal]}")
            for place, field in enumerate(table.schema):
                if not is_numeric(field.type):
                    table = table.set_column(place, field.name, _without_group_marks(table.column(place), decimal))
        return table, notes

    def _named_columns(self, dialect: Dialect, decimal: str) -> tuple[pa.Table, list[str]]:
        with open_regular(self.path) as file:
            table = pa_csv.read_csv(file, **_options(dialect, decimal_point=decimal))
        names = _unique(dialect)
        unnamed = [name for name in names[dialect.names_rows :] if name not in _named(dialect)]
        for name in unnamed:
            if table.column(name).null_count < table.num_rows:
                found = f"column {names.index(name) + 1} without one"
                raise refusal("a name for every column", found, "name it or drop it")
        left_out = f"{len(unnamed)} empty column(s) without a name were left out"
        return table.select(_named(dialect)), [left_out] if unnamed else []

    def _role(self, name: str) -> str:
        if not name.strip():
            return "left out"
        return "target" if name == self.target else "features"


def _named(dialect: Dialect) -> list[str]:
    return [name for name in dialect.names if name.strip()]


def _unique(dialect: Dialect) -> list[str]:
    """Return the names of the columns, and for a column without one a name that no header can hold."""
    return [name if name.strip() else f"\0{place}" for place, name in enumerate(dialect.names)]


def _options(dialect: Dialect, **convert: Any) -> dict[str, Any]:
    names = _unique(dialect)
    read = pa_csv.ReadOptions(
        block_size=_BLOCK_BYTES,
        encoding=_ARROW_ENCODINGS.get(dialect.encoding, dialect.encoding),
        column_names=names,
        skip_rows=dialect.lines,
    )
    return {
        "read_options": read,
        "parse_options": pa_csv.ParseOptions(delimiter=dialect.delimiter),
        "convert_options": pa_csv.ConvertOptions(**convert),
    }


def _texts(table: pa.Table) -> list[pa.ChunkedArray]:
    return [column for column in table.columns if not is_numeric(column.type)]


def _are_numbers(column: pa.ChunkedArray, decimal: str) -> bool:
    return pa.types.is_string(column.type) and bool(
        pa_compute.all(pa_compute.match_substring_regex(column, f"^{number_pattern(decimal)}$")).as_py()
    )


def _without_group_marks(column: pa.ChunkedArray, decimal: str) -> pa.ChunkedArray:
    bare = pa_compute.replace_substring_regex(column, f"[+{group_marks(decimal)}]", "")
    return pa_compute.replace_substring(bare, decimal, ".").cast(pa.float64())
