import numpy as np
import pytest

from regsearch import Recording, SearchConfig
from regsearch.data import Annotations, Preparation, seal
from regsearch.data.annotations import NOTHING
from regsearch.data.split import Split
from regsearch.search.notes import edges, notes
from regsearch.search.penalty import Penalty
from regsearch.search.trial import Trial


@pytest.mark.parametrize(
    ("family", "strengths", "says"),
    [
        ("ridge", {"alpha": 0.0101}, ["alpha = 0.0101 is at the weak end of its range; try values below 0.01"]),
        ("ridge", {"alpha": 99.0}, ["alpha = 99 is at the strong end of its range; try values above 100"]),
        ("ridge", {"alpha": 1.0}, []),
        (
            "elasticnet",
            {"l1_alpha": 0.0005, "l2_alpha": 100},
            ["l1_alpha = 0.0005 is at the weak", "l2_alpha = 100 is"],
        ),
        ("elasticnet", {"l1_alpha": 0.001, "l2_alpha": 10}, []),
    ],
)
def test_a_winner_at_the_edge_of_its_range_is_said_so(family, strengths, says):
    found = edges(Trial(family, 0, strengths, Penalty(0, 0), {}, ""), SearchConfig.from_preset("default"))
    assert len(found) == len(says)
    for note, start in zip(found, says, strict=True):
        assert note.startswith(start)


def row(family, r2_validation=0.5, alpha=1.0, n_nonzero=8, sparsity=0.0):
    metrics = {"r2_validation": r2_validation, "n_nonzero": n_nonzero, "sparsity": sparsity, "duality_gap": 0.0}
    return Trial(family, 0, {"alpha": alpha}, Penalty(0.0, 1.0), metrics, f"{family} {r2_validation}")


ONE_EACH = SearchConfig.from_toml('name = "x"\n[families.ridge]\nalpha = { low = 0.01, high = 100 }\ntrials = 1\n')


def development(X, scale="unit-norm", known=NOTHING):
    """Return rows of which the first 20 train, the next 20 validate, and the last 20 test."""
    recording = Recording.checked(X, np.random.default_rng(1).normal(size=len(X)), source="mine", annotations=known)
    split = Split.holdout([(0, 20)], (20, 40), (40, 60))
    return seal(recording, split, Preparation(scale=scale))[0]


def varying():
    return np.random.default_rng(0).normal(size=(60, 8))


def noted(*rows, best=1, config=ONE_EACH, of=None):
    return notes(rows, rows[best], config, of or development(varying()))


def test_of_a_search_as_it_should_be_nothing_is_remarked():
    assert noted(row("none"), row("ridge", 0.6)) == []


def test_a_baseline_that_wins_is_said_to_and_where_to_look_for_better():
    won, end = noted(row("none"), row("ridge", 0.4, alpha=0.01), best=0)
    assert won == "the unregularised baseline won: no tested penalty predicts better"
    assert end == "ridge: alpha = 0.01 is at the weak end of its range; try values below 0.01"


def test_features_that_do_not_vary_are_counted():
    X = varying()
    X[:40, [2, 5]] = 0.1  # varies in the test rows, which no note may tell of
    (note,) = noted(row("none", n_nonzero=6), row("ridge", 0.6), of=development(X))
    assert note == "2 of 8 features do not vary in the training rows and have no weight"


def test_a_feature_that_varies_and_has_no_weight_is_not_said_to_stand_still():
    assert noted(row("none", n_nonzero=7), row("ridge", 0.6)) == []


def test_a_baseline_that_explodes_is_explained_by_features_that_hardly_vary_where_there_are_any():
    X, rows = varying(), (row("none", -5.65e8), row("ridge", 0.6))
    assert noted(*rows) == []  # least squares fails for many reasons
    X[:20, [1, 3, 4]] *= 1e-4
    X[:, 6] *= 1e-9  # a unit, and no want of variance
    (note,) = noted(*rows, of=development(X))
    assert note.startswith("the unregularised validation R² is -5.65e+08: 3 of 8 features hardly vary in the training")
    assert noted(*rows, of=development(X, scale="none")) == []  # nothing is scaled up there


@pytest.mark.parametrize(("dtype", "factor"), [(np.float32, 1), (np.float64, 1), (np.float32, 1e-30)])
@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2, 60)])
def test_features_that_repeat_the_covariates_but_for_rounding_are_named(dtype, factor, weights):
    X, light = varying(), np.random.default_rng(2).normal(40, 3, size=(60, 2))
    X[:, 1], X[:, 4] = factor * (2 * light[:, 0] - 7), light @ [0.3, -1.7]
    X[:, 6] = light[:, 1] + 1e-3 * X[:, 6]  # nearly, but it says something of its own
    X[:20, 7] = 0.1  # stands still, which another note tells
    known = Annotations(covariates=light, weights=weights)
    one, other = row("none"), row("ridge", 0.6)
    (note,) = noted(one, other, of=development(X.astype(dtype), known=known))
    assert note.startswith("2 of 8 features vary only as the covariates do, except for the rounding of")
    assert f"{np.dtype(dtype)} numbers: 'feature 1', 'feature 4'; what" in note
    assert noted(one, other, of=development(varying(), known=known)) == []


def test_trials_beyond_those_wanted_are_said_to_count():
    assert noted(row("none"), row("ridge", 0.6), row("ridge", 0.55), row("ridge", 0.5)) == [
        "the search had 2 trial(s) more than you asked for; they count too"
    ]
