"""A cluster makes the table that one machine makes, whatever dies of it, and is never sent the test rows."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress

import numpy as np
import psutil
import pytest
from distributed import Client

from regsearch import SearchConfig, run_search
from regsearch.errors import ConfigError, SearchStoppedError
from tests.conftest import on_servers
from tests.guarantees.cluster import assert_stopped, started, trials_logged
from tests.guarantees.conftest import TRIALS, assert_complete
from tests.servers import until

pytestmark = pytest.mark.slow

RUN = ("run", "killed.toml")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Return a cluster that no test kills anything of."""
    with started(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


class Relay:
    """Stands between a client and a scheduler, keeps what the client sends, and may put other bytes in its place."""

    def __init__(self, address: str, replace: tuple[bytes, bytes] = (b"", b"")) -> None:
        host, port = address.removeprefix("tcp://").split(":")
        self._upstream = (host, int(port))
        self._replace = replace
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = [self._listener]
        self._threads = []
        self.sent = bytearray()
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self):
        self._run(self._accept)
        return self

    def __exit__(self, *_):
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _run(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._upstream)
            self._open += [client, server]
            self._run(self._pump, client, server, True)
            self._run(self._pump, server, client, False)

    def _pump(self, source, sink, sending):
        try:
            while block := source.recv(1 << 16):
                if sending:
                    self.sent += block
                    if self._replace[0]:
                        block = block.replace(*self._replace)
                sink.sendall(block)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return


def searched(**options):
    return run_search(SearchConfig.load("killed.toml"), progress=False, **options)


def solvers(address):
    """Return how many solvers each worker holds."""

    def count():
        from regsearch.search.solving.dask_worker import solvers_here

        return len(solvers_here)

    with Client(address, set_as_default=False) as client:
        return list(client.run(count).values())


def test_a_cluster_of_this_machine_makes_the_same_table(killed, undisturbed):
    assert_complete(searched(cluster="local:3"), undisturbed)


@on_servers
def test_a_cluster_over_tcp_makes_the_same_table_and_is_sent_no_test_row_and_nothing_of_a_server(
    cluster, killed, place, postgresql, recording, undisturbed
):
    trained, tested = recording.X[40:120, 7].tobytes(), recording.X[130:132, 7].tobytes()
    with Relay(cluster.address) as relay:
        result = searched(cluster=relay.address)
        assert relay.sent.count(trained) == 1
        assert tested not in relay.sent
        assert recording.y[120:124].tobytes() not in relay.sent
        for secret in (postgresql.password, f":{postgresql.port}", place.tracking_uri):
            assert secret.encode() not in relay.sent
    assert_complete(result, undisturbed)


def test_workers_keep_their_solver_until_the_search_ends_however_it_ends(cluster, killed, launch):
    process = launch(*RUN, "--cluster", cluster.address)
    until(lambda: trials_logged(killed) >= 15, process)
    process.send_signal(signal.SIGSTOP)
    held = solvers(cluster.address)
    process.kill()
    assert held == [1, 1]
    until(lambda: solvers(cluster.address) == [0, 0])


def test_rows_that_arrive_changed_are_not_searched(cluster, killed, recording):
    with (
        Relay(cluster.address, (recording.X[50, :1].tobytes(), np.float64(1.0).tobytes())) as relay,
        pytest.raises(SearchStoppedError, match=r"the rows that reached tcp://.* are not those that were sent"),
    ):
        searched(cluster=relay.address)


def test_a_cluster_whose_workers_are_all_lost_stops_the_search(killed, undisturbed, launch, tmp_path_factory):
    with started(tmp_path_factory.mktemp("cluster")) as cluster:
        process = launch(*RUN, "--cluster", cluster.address)
        until(lambda: trials_logged(killed) >= 5, process)
        for worker in cluster.workers:
            worker.kill()
        process.wait()
    assert_stopped(process.returncode, process.stderr, f"every worker that had the rows of {cluster.address} was lost")
    assert 5 <= trials_logged(killed) < TRIALS
    assert_complete(searched(), undisturbed)


def test_a_trial_that_workers_die_of_stops_the_search(killed, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    deadly = (
        "import os, sys; from regsearch.search.solving import evaluate;"
        "evaluate.Evaluator.__call__ = lambda *_: os._exit(1);"
        "from dask.__main__ import main; sys.exit(main())"
    )
    with started(tmp_path_factory.mktemp("cluster"), workers=1) as cluster:
        cluster.add_worker(sys.executable, "-c", deadly)
        until(lambda: len(solvers(cluster.address)) == 2)
        with pytest.raises(SearchStoppedError, match=r"several workers of tcp://.* died of the same trials"):
            searched(cluster=cluster.address)


def test_a_worker_of_another_version_that_joins_later_stops_the_search(killed, launch, tmp_path_factory):
    older = (
        "import sys, importlib.metadata as metadata; version = metadata.version;"
        "metadata.version = lambda name: '0.0.1' if name == 'regsearch' else version(name);"
        "from dask.__main__ import main; sys.exit(main())"
    )
    with started(tmp_path_factory.mktemp("cluster"), workers=1) as cluster:
        process = launch(*RUN, "--cluster", cluster.address)
        until(lambda: trials_logged(killed) >= 1, process)
        process.send_signal(signal.SIGSTOP)
        cluster.add_worker(sys.executable, "-c", older)
        until(lambda: len(solvers(cluster.address)) == 2)
        process.send_signal(signal.SIGCONT)
        assert process.wait() == 2, process.stderr
    *_, line = process.stderr.splitlines()
    assert "on every worker, found regsearch 0.0.1 on tcp://" in line
    assert trials_logged(killed) < TRIALS


def test_a_worker_that_sends_back_garbage_stops_the_search_and_nothing_of_it_is_logged(
    killed, undisturbed, tmp_path_factory
):
    false = (
        "import sys; from dataclasses import replace; from regsearch.search.solving import evaluate;"
        "solve = evaluate.Evaluator.__call__;"
        "evaluate.Evaluator.__call__ = lambda self, proposals: ["
        "replace(one, fit=replace(one.fit, coef=one.fit.coef * float('nan'))) for one in solve(self, proposals)];"
        "from dask.__main__ import main; sys.exit(main())"
    )
    with started(tmp_path_factory.mktemp("cluster"), workers=0) as cluster:
        cluster.add_worker(sys.executable, "-c", false)
        until(lambda: len(solvers(cluster.address)) == 1)
        with pytest.raises(SearchStoppedError, match="a worker of the cluster sent back numbers that are not finite"):
            searched(cluster=cluster.address)
    assert trials_logged(killed) == 0
    assert_complete(searched(), undisturbed)


def test_a_worker_that_hangs_when_the_search_starts_is_given_up(killed, undisturbed, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL", "5s")
    with started(tmp_path_factory.mktemp("cluster")) as cluster:
        until(lambda: len(solvers(cluster.address)) == 2)
        cluster.workers[0].send_signal(signal.SIGSTOP)
        result = searched(cluster=cluster.address)
    assert_complete(result, undisturbed)


def test_local_workers_end_with_a_parent_that_is_killed(killed, launch):
    process = launch(*RUN, "--cluster", "local:2")
    until(lambda: trials_logged(killed), process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    assert len(children) >= 2
    until(lambda: not any(child.is_running() for child in children))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--cluster", "tcp://127.0.0.1:9"), "no Dask scheduler answers there"),
        (("--cluster", "local:0"), "expected a number of processes, as in local:4"),
        (("--cluster", "nonsense://here"), "expected the address that `dask scheduler` prints"),
        (("--cluster", "local:2", "--workers", "1"), "exclude each other"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_one_line(options, says, killed, invoke):
    before = sorted(killed.rglob("weights.npz"))
    code, out, error = invoke("run", "killed.toml", "--quiet", *options)
    assert (code, out) == (2, "")
    assert says in error
    assert error.count("\n") == 1
    assert sorted(killed.rglob("weights.npz")) == before


def test_a_scheduler_without_workers_is_one_line(killed, tmp_path_factory):
    with started(tmp_path_factory.mktemp("cluster"), workers=0) as cluster:
        with pytest.raises(ConfigError, match="no worker joined within 10 s; start some with `dask worker tcp"):
            searched(cluster=cluster.address)
        hidden = (
            "import sys, importlib.metadata as metadata; version = metadata.version;"
            "metadata.version = lambda name: version('no-' + name if name == 'regsearch' else name);"
            "from dask.__main__ import main; sys.exit(main())"
        )
        cluster.add_worker(sys.executable, "-c", hidden)
        with pytest.raises(ConfigError, match=r"expected regsearch .* on every worker, found no regsearch on tcp://"):
            searched(cluster=cluster.address)


def test_without_dask_the_extra_is_named(killed):
    hidden = "import sys; sys.modules['distributed'] = None; from regsearch.search.process import main; main()"
    command = [sys.executable, "-c", hidden, "run", "killed.toml"]
    asked = subprocess.run([*command, "--cluster", "local:2"], capture_output=True, text=True, check=False)
    assert (asked.returncode, asked.stdout) == (2, "")
    assert asked.stderr == (
        "regsearch: --cluster local:2: needs distributed, which is not installed; pip install 'regsearch[cluster]'\n"
    )
    assert subprocess.run([*command, "--dry-run"], capture_output=True, check=False).returncode == 0


def test_ctrl_c_stops_a_search_on_a_cluster_like_any_other(killed, undisturbed):
    process = subprocess.Popen(
        [sys.executable, "-m", "regsearch", *RUN, "--cluster", "local:2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    until(lambda: trials_logged(killed) >= 5, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert error.splitlines()[-1].startswith("regsearch: stopped; resume with: regsearch run killed.toml --cluster")
    assert_complete(searched(), undisturbed)
