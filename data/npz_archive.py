"""Recordings in a `.npz` archive."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regsearch.data.array_headers import FEATURES
from regsearch.data.array_parts import arrays_of, chosen_columns, feature_names, read_parts, require_parts
from regsearch.data.entry import Entry, role_of
from regsearch.data.file_state import state_of
from regsearch.data.memory import require_memory
from regsearch.data.npy_header import Header, kept_type, read_header, require_labels
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, naming, refusal, require_present, short
from regsearch.data.regular_file import open_regular
from regsearch.data.roles import Roles


@dataclass(frozen=True)
class NpzArchive:
    """A `.npz` archive with the features, shape (n_rows, n_features), and the target, (n_rows,) or (n_rows, 1).

    Parameters
    ----------
    path : Path
    roles : Roles
    """

    path: Path
    roles: Roles

    def read(self, *, progress: bool = False) -> tuple[Recording, ...]:
        """Read the arrays, `X` as a C-contiguous one."""
        with naming(self.path), open_regular(self.path) as file, zipfile.ZipFile(file) as archive:
            self._require_parts(archive)
            arrays, name = _Opened(archive), self._features_name
            stored = str(_header(archive, name).dtype)
            names, columns = self._columns(archive)
            X = _read(archive, name)
            if columns is not None:
                X, names = np.ascontiguousarray(X[:, columns]), tuple(names[column] for column in columns)
            parts = read_parts(arrays, self.roles)
        return Recording.several(
            X,
            parts.targets,
            source=line(self.path),
            feature_names=names,
            column_types=(stored,),
            annotations=parts.annotations,
            covariate_names=self.roles.covariates,
            progress=progress,
        )

    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and features, as the headers give them."""
        with naming(self.path), open_regular(self.path) as file, zipfile.ZipFile(file) as archive:
            n_rows, n_features = self._require_parts(archive).shape
            _, columns = self._columns(archive)
        return n_rows, n_features if columns is None else len(columns)

    def contents(self) -> tuple[Entry, ...]:
        """Return the arrays of the archive."""
        with naming(self.path), open_regular(self.path) as file, zipfile.ZipFile(file) as archive:
            headers = {name: _header(archive, name) for name in _names(archive)}
        return tuple(
            Entry(line(name), header.shape, str(header.dtype), role_of(name, self._features_name, self.roles))
            for name, header in headers.items()
        )

    def fingerprint(self) -> str | None:
        """Return the state of the file."""
        return state_of([self.path])

    @property
    def _features_name(self) -> str:
        return self.roles.features if isinstance(self.roles.features, str) else FEATURES

    def _columns(self, archive: zipfile.ZipFile) -> tuple[tuple[str, ...], NDArray[np.intp] | None]:
        """Return the names of all columns of the array of features, and the places of those that are chosen."""
        name = self._features_name
        names = feature_names(_Opened(archive), name, _header(archive, name).shape[1])
        return names, chosen_columns(names, self.roles)

    def _require_parts(self, archive: zipfile.ZipFile) -> Header:
        """Check the headers of all arrays that are read, and return that of the features."""
        do = "say by --features which array holds the features"
        require_present(self._features_name, _names(archive), "array", do)
        names = _names(archive)
        X = _checked_header(archive, self._features_name)
        for name in arrays_of(self.roles.numbers, names):
            if name in names:
                _checked_header(archive, name)
        require_parts(_Opened(archive), self._features_name, self.roles)
        return X


@dataclass(frozen=True)
class _Opened:
    """The arrays of an archive that is open."""

    archive: zipfile.ZipFile

    def names(self) -> list[str]:
        return _names(self.archive)

    def shape_of(self, name: str) -> tuple[int, ...]:
        return _header(self.archive, name).shape

    def numbers(self, name: str) -> NDArray[np.float64]:
        return _read(self.archive, name).astype(np.float64, copy=False)

    def labels(self, name: str) -> NDArray[np.str_]:
        with self.archive.open(self.archive.getinfo(f"{name}.npy")) as stream:
            require_labels(read_header(stream), name)
        with self.archive.open(f"{name}.npy") as stream:
            return np.lib.format.read_array(stream, allow_pickle=False).astype(np.str_)


def _names(archive: zipfile.ZipFile) -> list[str]:
    return [member.removesuffix(".npy") for member in archive.namelist() if member.endswith(".npy")]


def _read(archive: zipfile.ZipFile, name: str) -> NDArray[np.floating]:
    kept = kept_type(_checked_header(archive, name).dtype, name)
    with archive.open(f"{name}.npy") as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False), dtype=kept, order="C")


def _checked_header(archive: zipfile.ZipFile, name: str) -> Header:
    """Return an array's header, after checking that its values can be read in bounded memory."""
    header = _header(archive, name)
    kept = kept_type(header.dtype, name)
    size = math.prod(header.shape)
    require_memory(size * (header.dtype.itemsize + kept.itemsize), f"array {short(name)}")
    length = archive.getinfo(f"{name}.npy").file_size
    if header.offset + size * header.dtype.itemsize != length:
        found = f"{length} bytes for shape {short(header.shape)} of {header.dtype}"
        raise refusal(f"array {short(name)} to be as long as its header says", found, "save the file again")
    return header


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile bounds the memory of one read for deflate alone
        raise refusal("arrays stored or deflated", f"another compression of {short(name)}", "use numpy.savez")
    with archive.open(member) as stream:
        return read_header(stream)
