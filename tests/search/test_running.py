import time
from contextlib import nullcontext

import numpy as np
import pytest

from regsearch import null_distribution, run_search, run_targets
from regsearch.errors import ConfigError
from regsearch.search.output.progress import Progress
from regsearch.search.running import engine_of

CALLS = {
    "run_search": lambda config, **given: run_search(config, progress=False, **given),
    "run_targets": lambda config, **given: run_targets(config, progress=False, **given),
    "null_distribution": lambda _, **given: null_distribution("0123456789ab", progress=False, **given),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@each_call
@pytest.mark.parametrize("workers", [0, -1, "2", 1.5, True, np.float64(2)])
def test_a_number_of_workers_that_is_none_is_refused_before_anything_is_written(call, workers, small_config, workspace):
    before = sorted(workspace.rglob("*"))
    with pytest.raises(ConfigError, match=r"^workers: expected a whole number of 1 or more, found .*; leave it out"):
        call(small_config, workers=workers)
    assert sorted(workspace.rglob("*")) == before


@each_call
@pytest.mark.parametrize(
    "cluster", ["foo", "foo:", ":8786", "tcp://foo", "foo:8a", "foo:0", "localhost:99999", "abc://foo:1", "::1:80", 3]
)
def test_a_malformed_address_of_a_cluster_is_refused_at_once(call, cluster, small_config, workspace):
    before, begun = sorted(workspace.rglob("*")), time.monotonic()
    with pytest.raises(ConfigError, match=rf"^--cluster {cluster}: expected the address that .*; give the host and"):
        call(small_config, cluster=cluster)
    assert time.monotonic() - begun < 5  # Dask would try for 20 s
    assert sorted(workspace.rglob("*")) == before


@pytest.mark.parametrize(
    "cluster", ["foo:8786", "tcp://foo:8786", "tls://10.0.0.1:8786", "tcp://[::1]:8786", "local:2"]
)
def test_an_address_that_may_be_one_is_left_to_the_connection(cluster):
    engine_of(None, cluster, Progress())


class Said(Progress):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"workers": 2}, "starting 2 processes …"),
        ({"cluster": "local:3"}, "starting a cluster of 3 processes …"),
        ({"cluster": "localhost:1"}, "connecting to localhost:1 …"),
        ({"workers": 1}, None),
    ],
)
def test_what_takes_seconds_before_the_first_trial_is_said(given, line):
    class Interrupted(Progress):
        def say(self, line):
            raise InterruptedError(line)

    said = pytest.raises(InterruptedError, match=f"^{line}$") if line else nullcontext()
    with said, engine_of(given.get("workers"), given.get("cluster"), Interrupted()):
        pass


def test_a_search_and_its_null_targets_say_what_takes_seconds_beside_solving(small_config, workspace):
    said = Said()
    config = small_config.updated(families=["lasso"])
    result = run_search(config, workers=2, promote=False, progress=said)
    assert "starting 2 processes …" in said.lines[:-1]
    said.lines.clear()
    null_distribution(result.search_id, n=2, level=0.5, workers=2, progress=said)
    assert said.lines[-2:] == ["starting 2 processes …", "drawing the figure …"]
