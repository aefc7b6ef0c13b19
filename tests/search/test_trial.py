import pytest

from regsearch.search.config import SearchConfig
from regsearch.search.penalty import Penalty, penalty_of
from regsearch.search.result import SearchResult, table
from regsearch.search.trial import Trial, baseline, best_of_each_family
from regsearch.tracking.records import METRICS, TrialRecord


def trial(family, number, r2_validation, **parameters):
    metrics = dict.fromkeys(METRICS, 0.0) | {"r2_validation": r2_validation}
    return Trial(family, number, parameters, penalty_of(family, parameters, 10), metrics, f"{family}{number}")


TRIALS = [
    trial("elasticnet", 0, 0.3, l1_alpha=0.1, l2_alpha=2.0),
    trial("lasso", 0, 0.5, alpha=0.1),
    trial("lasso", 1, 0.6, alpha=0.2),
    trial("none", 0, 0.1),
]


@pytest.mark.parametrize("made", TRIALS, ids=lambda made: made.name)
def test_a_trial_is_the_same_when_it_is_read_back_from_its_record(made):
    penalty = made.penalty
    both = {"l1_ratio": penalty.l1_ratio, "sklearn_alpha": penalty.sklearn_alpha} if made.family != "none" else {}
    record = TrialRecord(
        made.family, made.number, {**made.parameters, **both}, made.metrics, made.name, "", True, made.run_id
    )
    again = Trial.of(record)
    assert (again.family, again.parameters, again.metrics, again.run_id) == (
        made.family,
        made.parameters,
        made.metrics,
        made.run_id,
    )
    assert (again.penalty.l1, again.penalty.l2) == pytest.approx((penalty.l1, penalty.l2), rel=1e-14, abs=1e-300)


def test_the_best_of_each_family_are_ranked_by_family_then_by_score():
    assert [made.run_id for made in best_of_each_family(TRIALS)] == ["lasso1", "elasticnet0", "none0"]
    assert [made.run_id for made in best_of_each_family(TRIALS, 2)] == ["lasso1", "lasso0", "elasticnet0", "none0"]
    assert baseline(TRIALS).run_id == "none0"


def test_the_table_has_a_row_per_trial_with_numbers_as_numbers():
    made = table(TRIALS)
    assert made["trial"].tolist() == [0, 0, 1, 0]
    assert made["alpha"].tolist()[1:3] == [0.1, 0.2]
    assert made[["l1_ratio", "alpha"]].isna().to_numpy().tolist() == [
        [False, True],
        [False] * 2,
        [False] * 2,
        [True] * 2,
    ]
    assert made["n_nonzero"].dtype == int


def test_the_best_row_of_a_result_is_its_winner():
    result = SearchResult(
        "s", "r", tuple(TRIALS), TRIALS[1], 0, None, (), SearchConfig.load("default"), "1", "sqlite:///m.db"
    )
    assert (result.best["family"], result.best["alpha"], result.best["run_id"]) == ("lasso", 0.1, "lasso0")
    said = f"{len(TRIALS)} trials: lasso alpha=0.1, R² validation {TRIALS[1].r2_validation:.4f}, not promoted"
    assert repr(result) == f"<SearchResult s of {said}>"


def test_the_penalty_on_fewer_rows_has_a_stronger_l1_unless_it_is_kept():
    parameters = {"l1_alpha": 0.1, "l2_alpha": 2.0}
    on_all, on_half = (penalty_of("elasticnet", parameters, n_rows) for n_rows in (20, 10))
    assert on_all.on(10, instead_of=20, keep_l1=True) == on_half
    assert on_all.on(10, instead_of=20) == Penalty(on_half.l1 * 2**0.5, on_half.l2)
    assert Penalty(0.0, 0.3).row == Penalty(0.0, 0.1).row == 0.0
    assert Penalty(0.1, 0.3).row == 0.3
