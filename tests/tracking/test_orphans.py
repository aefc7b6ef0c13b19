import os
import subprocess
import sys
from pathlib import Path

import pytest

from regsearch.tracking import locks
from regsearch.tracking.orphans import close_orphans
from regsearch.tracking.runs import LOCKED_IN, SearchRun
from regsearch.tracking.store import open_store
from tests.needs import missing
from tests.tracking.conftest import SEARCH
from tests.tracking.test_locks import holder
from tests.tracking.test_runs import trial


def left_open(store):
    """Return a search that a process began, and did not live to end."""
    run = SearchRun.start(store, "small", SEARCH)
    run.store.client.set_tag(run.run_id, LOCKED_IN, "another-host:/another/path")
    run._create(trial(0), {})
    return run


def test_a_search_that_died_under_another_host_name_is_closed_where_the_lock_can_be_asked(store):
    run = left_open(store)
    assert close_orphans(store) == ["abc123"]
    assert run.run.info.status == "KILLED"
    assert [one.info.status for one in run.trial_runs().values()] == ["KILLED"]


def test_a_search_that_lives_under_another_host_name_is_left_alone(store):
    run = left_open(store)
    with holder(store.locks.folder, name="abc123") as process:
        assert close_orphans(store) == []
        process.kill()
    assert run.run.info.status == "RUNNING"


@pytest.mark.parametrize("place", ["servers"], indirect=True)
def test_a_search_whose_lock_cannot_be_seen_from_here_is_left_alone(store):
    run = left_open(store)
    assert close_orphans(store) == []
    assert run.run.info.status == "RUNNING"


@pytest.mark.parametrize("name", ["../../.git/index", "/tmp/elsewhere/index", "a/b", "..", "x\0y"])
def test_a_tag_makes_nobody_touch_a_file_outside_of_the_folder_of_locks(name, store, workspace):
    outside = [workspace / ".git", Path("/tmp/elsewhere"), store.locks.folder / "a"]
    for folder in outside:
        folder.mkdir(exist_ok=True)
    before = {path for folder in (workspace, Path("/tmp/elsewhere")) for path in folder.rglob("*.lock")}
    tags = {"role": "search", "search_id": name, "data_sha256": "f" * 64, LOCKED_IN: "\n".join(store.locks.places)}
    if "\0" not in name:
        store.client.create_run(store.experiment("small"), tags=tags)
    assert close_orphans(store) == []
    with pytest.raises(ValueError, match="is no name for a lock"):
        store.locks.hold(name).__enter__()
    after = {path for folder in (workspace, Path("/tmp/elsewhere")) for path in folder.rglob("*.lock")}
    assert after <= before | {store.locks.folder / "store.lock"}


def test_a_file_system_that_refuses_locks_is_named_with_the_way_out(workspace, monkeypatch):
    import errno
    import fcntl

    from regsearch.errors import StoreError

    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)  # no file system of a test machine refuses
    with pytest.raises(StoreError, match=f"{workspace}/mlruns/locks: its file system refuses locks .*--tracking-uri"):
        open_store()
    assert locks.PATIENCE > 60  # which was not waited for


@pytest.mark.slow
def test_the_name_of_the_user_is_not_needed():
    if os.getuid() != 0:
        missing("another user's id takes root")
    script = "from regsearch.tracking.provenance import origin; import os; os.setuid(12345); print(sorted(origin()))"
    without = {key: value for key, value in os.environ.items() if key not in ("LOGNAME", "USER", "LNAME", "USERNAME")}
    ran = subprocess.run([sys.executable, "-c", script], env=without, cwd="/", capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "['mlflow.source.name']\n"), ran.stderr
