"""Recordings in a `.npz` archive."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regsearch.data.array_file import ArrayFile
from regsearch.data.memory import require_memory
from regsearch.data.npy_header import Header, kept_type, read_header, require_labels
from regsearch.data.refusal import naming, refusal, short
from regsearch.data.regular_file import open_regular


class NpzArchive(ArrayFile["_Opened"]):
    """A `.npz` archive with the features, shape (n_rows, n_features), and the target, a vector, a row or a column."""

    @contextmanager
    def _opened(self) -> Iterator[_Opened]:
        with naming(self.path), open_regular(self.path) as file, zipfile.ZipFile(file) as archive:
            yield _Opened(archive)


@dataclass(frozen=True)
class _Opened:
    """The arrays of an archive that is open."""

    archive: zipfile.ZipFile

    @property
    def headers(self) -> dict[str, tuple[tuple[int, ...], str]]:
        headers = {name: _header(self.archive, name) for name in self.names()}
        return {name: (header.shape, str(header.dtype)) for name, header in headers.items()}

    def names(self) -> list[str]:
        return [member.removesuffix(".npy") for member in self.archive.namelist() if member.endswith(".npy")]

    def shape_of(self, name: str) -> tuple[int, ...]:
        return _header(self.archive, name).shape

    def require_numbers(self, name: str) -> None:
        _require_bounded(self.archive, name, _header(self.archive, name))

    def values(self, name: str) -> NDArray[np.generic]:
        self.require_numbers(name)
        return self._read(name)

    def numbers(self, name: str) -> NDArray[np.float64]:
        return self.values(name).astype(np.float64, copy=False)

    def labels(self, name: str) -> NDArray[np.str_]:
        require_labels(_header(self.archive, name), name)
        return self._read(name).astype(np.str_)

    def notes(self, names: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def _read(self, name: str) -> NDArray[np.generic]:
        with self.archive.open(f"{name}.npy") as stream:
            values: NDArray[np.generic] = np.lib.format.read_array(stream, allow_pickle=False)
        return values


def _require_bounded(archive: zipfile.ZipFile, name: str, header: Header) -> None:
    """Raise `DataError` unless an array holds numbers that can be read in bounded memory."""
    kept = kept_type(header.dtype, name)
    size = math.prod(header.shape)
    require_memory(size * (header.dtype.itemsize + kept.itemsize), f"array {short(name)}")
    length = archive.getinfo(f"{name}.npy").file_size
    if header.offset + size * header.dtype.itemsize != length:
        found = f"{length} bytes for shape {short(header.shape)} of {header.dtype}"
        raise refusal(f"array {short(name)} to be as long as its header says", found, "save the file again")


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile bounds the memory of one read for deflate alone
        raise refusal("arrays stored or deflated", f"another compression of {short(name)}", "use numpy.savez")
    with archive.open(member) as stream:
        return read_header(stream)
