"""Recordings: where they come from, how their rows are split, and how the test rows stay sealed."""

import hashlib
import sys
from pathlib import Path

from regsearch.data.arrays import array_files, arrays_shape, holds_arrays, open_arrays
from regsearch.data.files import file_shape, read_file
from regsearch.data.frames import MEMORY, from_arrays, from_frame
from regsearch.data.memory import fits_in_memory
from regsearch.data.recording import Recording
from regsearch.data.seal import Development, FoldRows, Rows, SealedTest, seal
from regsearch.data.split import Fold, Split
from regsearch.data.stringer import SHA256 as STRINGER_SHA256
from regsearch.data.stringer import fetch, read_stringer
from regsearch.data.twin import SHA256 as TWIN_SHA256
from regsearch.data.twin import SHAPE, twin
from regsearch.errors import DataError

__all__ = [
    "MEMORY",
    "DataError",
    "Development",
    "Fold",
    "FoldRows",
    "Recording",
    "Rows",
    "SealedTest",
    "Split",
    "fingerprint",
    "fits_in_memory",
    "from_arrays",
    "from_frame",
    "is_stringer",
    "load",
    "seal",
    "shape",
]

_KNOWN = {"twin": TWIN_SHA256, "stringer": STRINGER_SHA256}


def load(source: str, target: str = "y", *, progress: bool = True) -> Recording:
    """Return the recording that a source names.

    Parameters
    ----------
    source : str
        ``"twin"``, the synthetic recording; ``"stringer"``, the real one, downloaded on first use; or a path to a
        ``.npz``, ``.csv`` or ``.parquet`` file, to a folder of ``.npy`` files, a ``.npy`` file beside its target or a
        Zarr group, which are left where they are, or to ``stringer_spontaneous.npy``.
    target : str
        The array or column to predict, for a file of one's own.
    progress : bool
        Whether a download, or reading through what may be larger than memory, draws a progress bar in a terminal.

    Raises
    ------
    DataError
        If there is no such source or what is there cannot be searched.
    """
    if source == MEMORY:
        raise DataError(
            "memory: these data were given from Python and are in no file; give them again: "
            "run_search(config, data=…) or promote(search_id, data=…)"
        )
    if source == "twin":
        return twin()
    if source == "stringer":
        return read_stringer(fetch(progress=progress and sys.stderr.isatty()))
    if holds_arrays(source):
        return open_arrays(source, target, progress=progress)
    if is_stringer(source):
        return read_stringer(source)
    return read_file(source, target)


def is_stringer(source: str) -> bool:
    """Return whether a source is the real recording, by name or as the published ``.npy``, which is a pickle."""
    return source == "stringer" or (Path(source).suffix == ".npy" and not holds_arrays(source))


def fingerprint(source: str, target: str = "y") -> str | None:
    """Return what tells, without reading it, whether a source still holds the same values; ``None`` if it is missing.

    Of a file that is its place, size and time of change, as a makefile would have it; of a recording of arrays, those
    of all its files.
    """
    if source in _KNOWN:
        return f"{source} {_KNOWN[source]}"
    files = array_files(source, target) if holds_arrays(source) else [Path(source)]
    try:
        states = [(str(path.resolve()), path.stat()) for path in files]
    except OSError:
        return None
    lines = [f"{name} {status.st_size} {status.st_mtime_ns}" for name, status in states]
    return lines[0] if len(lines) == 1 else hashlib.sha256("\n".join(lines).encode()).hexdigest()


def shape(source: str, target: str = "y") -> tuple[int, int] | None:
    """Return how many rows and features a recording has, without reading its values; ``None`` where that takes reading.

    Parameters
    ----------
    source, target : str
        As `load` has them.

    Raises
    ------
    DataError
        If there is no such source, or its header already says that it cannot be searched.
    """
    if source in ("twin", "stringer"):
        return SHAPE
    if holds_arrays(source):
        return arrays_shape(source, target)
    if is_stringer(source):
        return None
    return file_shape(source, target)
