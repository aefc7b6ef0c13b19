"""The p of a null distribution, by the ranks of its scores."""

import pytest

from regsearch.search.chance.distribution import NullDistribution, rounded
from regsearch.search.config.null import fewest, smallest_p


def found(kind, score, null):
    return NullDistribution("id", kind, score, tuple(null), search_score=score, best_null="one")


@pytest.mark.parametrize(
    ("kind", "score", "p", "approximate"),
    [
        ("shift", 1.0, 1 / 6, 1 / 11),  # the highest of 2 N + 1 = 11: 1 / (N + 1), and about 1 / (2 N + 1)
        ("shift", 0.7, 4 / 6, 4 / 11),  # the highest but three
        ("shift", -1.0, 1.0, 1.0),
        ("permutation", 1.0, 1 / 11, 1 / 11),
        ("impostor", 0.75, 3 / 11, 3 / 11),
        ("session", 0.7, 4 / 11, 4 / 11),  # a null score that is equal counts against the real one
    ],
)
def test_p_counts_the_scores_that_are_as_good(kind, score, p, approximate):
    distribution = found(kind, score, [tenth / 10 for tenth in range(10)])
    assert distribution.p == pytest.approx(p)
    assert distribution.p_approximate == pytest.approx(approximate)
    assert distribution.smallest_p <= distribution.p


@pytest.mark.parametrize(("kind", "n"), [("shift", 38), ("permutation", 19), ("session", 19), ("impostor", 19)])
def test_as_many_null_targets_as_a_level_needs(kind, n):
    assert fewest(kind, 0.05) == n
    assert smallest_p(kind, n) <= 0.05 < smallest_p(kind, n - (2 if kind == "shift" else 1))


def test_rounding_error_decides_no_rank():
    scores = rounded([0.1 + 0.2, 0.3, -1e-17])
    assert scores == [0.3, 0.3, 0.0]
    assert found("permutation", scores[0], scores[1:]).p == pytest.approx(2 / 3)
