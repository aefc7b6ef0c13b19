import pytest

from regsearch import SearchConfig
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


def row(family, r2_validation=0.5, alpha=1.0, n_nonzero=100, sparsity=0.0):
    metrics = {"r2_validation": r2_validation, "n_nonzero": n_nonzero, "sparsity": sparsity, "duality_gap": 0.0}
    return Trial(family, 0, {"alpha": alpha}, Penalty(0.0, 1.0), metrics, f"{family} {r2_validation}")


ONE_EACH = SearchConfig.from_toml('name = "x"\n[families.ridge]\nalpha = { low = 0.01, high = 100 }\ntrials = 1\n')


def noted(*rows, best=1, config=ONE_EACH):
    return notes(rows, rows[best], config)


def test_of_a_search_as_it_should_be_nothing_is_remarked():
    assert noted(row("none"), row("ridge", 0.6)) == []


def test_a_baseline_that_wins_is_said_to_and_where_to_look_for_better():
    won, end = noted(row("none"), row("ridge", 0.4, alpha=0.01), best=0)
    assert won == "the unregularised baseline won: no penalty that was tried does better"
    assert end == "ridge: alpha = 0.01 is at the weak end of its range; try values below 0.01"


def test_features_without_a_weight_even_in_the_baseline_are_counted():
    (note,) = noted(row("none", n_nonzero=405, sparsity=241 / 646), row("ridge", 0.6))
    assert note == "241 of 646 features do not vary in the training rows and have no weight"


def test_a_baseline_that_explodes_on_the_validation_rows_is_explained():
    (note,) = noted(row("none", -5.65e8), row("ridge", 0.6))
    assert note.startswith("the unregularised validation R² is -5.65e+08: features that hardly vary")


def test_trials_beyond_those_wanted_are_said_to_count():
    assert noted(row("none"), row("ridge", 0.6), row("ridge", 0.55), row("ridge", 0.5)) == [
        "2 trial(s) more than wanted were there already, and count"
    ]
