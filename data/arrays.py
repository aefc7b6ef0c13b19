"""The user's own recording where it lies: `.npy` files and Zarr groups, of which no more than a block is ever read."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from regsearch.data.memory import fits_in_memory
from regsearch.data.npy import kept_type, read_header
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, naming, refusal, require_present, short
from regsearch.data.split import Block
from regsearch.errors import DataError

if TYPE_CHECKING:
    import zarr

_CODECS = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "numcodecs.")
    for name in (
        *("bytes", "transpose", "sharding_indexed", "zstd", "gzip", "zlib", "bz2", "lzma", "lz4", "blosc"),
        *("shuffle", "delta", "crc32", "crc32c", "adler32", "fletcher32"),
    )
)
"""What a Zarr array may be encoded by: of what numcodecs knows beside these, some would execute code."""


_WHAT = "recording of arrays"
_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")


class NpyFile:
    """A `.npy` file of numbers, as a matrix that is read piece by piece.

    It is not mapped into memory: a file that is cut short meanwhile is an error and not the end of the process, and
    what was read leaves no pages behind.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
        float32 where the numbers are stored in 32 bits or fewer of floating point, else float64.

    Raises
    ------
    DataError
        If it holds anything but numbers.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        weakref.finalize(self, self._file.close)
        self.shape, self._fortran, self._stored = read_header(self._file)
        self.dtype = kept_type(self._stored, path.stem)
        self._offset = self._file.tell()
        self._state = self._state_now()
        expected = self._offset + math.prod(self.shape) * self._stored.itemsize
        if self._state[0] != expected:
            found = f"{self._state[0]} bytes for shape {short(self.shape)} of {self._stored}"
            raise refusal(f"{path.name} to be as long as its header says", found, "save it again")

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[np.floating]:
        rectangle = [part.indices(size)[:2] for part, size in zip(key, self.shape, strict=True)]
        return self._read(rectangle[::-1]).T if self._fortran else self._read(rectangle)

    def _read(self, rectangle: Sequence[Block]) -> NDArray[np.floating]:
        """Return some of the values, in the order of the file."""
        values = np.empty([stop - start for start, stop in rectangle], self._stored)
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

    def _state_now(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns

    def _refuse_change(self) -> NoReturn:
        error = refusal("a file that stays as it is", "that it changed while it was read", "try again when it is whole")
        raise DataError(f"{line(self._path)}: {error}")


class ZarrArray:
    """A Zarr array of numbers, as a matrix that is read piece by piece.

    Parameters
    ----------
    array : zarr.Array
    name : str

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
        As of `NpyFile`.
    chunks : tuple of int
        What is read and decoded at once.

    Raises
    ------
    DataError
        If it holds anything but numbers, is encoded by what is not known to be safe, or has chunks too large to decode.
    """

    def __init__(self, array: zarr.Array[Any], name: str) -> None:
        self._array = array
        self.shape = array.shape
        self.dtype = kept_type(array.dtype, name)
        self.chunks = array.shards or array.chunks
        unknown = sorted(set(_codecs(array.metadata.to_dict())) - _CODECS)
        if unknown:
            do = "write it with Blosc, Zstandard or gzip"
            raise refusal("a codec that only packs numbers", f"{short(unknown[0])} in array {short(name)}", do)
        size = array.dtype.itemsize * math.prod(self.chunks)
        if not fits_in_memory(size):
            found = f"chunks of {size / 2**30:.3g} GiB in array {short(name)}"
            raise refusal("chunks of at most a tenth of memory", found, "write it with smaller chunks")

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[np.floating]:
        return np.asarray(self._array[key]).astype(self.dtype, copy=False)


def holds_arrays(source: str | Path) -> bool:
    """Return whether a source is for `open_arrays`: a folder, or a `.npy` file that is no pickle."""
    path = Path(source)
    if path.suffix != ".npy" or path.is_dir():
        return path.is_dir()
    try:
        with path.open("rb") as file:
            return not read_header(file)[2].hasobject
    except OSError:
        return False
    except ValueError:
        return True  # and refused there


def open_arrays(source: str | Path, target: str = "y", *, progress: bool = False) -> Recording:
    """Open a recording that is read only where and when its values are needed.

    Parameters
    ----------
    source : str or Path
        A folder with the files ``X.npy`` and ``<target>.npy``, a ``.npy`` file beside ``<target>.npy``, or a Zarr group
        of format 2 or 3 with the arrays `X` and `target`; of shapes (n_rows, n_features) and (n_rows,) or (n_rows, 1).
    target : str
        Name of the array to predict.
    progress : bool
        As `Recording` has it.

    Raises
    ------
    DataError
        If there are no such arrays of numbers, or they are no recording.
    """
    path = Path(source)
    with naming(path, _WHAT):
        X, stored = _open(path, target)
        y = stored[(slice(None),) * len(stored.shape)].astype(np.float64, copy=False).reshape(-1)
    return Recording.checked(X, y, source=line(path), target=line(target), progress=progress)


def arrays_shape(source: str | Path, target: str = "y") -> tuple[int, int]:
    """Return how many rows and features a recording of arrays has, by their headers alone.

    Raises
    ------
    DataError
        If `open_arrays` would refuse it for what they say.
    """
    path = Path(source)
    with naming(path, _WHAT):
        n_rows, n_features = _open(path, target)[0].shape
    return n_rows, n_features


def array_files(source: str | Path, target: str) -> Iterator[Path]:
    """Yield the files of which a recording of arrays consists."""
    path = Path(source)
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    else:
        yield from (path, path.with_name(f"{target}.npy"))


def _open(path: Path, target: str) -> tuple[NpyFile | ZarrArray, NpyFile | ZarrArray]:
    X, y = _arrays(path, target)
    if len(X.shape) != 2:
        raise refusal("an array X of rows and columns", f"shape {short(X.shape)}", "give one row per frame")
    if y.shape not in ((X.shape[0],), (X.shape[0], 1)):
        found = f"shape {short(y.shape)} beside X of shape {short(X.shape)}"
        raise refusal(f"one number of {short(target)} per row of X", found, "save as many of both")
    return X, y


def _arrays(path: Path, target: str) -> tuple[NpyFile | ZarrArray, NpyFile | ZarrArray]:
    if not path.is_dir():
        X = NpyFile(path)
        _require_file(path.parent, target)
        return X, NpyFile(path.with_name(f"{target}.npy"))
    if any((path / name).exists() for name in _ZARR_FILES):
        return _zarr_arrays(path, target)
    if not any(path.glob("*.npy")):
        do = "check the path; a recording in one file is a .npz, .csv or .parquet"
        raise refusal("a Zarr group, or a folder with X.npy and the target's .npy", "another folder", do)
    for name in ("X", target):
        _require_file(path, name)
    return NpyFile(path / "X.npy"), NpyFile(path / f"{target}.npy")


def _require_file(folder: Path, name: str) -> None:
    require_present(name, [file.stem for file in folder.glob("*.npy")], "array")


def _zarr_arrays(path: Path, target: str) -> tuple[ZarrArray, ZarrArray]:
    try:
        import zarr
    except ImportError as error:
        do = "pip install 'regsearch[zarr]'"
        raise refusal("the package zarr, to read it", "that it is not installed", do) from error
    group = zarr.open_group(path, mode="r")
    arrays = dict(group.arrays())
    for name in ("X", target):
        require_present(name, sorted(arrays), "array")
    return ZarrArray(arrays["X"], "X"), ZarrArray(arrays[target], target)


def _codecs(metadata: object) -> Iterator[str]:
    """Yield the names of all codecs that an array's metadata mention, in the form of either format."""
    if isinstance(metadata, Mapping):
        for key, value in metadata.items():
            if key in ("filters", "compressor", "codecs", "index_codecs", "configuration"):
                yield from _codecs(value)
            elif key in ("id", "name") and isinstance(value, str):
                yield value
    elif isinstance(metadata, list | tuple):
        for part in metadata:
            yield from _codecs(part)
