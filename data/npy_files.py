"""Recordings in `.npy` files, which are read block by block and never held whole."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from regsearch.data.array_headers import FEATURES, require_bounded
from regsearch.data.array_parts import (
    arrays_of,
    feature_names,
    read_parts,
    read_target,
    require_all_features,
    require_parts,
)
from regsearch.data.entry import Entry, role_of
from regsearch.data.file_state import state_of
from regsearch.data.npy_header import kept_type, read_header, require_labels
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, naming, refusal, require_present, short
from regsearch.data.regular_file import open_regular
from regsearch.data.roles import Roles
from regsearch.data.split import Block
from regsearch.errors import DataError

_WHAT = "recording of .npy files"


class NpyFile:
    """A `.npy` file of numbers, as a matrix that is read block by block.

    The file is not mapped into memory: if it is cut short meanwhile, that is an error and not the end of the process,
    and blocks that were read leave no pages behind.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
        float32 if the file stores floating point of 32 bits or fewer, else float64.
    stored : dtype
        Type in which the file stores the values.

    Raises
    ------
    DataError
        If it holds anything but numbers, or is shorter or longer than its header says.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = cast(FileIO, open_regular(path).detach())  # without a buffer, which could be stale
        weakref.finalize(self, self._file.close)
        self.shape, self._fortran, self.stored, self._offset = read_header(self._file)
        self.dtype = kept_type(self.stored, path.stem)
        self._state = self._state_now()
        expected = self._offset + math.prod(self.shape) * self.stored.itemsize
        if self._state[0] != expected:
            found = f"{self._state[0]} bytes for shape {short(self.shape)} of {self.stored}"
            raise refusal(f"{line(path.name)} to be as long as its header says", found, "save it again")

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[np.floating]:
        rectangle = [part.indices(size)[:2] for part, size in zip(key, self.shape, strict=True)]
        return self._read(rectangle[::-1]).T if self._fortran else self._read(rectangle)

    @property
    def hole(self) -> int | None:
        """Byte at which the first part begins that was never written and reads as zero, or ``None``."""
        if not hasattr(os, "SEEK_HOLE"):
            return None
        try:
            first = os.lseek(self._file.fileno(), 0, os.SEEK_HOLE)
        except OSError:  # a file system that cannot tell
            return None
        return first if first < self._state[0] else None

    def _read(self, rectangle: Sequence[Block]) -> NDArray[np.floating]:
        """Return a rectangle of the values, in the order of the file."""
        values = np.empty([stop - start for start, stop in rectangle], self.stored)
        start, stop = rectangle[-1]
        width = self.shape[0 if self._fortran else -1]
        if stop - start == width or values.ndim == 1:
            self._fill(values, start + rectangle[0][0] * width * (values.ndim - 1))
        else:
            for row, part in enumerate(values, start=rectangle[0][0]):
                self._fill(part, row * width + start)
        if self._state_now() != self._state:
            self._refuse_change()
        return values.astype(self.dtype, copy=False)

    def _fill(self, values: NDArray[Any], position: int) -> None:
        self._file.seek(self._offset + position * values.itemsize)
        left = values.reshape(-1).view(np.uint8).data
        while left:
            count = self._file.readinto(left)
            if not count:
                self._refuse_change()
            left = left[count:]

    def _state_now(self) -> tuple[int, int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def _refuse_change(self) -> NoReturn:
        error = refusal("a file that stays as it is", "that it changed while it was read", "try again when it is whole")
        raise DataError(f"{line(self._path)}: {error}")


@dataclass(frozen=True)
class NpyFiles:
    """A folder of `.npy` files, or a `.npy` file of features beside the target's.

    Parameters
    ----------
    path : Path
        The folder, or the features' file.
    roles : Roles
        Names are stems of files.
    """

    path: Path
    roles: Roles

    def read(self, *, progress: bool = False) -> tuple[Recording, ...]:
        """Open the recording: `X` is read where and when its values are needed."""
        with naming(self.path, _WHAT):
            X = self._open()
            names, unused = feature_names(self, self._features_file.stem, X.shape[1])
            parts = read_parts(self, self.roles)
            holes = {self._features_file: X.hole} | {
                self._file(name): NpyFile(self._file(name)).hole for name in arrays_of(self.roles.numbers, self.names())
            }
        notes = [
            f"{line(file.name)} has parts that were never written and read as 0, the first at byte {hole:,}"
            for file, hole in holes.items()
            if hole is not None
        ]
        return Recording.several(
            X,
            parts.targets,
            source=line(self.path),
            feature_names=names,
            column_types=(str(X.stored),),
            notes=(*notes, *unused),
            annotations=parts.annotations,
            covariate_names=self.roles.covariates,
            progress=progress,
        )

    def target(self) -> NDArray[np.float64]:
        """Read the first target alone."""
        with naming(self.path, _WHAT):
            return read_target(self, self.roles)

    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and features, as the headers give them."""
        with naming(self.path, _WHAT):
            n_rows, n_features = self._open().shape
        return n_rows, n_features

    def contents(self) -> tuple[Entry, ...]:
        """Return the arrays in the folder."""
        with naming(self.path, _WHAT):
            self._require_files()
            return tuple(self._entry(name) for name in self.names())

    def fingerprint(self) -> str | None:
        """Return the state of the files."""
        names = self.names()
        read = arrays_of([*self.roles.numbers, *self.roles.labels], names)
        if not set(read) <= set(names):
            return None
        return state_of([self._features_file, *map(self._file, read)])

    def names(self) -> list[str]:
        """Stems of the files."""
        try:
            return sorted(file.stem for file in self._folder.iterdir() if file.suffix == ".npy")
        except OSError:
            return []

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Shape of an array, from its header."""
        with open_regular(self._file(name)) as file:
            return read_header(file).shape

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return all values of an array of numbers."""
        stored = NpyFile(self._file(name))
        return stored[(slice(None),) * len(stored.shape)].astype(np.float64, copy=False)

    def labels(self, name: str) -> NDArray[np.str_]:
        """Return all values of an array of text or of numbers, as text."""
        with open_regular(self._file(name)) as file:
            require_labels(read_header(file), name)
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False).astype(np.str_)

    @property
    def _folder(self) -> Path:
        return self.path if self._features_name else self.path.parent

    @property
    def _features_name(self) -> str | None:
        return (self.roles.array or FEATURES) if self.path.is_dir() else None

    @property
    def _features_file(self) -> Path:
        return self._file(self._features_name) if self._features_name else self.path

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.npy"

    def _open(self) -> NpyFile:
        self._require_files()
        names = self.names()
        if self._features_name:
            do = "say by --features which array holds the features"
            require_present(self._features_name, names, "array", do)
        X = NpyFile(self._features_file)
        require_all_features(self.roles, names)
        require_parts(self, self._features_file.stem, self.roles)
        require_bounded(X, X.shape[0])
        return X

    def _require_files(self) -> None:
        if self._features_name and not self.names():
            do = "check the path; a recording in one file is a .npz, .csv or .parquet"
            raise refusal("a Zarr group, or a folder with X.npy and the target's .npy", "another folder", do)

    def _entry(self, name: str) -> Entry:
        with open_regular(self._file(name)) as file:
            shape, _, dtype, _ = read_header(file)
        return Entry(line(name), shape, str(dtype), role_of(name, self._features_file.stem, self.roles))
