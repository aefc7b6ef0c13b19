"""What is said to be better than chance is so no more often than p says, and a real effect is found."""

import numpy as np
import pytest

from regsearch.data import Annotations, Recording, Split, seal
from regsearch.search.chance.distribution import NullDistribution
from regsearch.search.chance.null_targets import null_targets
from regsearch.search.chance.statistic import NullTask, narrowed_development, real_target, rows_of
from regsearch.search.chance.targets import exchanged, impostors, permuted, segments, shifted
from regsearch.search.config import NullConfig, SearchConfig
from regsearch.search.solving.evaluate import Task

CONFIG = SearchConfig.from_toml("""
name = "level"
[families.ridge]
alpha = [0.1, 1, 10]
[families.lasso]
alpha = [0.02]
""")
MEMORY, N_ROWS, N_FEATURES = 0.97, 160, 8


def slow_signals(rng, columns, rows=N_ROWS):
    values = rng.standard_normal((rows, columns))
    for row in range(1, rows):
        values[row] = MEMORY * values[row - 1] + np.sqrt(1 - MEMORY**2) * values[row]
    return values


def p_of(kind, X, y, rng):
    split = Split.blocked([(0, N_ROWS - 2)], 2, 0, (N_ROWS - 2, N_ROWS))
    development, _ = seal(Recording.checked(X, y, source="pair"), split)
    if kind == "session":
        development = narrowed_development(development, np.arange(N_ROWS - 16))
    rows, y = rows_of(development), real_target(development)
    others = [(str(number), other) for number, other in enumerate(slow_signals(rng, 19).T)]
    targets = {
        "shift": lambda: shifted(y, segments(rows), 38),
        "session": lambda: exchanged(y, rows // 16, 19, seed=int(rng.integers(1000))),
        "impostor": lambda: impostors(y, rows, others),
        "permutation": lambda: permuted(y, None, 19, seed=int(rng.integers(1000))),
    }[kind]()
    development = narrowed_development(development, rows[targets.places])
    real, *null = NullTask(Task(development, CONFIG.tolerance), CONFIG).solver()(targets.values)
    return NullDistribution("", kind, real, tuple(null), real, "").p


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "holds"), [("shift", True), ("session", True), ("impostor", True), ("permutation", False)]
)
def test_the_level_holds_for_independent_slow_signals_but_not_if_their_rows_are_permuted(kind, holds):
    found = []
    for number in range(60):
        rng = np.random.default_rng(number)
        if kind == "session":
            values = np.concatenate([slow_signals(rng, N_FEATURES + 1, 16) for _ in range(10)])
        else:
            values = slow_signals(rng, N_FEATURES + 1)
        found.append(p_of(kind, values[:, 1:], values[:, 0], rng))
    share = np.mean(np.array(found) <= 0.05 + 1e-12)
    if holds:  # three of 60 are 5 %; more than nine would come in one of 400 such tests
        assert share <= 9 / 60
    else:
        assert share >= 0.2


@pytest.mark.parametrize("kind", ["shift", "session", "impostor"])
def test_a_real_effect_has_the_smallest_p(kind):
    rng = np.random.default_rng(1)
    X = slow_signals(rng, N_FEATURES)
    y = X @ rng.standard_normal(N_FEATURES) + 0.2 * rng.standard_normal(N_ROWS)
    assert p_of(kind, X, y, rng) == pytest.approx(0.05)


def p_beside_light(kind, seed, effect=0.0):
    """Return the p of features that are noise but for an effect, of a target that a covariate predicts."""
    rng = np.random.default_rng(seed)
    X, light, weights = rng.standard_normal((120, 5)), rng.standard_normal((120, 1)), rng.uniform(0.5, 2, 120)
    y = 3 * light[:, 0] + effect * X[:, 0] + rng.standard_normal(120)
    recording = Recording.checked(X, y, source="light", annotations=Annotations(weights=weights, covariates=light))
    development, _ = seal(recording, Split.blocked([(0, 118)], 2, 0, (118, 120)))
    targets, rows = null_targets(CONFIG, NullConfig(kind=kind, n=38 if kind == "shift" else 19), development)
    np.testing.assert_allclose(targets.values[:, 0], y[rows])
    development = narrowed_development(development, rows)
    real, *null = NullTask(Task(development, CONFIG.tolerance), CONFIG).solver()(targets.values)
    return NullDistribution("", kind, real, tuple(null), real, "").p


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["shift", "permutation"])
def test_covariates_that_predict_the_target_do_not_make_the_features_better_than_chance(kind):
    found = np.array([p_beside_light(kind, seed) for seed in range(40)])
    assert np.mean(found <= 0.05 + 1e-12) <= 0.15  # more than six of 40 would come in one of 300 such tests
    assert np.mean(found <= 0.5) >= 0.2
    assert p_beside_light(kind, 0, effect=1.0) == pytest.approx(0.05)
