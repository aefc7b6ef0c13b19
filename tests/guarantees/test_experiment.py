"""A search with groups, lags, covariates and weights is as dependable as one without."""

import shutil
from contextlib import chdir
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from regsearch import SearchConfig, run_search, run_targets
from regsearch.data import SealedTest
from regsearch.search import execution, launch
from regsearch.tracking.runs import SearchRun
from tests.guarantees.conftest import SCORES, STRENGTHS
from tests.guarantees.points import after, before
from tests.guarantees.test_exact_resume import POINTS

pytestmark = pytest.mark.slow

CONFIG = """
name = "killed"

[data]
source = "recording.npz"
groups = "session"
covariates = ["light"]
weights = "weight"
lags = [0, 2]
scale = "standard"
split = { validation = { groups = "each" } }

[families.ridge]
alpha = { low = 0.01, high = 100 }
trials = 6

[families.lasso]
alpha = { low = 0.001, high = 0.1 }
trials = 6
"""
NESTED = """
name = "killed"

[data]
source = "recording.npz"
split = { validation = { folds = 3 }, test = { folds = 2 } }

[families.lasso]
alpha = [0.1, 0.03, 0.01]
"""
TARGETS = """
name = "killed"

[data]
source = "recording.npz"
target = ["y", "light"]

[families.ridge]
alpha = { low = 0.01, high = 100 }
trials = 12

[families.lasso]
alpha = [0.1, 0.03, 0.01]
"""


@pytest.fixture
def experiment(workspace, empty_database):
    """Return a search of groups, lags, covariates and weights, and what it comes to when nobody disturbs it."""
    return undisturbed_of(CONFIG, workspace, empty_database)


def undisturbed_of(text, workspace, empty_database):
    """Put a search into the workspace; return its configuration, and what it comes to elsewhere, undisturbed."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 8))
    session = rng.permutation(np.repeat(["s1", "s2", "s3", "s4"], 30))
    light = X[:, 5] + rng.standard_normal(120)
    y = X[:, 0] - X[:, 3] + 2 * light + rng.standard_normal(120)
    weight = rng.integers(0, 3, 120).astype(float)
    elsewhere = workspace / "undisturbed"
    shutil.copytree(empty_database, elsewhere / "mlruns")
    for folder in (workspace, elsewhere):
        np.savez(folder / "recording.npz", X=X, y=y, session=session, light=light, weight=weight)
        (folder / "killed.toml").write_text(text)
    config = SearchConfig.load("killed.toml")
    with chdir(elsewhere):
        undisturbed = (run_targets if len(config.data.targets) > 1 else run_search)(config, progress=False)
    return config, undisturbed


def assert_same(result, undisturbed):
    pd.testing.assert_frame_equal(result.trials[STRENGTHS], undisturbed.trials[STRENGTHS])  # to the last bit
    np.testing.assert_allclose(result.trials[SCORES], undisturbed.trials[SCORES], rtol=1e-7, atol=1e-9)
    assert result.search_id == undisturbed.search_id
    assert result.best["trial"] == undisturbed.best["trial"]
    assert result.promotion.r2_test == pytest.approx(undisturbed.promotion.r2_test, abs=1e-9)


def test_any_number_of_workers_makes_the_same_table(experiment):
    config, undisturbed = experiment
    assert_same(run_search(config, workers=2, progress=False), undisturbed)


def test_a_search_that_is_killed_at_several_points_comes_to_the_same(experiment, kill):
    config, undisturbed = experiment
    for point in ("a trial's artifacts are written", "a batch is half told", "the test rows are open"):
        kill(POINTS[point])
    assert_same(run_search(config, progress=False), undisturbed)


@pytest.fixture
def two_targets(workspace, empty_database):
    """Return a search of two targets, and what it comes to when nobody disturbs it."""
    return undisturbed_of(TARGETS, workspace, empty_database)


def assert_same_of_targets(results, undisturbed):
    for result, expected in zip(results, undisturbed, strict=True):
        assert_same(result, expected)


def test_any_number_of_workers_makes_the_same_table_of_each_target(two_targets):
    config, undisturbed = two_targets
    assert_same_of_targets(run_targets(config, workers=2, progress=False), undisturbed)


def test_several_targets_that_are_killed_at_several_points_come_to_the_same(two_targets, kill):
    config, undisturbed = two_targets
    in_the_first, in_the_second = (
        after(SearchRun, SearchRun._begin_trial, 6),
        after(SearchRun, SearchRun._begin_trial, 16),
    )
    the_second_is_drawn = after(execution, execution.summarise)
    for point in (in_the_first, in_the_second, the_second_is_drawn):
        kill(point)
    assert_same_of_targets(run_targets(config, progress=False), undisturbed)


def test_a_nested_test_that_is_killed_comes_to_the_same_and_opens_no_part_once_more(kill, workspace, empty_database):
    config, undisturbed = undisturbed_of(NESTED, workspace, empty_database)
    in_part_two = after(SearchRun, SearchRun._begin_trial, 6)
    part_two_is_open, all_are_tested = after(SealedTest, SealedTest.open), before(launch, launch.conclude)
    for point in (in_part_two, part_two_is_open, all_are_tested):
        kill(point)
    result = run_search(config, progress=False)
    assert result.search_id == undisturbed.search_id
    pd.testing.assert_frame_equal(result.trials[STRENGTHS], undisturbed.trials[STRENGTHS])  # to the last bit
    for part, expected in zip(result.nested.parts, undisturbed.nested.parts, strict=True):
        assert part == replace(expected, r2_test=pytest.approx(expected.r2_test, abs=1e-9))
