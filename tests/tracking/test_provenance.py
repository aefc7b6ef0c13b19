import json
import subprocess
import sys
from importlib.metadata import version

import pytest

from regsearch.tracking.provenance import checkout, environment, origin, uncommitted
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store
from tests.tracking.test_runs import SEARCH


def git(*arguments):
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(workspace):
    """Return a git repository with one commit in the workspace, which is the current folder."""
    git("init")
    for name in ("fit.py", ".env", "values.csv"):
        (workspace / name).write_text("before\n")
    git("add", "fit.py", ".env", "values.csv")
    git("commit", "-m", "first")
    git("remote", "add", "origin", "https://me:secret@example.org/mine.git")
    return workspace


def test_the_checkout_is_tagged_as_mlflow_does_without_credentials(repository):
    assert origin()["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    clean = {
        "mlflow.source.git.branch": "main",
        "mlflow.source.git.repoURL": "https://example.org/mine.git",
        "mlflow.source.git.dirty": "false",
    }
    assert checkout() == clean
    (repository / "fit.py").write_text("after\n")
    assert checkout() == clean | {"mlflow.source.git.dirty": "true"}


def test_the_uncommitted_code_is_kept_so_that_it_can_be_applied_and_neither_data_nor_secrets(repository):
    assert uncommitted() == ""
    for name in ("fit.py", ".env", "values.csv", "untracked.py"):
        (repository / name).write_text("after\n")
    git("add", "fit.py")
    (repository / "inner").mkdir()
    diff = uncommitted()
    assert "fit.py" in diff
    assert not any(name in diff for name in (".env", "values.csv", "untracked.py"))
    git("checkout", "-f", "HEAD")
    (repository / "it.diff").write_text(diff)
    git("apply", "it.diff")
    assert (repository / "fit.py").read_text() == "after\n"


def test_a_very_long_diff_is_only_summarised(repository):
    (repository / "fit.py").write_text("line\n" * 300_000)
    assert len(uncommitted()) < 500
    assert "1 file changed, 300000 insertions(+), 1 deletion(-)" in uncommitted()


def test_a_folder_without_a_repository_is_no_fault(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert checkout() == {}
    assert uncommitted() == ""
    assert {*environment()} == {"environment.json", "requirements.txt"}


def test_the_environment_names_python_machine_algebra_and_packages():
    files = environment()
    facts = json.loads(files["environment.json"])
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["cpus"] > 0
    assert facts["blas"]
    lines = files["requirements.txt"].decode().splitlines()
    assert f"optuna=={version('optuna')}" in lines
    assert lines == sorted(lines, key=str.lower)


def test_a_search_keeps_the_environment_of_its_first_start_and_of_each_that_differs(repository):
    store = open_store()

    def kept():
        run = SearchRun.start(store, "small", SEARCH)
        run.keep_environment()
        return run, [file.path for file in store.client.list_artifacts(run.run_id, "environment")]

    assert kept()[1] == ["environment/1"]
    (repository / "fit.py").write_text("after\n")
    assert kept()[1] == ["environment/1", "environment/2"]
    run, folders = kept()
    assert folders == ["environment/1", "environment/2"]
    assert b"+after" in run.read(run.run_id, "environment/2/uncommitted.diff")
    assert run.run.data.tags["mlflow.source.git.dirty"] == "false"
