import math
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regsearch.errors import TrialError
from regsearch.search.penalty import penalty_of
from regsearch.search.solving.evaluate import Evaluation, Failure, Solved
from regsearch.search.solving.loop import drive, paths
from regsearch.search.trial import Proposal

strength = st.floats(1e-4, 10)
mixes = st.lists(st.fixed_dictionaries({"l1_alpha": strength, "l2_alpha": st.sampled_from([0.1, 1.0, 10.0])}))


def proposal(number, parameters, family="elasticnet", told=False):
    return Proposal(family, number, parameters, penalty_of(family, parameters, 10), told)


def on(executor, solve):
    """Return a `submit` that solves on an executor."""
    return lambda path: executor.submit(solve, path)


class Ledger:
    """A study of fixed batches, as `FamilyStudy` presents one, that writes down what it is told."""

    def __init__(self, family, batches, is_grid=False):
        self.family = family
        self.is_grid = is_grid
        self._batches = iter(batches)
        self.told = []

    def ask(self, logged):
        assert {number for number, _ in self.told} <= logged
        return next(self._batches, [])

    def tell(self, number, value):
        self.told.append((number, value))


def solved(score):
    return Solved(Evaluation(score, score, 0, 0, 0, 1, 1, 1, 0, 0), fit=None, predicted=(), selected=None)


def batches(family, *sizes):
    proposals = (proposal(number, {"alpha": number + 1.0}, family) for number in range(100))
    return [[next(proposals) for _ in range(size)] for size in sizes]


@given(mixes)
@example([{"l1_alpha": 1e-4, "l2_alpha": 0.1}, {"l1_alpha": math.nextafter(1e-4, 1), "l2_alpha": 0.1}])
def test_a_path_is_one_row_of_the_plane_from_strong_to_weak(parameters):
    proposals = [proposal(number, each) for number, each in enumerate(parameters)]
    grouped = paths(proposals)
    assert sorted(one.number for path in grouped for one in path) == list(range(len(proposals)))
    assert len({path[0].parameters["l2_alpha"] for path in grouped}) == len(grouped)
    for path in grouped:
        assert len({one.parameters["l2_alpha"] for one in path}) == 1
        strengths = [one.parameters["l1_alpha"] for one in path]
        assert strengths == sorted(strengths, reverse=True)


@pytest.mark.parametrize("workers", [1, 4])
def test_batches_are_told_in_trial_order_once_all_of_them_are_logged(workers):
    studies = [Ledger("ridge", batches("ridge", 3, 2)), Ledger("lasso", batches("lasso", 4))]
    order = []
    logged = set()
    with ThreadPoolExecutor(workers) as executor:
        drive(
            studies,
            on(executor, lambda path: [solved(one.parameters["alpha"]) for one in path]),
            lambda one, _: order.append((one.family, one.number)),
            logged,
        )
    assert studies[0].told == [(n, n + 1.0) for n in range(5)]
    assert studies[1].told == [(n, n + 1.0) for n in range(4)]
    assert set(order) == logged
    assert len(order) == 9


def test_a_batch_of_several_paths_is_told_when_the_last_of_them_is_logged():
    mixes = [proposal(number, {"l1_alpha": 1.0, "l2_alpha": number + 1.0}) for number in range(3)]
    study = Ledger("elasticnet", [mixes])
    told_while_logging = []
    with ThreadPoolExecutor(1) as executor:
        drive(
            [study],
            on(executor, lambda path: [solved(one.parameters["l2_alpha"]) for one in path]),
            lambda *_: told_while_logging.extend(study.told),
            set(),
        )
    assert told_while_logging == []
    assert study.told == [(0, 1.0), (1, 2.0), (2, 3.0)]


def test_the_trials_of_a_grid_are_told_as_its_paths_are_logged():
    mixes = [proposal(number, {"l1_alpha": 1.0, "l2_alpha": number + 1.0}) for number in range(3)]
    study = Ledger("elasticnet", [mixes], is_grid=True)
    told_before = []
    with ThreadPoolExecutor(1) as executor:
        drive(
            [study],
            on(executor, lambda path: [solved(one.parameters["l2_alpha"]) for one in path]),
            lambda *_: told_before.append(len(study.told)),
            set(),
        )
    assert told_before == [0, 1, 2]
    assert sorted(study.told) == [(0, 1.0), (1, 2.0), (2, 3.0)]


def test_a_trial_already_told_is_logged_but_not_told_again():
    study = Ledger("ridge", [[proposal(7, {"alpha": 1.0}, "ridge", told=True)]])
    logged = set()
    with ThreadPoolExecutor(1) as executor:
        drive([study], on(executor, lambda *_: [solved(0.5)]), lambda *_: None, logged)
    assert (study.told, logged) == ([], {("ridge", 7)})


def test_a_failure_is_logged_stops_the_search_and_tells_nothing():
    study = Ledger("lasso", batches("lasso", 3))
    outcomes = []
    with ThreadPoolExecutor(1) as executor, pytest.raises(TrialError, match="lasso trial 1: ValueError: no"):
        drive(
            [study],
            on(executor, lambda *_: [solved(0.1), Failure("Traceback\nValueError: no\n")]),
            lambda _, outcome: outcomes.append(type(outcome)),
            set(),
        )
    assert outcomes == [Solved, Failure]
    assert study.told == []


def test_what_is_done_meanwhile_is_done_while_the_first_batches_are_being_solved():
    happened = []
    begun, done = Event(), Event()

    def solve(path):
        begun.set()
        assert done.wait(60)
        happened.append("solved")
        return [solved(0.5) for _ in path]

    def meanwhile():
        assert begun.wait(60)
        happened.append("meanwhile")
        done.set()

    with ThreadPoolExecutor() as executor:
        drive([Ledger("ridge", batches("ridge", 1, 1))], on(executor, solve), lambda *_: None, set(), meanwhile)
    assert happened == ["meanwhile", "solved", "solved"]


def test_the_next_batch_is_being_solved_when_it_is_said_that_one_was_told():
    study = Ledger("ridge", batches("ridge", 3, 2))
    begun = {3: Event(), 2: Event()}
    told = []

    def solve(path):
        begun[len(path)].set()
        return [solved(0.5) for _ in path]

    def note():
        assert begun[2].wait(60)
        told.append(len(study.told))

    with ThreadPoolExecutor(1) as executor:
        drive([study], on(executor, solve), lambda *_: None, set(), told=note)
    assert told == [3, 5]
