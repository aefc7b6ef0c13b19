"""Pixels as a PNG file, for pictures that are mostly of one colour."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_RGB = 2  # PNG's number for colours of three bytes
_ABOVE = 2  # PNG's filter that stores what differs from the pixel above: nothing, for most of a plot
MM_PER_INCH = 25.4


def png(pixels: NDArray[np.uint8], dpi: float) -> bytes:
    """Return pixels as the bytes of a PNG file.

    It takes a third of the time of matplotlib's, which tries five filters for each row of pixels.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 4)
        Red, green and blue, and an opacity, which is left out: figures have a background.
    dpi : float
        Pixels per inch.
    """
    height, width, _ = pixels.shape
    colours = np.empty((height, width, 3), np.uint8)
    for colour in range(3):  # one after another takes half the time
        colours[..., colour] = pixels[..., colour]
    rows = colours.reshape(height, 3 * width)
    filtered = np.full((height, 1 + 3 * width), _ABOVE, np.uint8)
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    per_metre = round(1000 * dpi / MM_PER_INCH)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, _RGB, 0, 0, 0),
        b"pHYs": struct.pack(">IIB", per_metre, per_metre, 1),
        b"IDAT": zlib.compress(filtered.data, 1),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts.items())


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
