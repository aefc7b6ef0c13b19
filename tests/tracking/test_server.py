import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

from tracking.server import serve
from tracking.store import StoreError, open_store


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answer(port):
    for _ in range(120):
        try:
            return requests.get(f"http://127.0.0.1:{port}/version", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.25)
    raise AssertionError("the server did not start")


def test_the_ui_answers_on_loopback_refuses_other_hosts_and_ends_with_ctrl_c(workspace, port):
    open_store().experiment("mine")
    process = subprocess.Popen(
        [sys.executable, "-m", "search.cli", "ui", "--port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert answer(port).status_code == 200
        search = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search"
        elsewhere = requests.post(search, json={"max_results": 10}, headers={"Host": "elsewhere.example"}, timeout=10)
        assert elsewhere.status_code == 403
        searched = requests.post(search, json={"max_results": 10}, timeout=10)
        assert "mine" in {experiment["name"] for experiment in searched.json()["experiments"]}
    finally:
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=30)
    assert process.returncode in (0, 130)
    assert f"http://127.0.0.1:{port}" in error
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{port}/version", timeout=2)


def test_a_port_that_is_taken_is_said_so(workspace):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match=f"port {port} is taken .* choose another with --port {port + 1}"):
            serve(None, port)
