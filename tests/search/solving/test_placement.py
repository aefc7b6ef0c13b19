import pytest

from regsearch.search.penalty import penalty_of
from regsearch.search.solving.placement import SentPath, place
from regsearch.search.solving.plane_row import PlaneRow

WORKERS = ["one", "two", "three"]


def row(l2, family="elasticnet"):
    return PlaneRow.of(penalty_of(family, {"l1_alpha": 0.1, "l2_alpha": l2, "alpha": 0.1}, 10))


def sent(worker, l2, family="elasticnet", *, done=True):
    return SentPath(row(l2, family), worker, is_open=not done)


def test_a_row_goes_where_it_was_solved_however_busy_that_worker_is():
    history = [sent("two", 1.0), sent("two", 3.0, done=False)]
    assert place(row(1.0), WORKERS, history) == "two"


def test_a_new_row_goes_to_an_idle_worker_that_solved_the_nearest():
    history = [sent("one", 0.1), sent("two", 1.0), sent("three", 10.0)]
    assert place(row(0.8), WORKERS, history) == "two"
    assert place(row(30.0), WORKERS, history) == "three"
    assert place(row(0.8), WORKERS, [*history, sent("two", 1.0, done=False)]) == "one"


def test_new_rows_are_spread_over_all_workers():
    history = []
    for l2 in (1.0, 1.1, 1.2, 10.0, 11.0, 12.0):
        history.append(sent(place(row(l2), WORKERS, history), l2, done=False))
    assert sorted(path.worker for path in history) == sorted(WORKERS * 2)


@pytest.mark.parametrize(("family", "other"), [("ridge", "none"), ("lasso", "lasso")])
def test_families_without_a_second_strength_are_one_row(family, other):
    assert place(row(0, family), WORKERS, [sent("three", 0, other)]) == "three"


def test_the_solvers_with_and_without_l1_remember_nothing_of_each_other():
    history = [sent("one", 0, "ridge"), sent("two", 5.0)]
    assert place(row(0, "lasso"), ["one", "two"], history) == "two"


def test_a_lost_worker_is_given_nothing():
    history = [sent("lost", 1.0), sent("one", 9.0)]
    assert place(row(1.0), ["one"], history) == "one"
