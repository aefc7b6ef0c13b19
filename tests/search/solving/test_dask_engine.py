import signal

import pytest

from regsearch.errors import EngineLostError
from regsearch.search.penalty import Penalty, penalty_of
from regsearch.search.solving.dask_engine import _client, _Path, _place, connect
from regsearch.search.solving.evaluate import Task
from regsearch.search.solving.plane_row import PlaneRow
from regsearch.search.trial import Proposal
from tests.guarantees.cluster import started

WORKERS = ["one", "two", "three"]


def row(l2, family="elasticnet"):
    return PlaneRow.of(penalty_of(family, {"l1_alpha": 0.1, "l2_alpha": l2, "alpha": 0.1}, 10))


def sent(worker, l2, family="elasticnet", *, done=True):
    return _Path(row(l2, family), worker, is_open=not done)


def test_a_row_goes_where_it_was_solved_however_busy_that_worker_is():
    history = [sent("two", 1.0), sent("two", 3.0, done=False)]
    assert _place(row(1.0), WORKERS, history) == "two"


def test_a_new_row_goes_to_an_idle_worker_that_solved_the_nearest():
    history = [sent("one", 0.1), sent("two", 1.0), sent("three", 10.0)]
    assert _place(row(0.8), WORKERS, history) == "two"
    assert _place(row(30.0), WORKERS, history) == "three"
    assert _place(row(0.8), WORKERS, [*history, sent("two", 1.0, done=False)]) == "one"


def test_new_rows_are_spread_over_all_workers():
    history = []
    for l2 in (1.0, 1.1, 1.2, 10.0, 11.0, 12.0):
        history.append(sent(_place(row(l2), WORKERS, history), l2, done=False))
    assert sorted(path.worker for path in history) == sorted(WORKERS * 2)


@pytest.mark.parametrize(("family", "other"), [("ridge", "none"), ("lasso", "lasso")])
def test_families_without_a_second_strength_are_one_row(family, other):
    assert _place(row(0, family), WORKERS, [sent("three", 0, other)]) == "three"


def test_the_solvers_with_and_without_l1_remember_nothing_of_each_other():
    history = [sent("one", 0, "ridge"), sent("two", 5.0)]
    assert _place(row(0, "lasso"), ["one", "two"], history) == "two"


def test_a_lost_worker_is_given_nothing():
    history = [sent("lost", 1.0), sent("one", 9.0)]
    assert _place(row(1.0), ["one"], history) == "one"


@pytest.mark.slow
def test_the_processes_of_a_local_cluster_leave_interruptions_to_the_driver():
    with _client("local:2") as client:
        assert client.run(signal.raise_signal, signal.SIGINT) == dict.fromkeys(client.nthreads())
        assert client.run(len, "still here") == dict.fromkeys(client.nthreads(), 10)


@pytest.mark.slow
def test_a_scheduler_that_no_new_connection_reaches_is_lost_like_one_whose_connection_broke(sealed, tmp_path):
    development, _ = sealed
    with started(tmp_path, workers=1) as cluster:

        def submit_once_it_is_gone():
            with connect(cluster.address) as engine, engine(Task(development, 1e-6)) as submit:
                cluster.scheduler.kill()
                cluster.scheduler.wait()
                submit([Proposal("lasso", 0, {"alpha": 0.01}, Penalty(0.01, 0.0))])

        with pytest.raises(EngineLostError, match=f"the connection to the scheduler of {cluster.address} was lost"):
            submit_once_it_is_gone()


@pytest.mark.slow
def test_what_closing_a_lost_connection_raises_does_not_hide_what_happened(monkeypatch):
    def lose(client):
        def close_and_fail():
            monkeypatch.undo()  # a client that is collected closes itself once more
            client.close()
            raise RuntimeError("Cannot change state of expiring Timeout")

        monkeypatch.setattr(client, "close", close_and_fail)
        raise EngineLostError("the connection was lost")

    with pytest.raises(EngineLostError, match="the connection"), _client("local:1") as client:
        lose(client)
