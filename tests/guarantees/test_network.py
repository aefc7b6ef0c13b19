"""A cluster on machines of a network: killed, cut off or restarted, the search comes to the same table."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest

from regsearch import SearchConfig, run_search
from tests.guarantees.cluster import assert_stopped, started, trials_logged
from tests.guarantees.conftest import TRIALS, assert_complete
from tests.guarantees.network import Network
from tests.servers import until

pytestmark = pytest.mark.slow

CUT_SECONDS = 30
IMPATIENT = {"MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1"}
PORT = 8786
ADDRESS = f"tcp://10.0.0.1:{PORT}"


@contextmanager
def network_of(workers):
    with Network("driver", *(f"worker{number}" for number in range(1, workers + 1))) as network:
        yield network


@pytest.fixture
def drive(launch):
    """Return a start of the command on a machine of its own."""

    def start(network, config="killed.toml", **environment):
        command = ("run", config, "--cluster", ADDRESS)
        return launch(*command, before=partial(network.enter, "driver"), environment={**os.environ, **environment})

    return start


def assert_ends_well(process):
    assert process.wait() == 0, process.stderr


def searched():
    return run_search(SearchConfig.load("killed.toml"), progress=False)


def under_way(killed, process):
    """Wait until some trials are logged, and the first worker will be given another path of ridge, whose row it has."""
    until(lambda: trials_logged(killed) >= 5, process)
    assert trials_logged(killed) <= 10


def test_a_worker_that_is_killed(killed, undisturbed, drive, tmp_path_factory):
    with (
        network_of(4) as network,
        started(tmp_path_factory.mktemp("cluster"), workers=4, port=PORT, network=network) as cluster,
    ):
        process = drive(network)
        under_way(killed, process)
        cluster.workers[0].kill()
        assert_ends_well(process)
        assert cluster.workers[0].wait() == -signal.SIGKILL
    assert_complete(searched(), undisturbed)


def test_a_worker_that_comes_back_is_given_the_rows_and_paths(killed, recording, undisturbed, drive, tmp_path_factory):
    with (
        network_of(2) as network,
        started(tmp_path_factory.mktemp("cluster"), port=PORT, network=network) as cluster,
    ):
        process = drive(network)
        under_way(killed, process)
        process.send_signal(signal.SIGSTOP)
        cluster.workers[0].kill()
        before = network.received("worker1")
        cluster.add_worker(machine="worker1")
        until(lambda: network.received("worker1") > before + 5_000, cluster.workers[-1])  # it has registered
        process.send_signal(signal.SIGCONT)
        assert_ends_well(process)
        assert network.received("worker1") - before > recording.X[:120].nbytes
    assert_complete(searched(), undisturbed)


@pytest.mark.parametrize(("workers", "tcp_timeout"), [(2, "90s"), (4, "12s")], ids=["waited for", "given up"])
def test_a_worker_whose_link_is_cut(workers, tcp_timeout, killed, undisturbed, drive, tmp_path_factory):
    """Shorter than Dask's timeout, its answer comes late; longer, others solve what it had, without waiting for it."""
    is_given_up = tcp_timeout == "12s"
    options = {"workers": workers, "port": PORT, "tcp_timeout": tcp_timeout}
    with (
        network_of(workers) as network,
        started(tmp_path_factory.mktemp("cluster"), network=network, **options) as cluster,
    ):
        process = drive(network)
        under_way(killed, process)
        network.cut("worker1")
        mended = time.monotonic() + CUT_SECONDS
        if is_given_up:
            assert_ends_well(process)
        time.sleep(max(0.0, mended - time.monotonic()))
        if not is_given_up:
            assert process.returncode is None
            assert trials_logged(killed) < TRIALS
        network.mend("worker1")
        assert_ends_well(process)
        if is_given_up:
            cluster.workers[0].wait(60)  # whoever started it starts it again
    assert_complete(searched(), undisturbed)


def test_a_driver_whose_link_is_cut_stops_and_the_same_command_resumes(killed, undisturbed, drive, tmp_path_factory):
    with (
        network_of(2) as network,
        started(tmp_path_factory.mktemp("cluster"), port=PORT, network=network),
    ):
        process = drive(network, DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP="12s")
        under_way(killed, process)
        network.cut("driver")
        process.wait()
        assert_stopped(process.returncode, process.stderr, f"the connection to the scheduler of {ADDRESS} was lost")
        network.mend("driver")
        assert_ends_well(drive(network))
    assert_complete(searched(), undisturbed)


def test_a_scheduler_that_is_killed_and_another_in_its_place(killed, undisturbed, drive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    with network_of(2) as network:
        with started(folder, port=PORT, network=network) as cluster:
            process = drive(network)
            under_way(killed, process)
            cluster.scheduler.kill()
            process.wait()
            assert_stopped(process.returncode, process.stderr, f"the connection to the scheduler of {ADDRESS} was lost")
            assert 5 <= trials_logged(killed) < TRIALS
        with started(folder, port=PORT, network=network):
            assert_ends_well(drive(network))
    assert_complete(searched(), undisturbed)


@contextmanager
def tracking(network, folder):
    """Run a tracking server at the switch, its artifacts in a folder that all share, until the context ends."""
    stores = ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--default-artifact-root", f"{folder}/artifacts"]
    options = ["--host", "10.0.0.1", "--allowed-hosts", "10.0.0.1:5000", "--workers", "1", "--no-serve-artifacts"]
    process = subprocess.Popen(
        network.on("switch", sys.executable, "-m", "mlflow", "server", *options, *stores),
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: network.listens("switch", 5000), process)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_tracking_server_that_is_restarted(killed, undisturbed, drive, tmp_path_factory, monkeypatch):
    server = killed / "server"
    server.mkdir()

    def logged():
        return sum(1 for _ in server.glob("artifacts/*/*/artifacts/weights.npz"))

    with network_of(2) as network, started(tmp_path_factory.mktemp("cluster"), port=PORT, network=network):
        with tracking(network, server):
            process = drive(network, MLFLOW_TRACKING_URI="http://10.0.0.1:5000", **IMPATIENT)
            until(lambda: logged() >= 5, process)
        assert process.poll() is None
        with tracking(network, server):
            assert_ends_well(process)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{server}/server.db")
    assert_complete(searched(), undisturbed)


WIDE = """
name = "wide"

[data]
source = "wide.npz"

[data.split]
train = [40, 120]
validation = [0, 40]
test = [120, 160]

[families.elasticnet]
l1_alpha = { low = 0.01, high = 0.1 }
l2_alpha = { low = 1, high = 10 }
trials = 40
"""


def test_the_rows_cross_every_workers_link_once(workspace, small_recording, drive, tmp_path_factory):
    recording = small_recording(n_features=10_000)
    np.savez("wide.npz", X=recording.X, y=recording.y)
    (workspace / "wide.toml").write_text(WIDE)
    machines = ["worker1", "worker2", "worker3"]
    with (
        network_of(3) as network,
        started(tmp_path_factory.mktemp("cluster"), workers=3, port=PORT, network=network),
    ):
        assert_ends_well(drive(network, "wide.toml"))
        received = [network.received(machine) for machine in machines]
    rows = recording.X[:120].nbytes
    assert all(rows < one < 1.5 * rows for one in received), received
