import signal

import pytest

from regsearch.errors import EngineLostError
from regsearch.search.penalty import Penalty
from regsearch.search.solving.dask_engine import client_of, connect
from regsearch.search.solving.evaluate import Task
from regsearch.search.trial import Proposal
from tests.guarantees.cluster import started


@pytest.mark.slow
def test_the_processes_of_a_local_cluster_leave_interruptions_to_the_driver():
    with client_of("local:2") as client:
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

    with pytest.raises(EngineLostError, match="the connection"), client_of("local:1") as client:
        lose(client)
