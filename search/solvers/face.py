"""Which solution of a lasso is taken where there are several: the one of least norm.

Columns of few different values, such as counts of rare spikes, may depend on each other so that several sets of
weights have the same predictions and the same L1 norm. All of them are optimal, and which of them a solver finds
depends on where it was started. The limit of the elastic net's solution as its L2 strength goes to zero does not: it is
the one of least Euclidean norm (Tibshirani 2013, "The lasso problem and uniqueness", Electron. J. Stat. 7, section 2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Floats = NDArray[np.float64]

_DEPENDENT = 1e-7
"""Share of the largest singular value below which columns count as dependent."""

_WEIGHT = 1e-5
"""Weight of the norm beside the predictions while it is found which columns have a weight."""

_ZERO = 1e-7
"""Share of the largest weight below which a weight counts as zero."""


def least_norm(columns: Floats, signs: Floats, values: Floats) -> Floats | None:
    """Return the weights of least norm with the same predictions, of which none has another sign.

    Parameters
    ----------
    columns : ndarray of float64, shape (n_columns, n_rows)
        Those whose correlation with the residual is ``l1`` or ``-l1``: only these may have a weight.
    signs : ndarray of float64, shape (n_columns,)
        Signs of the correlations.
    values : ndarray of float64, shape (n_columns,)
        Weights of one solution.

    Returns
    -------
    ndarray of float64, shape (n_columns,), or None
        ``None`` if the columns are independent, so that there is no other solution, or if rounding is in the way.
    """
    from scipy.optimize import nnls  # it takes 0.3 s to import, and few searches need it

    signed = columns.T * signs
    size = linalg.svdvals(signed)
    if len(size) == len(signs) and size[-1] > _DEPENDENT * size[0]:
        return None
    predicted = columns.T @ values
    weighted = np.vstack([signed, _WEIGHT * np.eye(len(signs))])
    try:
        found, _ = nnls(weighted, np.concatenate([predicted, np.zeros(len(signs))]), maxiter=10 * len(signs))
    except RuntimeError:
        return None
    support = np.flatnonzero(found > _ZERO * found.max(initial=0.0))
    exact = linalg.lstsq(signed[:, support], predicted, cond=_DEPENDENT)[0]
    if not (exact > 0).all():
        return None
    weights = np.zeros(len(signs))
    weights[support] = exact * signs[support]
    return weights
