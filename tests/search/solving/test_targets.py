import numpy as np
import pytest

from regsearch import SearchConfig
from regsearch.data import Recording
from regsearch.search.penalty import penalty_of
from regsearch.search.rows import cut
from regsearch.search.solving.evaluate import Evaluator, Task
from regsearch.search.solving.local_engines import processes, thread
from regsearch.search.solving.targets import OfTarget, TargetsTask
from regsearch.search.trial import Proposal

LAGGED = SearchConfig.from_preset("own-data").updated(folds=3, lags=[0, 1])


def developments(shape):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    ys = {name: X[:, :3] @ rng.standard_normal(3) + rng.standard_normal(shape[0]) for name in "ab"}
    return tuple(rows for rows, _ in cut(LAGGED, Recording.several(X, ys, source="here")))


def path(family, alphas, n_rows):
    return [
        Proposal(family, number, {"alpha": alpha}, penalty_of(family, {"alpha": alpha}, n_rows))
        for number, alpha in enumerate(alphas)
    ]


@pytest.mark.parametrize("engine", [thread, pytest.param(processes(2), marks=pytest.mark.slow)], ids=["thread", "two"])
@pytest.mark.parametrize("shape", [(60, 40), (150, 10)], ids=["wide", "tall"])
def test_targets_together_are_solved_as_each_by_itself(shape, engine):
    both = developments(shape)
    n_rows = both[0].model.total_weight
    paths = [path("lasso", [0.2, 0.02], n_rows), path("ridge", [1.0, 0.01], n_rows)]
    with engine(TargetsTask(both, 1e-6)) as submit:
        futures = [
            (target, proposals, submit(OfTarget(target, "pooled", proposals)))
            for proposals in paths
            for target in (0, 1)
        ]
        for target, proposals, future in futures:
            expected = Evaluator(Task(both[target], 1e-6))(proposals)
            for one, other in zip(future.result(), expected, strict=True):
                np.testing.assert_allclose(one.fit.coef, other.fit.coef, atol=1e-9)
                assert one.evaluation.r2_validation == pytest.approx(other.evaluation.r2_validation, abs=1e-10)
                assert one.evaluation.duality_gap < 1e-12
