"""Recordings in a `.csv` table."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pa_compute
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from regsearch.data.columns import (
    Columns,
    among,
    column_roles,
    is_numeric,
    require_columns,
    require_numbers,
    target_in,
    type_name,
)
from regsearch.data.csv_dialect import Dialect, dialect_of, group_marks, number_pattern
from regsearch.data.entry import Entry
from regsearch.data.file_state import state_of
from regsearch.data.memory import require_memory
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, naming, refusal, require_present, short
from regsearch.data.regular_file import open_regular
from regsearch.data.roles import Roles

_BLOCK_BYTES = 2**25
_UTF_8 = ("utf-8", "utf-8-sig")
_RAGGED = re.compile(r"Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)
_DECIMALS = {".": "points", ",": "commas"}


@dataclass(frozen=True)
class CsvTable:
    """A `.csv` table with a header line: every column that has a name is a feature, except the target.

    Parameters
    ----------
    path : Path
    roles : Roles
    """

    path: Path
    roles: Roles

    def read(self, *, progress: bool = False) -> tuple[Recording, ...]:  # noqa: ARG002  # it is read in one go
        """Read the columns that play a part."""
        with naming(self.path):
            text = self._text()
            require_memory(4 * self.path.stat().st_size, "its table")  # "1," in the file is 8 bytes in memory
            features = self.roles.features_among(_named(text.dialect))
            table, notes = self._table(text, {*features, *self.roles.numbers, *self.roles.labels})
            dialect = text.dialect
            del text  # its content is no longer needed
            numbers = among(table.schema, [*features, *self.roles.numbers])
            require_numbers(numbers, table.select(numbers.names), self.roles)
            columns = Columns.of(among(table.schema, features), table.num_rows, [table], self.roles)
        said = [f"{line(self.path.name)}: {note}" for note in (*dialect.notes, *notes)]
        return columns.recordings(line(self.path), self.roles, said)

    def target(self) -> NDArray[np.float64]:
        """Read the first target alone."""
        name = self.roles.target
        with naming(self.path):
            text = _Text.of(self.path, self.roles)
            names = _named(text.dialect)
            require_columns(names)
            require_present(name, names, "column", self.roles.advice(name, "column"))
            return target_in(self._table(text, {name})[0], self.roles)

    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and features; this counts the lines, and looks for text among the first."""
        with naming(self.path):
            text = self._text()
            self._require_numbers_first(text)
            target, names = self.roles.target, _named(text.dialect)
            uninterpreted = {"include_columns": [target], "column_types": {target: pa.string()}}
            with text.opened() as file, pa_csv.open_csv(file, **_options(text.dialect, **uninterpreted)) as batches:
                return sum(batch.num_rows for batch in batches), len(self.roles.features_among(names))

    def contents(self) -> tuple[Entry, ...]:
        """Return the columns of the table, with the types of their first values."""
        with naming(self.path):
            text = _Text.of(self.path, self.roles)
            dialect = text.dialect
            options = _options(dialect, decimal_point=dialect.decimal or ".")
            with text.opened() as file, pa_csv.open_csv(file, **options) as batches:
                types = [type_name(field.type) for field in batches.schema]
        roles = column_roles(dialect.names, [name for name in dialect.names if not name.strip()], self.roles)
        return tuple(
            Entry(line(name), None, dtype, role) for name, dtype, role in zip(dialect.names, types, roles, strict=True)
        )

    def fingerprint(self) -> str | None:
        """Return the state of the file."""
        return state_of([self.path])

    def _text(self) -> _Text:
        text = _Text.of(self.path, self.roles)
        require_columns(_named(text.dialect))
        self.roles.features_among(_named(text.dialect))
        return text

    def _require_numbers_first(self, text: _Text) -> None:
        """Raise `DataError` if the first rows have text that no decimal mark makes numbers."""
        dialect = text.dialect
        labels = dict.fromkeys(self.roles.labels, pa.string())
        options = _options(dialect, decimal_point=dialect.decimal or ".", column_types=labels)
        with text.opened() as file, pa_csv.open_csv(file, **options) as batches:
            first = next(iter(batches), None)
        if first is None:
            return
        table = pa.Table.from_batches([first])
        named = {*self.roles.features_among(_named(dialect)), *self.roles.numbers}
        numbers = [name for name in _named(dialect) if name in named]
        texts = [name for name in numbers if pa.types.is_string(table.schema.field(name).type)]
        if any(not any(_are_numbers(table.column(name), mark) for mark in dialect.decimal or ".,") for name in texts):
            require_numbers(among(table.schema, numbers), table.select(numbers))

    def _table(self, text: _Text, wanted: set[str]) -> tuple[pa.Table, list[str]]:
        """Return the columns that play a part, and notes."""
        dialect = text.dialect

        def texts(table: pa.Table) -> list[pa.ChunkedArray]:
            """Return the columns of text where numbers are expected."""
            names = [field.name for field in table.schema if not is_numeric(field.type)]
            return [table.column(name) for name in names if name not in self.roles.labels]

        decimal = dialect.decimal or "."
        table, notes = self._named_columns(text, wanted, decimal)
        marks = [mark for mark in dialect.decimal or ".," if all(_are_numbers(column, mark) for column in texts(table))]
        if texts(table) and len(marks) > 1:
            value = next(cell for cell in texts(table)[0].to_pylist() if cell is not None)
            found = f"{short(value)}, whose mark may be either"
            raise refusal("decimal points or decimal commas", found, "save numbers without marks between thousands")
        if texts(table) and marks and marks[0] != decimal:
            decimal = marks[0]
            table, notes = self._named_columns(text, wanted, decimal)
        if dialect.delimiter != "," or decimal != ".":
            between = {",": "commas", ";": "semicolons", "\t": "tabs"}.get(dialect.delimiter, repr(dialect.delimiter))
            notes.append(f"it was read with {between} between columns and decimal {_DECIMALS[decimal]}")
        if texts(table) and all(_are_numbers(column, decimal) for column in texts(table)):
            notes.append(f"marks between thousands were left out; decimal marks are {_DECIMALS[decimal]}")
            for place, field in enumerate(table.schema):
                if not is_numeric(field.type) and field.name not in self.roles.labels:
                    table = table.set_column(place, field.name, _without_group_marks(table.column(place), decimal))
        return table, notes

    def _named_columns(self, text: _Text, wanted: set[str], decimal: str) -> tuple[pa.Table, list[str]]:
        dialect = text.dialect
        names = _unique(dialect)
        unnamed = [name for name in names[dialect.names_rows :] if name not in _named(dialect)]
        kept = [name for name in _named(dialect) if name in wanted]
        labels = dict.fromkeys(self.roles.labels, pa.string())
        convert = {"decimal_point": decimal, "column_types": labels, "include_columns": [*kept, *unnamed]}
        with text.opened() as file:
            table = pa_csv.read_csv(file, **_options(dialect, **convert))
        for name in unnamed:
            if table.column(name).null_count < table.num_rows:
                found = f"column {names.index(name) + 1} without one"
                raise refusal("a name for every column", found, "name it or drop it")
        left_out = f"{len(unnamed)} empty column(s) without a name were left out"
        return table.select(kept), [left_out] if unnamed else []


@dataclass(frozen=True)
class _Text:
    """A file's text in UTF-8.

    Attributes
    ----------
    path : Path
    dialect : Dialect
    """

    path: Path
    dialect: Dialect

    @classmethod
    def of(cls, path: Path, roles: Roles) -> _Text:
        with open_regular(path) as file:
            return cls(path, dialect_of(file, roles.target, roles.mentioned))

    @cached_property
    def _content(self) -> bytes | None:
        """What the file holds, or None if it is in UTF-8 as it lies."""
        if self.dialect.encoding in _UTF_8:
            return None
        with open_regular(self.path) as file:
            return file.read().decode(self.dialect.encoding).encode()

    @contextmanager
    def opened(self) -> Iterator[pa.NativeFile]:
        """Open the text in a way that Arrow's threads read without the interpreter.

        They read ahead, and may still do so when the process ends. One that waits for the interpreter then aborts it.
        """
        content = self._content
        with pa.OSFile(os.fsencode(self.path)) if content is None else pa.BufferReader(content) as native:
            try:
                yield native
            except pa.ArrowInvalid as error:
                ragged = _RAGGED.search(str(error))
                if ragged is None:
                    raise
                expected, found, text = ragged.groups()
                do = "complete the line, or quote cells that hold the mark between columns"
                said = f"a line of {found}: {short(text)}"
                raise refusal(f"{expected} cells in every line, as in the header", said, do) from error


def _named(dialect: Dialect) -> list[str]:
    return [name for name in dialect.names if name.strip()]


def _unique(dialect: Dialect) -> list[str]:
    """Return the names of the columns, and for a column without one a name that no header can hold."""
    return [name if name.strip() else f"\0{place}" for place, name in enumerate(dialect.names)]


def _options(dialect: Dialect, **convert: Any) -> dict[str, Any]:
    names = _unique(dialect)
    return {
        "read_options": pa_csv.ReadOptions(block_size=_BLOCK_BYTES, column_names=names, skip_rows=dialect.lines),
        "parse_options": pa_csv.ParseOptions(
            delimiter=dialect.delimiter,
            ignore_empty_lines=len(names) > 1,  # in a single column, one is a row without a value
        ),
        "convert_options": pa_csv.ConvertOptions(**convert),
    }


def _are_numbers(column: pa.ChunkedArray, decimal: str) -> bool:
    return pa.types.is_string(column.type) and bool(
        pa_compute.all(pa_compute.match_substring_regex(column, f"^{number_pattern(decimal)}$")).as_py()
    )


def _without_group_marks(column: pa.ChunkedArray, decimal: str) -> pa.ChunkedArray:
    bare = pa_compute.replace_substring_regex(column, f"[+{group_marks(decimal)}]", "")
    return pa_compute.replace_substring(bare, decimal, ".").cast(pa.float64())
