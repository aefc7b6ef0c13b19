"""What an array's header says of it, and whether it holds numbers: without reading, let alone executing, the rest."""

from __future__ import annotations

from typing import IO, Any

import numpy as np

from regsearch.data.refusal import refusal, short


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape of an array in NumPy's format, whether it lies in Fortran order, and its type.

    Raises
    ------
    ValueError
        If there is no such header.
    """
    read = np.lib.format.read_array_header_1_0
    if np.lib.format.read_magic(stream) != (1, 0):
        read = np.lib.format.read_array_header_2_0
    return read(stream)


def kept_type(dtype: np.dtype[Any], name: str) -> np.dtype[np.floating]:
    """Return the type in which to keep an array: float32 for 32 bits or fewer of floating point, else float64.

    Raises
    ------
    DataError
        If it holds anything but numbers.
    """
    if dtype.hasobject:
        do = "pickles are not read because they can run code: save it with .astype(float)"
        raise refusal("numbers", f"Python objects in array {short(name)}", do)
    if dtype.kind not in "biuf":
        raise refusal("real numbers", f"array {short(name)} of type {short(dtype.str)}", "save it as float64")
    return np.dtype(np.float32 if dtype.kind == "f" and dtype.itemsize <= 4 else np.float64)
