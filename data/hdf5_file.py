"""Recordings in an HDF5 file, whose arrays are named by their paths in it.

Only what lies in the file itself is read: links to other files are not followed, and nothing is unpickled.
"""

from __future__ import annotations

import math
import posixpath
import zlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from regsearch.data.array_file import ArrayFile
from regsearch.data.array_parts import label
from regsearch.data.blocks import blocks
from regsearch.data.memory import fits_in_memory, memory_bytes, require_memory
from regsearch.data.npy_header import kept_type
from regsearch.data.packing import Packing
from regsearch.data.refusal import line, naming, refusal, short
from regsearch.data.regular_file import open_regular
from regsearch.errors import DataError

if TYPE_CHECKING:
    import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MATLAB_HEADER = 512
_PACKING = ("_FillValue", "missing_value", "scale_factor", "add_offset", "valid_range", "valid_min", "valid_max")
_DEFLATE = 1
_MOST_DEFLATED = 1032
"""How many bytes one byte of a deflated stream can stand for, at most."""
_PIECE = 2**20


def is_hdf5(path: Path) -> bool:
    """Return whether a file is there and has the signature of HDF5, at its start or behind MATLAB's header."""
    try:
        with open_regular(path) as file:
            head = file.read(_MATLAB_HEADER + len(_SIGNATURE))
    except (DataError, OSError):
        return False
    return head.startswith(_SIGNATURE) or head[_MATLAB_HEADER:] == _SIGNATURE


Held = TypeVar("Held", bound="Hdf5Arrays")


@dataclass(frozen=True)
class Hdf5Arrays:
    """The arrays of an HDF5 file that is open.

    Parameters
    ----------
    file : h5py.File
    headers : dict of str to (shape, type)
        By the path of each array in the file.
    """

    file: h5py.File
    headers: dict[str, tuple[tuple[int, ...], str]]

    @classmethod
    def of(cls, file: h5py.File) -> Self:
        """Find the arrays; links are left alone."""
        headers = {}

        def visit(name: str, thing: h5py.Dataset | h5py.Group) -> None:
            if header := cls._header(name, thing):
                headers[name] = header

        file.visititems(visit)
        return cls(file, headers)

    def with_links(self) -> Self:
        """Return the arrays with those that are known by another name in the same file, too."""
        import h5py

        links = {}

        def visit(name: str, link: Any) -> None:
            if isinstance(link, h5py.SoftLink):
                place = posixpath.join("/", posixpath.dirname(name), link.path).lstrip("/")
                if header := self.headers.get(place):
                    links[name] = header

        self.file.visititems_links(visit)
        return replace(self, headers=self.headers | links)

    @classmethod
    def _header(cls, name: str, thing: h5py.Dataset | h5py.Group) -> tuple[tuple[int, ...], str] | None:  # noqa: ARG003
        """Return shape and type of an array, or ``None`` for anything else."""
        shape = getattr(thing, "shape", None)  # a group has none
        return (tuple(shape), _kind(thing.dtype)) if shape else None

    def names(self) -> list[str]:
        """Paths of the arrays."""
        return list(self.headers)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Shape of an array."""
        return self.headers[name][0]

    def require_numbers(self, name: str) -> None:
        """Raise `DataError` unless an array holds real numbers, in this file, that fit in memory."""
        dataset = self.file[name]
        if dataset.dtype.kind not in "biuf":
            found = f"array {short(name)} of {self.headers[name][1]}"
            raise refusal("real numbers", found, "save it as an array of numbers")
        self._require_readable(dataset, name)
        kept = kept_type(dataset.dtype, name)
        require_memory(dataset.size * (dataset.dtype.itemsize + 2 * kept.itemsize), f"array {short(name)}")

    def values(self, name: str) -> NDArray[np.generic]:
        """Return all values of an array of real numbers; missing ones are NaN."""
        self.require_numbers(name)
        dataset = self.file[name]
        stored: NDArray[np.generic] = dataset[()]
        if packing := self._packing(name):
            kept = np.dtype(np.float64) if packing.is_scaled else kept_type(dataset.dtype, name)
            return packing.unpack(stored, kept)
        return stored

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return all values of an array of real numbers."""
        return self.values(name).astype(np.float64, copy=False).reshape(self.shape_of(name))

    def labels(self, name: str) -> NDArray[np.str_]:
        """Return all values of an array of text or of numbers, as text."""
        import h5py

        dataset = self.file[name]
        if h5py.check_string_dtype(dataset.dtype) is None:
            return np.array([label(value) for value in self.values(name).reshape(-1).tolist()])
        self._require_readable(dataset, name)
        require_memory(dataset.size * max(256, 4 * dataset.dtype.itemsize), f"array {short(name)}")
        at_once = min(4096, max(1, memory_bytes() // 10 // max(1, self.file.id.get_filesize())))  # texts may be shared
        is_row = len(dataset.shape) == 2 and dataset.shape[0] == 1
        if len(dataset.shape) > 1 and not is_row and dataset.size != dataset.shape[0]:
            raise refusal(f"one label of {short(name)} per row", f"shape {dataset.shape}", "save one text per row")
        texts: list[str] = []
        size = 0
        written = dataset.asstr("utf-8")  # a text of ASCII is the same in UTF-8, which many write into such arrays
        for part in blocks(dataset.size, at_once):
            try:
                texts += written[(0, part) if is_row else part].reshape(-1).tolist()
            except UnicodeDecodeError as error:
                found = f"the byte 0x{error.object[error.start]:02x} in {short(name)}"
                raise refusal("text in UTF-8", found, "save the texts as UTF-8") from None
            size += sum(map(len, texts[part.start :]))
            require_memory(8 * size, f"array {short(name)}")
        return np.array(texts, dtype=np.str_)

    def notes(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return which arrays were scaled."""
        scaled = [name for name in names if (packing := self._packing(name)) and packing.is_scaled]
        return tuple(f"array '{line(name)}' was scaled as its attributes say" for name in scaled)

    def _packing(self, name: str) -> Packing | None:
        """Return how the stored values stand for numbers, by the CF conventions, which netCDF follows."""
        attributes = self.file[name].attrs
        given = {key: np.ravel(attributes[key]).tolist() for key in _PACKING if key in attributes}
        return Packing.of(given, None)

    _refuses_absent: ClassVar[bool] = True

    def _require_readable(self, dataset: h5py.Dataset, name: str) -> None:
        """Raise `DataError` unless all values lie in this file, and can be unpacked in bounded memory."""
        import h5py

        what = short(name)
        if dataset.is_virtual or dataset.external:
            raise refusal("values in the file itself", f"array {what} in other files", "save the values themselves")
        plan = dataset.id.get_create_plist()
        filters = [plan.get_filter(place) for place in range(plan.get_nfilters())]
        for code, _, _, title in filters:
            if not h5py.h5z.filter_avail(code):
                found = f"array {what} with filter {code} ({title.decode(errors='replace')[:40]})"
                raise refusal("arrays stored or compressed by gzip", found, "h5repack -f GZIP=4 OLD NEW")
        if not dataset.size:
            return
        if dataset.chunks is None:
            absent = int(dataset.id.get_storage_size() == 0)
        else:
            absent = self._absent_chunks(dataset, what, [code for code, *_ in filters])
        if absent and self._refuses_absent:
            do = "HDF5 would read them as zeros: save the array again"
            raise refusal(f"every chunk of array {what}", f"{absent} never written", do)

    def _absent_chunks(self, dataset: h5py.Dataset, what: str, filters: list[int]) -> int:
        """Return how many chunks are not there, and refuse those that unpack to too much."""
        whole = math.prod(dataset.chunks) * dataset.dtype.itemsize
        if not fits_in_memory(whole):
            found = f"chunks of {whole / 2**30:.3g} GiB in array {what}"
            raise refusal("chunks of at most a tenth of memory", found, "write it with smaller chunks")
        if filters.count(_DEFLATE) > 1:
            raise refusal("arrays compressed once", f"array {what} compressed twice", "write the array again")
        there = 0
        large: list[tuple[int, ...]] = []

        def visit(chunk: Any) -> None:
            nonlocal there
            there += 1
            if _DEFLATE in filters and not fits_in_memory(_MOST_DEFLATED * chunk.size):
                large.append(chunk.chunk_offset)

        dataset.id.chunk_iter(visit)
        for offset in large:
            _, packed = dataset.id.read_direct_chunk(offset)
            if filters[-1] != _DEFLATE or _inflated(packed, 2 * whole) > whole:
                found = f"more in a chunk of array {what}"
                raise refusal(f"chunks that unpack to {whole} bytes", found, "write the array again")
        sizes = zip(dataset.shape, dataset.chunks, strict=True)
        return max(0, math.prod(-(-int(size) // int(chunk)) for size, chunk in sizes) - there)


class Hdf5Source(ArrayFile[Held]):
    """A file that is HDF5; each kind finds its own arrays in it."""

    @abstractmethod
    def _found_in(self, file: h5py.File) -> Held:
        """Find the arrays of a file."""

    @contextmanager
    def _opened(self) -> Iterator[Held]:
        with naming(self.path):
            open_regular(self.path).close()
            try:
                import h5py
            except ImportError as error:
                do = "pip install 'regsearch[hdf5]'"
                raise refusal("the package h5py, to read it", "that it is not installed", do) from error
            if not is_hdf5(self.path):
                raise refusal("an HDF5 file", "another kind of file, or a damaged one", "save it again")
            with h5py.File(self.path, "r", locking="best-effort") as file:
                yield self._found_in(file)


class Hdf5File(Hdf5Source[Hdf5Arrays]):
    """An HDF5 file with the features, shape (n_rows, n_features), and the target, a vector, a row or a column."""

    def _found_in(self, file: h5py.File) -> Hdf5Arrays:
        return Hdf5Arrays.of(file).with_links()


def _kind(dtype: np.dtype[Any]) -> str:
    """Return the type of values for people."""
    import h5py

    if h5py.check_string_dtype(dtype) is not None:
        return "text"
    if h5py.check_vlen_dtype(dtype) is not None:
        return "rows of different lengths"
    if h5py.check_ref_dtype(dtype) is not None:
        return "references"
    return "compound values" if dtype.names else str(dtype)


def _inflated(packed: bytes, limit: int) -> int:
    """Return how many bytes a deflated stream stands for; it stops at a limit."""
    stream, size = zlib.decompressobj(), 0
    while not stream.eof and size <= limit:
        piece = stream.decompress(packed, _PIECE)
        if not piece:
            break
        size, packed = size + len(piece), stream.unconsumed_tail
    return size
