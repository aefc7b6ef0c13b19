import pytest

from regsearch.search.estimate import estimate

DEFAULT = {"none": 1, "ridge": 30, "lasso": 30, "elasticnet": 25}
TWIN = (7018, 11983)


def test_memory_is_about_what_was_measured():
    assert estimate(TWIN, [2000], DEFAULT).peak_bytes == pytest.approx(1.06e9, rel=0.05)
    assert estimate((400, 2000), [280], DEFAULT).peak_bytes == pytest.approx(467e6, rel=0.05)


@pytest.mark.parametrize(
    ("n_rows", "n_features", "seconds", "peak_bytes"),
    [(1_000, 100_000, 18, 1.86e9), (4_000, 25_000, 25, 2.29e9), (4_000, 100_000, 66, 3.12e9)],
)
def test_large_searches_take_about_what_benchmarks_large_measured(n_rows, n_features, seconds, peak_bytes, monkeypatch):
    monkeypatch.setattr(
        "regsearch.data.memory.memory_bytes", lambda: 25e9
    )  # as there: the last of them is made on demand
    trials = {"none": 1, "ridge": 3, "lasso": 6, "elasticnet": 4}
    expected = estimate((n_rows * 5 // 4, n_features), [n_rows], trials)
    assert 2 / 3 < expected.seconds / seconds < 3 / 2
    assert 2 / 3 < expected.peak_bytes / peak_bytes < 3 / 2


@pytest.mark.parametrize("family", DEFAULT)
def test_a_trial_more_takes_longer_and_no_more_memory(family):
    fewer, more = (estimate(TWIN, [2000], DEFAULT | {family: n}) for n in (10, 11))
    assert more.seconds > fewer.seconds
    assert more.peak_bytes == fewer.peak_bytes


def test_every_fold_adds_its_own_fits():
    start = estimate((7018, 11983), [], {})
    one = estimate(TWIN, [2000], DEFAULT)
    three = estimate(TWIN, [2000] * 3, DEFAULT)
    logging = estimate(TWIN, [], DEFAULT).seconds - start.seconds
    assert three.seconds - start.seconds - logging == pytest.approx(3 * (one.seconds - start.seconds - logging))
    assert three.peak_bytes - start.peak_bytes == pytest.approx(3 * (one.peak_bytes - start.peak_bytes))


def test_many_rows_of_few_features_cost_what_the_smaller_side_does():
    wide, tall = estimate(TWIN, [100], DEFAULT), estimate(TWIN[::-1], [100], DEFAULT)
    assert tall.seconds == pytest.approx(wide.seconds, rel=0.01)
