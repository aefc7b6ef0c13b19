"""A rough estimate of the time and memory that a search takes, from its sizes alone.

With ``n`` training rows, ``p`` features and ``k = min(n, p)``, each set of training rows costs, once,

    n·p·k Gram matrix  +  k³ eigendecomposition,

and each trial costs ``n·p`` for every pass over the matrix, ``k²`` for Newton's systems if there is an L1 penalty, and
the time to draw and log it.  The more strengths a lasso has, the less each costs, as it starts from a closer one.  The
constants are medians on two cores of an AMD EPYC with OpenBLAS (November 2026), of the twin's 2,000 × 11,983 training
rows and of the sizes in ``benchmarks/estimates.py`` and ``benchmarks/large.py``.  A design that `data.fits_in_memory`
refuses is made on demand, from rows that are in a file if it refuses them too.
On another machine, or with a very weak penalty, expect a factor of two or three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regsearch.data import fits_in_memory
from regsearch.search.penalty import Family

_START_SECONDS = 2.5  # imports, opening MLflow
_SEARCH_SECONDS = 6.0  # of each search: its own figures, its promotion or test
_READ_SECONDS = 2e-8  # per value of the recording
_GRAM_SECONDS = 8.8e-12  # per n·p·k: 0.42 s
_EIGEN_SECONDS = 1.9e-10  # per k³: 1.5 s
_FACTOR_SECONDS = 2e-11  # per k³, where only the unregularised model of wide data needs the Gram matrix
_PASS_SECONDS = 2.7e-10  # per n·p: 6.4 ms
_STREAMED_PASS_SECONDS = 7e-10  # the same where the columns are made on demand
_PASSES: Mapping[Family, int] = {"none": 5, "ridge": 5, "lasso": 10, "elasticnet": 10}
_NEWTON_SECONDS = 2e-8  # per k²: 80 ms
_TRIAL_SECONDS = 0.045  # drawing its weights, and logging it
_CLOSE_STRENGTHS = 12  # of a lasso's path: more than these lie closer, and start from better guesses

_LIBRARIES_BYTES = 450e6  # a whole search on next to no data, promotion included
_MATRICES = 2.5  # of n × p in float64: the design, its recording, the columns that have been active
_TALL = 2  # rows per feature from which a design is solved from its moments, see search/solvers/reduction.py
_TALL_MATRICES = 1.0  # the same for a tall design, which is not held in float64
_STREAMED_BYTES = 4  # a value, of the rows alone: 32 bits as a rule, and nothing where they are kept in a file
_SQUARES = 4  # of k × k in float64: spectrum, Gram matrix and factors of the active columns
_POOLED = 2  # of k × k in float64, where the matrix is not held: columns that have been active, and their Gram matrix


@dataclass(frozen=True)
class Estimate:
    """The time and memory that a search is expected to take.

    Attributes
    ----------
    seconds : float
        Time from the command to its result.
    peak_bytes : float
        Peak memory of the process.
    """

    seconds: float
    peak_bytes: float


def estimate(
    shape: tuple[int, int], fitted_rows: Sequence[int], trials: Mapping[Family, int], n_searches: int = 1
) -> Estimate:
    """Estimate the time and memory that a search takes.

    Parameters
    ----------
    shape : tuple of int
        Rows and features of the whole recording.
    fitted_rows : sequence of int
        Number of training rows of each model that a trial fits: one model for a holdout, else one per fold and one on
        all rows.
    trials : mapping of Family to int
        Number of trials of each family.
    n_searches : int
        Number of searches that these trials are of, all with the same features: one for each target.
    """
    n_rows, n_features = shape
    seconds = _START_SECONDS + n_searches * _SEARCH_SECONDS + _TRIAL_SECONDS * sum(trials.values())
    seconds += _READ_SECONDS * n_rows * n_features
    peak_bytes = _LIBRARIES_BYTES
    in_memory = fits_in_memory(8 * n_features * sum(fitted_rows))
    pass_seconds = _PASS_SECONDS if in_memory else _STREAMED_PASS_SECONDS
    if not in_memory and fits_in_memory(_STREAMED_BYTES * n_rows * n_features):
        peak_bytes += _STREAMED_BYTES * n_rows * n_features
    for n in fitted_rows:
        k = min(n, n_features)
        is_decomposed = trials.get("ridge") or n > n_features
        seconds += _GRAM_SECONDS * n * n_features * k + (_EIGEN_SECONDS if is_decomposed else _FACTOR_SECONDS) * k**3
        for family, count in trials.items():
            newton = _NEWTON_SECONDS * k**2 if family in ("lasso", "elasticnet") else 0.0
            apart = count / (1 + count / _CLOSE_STRENGTHS) if family == "lasso" else count
            seconds += apart * (_PASSES[family] * pass_seconds * n * n_features + newton)
        matrices = _TALL_MATRICES if n >= _TALL * n_features else _MATRICES
        held = matrices * n * n_features if in_memory else _POOLED * k**2
        peak_bytes += 8 * (held + _SQUARES * k**2)
    return Estimate(seconds, peak_bytes)


def together(estimates: Sequence[Estimate]) -> Estimate:
    """Return the time and memory of searches that one process makes one after the other."""
    seconds = sum(one.seconds for one in estimates) - _START_SECONDS * (len(estimates) - 1)
    return Estimate(seconds, max(one.peak_bytes for one in estimates))
