"""The twin has a real recording's shape and statistics, and its models rank as a real recording's do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Lasso
from sklearn.metrics import r2_score

from regsearch.data.recording import Recording
from regsearch.data.twin import SHA256, twin
from regsearch.search.solvers.design import normalise

pytestmark = pytest.mark.slow

TRAIN, VALIDATION, TEST = slice(5000, 7000), slice(2000, 2250), slice(2250, 2500)
RIDGE = (0.01, 0.1, 1.0, 10.0, 100.0)
LASSO = (0.0005, 0.001, 0.005, 0.01, 0.1)


@dataclass(frozen=True)
class R2:
    train: float
    validation: float
    test: float


@pytest.fixture(scope="module")
def recording() -> Recording:
    return twin(0)


@pytest.fixture(scope="module")
def scores(recording: Recording) -> dict[tuple[str, float], R2]:
    """R² of least squares, ridge (both from the kernel's eigenvectors) and lasso (scikit-learn's) by window."""
    X, y = recording.X, recording.y
    design = normalise(X[TRAIN], y[TRAIN])
    A = design.columns.T
    held_out = [(X[rows] - design.mean) / design.scale for rows in (VALIDATION, TEST)]
    windows = [A, *held_out]

    def score(predictions: list[NDArray[np.float64]]) -> R2:
        targets = [y[rows] - design.target_mean for rows in (TRAIN, VALIDATION, TEST)]
        return R2(*(float(r2_score(*pair)) for pair in zip(targets, predictions, strict=True)))

    scores = {}
    values, vectors = np.linalg.eigh(A @ A.T)
    kernels = [window @ A.T @ vectors for window in windows]
    rotated = vectors.T @ design.target
    kept = values > values[-1] * 1e-10  # centring leaves the kernel one null direction
    for alpha in (0.0, *RIDGE):
        dual = np.where(kept, rotated / np.where(kept, values + alpha, 1.0), 0.0)
        scores["ridge", alpha] = score([kernel @ dual for kernel in kernels])

    lasso = Lasso(fit_intercept=False, warm_start=True, tol=1e-3)
    for alpha in sorted(LASSO, reverse=True):
        lasso.set_params(alpha=alpha).fit(A, design.target)
        scores["lasso", alpha] = score([window @ lasso.coef_ for window in windows])
    return scores


def best(scores: dict[tuple[str, float], R2], family: str, alphas: tuple[float, ...]) -> float:
    return max(alphas, key=lambda alpha: scores[family, alpha].validation)


def test_has_the_shape_of_the_real_recording(recording: Recording) -> None:
    assert (recording.X.shape, recording.X.dtype) == ((7018, 11983), np.float32)
    assert (recording.y.shape, recording.y.dtype) == ((7018,), np.float64)
    assert (recording.source, recording.target, recording.feature_names) == ("twin", "run", ())


def test_responses_have_the_published_quantiles(recording: Recording) -> None:
    assert recording.X.min() == 0.0
    sample = recording.X[::7, ::3]
    assert np.quantile(sample, 0.01) == 0.0
    assert np.quantile(sample, [0.5, 0.99]) == pytest.approx([15.8, 370.0], rel=0.02)
    assert recording.X.max() == pytest.approx(2418.0, rel=0.1)


@pytest.mark.parametrize("rows", [TRAIN, VALIDATION, TEST], ids=["train", "validation", "test"])
def test_every_neuron_varies_in_every_window(recording: Recording, rows: slice) -> None:
    assert np.ptp(recording.X[rows], axis=0).min() > 0.0


def test_running_speed_has_the_published_quantiles_and_moments(recording: Recording) -> None:
    quantiles = np.quantile(recording.y, [0.0, 0.25, 0.5, 0.99, 1.0])
    assert quantiles == pytest.approx([0.0, 0.0, 0.018, 40.4, 57.55], rel=0.01, abs=1e-3)
    assert recording.y.mean() == pytest.approx(2.9, rel=0.02)
    assert recording.y.std() == pytest.approx(7.4, rel=0.02)


@pytest.mark.parametrize(("lag", "published", "tolerance"), [(1, 0.912, 0.02), (8, 0.379, 0.08)])
def test_running_speed_has_the_published_autocorrelation(
    recording: Recording, lag: int, published: float, tolerance: float
) -> None:
    y = recording.y
    assert np.corrcoef(y[lag:], y[:-lag])[0, 1] == pytest.approx(published, abs=tolerance)


def test_running_is_alike_in_every_window(recording: Recording) -> None:
    deviations = [recording.y[rows].std() for rows in (TRAIN, VALIDATION, TEST)]
    assert max(deviations) < 1.3 * min(deviations)


def test_one_seed_gives_one_recording(recording: Recording) -> None:
    assert twin(0).sha256 == recording.sha256


def test_another_seed_gives_another_recording(recording: Recording) -> None:
    other = twin(1)
    assert other.sha256 != recording.sha256
    assert not np.array_equal(other.y, recording.y)


def test_least_squares_fits_the_training_rows_and_generalises_fairly(scores: dict[tuple[str, float], R2]) -> None:
    assert scores["ridge", 0.0].train > 0.99
    assert 0.3 < scores["ridge", 0.0].validation < 0.75


def test_some_ridge_beats_least_squares(scores: dict[tuple[str, float], R2]) -> None:
    alpha = best(scores, "ridge", RIDGE)
    assert scores["ridge", alpha].validation > scores["ridge", 0.0].validation + 0.01


def test_lasso_at_a_thousandth_beats_least_squares_and_every_ridge(scores: dict[tuple[str, float], R2]) -> None:
    rivals = [scores["ridge", alpha].validation for alpha in (0.0, *RIDGE)]
    assert scores["lasso", 0.001].validation > max(rivals) + 0.01


@pytest.mark.parametrize(("family", "alphas"), [("ridge", (0.0, *RIDGE)), ("lasso", LASSO)])
def test_a_stronger_penalty_fits_the_training_rows_worse(
    scores: dict[tuple[str, float], R2], family: str, alphas: tuple[float, ...]
) -> None:
    train = [scores[family, alpha].train for alpha in alphas]
    assert np.all(np.diff(train) < 0.0)


@pytest.mark.parametrize(("family", "alpha"), [("ridge", 100.0), ("lasso", 0.1)])
def test_the_strongest_penalty_fails_on_every_window(
    scores: dict[tuple[str, float], R2], family: str, alpha: float
) -> None:
    strongest, unpenalised = scores[family, alpha], scores["ridge", 0.0]
    assert strongest.train < 0.5
    assert strongest.validation < unpenalised.validation - 0.25
    assert strongest.test < unpenalised.test - 0.25


@pytest.mark.parametrize(("family", "alphas"), [("ridge", RIDGE), ("lasso", LASSO)])
def test_the_best_alpha_is_inside_its_grid(
    scores: dict[tuple[str, float], R2], family: str, alphas: tuple[float, ...]
) -> None:
    assert best(scores, family, alphas) in alphas[1:-1]


@pytest.mark.parametrize(("family", "alphas"), [("ridge", RIDGE), ("lasso", LASSO)])
def test_what_validation_prefers_holds_on_the_test_rows(
    scores: dict[tuple[str, float], R2], family: str, alphas: tuple[float, ...]
) -> None:
    chosen = scores[family, best(scores, family, alphas)]
    assert chosen.test > scores["ridge", 0.0].test + 0.01
    assert chosen.test == pytest.approx(chosen.validation, abs=0.2)


def test_the_values_are_those_whose_digest_is_known(recording: Recording) -> None:
    assert recording.sha256 == SHA256
