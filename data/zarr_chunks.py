"""The files of a Zarr array: every chunk is there, and none unpacks to more than its place in the array."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from regsearch.data.refusal import refusal, short
from regsearch.data.regular_file import open_regular
from regsearch.data.zarr_metadata import COMPRESSORS, ZarrMetadata, chunk_bytes

_PIECE = 2**20
_MARGIN = 2**16
_ABSENT = 2**64 - 1
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


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
        do = "if they hold the fill value alone, write them with create_array(…, config={'write_empty_chunks': True})"
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
            elif length > limit or _unpacked(limit, metadata, file, start, length) > limit:
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


def _unpacked(limit: int, metadata: ZarrMetadata, file: BinaryIO, start: int, length: int) -> int:
    """Return the size to which a chunk unpacks: as its header says, or as unpacking up to `limit` bytes shows."""
    codec = next((name for name in metadata.codecs if name in COMPRESSORS), None)
    length -= 4 * ("crc32c" in metadata.codecs)
    file.seek(start)
    head = file.read(min(length, 18))
    file.seek(start)
    match codec:
        case None:
            return length
        case "blosc":
            if _number(head[12:16]) != length:
                raise refusal("a whole chunk of Blosc", f"{length} bytes of one", "write the array again")
            return _number(head[4:8])
        case "lz4":
            return _number(head[:4])
        case "zstd" if (size := _zstd_size(head)) is not None:
            return size
        case _:
            return _streamed(limit, codec, file.read(length))


def _streamed(limit: int, codec: str, packed: bytes) -> int:
    stream: Any
    match codec:
        case "zlib":
            return len(zlib.decompressobj().decompress(packed, limit + 1))
        case "gzip":
            stream = gzip.GzipFile(fileobj=io.BytesIO(packed))
        case "bz2":
            stream = bz2.BZ2File(io.BytesIO(packed))
        case "lzma":
            stream = lzma.LZMAFile(io.BytesIO(packed))  # noqa: SIM115  # it is in memory
        case _:
            import pyarrow as pa

            stream = pa.CompressedInputStream(pa.BufferReader(packed), codec)
    size = 0
    while size <= limit and (piece := stream.read(_PIECE)):
        size += len(piece)
    return size


def _zstd_size(header: bytes) -> int | None:
    """Return the size that a frame of Zstandard declares, or ``None`` (RFC 8878, section 3.1.1)."""
    if header[:4] != _ZSTD_MAGIC or len(header) < 5:
        raise refusal("a chunk of Zstandard", "something else", "write the array again")
    descriptor = header[4]
    is_single = bool(descriptor & 32)
    width = (int(is_single), 2, 4, 8)[descriptor >> 6]
    start = 5 + (not is_single) + (0, 1, 2, 4)[descriptor & 3]
    return _number(header[start : start + width]) + (256 if width == 2 else 0) if width else None


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
