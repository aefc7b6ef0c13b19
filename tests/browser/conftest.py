"""A finished search behind a real `regsearch ui`, and a real browser to look at it with."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from regsearch import SearchConfig, SearchResult, run_search
from regsearch.data import Recording
from tests import needs
from tests.conftest import SMALL

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS = 120


@dataclass(frozen=True, eq=False)
class Served:
    """A finished search and where it is shown.

    Attributes
    ----------
    result : SearchResult
    recording : Recording
    folder : Path
        That the search was run in.
    front : str
        The address that `regsearch ui` gives.
    """

    result: SearchResult
    recording: Recording
    folder: Path
    front: str

    def page(self, address: str) -> str:
        """Return where one of MLflow's pages is."""
        return self.front.partition("#")[0] + address


@pytest.fixture(scope="session")
def served(small_recording, empty_database, tmp_path_factory) -> Iterator[Served]:
    """Run a search of 20 trials and serve it."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(empty_database, folder / "mlruns")
    recording = small_recording()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        np.savez("small.npz", X=recording.X, y=recording.y)
        result = run_search(SearchConfig.from_toml(SMALL.format(source="small.npz")), progress=False)
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([sys.executable, "-m", "regsearch", "ui"], stdout=log, stderr=log)
    try:
        yield Served(result, recording, folder, address(process, folder / "log"))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)


def address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the address that `regsearch ui` writes once it answers."""
    for _ in range(10 * SECONDS):
        if found := re.search(r"^open (\S+)$", log.read_text(), re.MULTILINE):
            return found[1]
        try:
            process.wait(0.1)
            break
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(log.read_text())


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium."""
    if CHROMIUM is None:
        needs.missing("there is no Chromium; on Debian: apt-get install chromium")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as chromium:
        yield chromium


@pytest.fixture
def page(browser) -> Iterator[Page]:
    """Open a page as a new visitor."""
    with browser.new_context(viewport={"width": 1600, "height": 1200}) as context:
        context.set_default_timeout(1000 * SECONDS)
        yield context.new_page()
