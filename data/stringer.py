"""The real recording: download and verify it, and read its pickle without unpickling anything."""

from __future__ import annotations

import math
import os
import pickle
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from regsearch.data.entry import Entry, role_of
from regsearch.data.file_state import state_of
from regsearch.data.memory import require_memory
from regsearch.data.npy_header import read_header
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, naming, refusal
from regsearch.data.regular_file import open_regular
from regsearch.data.roles import Roles
from regsearch.data.twin import SHAPE
from regsearch.errors import DataError

URL = "https://osf.io/dpqaj/download"
SHA256 = "b92f153a965a6a25153c125ac88245f887f310b50285dc5af11f0b544ac3ba32"

_WHAT = "pickle of arrays"
_AGAIN = "download the file again"
_FILE_NAME = "stringer_spontaneous.npy"
_ATTEMPTS = 4
_BLOCK_VALUES = 2**20
_MAX_READS = 40_000_000  # each can add about 100 bytes to memory
_MAX_READ_BYTES = 2**16

_GLOBALS = {("numpy", "ndarray"), ("numpy", "dtype")} | {
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct", "scalar")
}
_OPCODES = (
    *(pickle.PROTO, pickle.STOP, pickle.MARK, pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.REDUCE, pickle.BUILD),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1),
    *(pickle.BINFLOAT, pickle.SHORT_BINUNICODE, pickle.BINUNICODE, pickle.EMPTY_TUPLE, pickle.TUPLE),
    *(pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS),
    *(pickle.EMPTY_DICT, pickle.SETITEM, pickle.SETITEMS, pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE),
    *(pickle.BINGET, pickle.LONG_BINGET),
)


def fetch(*, url: str = URL, sha256: str = SHA256, cache: Path | None = None, progress: bool = True) -> Path:
    """Download the recording of Stringer et al. (2019), about 790 MB, unless it is there already.

    The data are CC BY-NC 4.0, DOI 10.25378/janelia.6163622; the paper is DOI 10.1126/science.aav7893.

    Parameters
    ----------
    url : str
        Address of the file.
    sha256 : str
        SHA-256 that the file must have, as 64 hexadecimal digits.
    cache : Path, optional
        Folder to keep it in; the default is ``REGSEARCH_CACHE`` from the environment, or else the user's cache.
    progress : bool
        Whether to draw a progress bar on standard error.

    Returns
    -------
    Path
        The verified file.  If it is there and right, nothing is downloaded.

    Raises
    ------
    DataError
        If the download fails, or is not the published file; then no file is left under its name.
    """
    import pooch

    folder = cache or Path(os.environ.get("REGSEARCH_CACHE") or pooch.os_cache("regsearch"))
    pooch.get_logger().setLevel("WARNING")

    def download(url: str, output_file: str, _: object) -> None:
        responses: list[Any] = []
        hooks = {"response": lambda response, **_: responses.append(response)}
        try:
            pooch.HTTPDownloader(progressbar=progress, hooks=hooks)(url, output_file, None)
        finally:
            for response in responses:
                response.close()
        found = pooch.file_hash(output_file, alg="sha256")
        if found != sha256:
            raise DataError(
                f"{line(url)}: expected a file with SHA-256 {sha256}, found {found}; try again, and if it repeats, "
                f"download {_FILE_NAME} by hand and give it with --data path/to/{_FILE_NAME}"
            )

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return Path(pooch.retrieve(url, f"sha256:{sha256}", _FILE_NAME, folder, downloader=download))
        except OSError as error:  # what requests raises too, without an errno
            dropped = error.errno is None and getattr(error, "response", None) is None
            if not dropped or attempt == _ATTEMPTS:
                raise DataError(
                    f"{line(url)}: expected to download {_FILE_NAME} into {line(folder)}, found "
                    f"{type(error).__name__} ({line(error)[:200]}) at attempt {attempt}; check the connection, or "
                    f"download it by hand and give it with --data path/to/{_FILE_NAME}"
                ) from error
            time.sleep(0.5 * attempt)
    raise AssertionError("unreachable")


@dataclass(frozen=True)
class Published:
    """The recording as it was published, under the name ``stringer``: downloaded when it is first read."""

    def read(self, *, progress: bool = False) -> tuple[Recording, ...]:
        """Download the recording if need be, and read it."""
        return PublishedFile(fetch(progress=progress and sys.stderr.isatty())).read()

    def target(self) -> NDArray[np.float64]:
        """Return the target of the recording."""
        return self.read()[0].y

    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and features."""
        return SHAPE

    def contents(self) -> tuple[Entry, ...]:
        """Return the two arrays that are read, as they are published."""
        return (
            Entry("sresp", SHAPE[::-1], "float32", "features"),
            Entry("run", (SHAPE[0], 1), "float64", "target"),
        )

    def fingerprint(self) -> str:
        """Return the SHA-256 that the file must have."""
        return f"stringer {SHA256}"


@dataclass(frozen=True)
class PublishedFile:
    """The recording in its file: a pickled dict with responses of every neuron and the running speed.

    The pickle's opcodes are parsed into descriptions of arrays.  No global that it names is ever looked up, and only
    the two arrays that are needed are read from the file.

    Parameters
    ----------
    path : Path
        The file, with `sresp` (n_neurons, n_frames) and `run` (n_frames, 1) in arbitrary units, frames of 1.2 s.
    """

    path: Path

    def read(self, *, progress: bool = False) -> tuple[Recording, ...]:  # noqa: ARG002  # it is read in one go
        """Read `sresp` transposed as `X`, float32 and C-contiguous, and `run` as `y`.

        Raises
        ------
        DataError
            If the file cannot be read, asks for anything but NumPy arrays, or lacks one of the two.
        """
        with naming(self.path, _WHAT), open_regular(self.path) as file:
            entries = _parse(file)
            sresp, run = _describe(entries, "sresp"), _describe(entries, "run")
            del entries
            if len(sresp.shape) != 2 or run.shape not in ((sresp.shape[1],), (sresp.shape[1], 1)):
                found = f"{sresp.shape!s:.80} and {run.shape!s:.80}"
                raise refusal("sresp of (neurons, frames) and run of (frames, 1)", found, _AGAIN)
            require_memory(sresp.stored.size, "array 'sresp'")
            X, y = _read_transposed(file, sresp), _read_transposed(file, run).ravel().astype(np.float64)
        return (Recording.checked(X, y, source="stringer", target="run"),)

    def target(self) -> NDArray[np.float64]:
        """Return the target of the recording."""
        return self.read()[0].y

    def shape(self) -> None:
        """Return ``None``: only parsing the pickle would tell."""
        return

    def contents(self) -> tuple[Entry, ...]:
        """Return the arrays of numbers in the dict."""
        with naming(self.path, _WHAT), open_regular(self.path) as file:
            entries = _parse(file)
        found = []
        for key in entries:
            try:
                array = _describe(entries, str(key))
            except DataError:  # it holds something else
                continue
            found.append(Entry(line(key), array.shape, str(array.dtype), role_of(str(key), "sresp", Roles(("run",)))))
        return tuple(found)

    def fingerprint(self) -> str | None:
        """Return the state of the file."""
        return state_of([self.path])


class _Stored(NamedTuple):
    """Place of bytes that stay in the file until they are needed."""

    offset: int
    size: int


class _Described:
    """Stand-in for every global: it keeps the arguments of the call that the pickle asks for, and calls nothing."""

    def __init__(self, *args: object) -> None:
        self.args = args
        self.state: object = ()

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Pieces:
    """A file that can be read in small pieces only, and a limited number of times."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._reads_left = _MAX_READS

    def read(self, size: int) -> bytes:
        self._reads_left -= 1
        if self._reads_left < 0 or size > _MAX_READ_BYTES:
            raise refusal("a dict of a few arrays", "far more than that", _AGAIN)
        piece = self._file.read(size)
        if len(piece) < size:
            raise EOFError("the file ends early")
        return piece

    def readline(self) -> bytes:
        return self._file.readline(_MAX_READ_BYTES)

    def skip(self, size: int) -> _Stored:
        offset = self._file.tell()
        if size > self._size - offset:
            raise EOFError("the file ends early")
        self._file.seek(size, os.SEEK_CUR)
        return _Stored(offset, size)


class _Parser(pickle._Unpickler):
    """Python's own unpickler, reduced to the opcodes of plain containers and arrays, and unable to import."""

    def __init__(self, source: _Pieces) -> None:
        super().__init__(source)
        self._source = source

    def find_class(self, module: str, name: str) -> type[_Described]:
        if (module, name) not in _GLOBALS:
            raise refusal("a pickle of NumPy arrays alone", f"one that asks for {f'{module}.{name}'[:80]!r}", _AGAIN)
        return _Described

    def _skip_bytes(self, width: int) -> None:
        self.append(self._source.skip(int.from_bytes(self._source.read(width), "little")))  # type: ignore[attr-defined]

    dispatch: ClassVar[Any] = {opcode[0]: pickle._Unpickler.dispatch[opcode[0]] for opcode in _OPCODES} | {
        pickle.FRAME[0]: lambda self: self._source.read(8),  # frames only group reads
        pickle.SHORT_BINBYTES[0]: lambda self: self._skip_bytes(1),
        pickle.BINBYTES[0]: lambda self: self._skip_bytes(4),
        pickle.BINBYTES8[0]: lambda self: self._skip_bytes(8),
    }


def _parse(file: BinaryIO) -> dict[object, object]:
    header = read_header(file)
    file.seek(header.offset)
    if not header.dtype.hasobject or header.shape:
        raise refusal("a pickled dict in a .npy file", "another kind of array", _AGAIN)
    match _Parser(_Pieces(file)).load():
        case _Described(state=(_, (), _, _, [dict() as entries])):
            return entries
    raise refusal("one dict with sresp and run", "another object", _AGAIN)


class _Array(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[np.floating]
    fortran: bool
    stored: _Stored


def _describe(entries: dict[object, object], key: str) -> _Array:
    match entries.get(key):
        case _Described(
            state=(
                _,
                tuple() as shape,
                _Described(args=("f4" | "f8" as code, *_), state=(_, order, *_)),
                fortran,
                stored,
            )
        ) if order in ("<", ">", "=") and isinstance(stored, _Stored) and len(shape) <= 2:
            dtype = np.dtype(f"{order}{code}")
            if all(type(n) is int and n >= 0 for n in shape) and math.prod(shape) * dtype.itemsize == stored.size:
                return _Array(shape, dtype, bool(fortran), stored)
            found = f"{stored.size} bytes of {dtype} for {shape!s:.80}"
            raise refusal(f"{key} to be as long as its shape says", found, _AGAIN)
        case None:
            names = ", ".join(repr(name)[:40] for name in list(entries)[:8]) or "nothing"
            raise refusal(f"an array {key}", f"no such key among {names}", _AGAIN)
    raise refusal(f"{key} to be a vector or matrix of float32 or float64", "something else", _AGAIN)


def _read_transposed(file: BinaryIO, array: _Array) -> NDArray[np.floating]:
    rows, columns = array.shape if len(array.shape) == 2 else (1, array.shape[0])
    if array.fortran or rows == 1:
        return _read_values(file, array, 0, rows * columns).reshape(columns, rows)
    transposed = np.empty((columns, rows), array.dtype.newbyteorder("="))
    step = max(1, _BLOCK_VALUES // max(1, columns))
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        block = _read_values(file, array, start * columns, stop * columns)
        transposed[:, start:stop] = block.reshape(stop - start, columns).T
    return transposed


def _read_values(file: BinaryIO, array: _Array, start: int, stop: int) -> NDArray[np.floating]:
    file.seek(array.stored.offset + start * array.dtype.itemsize)
    values = np.fromfile(file, array.dtype, stop - start)
    return values.astype(array.dtype.newbyteorder("="), copy=False)
