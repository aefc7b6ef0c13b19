import json
import subprocess
import sys
from importlib.metadata import version

import pytest

from regsearch.errors import ConfigError
from regsearch.tracking.provenance import checkout, environment, keeps_changes, origin, uncommitted
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import Store, open_store
from tests.tracking.conftest import SEARCH


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
    assert uncommitted() == ("", "")
    for name in ("fit.py", ".env", "values.csv", "untracked.py"):
        (repository / name).write_text("after\n")
    git("add", "fit.py")
    (repository / "inner").mkdir()
    diff, note = uncommitted()
    assert note == "kept the uncommitted changes of 1 source file(s); REGSEARCH_KEEP_DIFF=0 turns this off"
    assert "fit.py" in diff
    assert not any(name in diff for name in (".env", "values.csv", "untracked.py"))
    git("checkout", "-f", "HEAD")
    (repository / "it.diff").write_text(diff)
    git("apply", "it.diff")
    assert (repository / "fit.py").read_text() == "after\n"


SECRETS = [
    'password = "hunter2hunter2"',
    'engine = create_engine("postgresql://me:s3cr3t/pw@host/db")',
    'KEY = "AKIAIOSFODNN7EXAMPLE"',
    'requests.get(url, auth=("me", "pa55w0rd"))',
    'os.environ["PGPASSWORD"] = "abcd1234"',
    'conn = "host=h user=me password=abcdefgh1"',
    'x = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"',
]


@pytest.mark.parametrize("line", SECRETS)
@pytest.mark.parametrize("is_added", [True, False])
def test_a_line_that_looks_like_a_secret_is_left_out(line, is_added, repository):
    versions = ["alpha = 0.1\n", f"alpha = 0.2\n{line}\n"]
    before, after = versions if is_added else reversed(versions)
    (repository / "fit.py").write_text(before)
    git("commit", "-am", "second")
    (repository / "fit.py").write_text(after)
    diff, note = uncommitted()
    assert line not in diff
    assert {"+alpha = 0.2", "-alpha = 0.1"} if is_added else {"-alpha = 0.2", "+alpha = 0.1"} <= set(diff.splitlines())
    assert "without 1 line(s) that look like secrets" in note


def test_of_code_that_holds_a_private_key_nothing_is_kept(repository):
    (repository / "fit.py").write_text('KEY = """-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END\n"""\n')
    assert "abc" not in uncommitted()[0]


@pytest.mark.parametrize(
    ("setting", "own_machine", "kept"),
    [("", True, True), ("", False, False), ("0", True, False), ("1", False, True), ("1", True, True)],
)
def test_changes_are_kept_on_this_machine_unless_told_otherwise(setting, own_machine, kept, monkeypatch):
    monkeypatch.setenv("REGSEARCH_KEEP_DIFF", setting)
    assert keeps_changes(own_machine=own_machine) is kept
    monkeypatch.setenv("REGSEARCH_KEEP_DIFF", "maybe")
    with pytest.raises(ConfigError, match="expected 0 or 1"):
        keeps_changes(own_machine=own_machine)


@pytest.mark.parametrize(
    ("uri", "is_own"),
    [
        ("sqlite:////a/mlflow.db", True),
        ("http://127.0.0.1:5000", True),
        ("http://localhost:5000", True),
        ("https://mlflow.example.org", False),
        ("postgresql://me:x@127.0.0.1/mlflow", True),
        ("postgresql://me:x@db.example.org/mlflow", False),
    ],
)
def test_a_server_of_another_machine_is_known(uri, is_own):
    store = Store(uri, None, None if uri.startswith("http") else "file:///a", None)
    assert store.is_of_this_machine is is_own


PROGRAMS = {
    "filter.x.clean": "touch {ran}; cat",
    "filter.x.process": "touch {ran}",
    "filter.a=b.clean": "touch {ran}; cat",
    "filter.x.required": "true",
    "diff.x.textconv": "touch {ran}; cat",
    "diff.x.command": "touch {ran}",
    "diff.external": "touch {ran}",
    "core.fsmonitor": "touch {ran}",
}


def test_no_program_that_a_repository_names_is_run(repository):
    ran = repository / "ran"
    (repository / ".gitattributes").write_text("fit.py filter=x diff=x\n*.csv filter=a=b\n*.py diff=x\n")
    for name, command in PROGRAMS.items():
        git("config", name, command.format(ran=ran))
    hook = repository / ".git" / "hooks" / "post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    (repository / "fit.py").write_text("after\n")
    (repository / "values.csv").write_text("after\n")
    assert "+after" in uncommitted()[0]
    assert checkout()["mlflow.source.git.dirty"] == "true"
    assert not ran.exists()


def test_a_very_long_diff_is_only_summarised(repository):
    (repository / "fit.py").write_text("line\n" * 300_000)
    diff, _ = uncommitted()
    assert len(diff) < 500
    assert "1 file changed, 300000 insertions(+), 1 deletion(-)" in diff


def test_a_folder_without_a_repository_is_no_fault(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert checkout() == {}
    assert uncommitted() == ("", "")
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


def test_a_package_that_is_installed_meanwhile_is_among_the_packages(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    assert b"just-made" not in environment()["requirements.txt"]
    (tmp_path / "just_made-1.2.dist-info").mkdir()
    (tmp_path / "just_made-1.2.dist-info" / "METADATA").write_text("Name: just-made\nVersion: 1.2\n")
    assert b"\njust-made==1.2\n" in environment()["requirements.txt"]


def test_a_search_keeps_the_environment_of_its_first_start_and_of_each_that_differs(repository):
    store, notes = open_store(), []

    def kept():
        run = SearchRun.start(store, "small", SEARCH)
        notes.append(run.keep_environment())
        return run, [file.path for file in store.client.list_artifacts(run.run_id, "environment")]

    assert kept()[1] == ["environment/1"]
    (repository / "fit.py").write_text("after\n")
    assert kept()[1] == ["environment/1", "environment/2"]
    run, folders = kept()
    assert folders == ["environment/1", "environment/2"]
    assert b"+after" in run.read(run.run_id, "environment/2/uncommitted.diff")
    assert run.run.data.tags["mlflow.source.git.dirty"] == "false"
    assert [bool(note) for note in notes] == [False, True, False]
