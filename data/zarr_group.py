"""Recordings in a Zarr group, which is read by chunks and never held whole."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from regsearch.data.array_headers import FEATURES, require_bounded
from regsearch.data.array_parts import (
    arrays_of,
    feature_names,
    label,
    read_parts,
    read_target,
    require_all_features,
    require_parts,
)
from regsearch.data.entry import Entry, role_of
from regsearch.data.file_state import state_of
from regsearch.data.memory import fits_in_memory, require_memory
from regsearch.data.npy_header import kept_type
from regsearch.data.packing import Packing
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, naming, others, refusal, require_present, short, some
from regsearch.data.roles import Roles
from regsearch.data.zarr_chunks import require_whole
from regsearch.data.zarr_metadata import ZarrMetadata, is_group, is_zarr, read_metadata

if TYPE_CHECKING:
    import zarr

_WHAT = "Zarr group"


class ZarrArray:
    """A Zarr array of numbers, as a matrix that is read block by block.

    Parameters
    ----------
    metadata : ZarrMetadata

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
        float32 if the array stores floating point of 32 bits or fewer and is not scaled, else float64.
    chunks : tuple of int
        Shape of what is best read at once.
    packing : Packing or None

    Raises
    ------
    DataError
        If it holds anything but numbers, or its chunks are too large to decode.
    """

    def __init__(self, metadata: ZarrMetadata) -> None:
        name = metadata.folder.name
        self.shape, self.chunks = metadata.shape, metadata.stored
        self.packing = Packing.of(metadata.attributes, metadata.fill_value)
        kept = kept_type(metadata.dtype, name)
        self.dtype: np.dtype[np.floating] = np.dtype(np.float64) if self.packing and self.packing.is_scaled else kept
        size = metadata.dtype.itemsize * math.prod(metadata.stored)
        if not fits_in_memory(size):
            found = f"chunks of {size / 2**30:.3g} GiB in array {short(name)}"
            raise refusal("chunks of at most a tenth of memory", found, "write it with smaller chunks")
        self.metadata = metadata
        self._array = _opened(metadata)

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[np.floating]:
        with naming(self.metadata.folder, "Zarr array"):
            values = np.asarray(self._array[key])
        return self.packing.unpack(values, self.dtype) if self.packing else values.astype(self.dtype, copy=False)


@dataclass(frozen=True)
class ZarrGroup:
    """A Zarr group of format 2 or 3 with the features, (n_rows, n_features), and the target, a vector, row or column.

    Parameters
    ----------
    path : Path
        Folder of the group.
    roles : Roles
    """

    path: Path
    roles: Roles

    def read(self, *, progress: bool = False) -> tuple[Recording, ...]:
        """Open the recording, after checking that no chunk is absent; `X` is read where and when it is needed."""
        with naming(self.path, _WHAT):
            X = self._open()
            require_whole(X.metadata)
            parts = read_parts(self, self.roles)
            names, unused = feature_names(self, self._features_name, X.shape[1])
            numbers = [self._features_name, *arrays_of(self.roles.numbers, self.names())]
            unpacked = [name for name in numbers if (packing := self._array(name).packing) and packing.is_scaled]
        scaled = (f"array {line(name)} was scaled as its attributes say (CF conventions)" for name in unpacked)
        return Recording.several(
            X,
            parts.targets,
            source=line(self.path),
            feature_names=names,
            column_types=(str(X.metadata.dtype),),
            notes=(*scaled, *unused),
            annotations=parts.annotations,
            covariate_names=self.roles.covariates,
            progress=progress,
        )

    def target(self) -> NDArray[np.float64]:
        """Read the first target alone."""
        with naming(self.path, _WHAT):
            return read_target(self, self.roles)

    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and features, as the metadata give them."""
        with naming(self.path, _WHAT):
            n_rows, n_features = self._open().shape
        return n_rows, n_features

    def contents(self) -> tuple[Entry, ...]:
        """Return the arrays of numbers in the group."""
        with naming(self.path, _WHAT):
            arrays = {name: read_metadata(self.path / name) for name in self.names()}
        return tuple(
            Entry(line(name), array.shape, str(array.dtype), role_of(name, self._features_name, self.roles))
            for name, array in arrays.items()
            if array
        )

    def fingerprint(self) -> str | None:
        """Return the state of all files of the arrays."""
        read = self._read_names()
        if not set(read) <= set(self.names()):
            return None
        return state_of(sorted(file for name in read for file in _files(self.path / name)))

    def names(self) -> list[str]:
        """Names of the arrays and groups."""
        try:
            return sorted(entry.name for entry in os.scandir(self.path) if is_zarr(Path(entry)))
        except OSError:
            return []

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Shape of an array, from its metadata."""
        return self._metadata(name).shape

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return all values of an array of numbers."""
        stored = self._array(name)
        require_whole(stored.metadata)
        return stored[(slice(None),) * len(stored.shape)].astype(np.float64, copy=False)

    def labels(self, name: str) -> NDArray[np.str_]:
        """Return all values of an array of text or of numbers, as text."""
        metadata = self._metadata(name)
        if metadata.dtype.kind == "U":
            require_memory(2 * metadata.dtype.itemsize * math.prod(metadata.shape), f"array {short(name)}")
            require_whole(metadata)
            return np.asarray(_opened(metadata)[...], dtype=np.str_).reshape(-1)
        return np.array([label(value) for value in self.numbers(name).reshape(-1)])

    @property
    def _features_name(self) -> str:
        return self.roles.array or FEATURES

    def _read_names(self) -> list[str]:
        """Return all arrays that a search reads."""
        return [self._features_name, *arrays_of([*self.roles.numbers, *self.roles.labels], self.names())]

    def _open(self) -> ZarrArray:
        if is_zarr(self.path) and read_metadata(self.path):
            found = "a single array"
            raise refusal("a Zarr group with the arrays of features and target", found, "name the folder around it")
        X = self._array(self._features_name, "say by --features which array holds the features")
        require_all_features(self.roles, self.names())
        require_parts(self, self._features_name, self.roles)
        require_bounded(X, X.shape[0])
        return X

    def _array(self, name: str, do: str = "name one of the arrays") -> ZarrArray:
        return ZarrArray(self._metadata(name, do))

    def _metadata(self, name: str, do: str = "name one of the arrays") -> ZarrMetadata:
        names = self.names()
        if name in names and (metadata := read_metadata(self.path / name)):
            return metadata
        groups = [one for one in names if is_group(self.path / one)]
        if not groups:
            require_present(name, names, "array", do)
        arrays = [one for one in names if one not in groups]
        inside = f"the group(s) {some(groups)}"
        found = f"a group of that name among {inside}" if name in groups else f"{others(name, arrays)}, and {inside}"
        where = "name the folder of the group that holds the arrays, as the recording"
        raise refusal(f"the array {short(name)}", found, where)


def _files(folder: Path) -> Iterator[Path]:
    for inside, _, names in os.walk(folder):
        yield from (Path(inside, name) for name in names)


def _opened(metadata: ZarrMetadata) -> zarr.Array[Any]:
    try:
        import zarr
    except ImportError as error:
        do = "pip install 'regsearch[zarr]'"
        raise refusal("the package zarr, to read it", "that it is not installed", do) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr warns of codecs that are not in its specification
        return zarr.open_array(metadata.folder, mode="r", zarr_format=metadata.zarr_format)
