import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests

from regsearch.errors import StoreError
from regsearch.tracking import pages, server
from regsearch.tracking.server import serve
from regsearch.tracking.store import open_store
from tests.servers import until


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


@pytest.mark.slow
def test_the_ui_answers_on_loopback_refuses_other_hosts_and_ends_with_ctrl_c(workspace, port):
    open_store().experiment("mine")
    process = subprocess.Popen(
        [sys.executable, "-m", "regsearch", "ui", "--port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert answer(port).status_code == 200
        search = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search"
        elsewhere = requests.post(search, json={"max_results": 10}, headers={"Host": "elsewhere.example"}, timeout=10)
        assert elsewhere.status_code == 403
        across = requests.post(search, json={"max_results": 10}, headers={"Origin": "http://evil.example"}, timeout=10)
        assert across.status_code == 403
        searched = requests.post(search, json={"max_results": 10}, timeout=10)
        assert "mine" in {experiment["name"] for experiment in searched.json()["experiments"]}
    finally:
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "resume" not in error
    assert f"http://127.0.0.1:{port}" in error
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{port}/version", timeout=2)


@pytest.mark.slow
def test_without_a_port_the_next_free_one_is_taken_a_browser_opened_and_sigterm_ends_it(workspace):
    opener = workspace / "opener.py"
    opener.write_text("import pathlib, sys\npathlib.Path('opened').write_text(sys.argv[1])\n")
    with ExitStack() as held:
        with suppress(OSError):  # another program has it already, which will do
            held.enter_context(socket.create_server(("127.0.0.1", 5000)))
        process = subprocess.Popen(
            [sys.executable, "-m", "regsearch", "ui", "--open"],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "BROWSER": f"{sys.executable} {opener} %s"},
        )
        lines = [process.stderr.readline()]
        while lines[-1] and not lines[-1].startswith("open "):
            lines.append(process.stderr.readline())
        address = lines[-1].removeprefix("open ").strip()
        for _ in range(100):
            if (workspace / "opened").exists():
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert "port 5000 is taken by" in lines[0]
    port = int(lines[0].rpartition("using ")[2])
    assert port > 5000
    assert address == f"http://127.0.0.1:{port}/{pages.experiments()}"
    assert (workspace / "opened").read_text() == address
    with suppress(requests.ConnectionError):  # unless the test of another process has taken the port since
        answered = requests.get(f"http://127.0.0.1:{port}/health", timeout=2)
        assert answered.headers.get(server._SERVED_BY) != str(process.pid)


@pytest.mark.slow
def test_a_port_that_another_takes_before_the_server_does_is_passed_over(workspace, port, monkeypatch):
    open_store().experiment("mine")
    taken, opened, command = [], [], server._command

    def command_once_the_port_is_taken(port):
        if not taken:
            taken.append(socket.create_server(("127.0.0.1", port)))
        return command(port)

    def look_and_leave(address):
        opened.append(address)
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "_PORTS", range(port, port + 20))
    monkeypatch.setattr(server, "_command", command_once_the_port_is_taken)
    monkeypatch.setattr(webbrowser, "open", look_and_leave)
    try:
        assert serve(None, browse=True) == 0
        (address,) = opened
        assert port == taken[0].getsockname()[1] < int(address.removeprefix("http://127.0.0.1:").partition("/")[0])
    finally:
        taken[0].close()


def test_a_port_that_is_taken_is_said_to_be_and_by_which_process(workspace):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        holder = rf"process {os.getpid()} \(" if sys.platform == "linux" else "another program"
        with pytest.raises(StoreError, match=f"port {port} is taken by {holder}.*; choose another with --port"):
            serve(None, port)


def started(port, *arguments, **environment):
    """Return `regsearch ui`, once it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "regsearch", "ui", "--port", str(port), *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    for line in process.stderr:
        if line.startswith("open "):
            return process
    raise AssertionError("the server did not start")


def session(pid):
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return None


def is_answering(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_the_server_does_not_outlive_the_command_nor_its_terminal(number, workspace, port):
    open_store()
    process = started(port, http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9")
    assert is_answering(port)
    process.send_signal(number)
    process.communicate(timeout=120)
    until(lambda: not is_answering(port))


def test_the_password_of_a_database_is_not_in_the_list_of_processes(workspace, port, postgresql):
    url = postgresql.renew("shown", template="mlflow_template")
    process = started(port, MLFLOW_TRACKING_URI=url)
    try:
        commands = {int(path.parent.name): path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")}
        sessions = {session(pid) for pid, command in commands.items() if str(port).encode() in command}
        ours = [command for pid, command in commands.items() if session(pid) in sessions]
        assert len(ours) > 2
        assert [command for command in ours if postgresql.password.encode() in command] == []
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
