"""The synthetic recording, drawn from a seed: its shape, statistics and behaviour are those of a real one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from regsearch.data.entry import Entry
from regsearch.data.recording import Recording

SHA256 = "f6b825864f32644dac2d766863f571aa0f5fa14fe2d5dc0569cec7d0bcc530a4"
"""`Recording.sha256` of the twin that is drawn from seed 0."""

SHAPE = (7018, 11983)
"""Numbers of rows and features, as in the real recording."""

_FRAMES, _NEURONS = SHAPE

_RUN_QUANTILES = (
    (0.0, 0.25, 0.5, 0.75, 0.9, 0.98, 0.99, 1.0),
    (0.0, 0.0, 0.018, 1.0, 7.2, 26.1, 40.4, 57.55),
)  # the published quantiles; those between them give a mean of 2.9 and a standard deviation of 7.4
_RUN_TIMES = (
    50.0,
    1.7,
)  # frames: time constants of two filters of the urge to run, which give the published autocorrelation
_RUN_BLOCKS = 28  # each of these blocks of five minutes holds the same share of running, so that no window is idle

_LATENTS = 32  # signals that all neurons share, beside running
_LATENT_TIME = 30.0  # frames
_SHARED = 0.07  # share of a neuron's variance; with a larger share, a ridge alpha of 100 no longer hurts
_CARRIERS = 150  # neurons that carry running; a lasso can use them because they are few
_STRONGEST = 0.65  # largest correlation of a carrier with the running code; the others are uniform below it
_RUNNING_IN_CODE = 0.65  # share of the code's variance; the rest is behaviour that nobody recorded
_BEHAVIOUR_TIME = 2.0  # frames; it is brief, so that every window has as much of it
_ENSEMBLE = 5  # neurons in one; ensembles are hardly more than training rows, so that least squares overfits
_TOGETHER = 0.9  # share of the remaining variance that an ensemble has in common; the rest is the neuron's own

_MEDIAN, _MAX = 15.8, 2418.0
_SILENCE = 1.25  # standard deviations below the median: (1 + 2.33 / 1.25) ** 3 is 370 / 15.8

_STATE_STEP, _LOADING_STEP = 2.0**-5, 2.0**-11  # coarse enough for sums that float32 holds exactly
_BLOCK_FRAMES, _THREADS = 64, 4  # each thread holds 10 MB beside the recording
_WARM_UP = 500  # frames


@dataclass(frozen=True)
class Twin:
    """The synthetic recording as a source, under the name ``twin``."""

    def read(self, *, progress: bool = False) -> tuple[Recording, ...]:  # noqa: ARG002  # it takes seconds
        """Draw the recording from seed 0."""
        return (twin(),)

    def target(self) -> NDArray[np.float64]:
        """Return the target of the recording."""
        return twin().y

    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and features."""
        return SHAPE

    def contents(self) -> tuple[Entry, ...]:
        """Return the two arrays."""
        return Entry("X", SHAPE, "float32", "features"), Entry("run", SHAPE[:1], "float64", "target")

    def fingerprint(self) -> str:
        """Return the SHA-256 of the values."""
        return f"twin {SHA256}"


def twin(seed: int = 0) -> Recording:
    """Draw a recording of 7018 frames of 1.2 s of 11983 neurons, and the running speed that goes with it.

    Each neuron sums slow latents that all of them share, the fluctuation of a small ensemble, private noise and, in
    a few neurons, a code of the running speed; a cubic rectifier makes the sum the sparse nonnegative response of
    deconvolved calcium imaging. The quantiles of both, and the mean, deviation and autocorrelation of the running
    speed, are about those of spontaneous activity in mouse visual cortex (Stringer et al. 2019, Science,
    10.1126/science.aav7893). Least squares, ridge and lasso rank on it as they do there.

    Parameters
    ----------
    seed : int
        The same seed gives the same values to the last bit, on any number of threads.

    Returns
    -------
    Recording
        `X` float32, shape (7018, 11983), deconvolved fluorescence in arbitrary units; `y` float64, shape (7018,),
        running speed in arbitrary units; `source` is ``"twin"`` and `target` is ``"run"``.
    """
    running, shared, loading, private = np.random.SeedSequence(seed).spawn(4)
    y = _running_speed(np.random.default_rng(running))
    state = _state(y, np.random.default_rng(shared))
    X = _responses(state, *_loadings(np.random.default_rng(loading)), private)
    return Recording.checked(X, y, source="twin", target="run")


def _slow(rng: np.random.Generator, columns: int, *times: float) -> NDArray[np.float64]:
    drift = rng.standard_normal((_WARM_UP + _FRAMES, columns))
    for time in times:
        kept = np.exp(-1.0 / time)
        for before, now in pairwise(drift):
            now += kept * before
    return _standardised(drift[_WARM_UP:])


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    standardised: NDArray[np.float64] = (values - values.mean(axis=0)) / values.std(axis=0)
    return standardised


def _running_speed(rng: np.random.Generator) -> NDArray[np.float64]:
    urge = _slow(rng, 1, *_RUN_TIMES)[:, 0]
    rank_in_block = np.concatenate([block.argsort().argsort() for block in np.array_split(urge, _RUN_BLOCKS)])
    order = np.lexsort((urge, rank_in_block))
    y = np.empty(_FRAMES)
    y[order] = np.interp(np.linspace(0.0, 1.0, _FRAMES), *_RUN_QUANTILES)
    return y


def _state(y: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    latents = _slow(rng, _LATENTS, _LATENT_TIME)
    unrecorded = _slow(rng, 1, _BEHAVIOUR_TIME)
    code = np.sqrt(_RUNNING_IN_CODE) * _standardised(np.sqrt(y))[:, None] + np.sqrt(1.0 - _RUNNING_IN_CODE) * unrecorded
    return np.hstack([latents, code])


def _loadings(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    gain = np.zeros(_NEURONS)
    gain[rng.choice(_NEURONS, _CARRIERS, replace=False)] = rng.uniform(0.0, _STRONGEST, _CARRIERS)
    left = np.sqrt(1.0 - gain**2)
    loadings = np.sqrt(_SHARED / _LATENTS) * rng.standard_normal((_LATENTS, _NEURONS)) * left
    return np.vstack([loadings, gain]), (np.sqrt(1.0 - _SHARED) * left).astype(np.float32)


def _responses(
    state: NDArray[np.float64],
    loadings: NDArray[np.float64],
    private_scale: NDArray[np.float32],
    seed: np.random.SeedSequence,
) -> NDArray[np.float32]:
    # In whole steps of powers of two every product and every sum is exact in float32, so that no BLAS, processor or
    # number of threads changes a bit.
    A = (np.rint(state / _STATE_STEP) * _STATE_STEP).astype(np.float32)
    B = (np.rint(loadings / _LOADING_STEP) * _LOADING_STEP).astype(np.float32)
    X = A @ B
    n_ensembles = -(-_NEURONS // _ENSEMBLE)

    def finish(start: int, block_seed: np.random.SeedSequence) -> None:
        rng = np.random.default_rng(block_seed)
        block = X[start : start + _BLOCK_FRAMES]
        noise = rng.standard_normal(block.shape, dtype=np.float32)
        noise *= (1.0 - _TOGETHER) ** 0.5
        ensembles = rng.standard_normal((len(block), n_ensembles), dtype=np.float32) * _TOGETHER**0.5
        noise += np.repeat(ensembles, _ENSEMBLE, axis=1)[:, :_NEURONS]
        noise *= private_scale
        block += noise
        block *= 1.0 / _SILENCE
        block += 1.0
        np.clip(block, 0.0, (_MAX / _MEDIAN) ** (1.0 / 3.0), out=block)
        block *= np.square(block) * _MEDIAN

    starts = range(0, _FRAMES, _BLOCK_FRAMES)
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(finish, starts, seed.spawn(len(starts))))
    return X
