"""Recordings in a Neurodata Without Borders (NWB) file, which is HDF5: series of values in time, and dynamic tables.

https://nwb-schema.readthedocs.io, the types TimeSeries and DynamicTable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from regsearch.data.array_parts import arrays_of, read_target
from regsearch.data.columns import Columns, among, column_roles, require_columns, require_numbers
from regsearch.data.entry import Entry
from regsearch.data.hdf5_file import Hdf5Arrays, Hdf5Source
from regsearch.data.packing import Packing
from regsearch.data.plausibility import gap_notes
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, refusal, require_present, short
from regsearch.data.roles import Roles

if TYPE_CHECKING:
    import h5py

_INDEX = "_index"
_BIN = "count the spikes per time bin first (pynapple: spikes.count), and search these counts"


class NwbArrays(Hdf5Arrays):
    """The arrays of an NWB file: the values of series, named as ``"processing/…/data"``, and columns of tables."""

    @classmethod
    def _header(cls, name: str, thing: h5py.Dataset | h5py.Group) -> tuple[tuple[int, ...], str] | None:
        return None if name.startswith("specifications/") else super()._header(name, thing)

    def require_numbers(self, name: str) -> None:
        """Raise `DataError` unless an array holds real numbers, one or several for each row."""
        if name.removesuffix(_INDEX) + _INDEX in self.headers:
            found = f"a list of any length for each row in {short(name.removesuffix(_INDEX))}"
            raise refusal("numbers for each moment", found, _BIN if "spike_times" in name else "save it as a matrix")
        super().require_numbers(name)

    def columns_of(self, table: str) -> list[str]:
        """Return the names of the columns of a dynamic table; empty if there is no such table."""
        group = self.file.get(table, getlink=False) if f"{table}/id" in self.headers else None
        given = group.attrs.get("colnames", []) if group is not None else []
        return [str(name) for name in np.ravel(given)]

    def require_same_times(self, features: str, names: list[str]) -> None:
        """Raise `DataError` if a series has its values at other times than the features, or at another rate.

        Parameters
        ----------
        features : str
        names : list of str
            Arrays that must belong to the same moments.
        """
        expected = self._times(features)
        for name in names:
            times = self._times(name)
            if expected is None or times is None:
                continue
            off = np.inf if len(times) != len(expected) else np.abs(times - expected)
            near = off <= np.median(np.diff(expected)) / 2  # a time that is NaN is not
            if not np.all(near):
                found = (
                    f"{len(times)} from {times[0]:.6g} to {times[-1]:.6g} s in {short(name)} beside "
                    f"{len(expected)} from {expected[0]:.6g} to {expected[-1]:.6g} s"
                )
                if len(times) == len(expected):
                    row = int(np.argmin(near))
                    found += f", the first that differ at row {row}: {times[row]:.6g} beside {expected[row]:.6g} s"
                do = "interpolate one of them at the times of the other, such as by numpy.interp, and save both"
                raise refusal(f"values at the times of {short(features)}", found, do)

    def notes(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return which arrays were scaled, and whether the times of the first of them, the features, have gaps."""
        times = self._times(names[0])
        return super().notes(names) + (() if times is None else gap_notes(times))

    def _times(self, name: str) -> NDArray[np.float64] | None:
        """Return when the values of a series were measured, in seconds, or ``None`` if it is none, or has no times."""
        series, _, last = name.rpartition("/")
        n_rows = self.shape_of(name)[0]
        if last != "data" or n_rows < 2:
            return None
        known, stamps = self._linked, f"{series}/timestamps"  # series often share their times by a link
        if stamps in known.headers and known.shape_of(stamps) == (n_rows,):
            return known.numbers(stamps)
        start = self.file[series].get("starting_time")
        rate = float(start.attrs.get("rate", 0)) if start is not None and start.shape == () else 0.0
        return float(start[()]) + np.arange(n_rows) / rate if rate > 0 else None

    @cached_property
    def _linked(self) -> NwbArrays:
        return self.with_links()

    def _packing(self, name: str) -> Packing | None:
        """Return how the stored values stand for numbers in the unit of the series."""
        given = self.file[name].attrs
        packing = Packing(float(given.get("conversion", 1.0)), float(given.get("offset", 0.0)))
        return packing if packing.is_scaled else super()._packing(name)


class NwbFile(Hdf5Source[NwbArrays]):
    """An NWB file: the features are the data of a series, or the columns of a dynamic table such as the trials."""

    def _found_in(self, file: h5py.File) -> NwbArrays:
        return NwbArrays.of(file)

    def read(self, *, progress: bool = False) -> tuple[Recording, ...]:
        """Read the values of a series, or the columns of a table."""
        with self._opened() as arrays:
            names = self._table(arrays)
            if names:
                features, table, notes = self._columns_of_table(arrays, names)
                columns = Columns.of(features, table.num_rows, [table], self._in_table)
                said = [f"{line(self.path.name)}: {note}" for note in notes]
                return columns.recordings(line(self.path), self._in_table, said)
        return super().read(progress=progress)

    def target(self) -> NDArray[np.float64]:
        """Read the first target alone, an array or a column of the table that the features name."""
        with self._opened() as arrays:
            target = self._in_table.target
            is_column = target in self._table(arrays)
            roles = replace(self.roles, targets=(f"{self.roles.features}/{target}",)) if is_column else self.roles
            return read_target(arrays, roles)

    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and features, as the headers give them."""
        with self._opened() as arrays:
            if names := self._table(arrays):
                features = self._in_table.features_among(names)
                paths = {name: f"{self.roles.features}/{name}" for name in (*features, *self._in_table.numbers)}
                texts = {name for name, path in paths.items() if arrays.headers.get(path, ((), ""))[1] == "text"}
                require_numbers(pa.schema([(name, pa.string() if name in texts else pa.float64()) for name in paths]))
                return arrays.shape_of(f"{self.roles.features}/id")[0], len(features)
        return super().shape()

    def contents(self) -> tuple[Entry, ...]:
        """Return the arrays of the file."""
        entries = super().contents()
        with self._opened() as arrays:
            names = self._table(arrays)
        roles = dict(zip(names, column_roles(names, (), self._in_table), strict=True))
        inside = f"{self.roles.features}/"
        return tuple(replace(entry, role=roles.get(entry.name.removeprefix(inside), entry.role)) for entry in entries)

    @property
    def _in_table(self) -> Roles:
        """The roles of columns of the table that the features name."""
        inside = f"{self.roles.features}/"

        def bare(name: str | None) -> str | None:
            return name and name.removeprefix(inside)

        return replace(
            self.roles,
            features=None,
            targets=tuple(name.removeprefix(inside) for name in self.roles.targets),
            covariates=tuple(name.removeprefix(inside) for name in self.roles.covariates),
            groups=bare(self.roles.groups),
            weights=bare(self.roles.weights),
            folds=bare(self.roles.folds),
        )

    def _table(self, arrays: NwbArrays) -> list[str]:
        """Return the columns of the table that the features name; empty if they name none."""
        return arrays.columns_of(self.roles.array) if self.roles.array else []

    def _columns_of_table(self, arrays: NwbArrays, names: list[str]) -> tuple[pa.Schema, pa.Table, tuple[str, ...]]:
        """Read the columns that play a part; those of text may be labels, and are refused as numbers."""
        roles = self._in_table
        features = roles.features_among(names)
        require_columns(names)
        columns = {}
        for name in dict.fromkeys([*features, *roles.numbers, *roles.labels]):
            path = f"{self.roles.features}/{name}"
            require_present(path, arrays.names(), "array", "name one of the columns by --features")
            n_rows = arrays.shape_of(f"{self.roles.features}/id")
            text = arrays.headers[path][1] == "text"
            if not text:
                arrays.require_numbers(path)
            if arrays.shape_of(path) != n_rows:
                found = f"shape {arrays.shape_of(path)} of {short(path)} beside {n_rows[0]} rows"
                raise refusal("one value per row", found, f"leave it out by --exclude {name}")
            columns[name] = arrays.labels(path) if text else arrays.values(path)
        table = pa.table(columns)
        numbers = [*features, *roles.numbers]
        require_numbers(among(table.schema, numbers), table.select(numbers), roles)
        paths = [f"{self.roles.features}/{name}" for name in (*features, *roles.numbers)]
        return among(table.schema, features), table, arrays.notes(paths)

    def _require_parts(self, arrays: NwbArrays) -> None:
        name = self._features_name
        do = "say by --features which series to predict from, such as 'processing/…/data', or which table"
        require_present(name, arrays.names(), "array", do)
        named = arrays_of([*self.roles.numbers, *self.roles.labels], arrays.names())
        arrays.require_same_times(name, [array for array in named if array in arrays.headers])
        super()._require_parts(arrays)
