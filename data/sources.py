"""The kinds of source: which one a text names, and what each of them can do.

This is the one place that decides.  A new format is a class like those below, and a line in `source_of`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from regsearch.data.entry import Entry
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, refusal, short
from regsearch.data.roles import Roles
from regsearch.errors import DataError

MEMORY = "memory"
"""Source of a recording that was given from Python and cannot be read again."""

_NAMES = ("twin", "stringer", MEMORY)
_TABLES = (".csv", ".parquet")
_HDF5 = (".h5", ".hdf5")


class Source(Protocol):
    """A recording that can be read."""

    def read(self, *, progress: bool = False) -> tuple[Recording, ...]:
        """Read or open a recording for each target; `progress` allows a bar in a terminal."""

    def target(self) -> NDArray[np.float64]:
        """Read the first target alone, shape (n_rows,), whatever else is there; missing values are NaN."""

    def shape(self) -> tuple[int, int] | None:
        """Return the numbers of rows and features without reading values; ``None`` if that takes reading."""

    def contents(self) -> tuple[Entry, ...]:
        """Return the arrays or columns, as the headers describe them."""

    def fingerprint(self) -> str | None:
        """Return a text that changes when the values do; ``None`` if the source is missing."""


def load(source: str, roles: Roles | str = "y") -> Recording:
    """Return the recording that a source names, with its first target; see `load_targets`."""
    return load_targets(source, roles)[0]


def load_targets(source: str, roles: Roles | str = "y", *, progress: bool = True) -> tuple[Recording, ...]:
    """Return the recordings that a source names: one for each target, with the same features, which are read once.

    Parameters
    ----------
    source : str
        ``"twin"``, the synthetic recording; ``"stringer"``, the real one, downloaded on first use; or a path: to a
        ``.npz``, ``.mat``, ``.h5``, ``.nwb``, ``.csv`` or ``.parquet`` file; to a folder of ``.npy`` files, a ``.npy``
        file beside its target or a Zarr group, which are read where they lie; or to ``stringer_spontaneous.npy``.
    roles : Roles or str
        The role of each array or column; a text is the name of the target alone.
    progress : bool
        Whether a download, or reading a file where it lies, draws a progress bar in a terminal.

    Returns
    -------
    tuple of Recording
        `X` float32 if every feature is stored in 32 bits or fewer of floating point, else float64.

    Raises
    ------
    DataError
        If there is no such source, or it cannot be searched.
    """
    return source_of(source, roles).read(progress=progress)


def shape(source: str, roles: Roles | str = "y") -> tuple[int, int] | None:
    """Return the numbers of rows and features of a recording, or ``None`` if only reading its values would tell.

    Parameters
    ----------
    source, roles
        Arguments of `load_targets`.

    Raises
    ------
    DataError
        If there is no such source, or its header already shows that it cannot be searched.
    """
    return source_of(source, roles).shape()


def contents(source: str, roles: Roles | str = "y") -> tuple[Entry, ...]:
    """Return the arrays or columns that a source holds, and the part that each would play; reads headers only.

    Parameters
    ----------
    source, roles
        Arguments of `load_targets`.  The names need not be there.

    Raises
    ------
    DataError
        If there is no such source, its header cannot be read, or there is none of them.
    """
    entries = source_of(source, roles).contents()
    if not entries:
        raise DataError(f"{line(source)}: {refusal('arrays or columns', 'none', 'name another file or group')}")
    return entries


def load_target(source: str, roles: Roles) -> NDArray[np.float64]:
    """Return the first target of a source, shape (n_rows,), whatever else it holds; missing values are NaN.

    Raises
    ------
    DataError
        If there is no such source, or it has no such target.
    """
    return source_of(source, Roles((roles.target,), roles.array)).target()  # an NWB file's may lie in the same table


def fingerprint(source: str, roles: Roles | str = "y") -> str | None:
    """Return a text that changes when the source's values do, found without reading them all.

    It is ``None`` if the source is missing.  `regsearch.data.file_state.state_of` says which changes of a file
    it cannot notice.

    Parameters
    ----------
    source, roles
        Arguments of `load_targets`.

    Raises
    ------
    DataError
        If the text names no kind of source.
    """
    return source_of(source, roles).fingerprint()


def is_recording(text: str) -> bool:
    """Return whether a text names a recording by its name, its suffix or its folder, whether it is there or not."""
    suffixes = (*_TABLES, *_HDF5, ".npz", ".mat", ".nwb", ".npy", ".zarr")
    return is_example(text) or Path(text).suffix.lower() in suffixes or os.path.isdir(text)  # noqa: PTH112


def is_path(source: str) -> bool:
    """Return whether a source is a path, and not the name of a recording or of what was given from Python."""
    return source not in _NAMES


def is_example(source: str) -> bool:
    """Return whether a source is a recording that the presets were made for: the twin, or the real one in any place."""
    return source in ("twin", "stringer") or (is_path(source) and _is_published(Path(source)))


def source_of(source: str, roles: Roles | str = "y") -> Source:
    """Return the source that a text names.

    Parameters
    ----------
    source : str
        ``"twin"``, ``"stringer"``, or a path.
    roles : Roles or str
        The role of each array or column; a text is the name of the target alone.

    Raises
    ------
    DataError
        If the text names no kind of source.  Whether a file is there, reading will tell.
    """
    if source == MEMORY:
        raise DataError(
            "memory: these data were given from Python and are in no file; give them again: "
            "run_search(config, data=…), promote(search_id, data=…) or null_distribution(search_id, data=…)"
        )
    path = Path(source)
    roles = Roles((roles,)) if isinstance(roles, str) else roles
    try:
        if is_example(source):
            _require_no_choice(roles)
        if path.suffix.lower() == ".npy" and not os.path.isdir(path) and roles.array:  # noqa: PTH112
            found = f"--features {line(roles.array)}"
            raise refusal("a .npz, a folder or a Zarr group if features are named", found, "leave it out")
        if "\0" in source:
            raise refusal("a path", "a NUL character in it", "check the path")
        return _named(source) if source in _NAMES else _at(path, roles)
    except DataError as error:
        raise DataError(f"{line(source)}: {error}") from None


def _require_no_choice(roles: Roles) -> None:
    """Raise `DataError` if anything but the one target of an example is asked for, by its name or by the default."""
    if roles != Roles(roles.targets):
        do = "save it as .npz first, or leave out what chooses among columns"
        raise refusal("the recording as it is", "a choice among its columns", do)
    if roles.targets not in (("run",), Roles().targets):
        found = ", ".join(map(short, roles.targets))
        raise refusal("the recording's only target, 'run'", found, "leave the target out")


def _named(source: str) -> Source:
    from regsearch.data.stringer import Published
    from regsearch.data.twin import Twin

    return Twin() if source == "twin" else Published()


def _at(path: Path, roles: Roles) -> Source:
    from regsearch.data.csv_table import CsvTable
    from regsearch.data.hdf5_file import Hdf5File, is_hdf5
    from regsearch.data.mat73_file import Mat73File
    from regsearch.data.mat_file import MatFile
    from regsearch.data.npy_files import NpyFiles
    from regsearch.data.npz_archive import NpzArchive
    from regsearch.data.nwb_file import NwbFile
    from regsearch.data.parquet_table import ParquetTable
    from regsearch.data.stringer import PublishedFile
    from regsearch.data.zarr_group import ZarrGroup
    from regsearch.data.zarr_metadata import is_zarr

    if os.path.isdir(path):  # noqa: PTH112  # Path.is_dir raises for a name that is too long
        return ZarrGroup(path, roles) if is_zarr(path) else NpyFiles(path, roles)
    match path.suffix.lower():
        case ".npz":
            return NpzArchive(path, roles)
        case ".mat":
            return Mat73File(path, roles) if is_hdf5(path) else MatFile(path, roles)
        case suffix if suffix in _HDF5:
            return Hdf5File(path, roles)
        case ".nwb":
            return NwbFile(path, roles)
        case ".csv":
            return CsvTable(path, roles)
        case ".parquet":
            return ParquetTable(path, roles)
        case ".npy" if _is_published(path):
            return PublishedFile(path)
        case ".npy":
            return NpyFiles(path, roles)
    found = f"the suffix {line(path.suffix)[:60]!r}" if path.suffix else "a name without suffix"
    do = "save it as one of these, or name a recording: twin or stringer"
    raise refusal("a .npz, .csv, .parquet, .mat, .h5, .hdf5 or .nwb file", found, do)


def _is_published(path: Path) -> bool:
    """Return whether a file is the real recording: a pickle in NumPy's format, or missing under the published name."""
    from regsearch.data.npy_header import read_header
    from regsearch.data.regular_file import open_regular

    if path.suffix.lower() != ".npy":
        return False
    if not os.path.lexists(path):
        return path.name == "stringer_spontaneous.npy"
    try:
        with open_regular(path) as file:
            return read_header(file).dtype.hasobject
    except (DataError, OSError, ValueError):
        return False
