import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from functools import cache

import numpy as np
import pytest
from sqlalchemy.engine.default import DefaultDialect

from regsearch import SearchConfig
from regsearch.tracking import registry
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store
from tests.conftest import SMALL

REGSEARCH = [sys.executable, "-m", "regsearch"]


def regsearch(*arguments, **options):
    return subprocess.run([*REGSEARCH, *arguments], capture_output=True, text=True, check=False, **options)


def regsearch_importing(*arguments):
    """Run the command, with what it imports among what it says."""
    command = [sys.executable, "-X", "importtime", *REGSEARCH[1:], *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def config(small_config, workspace):
    (workspace / "small.toml").write_text(SMALL.format(source="small.npz"))
    return "small.toml"


@pytest.mark.slow
def test_a_search_from_the_shell_ends_with_a_champion(config, workspace, invoke):
    done = regsearch("run", config)
    assert done.returncode == 0, done.stderr
    assert "champion:" in done.stdout
    assert 'mlflow.pyfunc.load_model("models:/small@champion")' in done.stdout
    assert "20 of 20 trials" in done.stderr
    assert "best validation R²" in done.stderr
    assert done.stderr.replace("\n", "").isprintable()

    code, again, _ = invoke("run", config, "--json")
    assert code == 0
    result = json.loads(again)
    assert (result["new_trials"], result["trials"]) == (0, 20)
    assert result["promotion"]["uri"] == "models:/small@champion"

    listed = json.loads(invoke("models", "--json")[1])
    (version,) = listed["small"]["versions"]
    assert (version["champion"], version["search_id"]) == (True, result["search_id"])
    assert [move.rpartition(",")[0] for move in listed["small"]["moves"]] == ["version 1, the first"]
    promoted = invoke("promote", result["search_id"], "--json")[1]
    assert json.loads(promoted) == result["promotion"]
    code, _, refused = invoke("models", "--rollback")
    assert code == 1
    assert "replaced none" in refused
    code, _, unknown = invoke("promote", result["search_id"][:5])
    assert code == 1
    assert f"did you mean {result['search_id']}?" in unknown


def test_a_dry_run_shows_the_plan_and_touches_nothing(workspace, invoke):
    before = sorted(workspace.rglob("*"))
    plan = json.loads(invoke("run", "tutorial", "--dry-run", "--json")[1])
    assert plan["trials"] == 36
    assert plan["families"]["elasticnet"]["l2_alpha"] == [0.01, 0.1, 1, 10, 100]
    shown = invoke("run", "--dry-run")[1]
    for said in (
        "7,018 rows × 11,983 features",
        "of memory",
        f"sqlite:///{workspace}/mlruns/mlflow.db",
        "Nothing was run",
    ):
        assert said in shown.replace("\n", " ")
    assert sorted(workspace.rglob("*")) == before


def test_data_describes_a_recording(config, recording, invoke):
    described = json.loads(invoke("data", "small.npz", "--json")[1])
    assert (described["rows"], described["features"]) == (160, 200)
    assert described["sha256"] == recording.sha256
    assert described["y_mean"] == pytest.approx(recording.y.mean())


@pytest.mark.parametrize("option", ["--features", "--exclude", "--covariate"])
@pytest.mark.parametrize("files", [["u1.txt"], ["u1.txt", "u2.txt"]])
def test_a_pattern_that_the_shell_replaced_by_names_of_files_is_to_be_quoted(option, files, workspace, invoke):
    (workspace / "table.csv").write_text("u1,u2,y\n1,2,3\n2,1,4\n4,4,1\n")
    for name in files:
        (workspace / name).touch()
    for command in ("run", "data"):
        for arguments in (["table.csv", option, *files], [option, *files, "table.csv"]):
            code, _, err = invoke(command, *arguments)
            assert (code, err.count("regsearch: ")) == (2, 1)
            said = f"{option} names the file 'u1.txt': if you gave a pattern, quote it, as in {option} 'unit_*', or the"
            assert said in err
    code, _, err = invoke("run", "table.csv", option, "cell_*")
    assert (code, "names the file" in err, "'unit_*'" in err) == (2, False, option != "--covariate")


@pytest.mark.slow
def test_quiet_says_the_result_alone(config, invoke):
    code, out, error = invoke("run", config, "--family", "lasso", "--quiet")
    assert (code, error) == (0, "")
    assert "champion:" in out


@pytest.mark.slow
def test_verbose_says_every_trial(config, invoke):
    code, out, error = invoke("run", config, "--family", "lasso", "--verbose", "--no-promote", "--json")
    assert code == 0
    said = [line for line in error.splitlines() if "duality gap" in line]
    assert len(said) == json.loads(out)["trials"] == 4


@pytest.mark.parametrize("preset", ["default", "tutorial"])
def test_a_preset_is_printed_to_start_from(preset, workspace, invoke):
    printed = invoke("config", preset)[1]
    assert printed.startswith("#:schema ./regsearch.schema.json\n")
    (workspace / "mine.toml").write_text(printed)
    assert SearchConfig.load("mine.toml") == SearchConfig.load(preset)
    assert json.loads(invoke("config", preset, "--json")[1])["name"] == SearchConfig.load(preset).name


def test_a_file_is_checked_and_printed_with_its_defaults(config, workspace, invoke):
    code, printed, _ = invoke("config", config)
    assert code == 0
    assert 'sampler = "tpe"' in printed
    assert SearchConfig.from_toml(printed) == SearchConfig.load(config)
    wrong = (workspace / config).read_text().replace("test = [120, 160]", "test = [119, 160]")
    (workspace / config).write_text(wrong)
    code, printed, error = invoke("config", config)
    assert (code, printed) == (2, "")
    assert "overlap" in error


def test_the_schema_is_printed_for_editors(workspace, invoke):
    assert json.loads(invoke("config", "--schema")[1]) == SearchConfig.toml_schema()


@pytest.mark.parametrize("command", [[], ["run"], ["promote"], ["models"], ["ui"], ["data"], ["config"]])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_there_for_every_command(command, option, invoke):
    code, out, _ = invoke(*command, option)
    assert code == 0
    assert "Usage" in out


@pytest.mark.parametrize(("arguments", "code"), [(["run", "--help"], 0), (["config"], 0), (["run", "absent.toml"], 2)])
def test_what_runs_no_search_does_not_wait_for_what_a_search_needs(arguments, code, workspace):
    imported = regsearch_importing(*arguments)
    assert imported.returncode == code
    assert "regsearch.search.config" in imported.stderr
    assert not {"mlflow", "optuna", "matplotlib", "pandas", "scipy"} & set(imported.stderr.split())


@cache
def modules_of_a_search():
    """Return the modules that are imported before a search begins, in order."""
    code = "import sys, regsearch.search.launch; print(*sys.modules)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.slow
def test_what_only_figures_and_relative_strengths_need_is_not_imported_before_a_search_begins():
    assert not {"matplotlib", "PIL", "scipy.optimize"} & {*modules_of_a_search()}


def test_what_skops_seeks_through_all_modules_is_imported_before_the_many_of_mlflow():
    imported = modules_of_a_search()
    assert imported.index("scipy.special") < imported.index("mlflow")


@pytest.mark.parametrize(("typed", "completed"), [("regsearch conf", "config"), ("regsearch run t", "tutorial")])
def test_a_shell_is_given_completions(typed, completed, monkeypatch, invoke):
    monkeypatch.setenv("_REGSEARCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
    assert invoke()[1].split() == [completed]


def bad_inputs():
    split = "[data.split]\ntrain = [40, 120]\nvalidation = [0, 40]\ntest = [120, 160]"
    yield "a missing file", {"small.npz": "missing.npz"}, "missing.npz"
    yield "an overlap", {"test = [120, 160]": "test = [119, 160]"}, "overlap"
    yield "an empty split", {"test = [120, 160]": "test = [120, 120]"}, "[120, 120)"
    yield "a reversed split", {"test = [120, 160]": "test = [160, 120]"}, "[160, 120)"
    yield "rows out of range", {"test = [120, 160]": "test = [120, 999]"}, "160 rows"
    yield "low above high", {"low = 0.01": "low = 101"}, "low must be below high"
    yield "a negative alpha", {"low = 0.01": "low = -1"}, "expected a number above 0"
    yield "zero trials", {"trials = 12": "trials = 0"}, "expected a number above 0"
    yield "an unknown key", {"seed = 3": "sed = 3"}, "did you mean 'seed'"
    yield "an unknown family", {"[families.ridge]": "[families.rdige]"}, "did you mean 'ridge'"
    yield "an unknown sampler", {"seed = 3": 'sampler = "tep"'}, "'tpe'"
    yield "too few rows for fractions", {split: "", "small.npz": "tiny.npz"}, "too few"


@pytest.mark.parametrize(("changes", "says"), [pytest.param(c, s, id=i) for i, c, s in bad_inputs()])
def test_bad_input_is_one_line_and_exit_code_2(changes, says, config, workspace, invoke):
    np.savez(workspace / "tiny.npz", X=np.eye(5), y=np.arange(5.0))
    text = (workspace / config).read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (workspace / config).write_text(text)
    shutil.rmtree(workspace / "mlruns")
    before = sorted(workspace.rglob("*"))
    code, out, error = invoke("run", config)
    assert (code, out) == (2, "")
    *_, line = error.splitlines()
    assert line.startswith("regsearch: ")
    assert says in line
    assert sorted(workspace.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "nope.toml"], "nope.toml: no such configuration"),
        (["run", "--trials", "0"], "expected a number above 0"),
        (["run", "--trials", "many"], "'--trials': expected a whole number, found 'many'; see `regsearch run --help`"),
        (["run", "--folds", "1"], "'--folds': expected a number of at least 2, found '1'; see"),
        (["null", "abc", "--level", "low"], "'--level': expected a number, found 'low'; see"),
        (["run", "--nonsense"], "see `regsearch run --help`"),
        (["run", "--quiet", "--verbose"], "exclude each other"),
        (["run", "--data", "here"], "name a recording: twin or stringer"),
        (
            ["run", "--data", "."],
            "expected a Zarr group, or a folder with X.npy",
        ),
        (["run", "--dry-run", "--data", "missing.npz"], "expected a file, found nothing"),
        (["run", "--storage", "."], "--storage .: cannot be opened"),
        (["run", "--storage", "small.npz"], "is not a journal of Optuna"),
        (["run", "--select", "at-most:none"], "select: expected at-most:N with N of 1 or more, such as at-most:100"),
        (["run", "--lags", ""], "--lags: expected numbers of rows"),
        (["run", "--alpha", ""], "--alpha: expected LOW:HIGH"),
        (["run", "--select", ""], "select: expected best, one-se, one-se-paired or { at_most = N } (at-most:N on"),
        (["run", "--target", ""], "data.target: "),
        (["run", "--data", ""], "'--data': expected a value, found an empty text"),
        (["run", "--cluster", ""], "'--cluster': expected a value, found an empty text"),
        (["run", "--groups", ""], "data.groups: "),
        (["config", "."], "expected a TOML file, found 'Is a directory'; give a file or one of default"),
        (["config", ""], "expected a value, found an empty text"),
        (["data", ""], "expected a value, found an empty text"),
        (["promote", "abc", "--data", ""], "'--data': expected a value, found an empty text"),
        (["data", "mlruns/locks"], "locks: expected a Zarr group, or a folder with X.npy"),
        (
            ["data", "twin", "--target", "speed"],
            "twin: expected the recording's only target, 'run', found 'speed'; leave",
        ),
        (["ui", "--port", "0"], "'--port': expected a number of at least 1, found '0'; see"),
        (["rnu"], "No such command 'rnu'"),
        (["run", "--tracking-uri", "http://127.0.0.1:9"], "does not answer"),
        (["run", "--tracking-uri", "sqlite:////proc/here/mlflow.db"], "cannot be created"),
        (["run", "--storage", "nosuch://x"], "--storage"),
        (["data", "nowhere.csv"], "nowhere.csv"),
        (["ui", "--tracking-uri", "http://127.0.0.1:9"], "does not answer"),
        (["models", "--name", "nope"], "no registered model 'nope'"),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_code_2(arguments, says, config, invoke):
    if arguments[:1] == ["run"] and "nope.toml" not in arguments:
        arguments = ["run", config, *arguments[1:]]
    code, out, error = invoke(*arguments)
    assert (code, out) == (2, "")
    *_, line = error.splitlines()
    assert line.startswith("regsearch: ")
    assert says in line


@pytest.mark.parametrize(
    "command", [["ui"], ["models"], ["models", "--rollback"], ["figures", "abc"], ["promote", "abc"], ["null", "abc"]]
)
def test_where_nothing_is_tracked_nothing_is_made(command, tmp_path, monkeypatch, invoke):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    code, out, error = invoke(*command)
    assert (code, out) == (2, "")
    assert f"nothing is tracked in sqlite:///{tmp_path}/mlruns/mlflow.db yet; start a search" in error
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_search_is_a_failure_and_not_bad_input(workspace, invoke):
    for search_id in ("0123", "a'b"):
        code, _, error = invoke("promote", search_id)
        assert code == 1
        assert f"no search {search_id!r}" in error
        assert "start one with `regsearch run`" in error


class Finalised:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        _ = signal.Signals(2).name  # in which the interruption is raised, and ignored


def interrupt_while_it_finalises():
    """Have this process interrupted where Python ignores it: in a finaliser, when the fifth trial is begun."""
    begin_trial, calls = SearchRun._begin_trial, []

    def begun(*args, **kwargs):
        calls.append(Finalised())
        if len(calls) == 5:
            del calls[0]
        return begin_trial(*args, **kwargs)

    SearchRun._begin_trial = begun


@pytest.mark.slow
def test_an_interruption_that_python_ignores_comes_once_more(config, launch):
    stopped = launch("run", config, before=interrupt_while_it_finalises)
    assert stopped.wait() == 130, stopped.stderr
    assert stopped.stderr.splitlines()[-1] == f"regsearch: stopped; resume with: regsearch run {config}"
    assert "Exception ignored" not in stopped.stderr


def interrupt_while_a_connection_is_closed():
    """Have this process interrupted where SQLAlchemy logs whatever is raised, when the fifth trial is begun."""
    close, begin_trial, calls = DefaultDialect.do_close, SearchRun._begin_trial, []

    def closed(*args):
        if len(calls) == 5:
            calls.clear()
            signal.raise_signal(signal.SIGINT)
        return close(*args)

    def begun(*args, **kwargs):
        calls.append("begun")
        return begin_trial(*args, **kwargs)

    DefaultDialect.do_close, SearchRun._begin_trial = closed, begun


@pytest.mark.slow
def test_an_interruption_while_a_connection_is_closed_prints_no_traceback(config, launch):
    stopped = launch("run", config, before=interrupt_while_a_connection_is_closed)
    assert stopped.wait() == 130, stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert stopped.stderr.splitlines()[-1] == f"regsearch: stopped; resume with: regsearch run {config}"


INTERRUPTED_WHILE_IMPORTING = """
import signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Finder())
from regsearch.__main__ import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["typer", "pydantic", "sqlalchemy.engine", "mlflow.tracking", "optuna.storages"])
def test_an_interruption_while_packages_are_imported_is_one_line_without_secrets(module, config):
    script = INTERRUPTED_WHILE_IMPORTING.format(module=module)
    given = ["run", config, "--storage", "postgresql://me:secret@127.0.0.1/optuna"]
    done = subprocess.run([sys.executable, "-c", script, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("regsearch: stopped")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_search_says_what_resumes_it_and_leaves_no_run_open(number, code, config, workspace, launch):
    text = (workspace / config).read_text().replace("trials = 12", "trials = 3000")
    (workspace / config).write_text(text)
    process = launch("run", config)
    for _ in range(600):
        if list(workspace.glob("mlruns/artifacts/*/artifacts/weights.npz")):
            break
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait() == code, process.stderr
    assert process.stderr.splitlines()[-1] == f"regsearch: stopped; resume with: regsearch run {config}"
    store = open_store()
    runs = store.client.search_runs([store.experiment("small")], max_results=1000)
    assert not [run.info.run_name for run in runs if run.info.status == "RUNNING"]
    assert [run.info.status for run in runs if run.data.tags["role"] == "search"] == ["KILLED"]


def test_a_recording_is_taken_as_the_first_argument_with_features_of_any_name(workspace, invoke):
    rng = np.random.default_rng(0)
    np.savez("spikes.npz", counts=rng.standard_normal((60, 5)), speed=rng.standard_normal(60))
    code, printed, _ = invoke("run", "spikes.npz", "--target", "speed", "--features", "counts", "--dry-run", "--json")
    planned = json.loads(printed)
    assert (code, planned["name"], planned["recording"]) == (0, "spikes-speed", {"rows": 60, "features": 5})
    code, _, said = invoke("run", "spikes.npz", "--data", "other.npz", "--dry-run")
    assert (code, "are both recordings; give one of them" in said) == (2, True)


def test_what_a_file_holds_is_listed_before_anybody_has_to_guess(workspace, invoke):
    rng = np.random.default_rng(0)
    np.savez("spikes.npz", counts=rng.standard_normal((60, 5)), speed=rng.standard_normal(60))
    code, printed, _ = invoke("data", "spikes.npz", "--json")
    assert code == 0
    assert [(one["name"], one["role"]) for one in json.loads(printed)["contents"]] == [("counts", ""), ("speed", "")]
    code, printed, said = invoke("data", "spikes.npz", "--features", "counts", "--target", "sped")
    assert (code, "taken as" in printed) == (2, True)
    assert "expected the array 'sped', found 2 other(s); the nearest is 'speed'; say by --target" in said
    code, printed, _ = invoke("data", "spikes.npz", "--features", "counts", "--target", "speed")
    assert code == 0
    assert "taken as" in printed
    assert "features" in printed


def test_columns_are_listed_before_one_of_them_is_refused(workspace, invoke):
    rows = "".join(f"{number},{number % 7},left\n" for number in range(20))
    (workspace / "trials.csv").write_text(f"speed,unit,side\n{rows}")
    code, printed, said = invoke("data", "trials.csv", "--target", "speed")
    assert code == 2
    assert "side" in printed.split("taken as")[1]
    assert "trials.csv: expected numbers in every column, found text in 1 of 3 columns: 'side'" in said


def test_a_promotion_says_how_to_look_at_the_store_that_it_is_in(result, invoke, monkeypatch):
    assert "\nlook:     regsearch ui\n" in invoke("promote", result.search_id)[1]
    uri = result.promotion.tracking_uri
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    printed = invoke("promote", result.search_id, "--tracking-uri", uri)[1]
    assert f"\nlook:     regsearch ui --tracking-uri {shlex.quote(uri)}\n" in printed
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert "\nlook:     regsearch ui\n" in invoke("promote", result.search_id)[1]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_that_lacks_a_character_is_given_a_replacement(encoding, config):
    done = subprocess.run(
        [*REGSEARCH, "data", "small.npz"], env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert b"? " in done.stdout or b"?\n" in done.stdout
    assert b"sha256" in done.stdout


def test_a_locale_that_lacks_a_character_is_given_a_replacement(config):
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0"}
    unset = ("PYTHONIOENCODING", "LC_CTYPE", "LANG")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run([*REGSEARCH, "data", "small.npz"], env={**kept, **locale}, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"sha256" in done.stdout


def test_names_are_printed_as_they_are(invoke, workspace):
    np.savez(workspace / "odd.npz", **{"X": np.eye(20), "[bold]y[/x] :smile:": np.arange(20.0)})
    code, out, error = invoke("data", "odd.npz", "--target", "[bold]y[/x] :smile:")
    assert (code, error) == (0, "")
    assert out.count("[bold]y[/x] :smile:") == 2


@pytest.mark.slow
@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_stream_fails_no_search(closed, config, workspace):
    command = shlex.join([*REGSEARCH, "run", config, "--family", "ridge", "--trials", "2"])
    done = subprocess.run(f"{command} {closed}>&-", shell=True, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "champion:" in done.stdout or closed == 1
    assert list(registry.names(open_store())) == ["small"]
