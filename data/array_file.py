"""Recordings in a file of named arrays that are read whole; a format says how the file is opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from regsearch.data.array_headers import FEATURES
from regsearch.data.array_parts import (
    Arrays,
    arrays_of,
    chosen_columns,
    feature_names,
    read_parts,
    read_target,
    require_parts,
)
from regsearch.data.entry import Entry, role_of
from regsearch.data.file_state import state_of
from regsearch.data.npy_header import kept_type
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, require_present
from regsearch.data.roles import Roles


class HeldArrays(Arrays, Protocol):
    """Named arrays of a file that is open."""

    @property
    def headers(self) -> Mapping[str, tuple[tuple[int, ...], str]]:
        """Shape and type of each array, as the format's own programs give them."""

    def require_numbers(self, name: str) -> None:
        """Raise `DataError` unless an array holds real numbers that can be read in bounded memory."""

    def values(self, name: str) -> NDArray[np.generic]:
        """Return all values of an array of real numbers, in the type and the shape of the file."""

    def notes(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return what people should know about how arrays were read."""


Held = TypeVar("Held", bound=HeldArrays)


@dataclass(frozen=True)
class ArrayFile(ABC, Generic[Held]):
    """A file with the features, shape (n_rows, n_features), and the target, one number per row.

    Parameters
    ----------
    path : Path
    roles : Roles
    """

    path: Path
    roles: Roles

    @abstractmethod
    def _opened(self) -> AbstractContextManager[Held]:
        """Open the file; any exception becomes a `DataError` that names it."""

    def read(self, *, progress: bool = False) -> tuple[Recording, ...]:
        """Read the arrays, `X` as a C-contiguous one."""
        with self._opened() as arrays:
            name = self._features_name
            self._require_parts(arrays)
            names, unused, columns = self._columns(arrays)
            X = arrays.values(name)
            if columns is not None:
                X, names = X[:, columns], tuple(names[column] for column in columns)
            parts = read_parts(arrays, self.roles)
            notes = (*arrays.notes(arrays_of([name, *self.roles.numbers], arrays.names())), *unused)
            kept = kept_type(X.dtype, name)
        return Recording.several(
            np.ascontiguousarray(X, dtype=kept),
            parts.targets,
            source=line(self.path),
            feature_names=names,
            column_types=(str(X.dtype),),
            notes=tuple(f"{line(self.path.name)}: {note}" for note in notes),
            annotations=parts.annotations,
            covariate_names=self.roles.covariates,
            progress=progress,
        )

    def target(self) -> NDArray[np.float64]:
        """Read the first target alone."""
        with self._opened() as arrays:
            return read_target(arrays, self.roles)

    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and features, as the headers give them."""
        with self._opened() as arrays:
            self._require_parts(arrays)
            n_rows, n_features = arrays.shape_of(self._features_name)
            *_, columns = self._columns(arrays)
        return n_rows, n_features if columns is None else len(columns)

    def contents(self) -> tuple[Entry, ...]:
        """Return the arrays of the file."""
        with self._opened() as arrays:
            return self._entries(arrays)

    def _entries(self, arrays: Held) -> tuple[Entry, ...]:
        return tuple(
            Entry(line(name), shape, kind, role_of(name, self._features_name, self.roles))
            for name, (shape, kind) in arrays.headers.items()
        )

    def fingerprint(self) -> str | None:
        """Return the state of the file."""
        return state_of([self.path])

    @property
    def _features_name(self) -> str:
        return self.roles.array or FEATURES

    def _columns(self, arrays: Held) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.intp] | None]:
        """Return the names of all columns of the array of features, notes, and the places of those that are chosen."""
        name = self._features_name
        names, notes = feature_names(arrays, name, arrays.shape_of(name)[1])
        return names, notes, chosen_columns(names, notes, self.roles, arrays.names())

    def _require_parts(self, arrays: Held) -> None:
        name, names = self._features_name, arrays.names()
        require_present(name, names, "array", "say by --features which array holds the features")
        for array in arrays_of([name, *self.roles.numbers], names):
            if array in names:
                arrays.require_numbers(array)
        require_parts(arrays, name, self.roles)
