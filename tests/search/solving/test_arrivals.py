from dataclasses import replace

import numpy as np
import pytest

from regsearch.errors import EngineLostError
from regsearch.search.penalty import penalty_of
from regsearch.search.solving.arrivals import require_plausible
from regsearch.search.solving.evaluate import Evaluator, Failure, Task
from regsearch.search.trial import Proposal


@pytest.fixture
def development(sealed):
    return sealed[0]


@pytest.fixture
def path():
    return [
        Proposal("lasso", number, {"alpha": a}, penalty_of("lasso", {"alpha": a}, 80))
        for number, a in enumerate((0.1, 0.01))
    ]


@pytest.fixture
def solved(development, path):
    return Evaluator(Task(development, 1e-6))(path)


def changed(one, **fit):
    return replace(one, fit=replace(one.fit, **fit))


def scored(one, **metrics):
    return replace(one, evaluation=replace(one.evaluation, **metrics))


def test_what_a_solver_makes_is_plausible(solved, path, development):
    require_plausible(solved, path, development)
    require_plausible([solved[0], Failure("Traceback …")], path, development)
    require_plausible([Failure("Traceback …")], path, development)


@pytest.mark.parametrize(
    ("garbage", "says"),
    [
        (lambda one, two: None, "something else than solved trials"),
        (lambda one, two: [one, None], "something else than solved trials"),
        (lambda one, two: [one], "1 trials for 2"),
        (lambda one, two: [one, two, two], "3 trials for 2"),
        (lambda one, two: [one, changed(two, coef=two.fit.coef[:-1])], "another shape for lasso trial 1"),
        (lambda one, two: [one, replace(two, predicted=())], "another shape"),
        (lambda one, two: [changed(one, intercept=np.inf), two], "not finite for lasso trial 0"),
        (lambda one, two: [replace(one, predicted=(one.predicted[0] * np.nan,)), two], "not finite"),
        (lambda one, two: [scored(one, r2_validation=np.nan), two], "not finite"),
        (lambda one, two: [scored(one, duality_gap=np.nan), two], "metrics that the weights do not have"),
        (lambda one, two: [two, one], "another penalty"),
        (lambda one, two: [changed(one, coef=one.fit.coef * 2), two], "metrics that the weights do not have"),
    ],
)
def test_garbage_is_refused_in_one_line(garbage, says, solved, path, development):
    with pytest.raises(EngineLostError, match=f"a worker of the cluster sent back .*{says}"):
        require_plausible(garbage(*solved), path, development)
