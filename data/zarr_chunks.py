"""The files of a Zarr array: every chunk is there, and none unpacks to more than its place in the array."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from regsearch.data.refusal import refusal, short
from regsearch.data.regular_file import open_regular
from regsearch.data.zarr_metadata import COMPRESSORS, ZarrMetadata, chunk_bytes

_PIECE = 2**20
_MARGIN = 2**16
_ABSENT = 2**64 - 1
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SIZES = {0: "", 1: "<H", 2: "<I", 3: "<Q"}


def require_whole(metadata: ZarrMetadata) -> None:
    """Raise `DataError` if a chunk is absent, or would unpack to far more than a chunk holds.

    Zarr reads an absent chunk as its fill value, and unpacks a chunk to whatever size that says it has.
    """
    name, grid = short(metadata.folder.name), metadata.grid
    expected = math.prod(grid)
    there = sum(len(files) for _, _, files in os.walk(metadata.folder))
    absent = max(0, expected - there)
    if not absent:
        absent = sum(_absent_in(metadata, place, path) for place, path in metadata.files())
    if absent:
        do = "write them, even if they hold nothing but the fill value: config={'write_empty_chunks': True}"
        raise refusal(f"every chunk of array {name}", f"{absent} absent", do)


def _absent_in(metadata: ZarrMetadata, place: tuple[int, ...], path: Path) -> int:
    """Return how many chunks are not in a file, and refuse those that unpack to too much."""
    if not path.exists():
        return 1
    limit = 2 * chunk_bytes(metadata) + _MARGIN
    absent = 0
    with open_regular(path) as file:
        for start, length in _extents(metadata, place, file):
            if start == _ABSENT and length == _ABSENT:
                absent += 1
            elif length > limit or _unpacks_past(limit, metadata, file, start, length):
                found = (
                    f"more in {short(str(path.relative_to(metadata.folder)))} of array {short(metadata.folder.name)}"
                )
                do = "write the array again"
                raise refusal(f"chunks that unpack to {chunk_bytes(metadata)} bytes", found, do)
    return absent


def _extents(metadata: ZarrMetadata, place: tuple[int, ...], file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield where the chunks of a file begin, and how long they are."""
    size = os.fstat(file.fileno()).st_size
    shards = metadata.shards
    if shards is None:
        yield 0, size
        return
    counts = [part // chunk for part, chunk in zip(metadata.stored, shards.chunks, strict=True)]
    length = 16 * math.prod(counts)
    file.seek(0 if shards.is_index_first else max(0, size - length - 4 * shards.has_checksum))
    index = np.frombuffer(file.read(length), "<u8")
    if index.nbytes != length:
        raise refusal(f"a whole shard of array {short(metadata.folder.name)}", f"{size} bytes", "write the array again")
    # a shard at the edge has places for chunks outside of the array, which need not be there
    ends = [
        min(count, -(-(size - at * part) // chunk))
        for count, size, at, part, chunk in zip(
            counts, metadata.shape, place, metadata.stored, shards.chunks, strict=True
        )
    ]
    needed = index.reshape(*counts, 2)[tuple(slice(end) for end in ends)]
    yield from map(tuple, needed.reshape(-1, 2).tolist())


def _unpacks_past(limit: int, metadata: ZarrMetadata, file: BinaryIO, start: int, length: int) -> bool:
    """Return whether a chunk unpacks to more than `limit` bytes, in little memory."""
    codec = next((name for name in metadata.codecs if name in COMPRESSORS), None)
    file.seek(start)
    if codec is None:
        return False
    if codec == "blosc":
        return _number("<I", file.read(8)[4:]) > limit
    if codec == "lz4":
        return _number("<I", file.read(4)) > limit
    if codec == "zstd":
        size = _zstd_size(file.read(18))
        if size is not None:
            return size > limit
    file.seek(start)
    packed = io.BytesIO(file.read(length - 4 * ("crc32c" in metadata.codecs)))
    return _streams_past(limit, codec, packed)


def _streams_past(limit: int, codec: str, packed: IO[bytes]) -> bool:
    """Return whether a stream unpacks to more than `limit` bytes, by unpacking it piece by piece."""
    if codec == "zlib":
        return len(zlib.decompressobj().decompress(packed.read(), limit + 1)) > limit
    stream: Any
    match codec:
        case "gzip":
            stream = gzip.GzipFile(fileobj=packed)
        case "bz2":
            stream = bz2.BZ2File(packed)
        case "lzma":
            stream = lzma.LZMAFile(packed)  # noqa: SIM115  # its file is in memory
        case _:
            import pyarrow as pa

            stream = pa.CompressedInputStream(pa.PythonFile(packed), codec)
    size = 0
    while piece := stream.read(_PIECE):
        size += len(piece)
        if size > limit:
            return True
    return False


def _zstd_size(header: bytes) -> int | None:
    """Return the size that a frame of Zstandard declares (RFC 8878, section 3.1.1), or ``None``."""
    if header[:4] != _ZSTD_MAGIC:
        raise refusal("a chunk of Zstandard", "something else", "write the array again")
    descriptor = header[4]
    kind, is_single = descriptor >> 6, bool(descriptor & 32)
    form = _ZSTD_SIZES[kind] or ("<B" if is_single else "")
    if not form:
        return None
    start = 5 + (not is_single) + (0, 1, 2, 4)[descriptor & 3]
    return _number(form, header[start:]) + (256 if kind == 1 else 0)


def _number(form: str, data: bytes) -> int:
    return int(struct.unpack_from(form, data)[0])
