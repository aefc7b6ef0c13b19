"""Sums over the rows of a matrix that show whether it is still the same, whatever the order in which it is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def row_sums(values: NDArray[np.floating], first_column: int = 0) -> NDArray[np.uint64]:
    """Return the sum over each row of the values' bits, each weighted by its column, modulo 2**64.

    The sums of blocks of columns add up to those of the whole matrix.  A row whose values change or trade places keeps
    its sum with a probability of about 2**-32 or less.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_rows, n_columns)
    first_column : int
        Place of the first column in the whole matrix.
    """
    bits: NDArray[np.unsignedinteger]
    if values.dtype.itemsize == 4:
        bits = values.view(np.uint32)
    else:
        words = values.view(np.uint64)
        bits = words ^ (words >> np.uint64(32))  # small whole numbers have zeros in all of their lower bits
    weights = _mixed(np.arange(first_column, first_column + values.shape[1], dtype=np.uint64))
    sums: NDArray[np.uint64] = np.einsum("ij,j->i", bits, weights, dtype=np.uint64)
    return sums


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return odd numbers that look random (SplitMix64: Steele, Lea & Flood 2014, 10.1145/2660193.2660195)."""
    mixed = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    odd: NDArray[np.uint64] = (mixed ^ (mixed >> np.uint64(31))) | np.uint64(1)
    return odd
