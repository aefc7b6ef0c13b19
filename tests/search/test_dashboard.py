import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import pytest
import requests

from tests.search.proposals.test_studies import config, open_study, run

pytestmark = pytest.mark.slow


@pytest.fixture
def dashboard(tmp_path):
    """Return a call that starts optuna-dashboard on a journal and gives its API's address once it answers."""
    started = []

    def start(journal):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-c", "from optuna_dashboard._cli import main; main()", str(journal)]
        environment = {**os.environ, "HOME": str(tmp_path)}  # where its server puts a socket
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        options = ["--host", "127.0.0.1", "--port", str(port)]
        started.append(subprocess.Popen([*command, *options], env=environment, start_new_session=True, **quiet))
        api = f"http://127.0.0.1:{port}/api/studies"
        for _ in range(240):
            with suppress(requests.ConnectionError):
                if requests.get(api, timeout=5).ok:
                    return api
            time.sleep(0.25)
        raise AssertionError("the dashboard did not start")

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def test_the_dashboard_shows_the_studies_and_goes_on_with_a_search_that_goes_on(dashboard, tmp_path):
    journal, logged = tmp_path / "optuna.journal", set()
    run(journal, config("random", trials=12), logged)
    api = dashboard(journal)
    shown = requests.get(api, timeout=10).json()["study_summaries"]
    assert [study["study_name"] for study in shown] == ["s/abc/none", "s/abc/elasticnet"]
    table = run(journal, config("random", trials=15), logged)
    study = requests.get(f"{api}/{shown[1]['study_id']}", timeout=10).json()
    seen = [
        (one["number"], {each["name"]: each["param_internal_value"] for each in one["params"]}, one["values"][0])
        for one in study["trials"]
    ]
    assert seen == table
    assert len(seen) == 15
    assert [one["number"] for one in study["best_trials"]] == [max(table, key=lambda row: row[2])[0]]
    assert open_study(journal, config("random", trials=15)).ask(logged) == []
