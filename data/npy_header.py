"""Headers of NumPy's format: shape and type of an array, read without its values and without running anything."""

from __future__ import annotations

import io
import math
from typing import IO, Any, NamedTuple

import numpy as np

from regsearch.data.memory import require_memory
from regsearch.data.refusal import refusal, short

_HEADER_BYTES = 16_384


class Header(NamedTuple):
    """Header of an array in NumPy's format.

    Attributes
    ----------
    shape : tuple of int
    fortran : bool
        Whether the values lie in Fortran order.
    dtype : dtype
    offset : int
        Bytes before the first value.
    """

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    offset: int


def read_header(stream: IO[bytes]) -> Header:
    """Read the header at the start of a stream, of which at most 16 kB are read.

    Raises
    ------
    ValueError
        If there is no such header.
    """
    head = io.BytesIO(stream.read(_HEADER_BYTES))
    version = np.lib.format.read_magic(head)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = read(head)
    except Exception as error:  # a header is Python source, on which its parser raises anything at all
        raise ValueError("the header is no description of an array") from error
    if any(size < 0 for size in shape):
        raise ValueError(f"the header gives a negative size, {short(shape)}")
    return Header(shape, fortran, dtype, head.tell())


def kept_type(dtype: np.dtype[Any], name: str) -> np.dtype[np.floating]:
    """Return the type in which an array is kept: float32 for floating point of 32 bits or fewer, else float64.

    Raises
    ------
    DataError
        If the array holds anything but real numbers.
    """
    if dtype.hasobject:
        do = "pickles are not read because they can run code: save it with .astype(float)"
        raise refusal("numbers", f"Python objects in array {short(name)}", do)
    if dtype.kind not in "biuf":
        raise refusal("real numbers", f"array {short(name)} of type {short(dtype.str)}", "save it as float64")
    return np.dtype(np.float32 if dtype.kind == "f" and dtype.itemsize <= 4 else np.float64)


def require_labels(header: Header, name: str) -> None:
    """Raise `DataError` unless an array holds one label per row, text or a number, and fits in memory."""
    if header.dtype.hasobject or header.dtype.kind not in "biufSU" or len(header.shape) not in (1, 2):
        raise refusal("one label per row, text or a number", f"array {short(name)} of type {header.dtype}", "save text")
    require_memory(math.prod(header.shape) * (header.dtype.itemsize + 4 * 32), f"array {short(name)}")
