import pandas as pd
import pytest

from search import SearchConfig
from search.select import NoWinnerError, edges, winner


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
        ("none", {}, []),
    ],
)
def test_a_winner_at_the_edge_of_its_range_is_said_so(family, strengths, says):
    notes = edges(pd.Series({"family": family, **strengths}), SearchConfig.from_preset("default"))
    assert len(notes) == len(says)
    for note, start in zip(notes, says, strict=True):
        assert note.startswith(start)
