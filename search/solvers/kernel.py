"""The Newton system of the dual, with one unknown per row: the smaller system when most columns are active."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from regsearch.search.solvers.columns import Columns

_REFACTOR_AFTER = 6
"""Number of conjugate-gradient iterations after which the factor counts as too old."""

_MAX_ITERATIONS = 40

_BLOCK_FEATURES = 1024


class KernelSystem:
    """Solves ``(shift I + A_S A_S^T) x = v`` approximately for one set ``S`` after another, in float32.

    A change of ``S`` updates the kernel ``A_S A_S^T`` by the columns that join or leave. The Cholesky factor may belong
    to an earlier set; it then preconditions conjugate gradients. Single precision is enough, because an inexact Newton
    direction still leads to an exact solution; the caller measures progress in float64.

    Parameters
    ----------
    columns : Columns or ndarray of float32, shape (n_features, n_rows)
    """

    def __init__(self, columns: Columns | NDArray[np.float32]) -> None:
        self._columns = columns
        self._members = np.zeros(columns.shape[0], dtype=bool)
        self._kernel = np.zeros((columns.shape[1],) * 2, dtype=np.float32, order="F")
        self._factor: NDArray[np.float32] | None = None
        self._factored_shift = 0.0
        self._iterations = 0

    def select(self, members: NDArray[np.bool_]) -> None:
        """Make the features in this mask the set ``S``."""
        joining = np.flatnonzero(members & ~self._members)
        leaving = np.flatnonzero(self._members & ~members)
        if joining.size + leaving.size > np.count_nonzero(members):
            self._kernel[:] = 0.0
            joining, leaving = np.flatnonzero(members), leaving[:0]
        self._update(joining, 1.0)
        self._update(leaving, -1.0)
        self._members = members.copy()

    def _update(self, features: NDArray[np.intp], sign: float) -> None:
        for start in range(0, features.size, _BLOCK_FEATURES):  # a copy of all columns at once would double peak memory
            block = np.asarray(self._columns[features[start : start + _BLOCK_FEATURES]], dtype=np.float32).T
            self._kernel = blas.ssyrk(sign, block, beta=1.0, c=self._kernel, lower=1, overwrite_c=1)

    def solve(self, right_hand_side: NDArray[np.float64], shift: float, tolerance: float) -> NDArray[np.float64]:
        """Return ``x`` whose residual has at most `tolerance` times the norm of the right-hand side.

        After 40 iterations it stops with a larger residual; ``x`` is an ascent direction even then.
        """
        if self._factor is None or self._factored_shift != shift or self._iterations > _REFACTOR_AFTER:
            self._factorise(shift)
        size = float(np.linalg.norm(right_hand_side))
        if size == 0.0:
            return right_hand_side
        residual = (right_hand_side / size).astype(np.float32)
        solution = np.zeros_like(residual)
        direction = np.zeros_like(residual)
        previous = math.inf
        for self._iterations in range(_MAX_ITERATIONS):
            if float(np.linalg.norm(residual)) <= tolerance:
                break
            half = blas.strsv(self._factor, residual, lower=1)
            preconditioned = blas.strsv(self._factor, half, lower=1, trans=1, overwrite_x=1)
            product = float(residual @ preconditioned)
            direction = preconditioned + np.float32(product / previous) * direction
            previous = product
            image = blas.ssymv(1.0, self._kernel, direction, lower=1) + np.float32(shift) * direction
            step = np.float32(product / float(direction @ image))
            solution += step * direction
            residual -= step * image
        return size * solution.astype(np.float64)

    def _factorise(self, shift: float) -> None:
        """Factor the kernel plus the shift; raise the shift until that succeeds in single precision."""
        self._factored_shift = shift
        least = 1e-7 * float(np.einsum("ii->i", self._kernel).max())
        while True:
            matrix = self._kernel.copy(order="F")
            np.einsum("ii->i", matrix)[:] += np.float32(max(shift, least))
            self._factor, info = lapack.spotrf(matrix, lower=1, clean=0, overwrite_a=1)
            if not info:
                return
            least = 10 * max(shift, least)
