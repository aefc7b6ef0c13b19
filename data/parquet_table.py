"""Recordings in a `.parquet` table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
from numpy.typing import NDArray

from regsearch.data.columns import (
    Columns,
    among,
    column_roles,
    require_columns,
    require_few,
    require_numbers,
    target_in,
    type_name,
)
from regsearch.data.entry import Entry
from regsearch.data.file_state import state_of
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, naming, require_present, short
from regsearch.data.regular_file import open_regular
from regsearch.data.roles import Roles


@dataclass(frozen=True)
class ParquetTable:
    """A `.parquet` table: every column is a feature, except the target and an index of pandas.

    Parameters
    ----------
    path : Path
    roles : Roles
    """

    path: Path
    roles: Roles

    def read(self, *, progress: bool = False) -> tuple[Recording, ...]:  # noqa: ARG002  # it is read in one go
        """Read the columns that play a part."""
        with self._open() as file:
            schema, index = self._columns(file.schema_arrow)
            groups = range(file.num_row_groups)
            n_rows = sum(file.metadata.row_group(i).num_rows for i in groups)
            features = among(schema, self.roles.features_among(schema.names))
            names = [*features.names, *self.roles.numbers, *self.roles.labels]
            whole = len(names) == len(file.schema_arrow)
            tables = (file.read_row_group(i, columns=None if whole else names) for i in groups)
            columns = Columns.of(features, n_rows, tables, self.roles)
        notes = [f"{line(self.path.name)}: the index {short(name)} of pandas was left out" for name in index]
        return columns.recordings(line(self.path), self.roles, notes)

    def target(self) -> NDArray[np.float64]:
        """Read the first target alone."""
        name = self.roles.target
        with self._open() as file:
            require_present(name, file.schema_arrow.names, "column", self.roles.advice(name, "column"))
            return target_in(file.read(columns=[name], use_pandas_metadata=False), self.roles)

    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and features, as the header gives them."""
        with self._open() as file:
            schema, _ = self._columns(file.schema_arrow)
            return file.metadata.num_rows, len(self.roles.features_among(schema.names))

    def contents(self) -> tuple[Entry, ...]:
        """Return the columns of the table."""
        with self._open() as file:
            schema = file.schema_arrow
            index, shape = self._index(schema), (file.metadata.num_rows,)
        roles = column_roles(schema.names, index, self.roles)
        return tuple(
            Entry(line(name), shape, type_name(dtype), role)
            for name, dtype, role in zip(schema.names, schema.types, roles, strict=True)
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
        require_columns(kept.names)
        numbers = [*self.roles.features_among(kept.names), *self.roles.numbers]
        require_numbers(among(kept, numbers), roles=self.roles)
        return kept, index

    def _index(self, schema: pa.Schema) -> list[str]:
        """Return the columns that pandas wrote as the index; it writes them last.  A target is none."""
        described = (schema.pandas_metadata or {}).get("index_columns", [])
        listed = {name for name in described if isinstance(name, str)}
        return [
            name
            for name in schema.names
            if not self.roles.role_of(name) and (name in listed or name.startswith("__index_level_"))
        ]
