from regsearch.search.penalty import Penalty
from regsearch.search.solving.evaluate import Task
from regsearch.search.solving.local_engines import processes
from regsearch.search.trial import Proposal
from regsearch.tracking import figures


def test_a_process_draws_the_weights_as_the_driver_would(sealed):
    development, _ = sealed
    with processes(1)(Task(development, 1e-6)) as submit:
        (solved,) = submit([Proposal("lasso", 0, {"alpha": 0.01}, Penalty(0.01, 0.0))]).result()
    assert solved.fit.coef.any()
    assert solved.picture == figures.weights_png(solved.fit.coef, "lasso alpha=0.01")
