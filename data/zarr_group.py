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

from regsearch.data.array_headers import FEATURES, require_bounded, require_shapes
from regsearch.data.entry import Entry, role_of
from regsearch.data.file_state import state_of
from regsearch.data.memory import fits_in_memory
from regsearch.data.npy_header import kept_type
from regsearch.data.packing import Packing
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, naming, refusal, require_present, short
from regsearch.data.zarr_chunks import require_whole
from regsearch.data.zarr_metadata import ZarrMetadata, is_zarr, read_metadata

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
    """A Zarr group of format 2 or 3 with the features, (n_rows, n_features), and the target, (n_rows,) or (n_rows, 1).

    Parameters
    ----------
    path : Path
        Folder of the group.
    target : str
        Name of the target's array.
    features : str or None
        Name of the features' array; ``None`` for ``X``.
    """

    path: Path
    target: str
    features: str | None = None

    def read(self, *, progress: bool = False) -> Recording:
        """Open the recording, after checking that no chunk is absent; `X` is read where and when it is needed."""
        with naming(self.path, _WHAT):
            X, stored = self._open()
            for array in (X, stored):
                require_whole(array.metadata)
            y = stored[(slice(None),) * len(stored.shape)].astype(np.float64, copy=False).reshape(-1)
        unpacked = [
            name
            for name, array in ((self._features_name, X), (self.target, stored))
            if array.packing and array.packing.is_scaled
        ]
        return Recording.checked(
            X,
            y,
            source=line(self.path),
            target=line(self.target),
            column_types=(str(X.metadata.dtype),),
            notes=tuple(f"array {line(name)} was scaled as its attributes say (CF conventions)" for name in unpacked),
            progress=progress,
        )

    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and features, as the metadata give them."""
        with naming(self.path, _WHAT):
            n_rows, n_features = self._open()[0].shape
        return n_rows, n_features

    def contents(self) -> tuple[Entry, ...]:
        """Return the arrays of numbers in the group."""
        with naming(self.path, _WHAT):
            arrays = {name: read_metadata(self.path / name) for name in self._names()}
        return tuple(
            Entry(line(name), array.shape, str(array.dtype), role_of(name, self._features_name, self.target))
            for name, array in arrays.items()
            if array
        )

    def fingerprint(self) -> str | None:
        """Return the state of all files of both arrays."""
        if not {self._features_name, self.target} <= set(self._names()):
            return None
        folders = (self.path / name for name in (self._features_name, self.target))
        return state_of(sorted(file for folder in folders for file in _files(folder)))

    @property
    def _features_name(self) -> str:
        return self.features or FEATURES

    def _names(self) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self.path) if is_zarr(Path(entry)))
        except OSError:
            return []

    def _open(self) -> tuple[ZarrArray, ZarrArray]:
        if is_zarr(self.path) and read_metadata(self.path):
            found = "a single array"
            raise refusal("a Zarr group with the arrays of features and target", found, "name the folder around it")
        X = self._array(self._features_name, "say by --features which array holds the features")
        y = self._array(self.target, "say by --target which array to predict")
        require_shapes(X.shape, y.shape, self.target)
        require_bounded(X, X.shape[0])
        return X, y

    def _array(self, name: str, do: str) -> ZarrArray:
        names = self._names()
        require_present(name, names, "array", do)
        metadata = read_metadata(self.path / name)
        if metadata is None:
            raise refusal(f"the array {short(name)}", "a group of that name", do)
        return ZarrArray(metadata)


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
