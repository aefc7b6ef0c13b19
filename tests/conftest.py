"""A small recording that behaves like the large one, and an empty workspace with a tracking database."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from data import Development, Recording, SealedTest, Split, seal
from search import SearchConfig, SearchResult, run_search
from search.cli import main
from tests.launch import Launched
from tracking.store import open_store

SMALL = """
name = "small"
seed = 3

[data]
source = "{source}"

[data.split]
train = [40, 120]
validation = [0, 40]
test = [120, 160]

[families.ridge]
alpha = {{ low = 0.01, high = 100 }}
trials = 12

[families.lasso]
alpha = [0.001, 0.01, 0.1]

[families.elasticnet]
l1_alpha = [0.001, 0.01]
l2_alpha = [0.1, 10]
"""


def _small_recording(seed: int = 0, n_rows: int = 160, n_features: int = 200) -> Recording:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features)) * rng.uniform(0.5, 20, n_features)
    y = X[:, :6] @ rng.standard_normal(6) / 5 + rng.standard_normal(n_rows)
    return Recording(X, y, source="small")


@pytest.fixture(scope="session")
def small_recording() -> Callable[..., Recording]:
    """Return a maker of recordings of 160 rows and 200 features, six of which carry the target."""
    return _small_recording


@pytest.fixture
def recording() -> Recording:
    """Return one such recording."""
    return _small_recording()


@pytest.fixture
def sealed(recording: Recording) -> tuple[Development, SealedTest]:
    """Return the same cut by rows as `small_config` does."""
    return seal(recording, Split.holdout([(40, 120)], (0, 40), (120, 160)))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an initialised MLflow database, to be copied: making one takes two seconds."""
    folder = tmp_path_factory.mktemp("database")
    open_store(f"sqlite:///{folder / 'mlflow.db'}")
    return folder


@pytest.fixture
def workspace(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of its own the current one, with an empty store in ``mlruns``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(empty_database, tmp_path / "mlruns")
    return tmp_path


@pytest.fixture
def small_config(workspace: Path, recording: Recording) -> SearchConfig:
    """Return the configuration of a search of 20 trials on a file in the workspace."""
    np.savez(workspace / "small.npz", X=recording.X, y=recording.y)
    return SearchConfig.from_toml(SMALL.format(source="small.npz"))


@pytest.fixture
def result(small_config: SearchConfig) -> SearchResult:
    """Return that search, run."""
    return run_search(small_config, progress=False)


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a call of the command in this process: exit code, standard output and error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["regsearch", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return call


@pytest.fixture
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Launched]]:
    """Return a start of the command as a process of its own, which does not outlive the test."""
    folder = tmp_path_factory.mktemp("launched")
    launched: list[Launched] = []

    def start(*arguments, before=None):
        launched.append(Launched(arguments, folder / str(len(launched)), before))
        return launched[-1]

    yield start
    for process in launched:
        process.kill()
