"""Recordings in a `.parquet` table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet

from regsearch.data.columns import assemble, require_columns, require_few, require_numbers, type_name
from regsearch.data.entry import Entry
from regsearch.data.file_state import state_of
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, naming, short
from regsearch.data.regular_file import open_regular


@dataclass(frozen=True)
class ParquetTable:
    """A `.parquet` table: every column is a feature, except the target and an index of pandas.

    Parameters
    ----------
    path : Path
    target : str
        Name of the target's column.
    """

    path: Path
    target: str

    def read(self, *, progress: bool = False) -> Recording:  # noqa: ARG002  # it is read in one go
        """Read all columns but the index."""
        with self._open() as file:
            schema, index = self._columns(file.schema_arrow)
            groups = range(file.num_row_groups)
            n_rows = sum(file.metadata.row_group(i).num_rows for i in groups)
            tables = (file.read_row_group(i, columns=schema.names if index else None) for i in groups)
            X, y = assemble(schema, n_rows, tables, self.target)
        features = [
            (name, dtype) for name, dtype in zip(schema.names, schema.types, strict=True) if name != self.target
        ]
        return Recording.checked(
            X,
            y,
            source=line(self.path),
            feature_names=tuple(name for name, _ in features),
            target=line(self.target),
            column_types=tuple(type_name(dtype) for _, dtype in features),
            notes=tuple(f"{line(self.path.name)}: the index {short(name)} of pandas was left out" for name in index),
        )

    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and features, as the header gives them."""
        with self._open() as file:
            schema, _ = self._columns(file.schema_arrow)
            return file.metadata.num_rows, len(schema) - 1

    def contents(self) -> tuple[Entry, ...]:
        """Return the columns of the table."""
        with self._open() as file:
            schema = file.schema_arrow
            index, shape = self._index(schema), (file.metadata.num_rows,)
        return tuple(
            Entry(line(name), shape, type_name(dtype), "left out" if name in index else self._role(name))
            for name, dtype in zip(schema.names, schema.types, strict=True)
        )

    def fingerprint(self) -> str | None:
        """Return the state of the file."""
        return state_of([self.path])

    @contextmanager
    def _open(self) -> Iterator[pa_parquet.ParquetFile]:
        with (
            naming(self.path),
            open_regular(self.path) as file,
            pa_parquet.ParquetFile(file, pre_buffer=False) as table,
        ):
            require_few(table.metadata.num_columns)
            yield table

    def _columns(self, schema: pa.Schema) -> tuple[pa.Schema, list[str]]:
        """Return the columns to read, and the names of those that are an index."""
        index = self._index(schema)
        kept = pa.schema([field for field in schema if field.name not in index])
        require_columns(kept.names, self.target)
        require_numbers(kept)
        return kept, index

    def _index(self, schema: pa.Schema) -> list[str]:
        """Return the columns that pandas wrote as the index; it writes them last.  A target is none."""
        described = (schema.pandas_metadata or {}).get("index_columns", [])
        listed = {name for name in described if isinstance(name, str)}
        return [
            name
            for name in schema.names
            if name != self.target and (name in listed or name.startswith("__index_level_"))
        ]

    def _role(self, name: str) -> str:
        return "target" if name == self.target else "features"
