"""What the first version made goes on working: its searches, its champions and its count of opened test rows."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regsearch import SearchConfig, load_champion, promote, rollback, run_search
from regsearch.tracking import registry
from regsearch.tracking.store import open_store
from tests import needs
from tests.conftest import move_addresses
from tests.guarantees.conftest import CONFIG, ONE_RIDGE, SCORES, STRENGTHS, TRIALS, prepare

pytestmark = pytest.mark.slow

COMMIT = "fae94563b18b44bd267da04832dd031dd41cc37e"
ROOT = Path(__file__).parents[2]

RUN_EACH = """
import json, sys
from search import SearchConfig, promote, run_search

searches = []
for file in sys.argv[1:]:
    result = run_search(SearchConfig.load(file), promote=False, progress=False)
    promote(result.search_id, again=True)
    searches.append({"search_id": result.search_id, "run_ids": result.trials["run_id"].tolist()})
print(json.dumps(searches))
"""
RUN_AND_DIE = """
import os, signal
from optuna import Study
from search.cli import main

tell, told = Study.tell, []

def telling(*args, **kwargs):
    told.append(tell(*args, **kwargs))
    if len(told) == 9:
        os.kill(os.getpid(), signal.SIGKILL)

Study.tell = telling
main()
"""
FOLDS = CONFIG.replace("train = [40, 120]\nvalidation = [0, 40]", "train = [0, 115]\nvalidation = { folds = 4 }")


class FirstVersion:
    """The first version of regsearch, which was imported as `data`, `search` and `tracking`.

    Parameters
    ----------
    folder : Path
        That holds its source.
    """

    def __init__(self, folder: Path) -> None:
        self._environment = {**os.environ, "PYTHONPATH": str(folder)}

    def python(self, *arguments: object, code: int = 0) -> str:
        """Run this Python in the current folder with that version, and return what it prints."""
        done = subprocess.run(
            [sys.executable, *map(str, arguments)], env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def first(made_once) -> FirstVersion:
    """Return the first version, from this repository's history."""

    def extract(folder: Path) -> None:
        command = ["git", "-C", str(ROOT), "archive", COMMIT, "data", "search", "tracking"]
        archive = subprocess.run(command, capture_output=True, check=False)
        if archive.returncode:
            needs.missing(f"there is no commit {COMMIT[:7]}; clone the repository with its whole history")
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)

    return FirstVersion(made_once("first version", extract))


@pytest.fixture(scope="session")
def made_by_first(made_once, first, small_recording) -> Path:
    """Return a folder with three promoted searches of the first version, the last of which replaced the one before."""

    def search(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            patch.delenv("REGSEARCH_STORAGE", raising=False)
            prepare(folder, small_recording())
            for alpha in (100, 1):
                Path(f"ridge{alpha}.toml").write_text(ONE_RIDGE.format(name='"decoder"', alpha=alpha))
            searches = first.python("-c", RUN_EACH, "killed.toml", "ridge100.toml", "ridge1.toml")
            Path("searches.json").write_text(searches)

    return made_once("made by the first version", search)


@pytest.fixture
def searches(made_by_first, killed) -> list[dict]:
    """Return what the first version said of the searches, which the workspace now holds."""
    shutil.rmtree(killed / "mlruns")
    shutil.copytree(made_by_first, killed, dirs_exist_ok=True)
    move_addresses(killed / "mlruns" / "mlflow.db", made_by_first, killed)
    return json.loads(Path("searches.json").read_text())


def ended(store):
    """Return the status of each run of a trial and when it ended."""
    runs = store.client.search_runs(store.experiments(), "tags.role = 'trial'", max_results=1000)
    return {run.info.run_id: (run.info.status, run.info.end_time) for run in runs}


def test_its_finished_search_is_told_as_finished_and_nothing_is_solved_again(searches):
    before = ended(open_store())
    result = run_search(SearchConfig.load("killed.toml"), progress=False)
    assert (result.search_id, result.new_trials) == (searches[0]["search_id"], 0)
    assert result.trials["run_id"].tolist() == searches[0]["run_ids"]
    assert result.promotion.version == "1"
    assert ended(open_store()) == before
    assert len(registry.versions(open_store(), "killed")) == 1


@pytest.mark.parametrize("config", [CONFIG, FOLDS], ids=["holdout", "folds"])
def test_its_interrupted_search_is_resumed_to_the_table_that_it_would_have_had(config, first, killed, made_by_first):
    shutil.rmtree(killed / "mlruns")
    Path("killed.toml").write_text(config)
    if config == CONFIG:
        (parent,) = (run.parent for run in made_by_first.rglob("trials.csv") if len(pd.read_csv(run)) == TRIALS)
    else:
        elsewhere = ("--tracking-uri", f"sqlite:///{killed}/other/mlflow.db", "--storage", "other.journal")
        first.python("-m", "search.cli", "run", "killed.toml", *elsewhere)
        (parent,) = (run.parent for run in Path("other").rglob("trials.csv"))
    expected = pd.read_csv(parent / "trials.csv")
    first.python("-c", RUN_AND_DIE, "run", "killed.toml", code=-signal.SIGKILL)
    finished = {run_id for run_id, (status, _) in ended(open_store()).items() if status == "FINISHED"}
    assert 9 <= len(finished) < TRIALS

    result = run_search(SearchConfig.load("killed.toml"), progress=False)
    assert result.new_trials == TRIALS - len(finished)
    assert finished <= set(result.trials["run_id"])
    pd.testing.assert_frame_equal(result.trials[STRENGTHS], expected[STRENGTHS], check_dtype=False)
    np.testing.assert_allclose(result.trials[SCORES], expected[SCORES], rtol=1e-6, atol=1e-8)


def test_its_champion_loads_and_the_one_before_comes_back(searches):
    store = open_store()
    for version, search in (("2", searches[2]), ("1", searches[1])):
        champion = registry.champion(store, "decoder")
        assert (str(champion.version), champion.tags["search_id"]) == (version, search["search_id"])
        weights = np.load(next(Path("mlruns").rglob(f"{champion.run_id}/artifacts/weights.npz")))
        np.testing.assert_array_equal(load_champion("decoder").coef_, weights["coef"])
        if version == "2":
            assert rollback("decoder") == "1"


def test_test_rows_that_it_opened_count_as_opened(searches):
    other = SearchConfig.from_toml(ONE_RIDGE.format(name='"other"', alpha=3))
    result = run_search(other, progress=False)
    assert result.promotion is None
    promote(result.search_id, again=True)
    assert registry.champion(open_store(), "other").tags["test_evaluations"] == "4"
