import pandas as pd
import pytest

from regsearch import SearchConfig
from regsearch.errors import NoWinnerError
from regsearch.search.winner import edges, remarks, winner


def trials(*rows):
    columns = ["family", "trial", "r2_validation", "sparsity", "sklearn_alpha", "duality_gap"]
    return pd.DataFrame(rows, columns=columns).assign(r2_validation_se=0.03)


def test_the_best_validation_score_wins_over_all_families_and_the_baseline():
    table = trials(("ridge", 0, 0.5, 0, 1, 0), ("lasso", 0, 0.6, 0.9, 1, 0), ("none", 0, 0.7, 0, float("nan"), 0))
    assert winner(table, 1e-6)["family"] == "none"
    assert winner(table[:2], 1e-6)["family"] == "lasso"


def test_among_equals_the_sparser_wins_then_the_more_regularised():
    table = trials(("ridge", 0, 0.5, 0, 9, 0), ("lasso", 0, 0.5 + 1e-12, 0.8, 1, 0), ("lasso", 1, 0.5, 0.8, 2, 0))
    assert tuple(winner(table, 1e-6)[["family", "trial"]]) == ("lasso", 1)
    assert tuple(winner(table[::-1], 1e-6)[["family", "trial"]]) == ("lasso", 1)


def test_within_one_standard_error_of_the_best_the_most_regularised_wins():
    table = trials(
        ("lasso", 0, 0.60, 0.5, 1, 0),
        ("lasso", 1, 0.58, 0.8, 2, 0),
        ("ridge", 0, 0.59, 0, 9, 0),
        ("lasso", 2, 0.56, 1, 3, 0),
    )
    assert tuple(winner(table, 1e-6, "best")[["family", "trial"]]) == ("lasso", 0)
    assert tuple(winner(table, 1e-6, "one-se")[["family", "trial"]]) == ("lasso", 1)


def test_a_trial_without_a_certificate_cannot_win():
    table = trials(("ridge", 0, 0.5, 0, 1, 1e-9), ("lasso", 0, 0.9, 0.5, 1, 1e-3))
    assert winner(table, 1e-6)["family"] == "ridge"
    with pytest.raises(NoWinnerError, match="no trial reached the duality gap 1e-12"):
        winner(table, 1e-12)


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
    notes = edges(pd.Series({"family": family, **strengths}), SearchConfig.from_preset("default"))
    assert len(notes) == len(says)
    for note, start in zip(notes, says, strict=True):
        assert note.startswith(start)


def row(family, r2_validation=0.5, alpha=1.0, n_nonzero=100, sparsity=0.0):
    return {
        "family": family,
        "trial": 0,
        "alpha": alpha,
        "r2_validation": r2_validation,
        "n_nonzero": n_nonzero,
        "sparsity": sparsity,
        "duality_gap": 0.0,
    }


ONE_EACH = SearchConfig.from_toml('name = "x"\n[families.ridge]\nalpha = { low = 0.01, high = 100 }\ntrials = 1\n')


def noted(*rows, best=1, config=ONE_EACH):
    table = pd.DataFrame(rows)
    return remarks(table, table.iloc[best], config)


def test_of_a_search_as_it_should_be_nothing_is_remarked():
    assert noted(row("none"), row("ridge", 0.6)) == []


def test_a_baseline_that_wins_is_said_to_and_where_to_look_for_better():
    won, end = noted(row("none"), row("ridge", 0.4, alpha=0.01), best=0)
    assert won == "the unregularised baseline won: no penalty that was tried validates better"
    assert end == "ridge: alpha = 0.01 is at the weak end of its range; try values below 0.01"


def test_features_without_a_weight_even_in_the_baseline_are_counted():
    (note,) = noted(row("none", n_nonzero=405, sparsity=241 / 646), row("ridge", 0.6))
    assert note == "241 of 646 features do not vary in the training rows and have no weight"


def test_a_baseline_that_explodes_on_the_validation_rows_is_explained():
    (note,) = noted(row("none", -5.65e8), row("ridge", 0.6))
    assert note.startswith("the unregularised validation R² is -5.65e+08: features that hardly vary")


def test_trials_beyond_those_wanted_are_said_to_count():
    assert noted(row("none"), row("ridge", 0.6), row("ridge", 0.55), row("ridge", 0.5)) == [
        "2 trial(s) more than are wanted were there already, and count"
    ]
