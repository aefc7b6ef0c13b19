"""The deployed server lets in those whom it knows, keeps what they made theirs, and comes back from a backup."""

import os
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import requests
from mlflow import MlflowClient

from regsearch import SearchConfig, load_champion, promote, run_search
from regsearch.errors import SearchStoppedError, StoreError
from regsearch.tracking.store import open_store
from tests.deploy.conftest import DEPLOY, PASSWORDS, settings
from tests.guarantees.conftest import TRIALS, assert_complete, one_ridge, prepare
from tests.servers import until

pytestmark = pytest.mark.slow

REGSEARCH = [sys.executable, "-m", "regsearch"]


@pytest.fixture
def another_recording(workspace, small_recording):
    """Put a recording there whose test rows no search of the others opens, on the server that they share."""
    prepare(workspace, small_recording(seed=1))


def test_nobody_is_let_in_without_the_right_password(deployment, as_user, monkeypatch):
    as_user("ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORDS["bob"])
    with pytest.raises(StoreError, match=r"refuses \(401 .*\); set MLFLOW_TRACKING_USERNAME"):
        open_store()
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}")
    with pytest.raises(StoreError, match=r"refuses \(401 .*\)"):
        open_store()


def test_a_page_of_another_host_cannot_use_the_server(deployment):
    person = ("ada", PASSWORDS["ada"])
    for header in ({"Host": "evil.example.org"}, {"Origin": "https://evil.example.org"}):
        answer = requests.post(f"{deployment.uri}/api/2.0/mlflow/runs/search", auth=person, headers=header, timeout=10)
        assert answer.status_code == 403, header


def test_people_of_optuna_s_database_do_not_get_into_the_server_s(deployment):
    address = f"postgresql://ada@127.0.0.1:{deployment.postgresql.port}/mlflow"
    ended = subprocess.run(
        ["psql", address, "-c", "SELECT 1"],
        env={**os.environ, "PGPASSWORD": PASSWORDS["ada"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "permission denied for database" in ended.stderr


@pytest.mark.parametrize("secret", ["MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_AUTH_ADMIN_PASSWORD"])
def test_a_secret_is_not_shipped(secret):
    assert settings((DEPLOY / "server.env").read_text())[secret] == ""


def test_backups_are_removed_when_they_are_too_old(deployment):
    days = int(deployment.settings["BACKUP_DAYS"])
    kept, removed = (deployment.backups / f"of {age} days ago" for age in (days, days + 1))
    for folder, age in ((kept, days), (removed, days + 1)):
        (folder / "artifacts").mkdir(parents=True)
        os.utime(folder, (time.time() - 86_400 * age - 60,) * 2)
    latest = deployment.back_up()
    assert not removed.exists()
    assert kept.exists()
    assert (deployment.backups / "latest").resolve() == latest
    shutil.rmtree(kept)


def test_a_backup_that_fails_leaves_nothing_and_makes_room_for_the_next(deployment):
    latest = deployment.back_up()
    before = set(deployment.backups.iterdir())
    interrupted, old = deployment.backups / "2026-01-01T00:00:00Z.unfinished", deployment.backups / "old"
    for folder in (interrupted, old):
        folder.mkdir()
    long_ago = (time.time() - 86_400 * 1000,) * 2
    for folder in (old, latest):
        os.utime(folder, long_ago)
    deployment.tools.mkdir()
    (deployment.tools / "rsync").write_text("#!/bin/sh\necho 'rsync: No space left on device' >&2\nexit 11\n")
    (deployment.tools / "rsync").chmod(0o755)
    failed = deployment.script("backup.sh")
    shutil.rmtree(deployment.tools)
    assert (failed.returncode, failed.stdout) == (11, "")
    assert "No space left" in failed.stderr
    assert set(deployment.backups.iterdir()) == before
    os.utime(latest)


def test_what_a_user_made_is_changed_by_those_alone_whom_it_is_allowed_to(deployment, another_recording, as_user):
    theirs, better = one_ridge("shared", alpha=30.0), one_ridge("shared", alpha=1.0)
    as_user("ada")
    run_search(theirs, storage="ada.journal", progress=False)
    as_user("bob")
    assert run_search(theirs, storage="bob.journal", progress=False).new_trials == 0
    with pytest.raises(SearchStoppedError, match="does not let you change what another user made") as refused:
        run_search(better, storage="bob.journal", progress=False)
    assert "\n" not in str(refused.value)
    number = MlflowClient().get_experiment_by_name("shared").experiment_id
    deployment.administer("allows a user", **{'"1"': f'"{number}"', "decoder": "shared"})
    ended = run_search(better, storage="bob.journal", progress=False)
    assert ended.new_trials == 2
    assert promote(ended.search_id, again=True).replaced == "1"


def test_runs_that_another_user_s_dead_search_left_open_are_left_to_them(deployment, another_recording, as_user):
    as_user("ada")
    left = run_search(one_ridge("left"), storage="ada.journal", promote=False, progress=False).run_id
    MlflowClient().update_run(left, status="RUNNING")
    as_user("bob")
    run_search(one_ridge("bob-s"), storage="bob.journal", promote=False, progress=False)
    assert MlflowClient().get_run(left).info.status == "RUNNING"
    as_user("ada")
    run_search(one_ridge("ada-s"), storage="ada.journal", promote=False, progress=False)
    assert MlflowClient().get_run(left).info.status == "KILLED"


def test_all_that_was_lost_comes_back_from_a_backup(
    deployment, workspace, with_figures, recording, as_user, undisturbed
):
    """One backup is taken while the search runs, slowly, and one when it has ended, before an upgrade."""
    prepare(workspace, recording)
    as_user("ada")
    others = weights(deployment.artifacts)
    with subprocess.Popen([*REGSEARCH, "run", "killed.toml", "--quiet"], stdout=subprocess.DEVNULL) as process:
        until(lambda: len(weights(deployment.artifacts) - others) >= 4 and told(deployment), process)
        halfway = deployment.back_up(partial(until_more_is_told, deployment))
    assert process.returncode == 0
    champion = load_champion("killed")

    refused = deployment.script("restore.sh", halfway)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "in use by" in refused.stderr
    deployment.stop()
    upgraded = deployment.script("upgrade.sh")
    assert upgraded.returncode == 0, upgraded.stderr
    finished = deployment.backups / "latest"
    assert len(weights(finished)) == len(others) + TRIALS
    assert weights(halfway) & weights(finished)

    lose_everything(deployment)
    restore(deployment, finished)
    result = run_search(SearchConfig.load("killed.toml"), progress=False)
    assert result.new_trials == 0
    assert_complete(result, undisturbed)
    np.testing.assert_array_equal(load_champion("killed").coef_, champion.coef_)

    deployment.stop()
    restore(deployment, halfway)
    assert_whole(deployment)
    result = run_search(SearchConfig.load("killed.toml"), progress=False)
    assert 0 < result.new_trials <= TRIALS
    assert_complete(result, undisturbed)
    np.testing.assert_array_equal(load_champion("killed").coef_, champion.coef_)


def told(deployment):
    """Return which trials Optuna has the scores of."""
    of = "trials JOIN studies USING (study_id) WHERE state = 'COMPLETE' AND study_name LIKE 'killed/%'"
    rows = deployment.postgresql.rule(f"SELECT study_name, number FROM {of}", "optuna")
    return {(study.rpartition("/")[2], str(number)) for study, number in rows}


def until_more_is_told(deployment):
    """Let a search that is under way end another batch, if there is another."""
    before = len(told(deployment))
    until(lambda: len(told(deployment)) > before or before == TRIALS)


def assert_whole(deployment):
    """Assert that of what each part of a backup relies on nothing is missing in the next."""
    store = open_store()
    finished = store.client.search_runs([store.experiment("killed")], "status = 'FINISHED' AND tags.role = 'trial'")
    assert 0 < len(finished) < TRIALS
    assert all(store.holds(run.info.run_id, "weights.npz") for run in finished)
    assert len(told(deployment)) > 0
    assert told(deployment) <= {(run.data.tags["family"], run.data.tags["trial"]) for run in finished}


def weights(folder: Path):
    """Return the weights in a folder by what is the same for files that are links to one another."""
    return {path.stat().st_ino for path in folder.rglob("weights.npz")}


def lose_everything(deployment):
    for database in ("mlflow", "optuna"):
        deployment.rule("-d", database, "-c", "DROP SCHEMA public CASCADE")
        deployment.rule("-d", database, "-c", "CREATE SCHEMA public AUTHORIZATION pg_database_owner")
    shutil.rmtree(deployment.artifacts)


def restore(deployment, backup: Path):
    done = deployment.script("restore.sh", backup)
    assert done.returncode == 0, done.stderr
    deployment.start()
