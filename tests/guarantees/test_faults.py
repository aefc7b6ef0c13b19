"""What fails around a search stops it loudly or is waited for; the same command completes it, and nothing is lost."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from search import ConfigError, SearchConfig, run_search
from tests.conftest import everywhere, on_servers
from tests.guarantees.conftest import assert_complete
from tests.servers import until
from tracking.runs import SearchRun
from tracking.store import open_store

pytestmark = pytest.mark.slow

RUN = [sys.executable, "-m", "search.cli", "run", "killed.toml"]


def resumed():
    return run_search(SearchConfig.load("killed.toml"), progress=False)


def assert_stopped_with_one_line(ended, *says):
    assert ended.returncode == 1, ended.stderr
    *_, line = ended.stderr.splitlines()
    assert line.startswith("regsearch: ")
    assert "Traceback" not in ended.stderr
    for part in (*says, "what was logged is kept, and the same command resumes"):
        assert part in line


@pytest.mark.parametrize("kilobytes", [40, 700])
def test_a_full_disk(kilobytes, killed, undisturbed):
    """Files may not grow beyond a limit, as on a disk or under a quota that is full."""
    journal = killed / "mlruns" / "optuna.journal"

    def limit():
        size = kilobytes * 1024
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    ended = subprocess.run(RUN, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert_stopped_with_one_line(ended)
    assert journal.exists()
    assert_complete(resumed(), undisturbed)


def test_a_database_locked_for_a_while_is_waited_for(killed, place, undisturbed):
    locked, done = threading.Event(), threading.Event()

    def lock():
        while not place.trials_logged() and not done.is_set():
            time.sleep(0.01)
        with sqlite3.connect(killed / "mlruns" / "mlflow.db", timeout=30) as database:
            database.execute("BEGIN IMMEDIATE")
            locked.set()
            done.wait(3)
            database.rollback()
        database.close()

    thread = threading.Thread(target=lock)
    thread.start()
    try:
        result = resumed()
    finally:
        done.set()
        thread.join()
    assert locked.is_set()
    assert_complete(result, undisturbed)


def test_a_database_that_stays_locked_stops_the_search(killed, place, undisturbed):
    process = subprocess.Popen(RUN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not place.trials_logged():
        assert process.poll() is None
        time.sleep(0.01)
    with sqlite3.connect(killed / "mlruns" / "mlflow.db", timeout=30) as database:
        database.execute("BEGIN IMMEDIATE")
        _, error = process.communicate()
        database.rollback()
    database.close()
    ended = subprocess.CompletedProcess(RUN, process.returncode, "", error)
    assert_stopped_with_one_line(ended, "database is locked")
    assert_complete(resumed(), undisturbed)


def started_and_logging(place):
    process = subprocess.Popen(RUN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: place.trials_logged() >= 5, process)
    return process


@on_servers
def test_a_tracking_server_that_goes_away_and_comes_back(killed, place, tracking_server, undisturbed):
    process = started_and_logging(place)
    tracking_server.kill()
    time.sleep(1)
    assert process.poll() is None
    tracking_server.start()
    _, error = process.communicate()
    assert process.returncode == 0, error
    assert_complete(resumed(), undisturbed)


@on_servers
def test_a_tracking_server_that_stays_away_stops_the_search(killed, place, tracking_server, undisturbed, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    process = started_and_logging(place)
    tracking_server.kill()
    _, error = process.communicate()
    assert_stopped_with_one_line(subprocess.CompletedProcess(RUN, process.returncode, "", error))
    tracking_server.start()
    assert_complete(resumed(), undisturbed)


@on_servers
@pytest.mark.parametrize("until_it_has_stopped", [False, True], ids=["is restarted", "goes away"])
def test_a_postgresql_that(until_it_has_stopped, killed, place, postgresql, undisturbed, monkeypatch):
    """Its locks are gone with it, so the search cannot go on as if nothing had happened."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1" if until_it_has_stopped else "7")
    process = started_and_logging(place)
    postgresql.kill()
    if not until_it_has_stopped:
        postgresql.start()
    _, error = process.communicate()
    assert_stopped_with_one_line(subprocess.CompletedProcess(RUN, process.returncode, "", error))
    assert postgresql.password not in error
    postgresql.start()
    assert_complete(resumed(), undisturbed)


def test_a_line_of_the_journal_that_was_cut_off_is_proposed_again(killed, place, undisturbed):
    process = subprocess.Popen(RUN, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while place.trials_logged() < 15:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    journal = killed / "mlruns" / "optuna.journal"
    os.truncate(journal, journal.stat().st_size - 20)
    assert_complete(resumed(), undisturbed)


def test_a_journal_that_is_damaged_is_named_and_can_be_moved_away(killed, undisturbed):
    first = resumed()
    journal = killed / "mlruns" / "optuna.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:20], b"\x00garbage\n", *lines[20:]]))
    os.utime("recording.npz")
    with pytest.raises(ConfigError, match=r"optuna\.journal: is no journal of Optuna's, or damaged"):
        resumed()
    journal.unlink()
    again = resumed()
    assert again.run_id == first.run_id
    assert_complete(again, undisturbed)


@pytest.mark.parametrize(
    ("place", "which"),
    [("embedded", which) for which in ("the winner", "another trial", "the parent", "the model")]
    + [("servers", "the model")],
    indirect=["place"],
)
def test_a_deleted_artifact_folder_is_filled_again(which, killed, place, undisturbed):
    first = resumed()
    trials = first.trials
    run_id = {
        "the winner": first.best["run_id"],
        "another trial": trials.loc[trials["run_id"] != first.best["run_id"], "run_id"].iloc[0],
        "the parent": first.run_id,
        "the model": first.best["run_id"],
    }[which]
    (artifacts,) = place.artifacts.rglob(f"{run_id}/artifacts")
    lost = artifacts / "model" if which == "the model" else artifacts
    names = {path.relative_to(lost) for path in lost.rglob("*")}
    shutil.rmtree(lost)
    assert_complete(resumed(), undisturbed)
    assert {path.relative_to(lost) for path in lost.rglob("*")} == names


def test_a_worker_that_is_killed(killed, place, undisturbed):
    process = subprocess.Popen([*RUN, "--workers", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not place.trials_logged():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    workers = [
        int(child)
        for child in children.read_text().split()
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    os.kill(workers[0], signal.SIGKILL)
    _, error = process.communicate()
    ended = subprocess.CompletedProcess(RUN, process.returncode, "", error)
    assert_stopped_with_one_line(ended, "a solver's process died")
    assert_complete(resumed(), undisturbed)


def test_workers_end_with_a_parent_that_is_killed(killed, place):
    process = subprocess.Popen([*RUN, "--workers", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not place.trials_logged():
        assert process.poll() is None
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@everywhere
def test_a_run_made_twice_because_an_answer_was_lost_is_kept_once(killed, undisturbed):
    first = resumed()
    store = open_store()
    run = SearchRun.find(store, first.search_id)
    kept = run.trial_runs()["ridge", 3]
    store.client.create_run(kept.info.experiment_id, run_name=kept.info.run_name, tags=kept.data.tags)
    again = resumed()
    assert again.trials.loc[again.trials["family"] == "ridge", "run_id"].iloc[3] == kept.info.run_id
    assert_complete(again, undisturbed)
