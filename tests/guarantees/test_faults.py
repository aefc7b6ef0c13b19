"""What fails around a search stops it loudly or is waited for; the same command completes it, and nothing is lost."""

import os
import resource
import shutil
import signal
import sqlite3
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from regsearch import SearchConfig, run_search
from regsearch.errors import ConfigError
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store
from tests.conftest import everywhere, on_servers
from tests.guarantees.conftest import assert_complete
from tests.servers import Cutting, until

pytestmark = pytest.mark.slow

RUN = ("run", "killed.toml")


def resumed():
    return run_search(SearchConfig.load("killed.toml"), progress=False)


def assert_stopped_with_one_line(process, *says):
    assert process.wait() == 1, process.stderr
    *_, line = process.stderr.splitlines()
    assert line.startswith("regsearch: ")
    assert "Traceback" not in process.stderr
    for part in (*says, "what was logged is kept, and the same command resumes"):
        assert part in line


def test_a_full_disk_and_again_a_full_disk(launch, killed, undisturbed):
    """Files may not grow beyond a limit, as on a disk or under a quota that is full."""
    for kilobytes in (40, 700):
        size = kilobytes * 1024
        limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))
        assert_stopped_with_one_line(launch(*RUN, before=limit))
        assert (killed / "mlruns" / "optuna.journal").exists()
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


def test_a_database_that_stays_locked_stops_the_search(launch, killed, place, undisturbed):
    process = launch(*RUN)
    until(place.trials_logged, process)
    with sqlite3.connect(killed / "mlruns" / "mlflow.db", timeout=30) as database:
        database.execute("BEGIN IMMEDIATE")
        process.wait()
        database.rollback()
    database.close()
    assert_stopped_with_one_line(process, "database is locked")
    assert_complete(resumed(), undisturbed)


@pytest.fixture
def started_and_logging(launch, killed, place):
    """Return a start of the search that returns once five trials are logged."""

    def start():
        process = launch(*RUN)
        until(lambda: place.trials_logged() >= 5, process)
        return process

    return start


@on_servers
def test_a_tracking_server_that_goes_away_and_comes_back(started_and_logging, tracking_server, undisturbed):
    process = started_and_logging()
    tracking_server.kill()
    time.sleep(1)
    assert process.returncode is None, process.stderr
    tracking_server.start()
    assert process.wait() == 0, process.stderr
    assert_complete(resumed(), undisturbed)


@on_servers
def test_an_interruption_while_the_tracking_server_is_silent_says_what_it_waits_for(
    started_and_logging, tracking_server, undisturbed
):
    process = started_and_logging()
    with tracking_server.silenced():
        process.send_signal(signal.SIGINT)
        until(lambda: f"waiting for {tracking_server.uri} to close the runs; Ctrl-C again" in process.stderr, process)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130, process.stderr
    assert process.stderr.splitlines()[-1] == "regsearch: stopped; resume with: regsearch run killed.toml"
    assert "Traceback" not in process.stderr
    assert_complete(resumed(), undisturbed)


@on_servers
def test_answers_that_are_cut_short(killed, tracking_server, undisturbed, monkeypatch):
    """What was asked for may have been done: it is not done twice."""
    with Cutting(tracking_server.uri, "runs/create", "runs/log-batch", "runs/update") as between:
        threading.Thread(target=between.serve_forever).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", between.uri)
        try:
            assert_complete(resumed(), undisturbed)
        finally:
            between.shutdown()
    assert min(between.asked.values()) > 5


@on_servers
def test_a_tracking_server_that_stays_away_stops_the_search(
    started_and_logging, tracking_server, undisturbed, monkeypatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    process = started_and_logging()
    tracking_server.kill()
    assert_stopped_with_one_line(process)
    tracking_server.start()
    assert_complete(resumed(), undisturbed)


@on_servers
@pytest.mark.parametrize("until_it_has_stopped", [False, True], ids=["is restarted", "goes away"])
def test_a_postgresql_that(until_it_has_stopped, started_and_logging, postgresql, undisturbed, monkeypatch):
    """Its locks are gone with it, so the search cannot go on as if nothing had happened."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1" if until_it_has_stopped else "7")
    process = started_and_logging()
    postgresql.kill()
    if not until_it_has_stopped:
        postgresql.start()
    assert_stopped_with_one_line(process)
    assert postgresql.password not in process.stderr
    postgresql.start()
    assert_complete(resumed(), undisturbed)


def test_a_line_of_the_journal_that_was_cut_off_is_proposed_again(launch, killed, place, undisturbed):
    process = launch(*RUN)
    until(lambda: place.trials_logged() >= 15, process)
    process.kill()
    journal = killed / "mlruns" / "optuna.journal"
    os.truncate(journal, journal.stat().st_size - 20)
    assert_complete(resumed(), undisturbed)


def test_a_journal_that_is_damaged_is_named_and_can_be_moved_away(killed, completed, undisturbed):
    first = completed
    journal = killed / "mlruns" / "optuna.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:20], b"\x00garbage\n", *lines[20:]]))
    os.utime("recording.npz")
    with pytest.raises(ConfigError, match=r"optuna\.journal: is not a journal of Optuna, or damaged"):
        resumed()
    journal.unlink()
    again = resumed()
    assert again.run_id == first.run_id
    assert_complete(again, undisturbed)


@everywhere
def test_a_deleted_artifact_folder_is_filled_again(completed, place, undisturbed):
    first = completed
    winner = first.best["run_id"]
    another = first.trials.loc[first.trials["run_id"] != winner, "run_id"].iloc[0]
    folders = ["models/m-*/artifacts"]
    if place.is_embedded:
        folders += [f"{run_id}/artifacts" for run_id in (winner, another, first.run_id)]
    for folder in folders:
        (lost,) = place.artifacts.rglob(folder)
        names = {path.relative_to(lost) for path in lost.rglob("*")}
        shutil.rmtree(lost)
        assert_complete(resumed(), undisturbed)
        assert {path.relative_to(lost) for path in lost.rglob("*")} == names, folder


def test_a_worker_that_is_killed(launch, killed, place, undisturbed):
    process = launch(*RUN, "--workers", "2")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until(place.trials_logged, process)
    workers = [
        int(child)
        for child in children.read_text().split()
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    os.kill(workers[0], signal.SIGKILL)
    assert_stopped_with_one_line(process, "a solver's process died")
    assert_complete(resumed(), undisturbed)


def test_workers_end_with_a_parent_that_is_killed(launch, killed, place):
    process = launch(*RUN, "--workers", "2")
    until(place.trials_logged, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@everywhere
def test_a_run_made_twice_because_an_answer_was_lost_is_kept_once(completed, undisturbed):
    first = completed
    store = open_store()
    run = SearchRun.find(store, first.search_id)
    kept = run.trial_runs()["ridge", 3]
    store.client.create_run(kept.info.experiment_id, run_name=kept.info.run_name, tags=kept.data.tags)
    again = resumed()
    assert again.trials.loc[again.trials["family"] == "ridge", "run_id"].iloc[3] == kept.info.run_id
    assert_complete(again, undisturbed)
