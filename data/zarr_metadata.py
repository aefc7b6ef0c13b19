"""Metadata of Zarr arrays of format 2 and 3: read as JSON, and checked before any chunk is decoded."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np

from regsearch.data.refusal import refusal, short
from regsearch.data.regular_file import open_regular

COMPRESSORS = frozenset({"zstd", "gzip", "zlib", "bz2", "lzma", "lz4", "blosc"})
_OTHERS = frozenset({"bytes", "transpose", "shuffle", "delta", "crc32", "crc32c", "adler32", "fletcher32"})
_SAFE = COMPRESSORS | _OTHERS
"""Codecs that only pack numbers; numcodecs has others that would run code."""

_METADATA_BYTES = 2**24
_PLAIN_INDEX = (("bytes",), ("bytes", "crc32c"))


@dataclass(frozen=True)
class Shards:
    """How a file of an array of format 3 holds many chunks.

    Attributes
    ----------
    chunks : tuple of int
        Shape of a chunk.
    is_index_first : bool
        Whether the index is at the start of the file; else it is at the end.
    has_checksum : bool
        Whether four bytes of checksum follow the index.
    """

    chunks: tuple[int, ...]
    is_index_first: bool
    has_checksum: bool


@dataclass(frozen=True)
class ZarrMetadata:
    """Metadata of one array.

    Attributes
    ----------
    folder : Path
        Folder of the array.
    zarr_format : int
        2 or 3.
    shape : tuple of int
    dtype : dtype
        Type in which the values are stored.
    stored : tuple of int
        Shape of what one file holds: a chunk, or a shard of many chunks.
    shards : Shards or None
    codecs : tuple of str
        Names of a chunk's codecs in the order of encoding, without the prefix ``numcodecs.``.
    prefix, separator : str
        The name of a file is the prefix, and its place with the separator between its numbers.
    fill_value : object
        What stands for the values of a file that is not there.
    attributes : mapping of str to object
    """

    folder: Path
    zarr_format: Literal[2, 3]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stored: tuple[int, ...]
    shards: Shards | None
    codecs: tuple[str, ...]
    prefix: str
    separator: str
    fill_value: object
    attributes: Mapping[str, object]

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of what is decoded at once."""
        return self.shards.chunks if self.shards else self.stored

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of files along each axis."""
        return tuple(-(-size // part) for size, part in zip(self.shape, self.stored, strict=True))

    def files(self) -> Iterator[tuple[tuple[int, ...], Path]]:
        """Yield the place and the path of every file that the array should have."""
        for place in product(*map(range, self.grid)):
            yield place, self.folder / (self.prefix + self.separator.join(map(str, place)))


def is_zarr(folder: Path) -> bool:
    """Return whether a folder holds a Zarr group or array."""
    return any((folder / name).exists() for name in ("zarr.json", ".zgroup", ".zarray"))


def read_metadata(folder: Path) -> ZarrMetadata | None:
    """Read the metadata of the array in a folder, or return ``None`` if there is no array in it.

    Raises
    ------
    DataError
        If it holds anything but numbers, or is encoded in a way that is not known to be safe.
    """
    if (folder / "zarr.json").exists():
        metadata = _json(folder / "zarr.json")
        return _format_3(folder, metadata) if metadata.get("node_type") == "array" else None
    if (folder / ".zarray").exists():
        attributes = _json(folder / ".zattrs") if (folder / ".zattrs").exists() else {}
        return _format_2(folder, _json(folder / ".zarray"), attributes)
    return None


def is_group(folder: Path) -> bool:
    """Return whether a folder holds a Zarr group, and not an array."""
    file = folder / "zarr.json"
    return _json(file).get("node_type") == "group" if file.exists() else (folder / ".zgroup").exists()


def _json(path: Path) -> dict[str, Any]:
    with open_regular(path) as file:
        text = file.read(_METADATA_BYTES + 1)
    if len(text) > _METADATA_BYTES:
        raise refusal("metadata of at most 16 MiB", f"more in {short(path.name)}", "write it with fewer attributes")
    metadata = json.loads(text)
    if not isinstance(metadata, dict):
        raise refusal("metadata of Zarr", f"another kind of JSON in {short(path.name)}", "write it again")
    return metadata


def _format_3(folder: Path, metadata: Mapping[str, Any]) -> ZarrMetadata:
    grid, keys = metadata["chunk_grid"], metadata["chunk_key_encoding"]
    if grid["name"] != "regular" or keys["name"] not in ("default", "v2"):
        found = f"{short(grid['name'])} chunks with {short(keys['name'])} names in array {short(folder.name)}"
        raise refusal("a regular grid of chunks", found, "write it with zarr.create_array")
    stored = tuple(grid["configuration"]["chunk_shape"])
    codecs, shards = metadata["codecs"], None
    if codecs and codecs[0]["name"] == "sharding_indexed":
        outer = _safe(codecs, folder, "sharding_indexed")
        sharding = codecs[0]["configuration"]
        index = _safe(sharding.get("index_codecs", [{"name": "bytes"}]), folder)
        if len(outer) > 1 or index not in _PLAIN_INDEX:
            found = f"shards of {short(' '.join([*outer, *index]))} in array {short(folder.name)}"
            raise refusal("shards that are not encoded again", found, "write it with zarr.create_array")
        is_first = sharding.get("index_location", "end") == "start"
        shards = Shards(tuple(sharding["chunk_shape"]), is_first, "crc32c" in index)
        codecs = sharding["codecs"]
    is_default = keys["name"] == "default"
    separator = keys.get("configuration", {}).get("separator", "/" if is_default else ".")
    return _checked(
        ZarrMetadata(
            folder,
            3,
            tuple(metadata["shape"]),
            _dtype(metadata["data_type"], folder),
            stored,
            shards,
            _safe(codecs, folder),
            f"c{separator}" if is_default else "",
            separator,
            metadata.get("fill_value"),
            metadata.get("attributes", {}),
        )
    )


def _format_2(folder: Path, metadata: Mapping[str, Any], attributes: Mapping[str, object]) -> ZarrMetadata:
    codecs = [*(metadata.get("filters") or ()), *filter(None, [metadata.get("compressor")])]
    return _checked(
        ZarrMetadata(
            folder,
            2,
            tuple(metadata["shape"]),
            _dtype(metadata["dtype"], folder),
            tuple(metadata["chunks"]),
            None,
            _safe(codecs, folder),
            "",
            metadata.get("dimension_separator", "."),
            metadata.get("fill_value"),
            attributes,
        )
    )


def _dtype(name: object, folder: Path) -> np.dtype[Any]:
    try:
        if isinstance(name, str):
            return np.dtype(name)
        if isinstance(name, Mapping) and name.get("name") == "fixed_length_utf32":
            return np.dtype(f"<U{int(name['configuration']['length_bytes']) // 4}")
    except (KeyError, TypeError, ValueError):
        pass
    raise refusal(
        "real numbers",
        f"array {short(folder.name)} of type {short(name)}",
        "save it as float64",
    )


def _safe(codecs: Sequence[Mapping[str, Any]], folder: Path, *also: str) -> tuple[str, ...]:
    """Return the names of some codecs, after checking that each is known to be safe."""
    names = [str(codec.get("name", codec.get("id"))) for codec in codecs]
    unknown = next((name for name in names if name.removeprefix("numcodecs.") not in (*_SAFE, *also)), None)
    if unknown is not None:
        found = f"{short(unknown)} in array {short(folder.name)}"
        raise refusal("a codec that only packs numbers", found, "write it with Blosc, Zstandard or gzip")
    return tuple(name.removeprefix("numcodecs.") for name in names)


def _checked(metadata: ZarrMetadata) -> ZarrMetadata:
    """Return metadata whose sizes and codecs fit each other."""
    sizes = (*metadata.shape, *metadata.stored, *metadata.chunks)
    is_whole = all(type(size) is int and size >= 0 for size in sizes)
    if not is_whole or not all((*metadata.stored, *metadata.chunks)) or len(metadata.shape) != len(metadata.stored):
        found = f"shape {short(metadata.shape)} in chunks of {short(metadata.stored)}"
        raise refusal(f"whole chunks of array {short(metadata.folder.name)}", found, "write it again")
    if any(part % chunk for part, chunk in zip(metadata.stored, metadata.chunks, strict=True)):
        found = f"chunks of {short(metadata.chunks)} in shards of {short(metadata.stored)}"
        raise refusal(f"whole chunks of array {short(metadata.folder.name)}", found, "write it again")
    packed = [place for place, name in enumerate(metadata.codecs) if name in COMPRESSORS]
    if packed and (len(packed) > 1 or set(metadata.codecs[packed[0] + 1 :]) - {"crc32c"}):
        found = f"{short(' '.join(metadata.codecs))} in array {short(metadata.folder.name)}"
        raise refusal("one compression, as the last codec", found, "write it with Blosc, Zstandard or gzip")
    return metadata


def chunk_bytes(metadata: ZarrMetadata) -> int:
    """Return the size of a decoded chunk."""
    return metadata.dtype.itemsize * math.prod(metadata.chunks)
