"""A power cut loses what was not on the disk: no run is finished without its files, and the same command resumes."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from regsearch import SearchConfig, run_search
from regsearch.tracking.queries import searches
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store
from tests import needs
from tests.guarantees.cluster import trials_logged
from tests.guarantees.conftest import TRIALS, assert_complete
from tests.servers import until

pytestmark = pytest.mark.slow

MEGABYTES = 64
NEVER = "commit=300"
"""The file system itself writes nothing during a test: what is on the disk is what regsearch or SQLite asked for."""


class Disk:
    """An ext4 file system of its own in an image, mounted in a folder.

    Parameters
    ----------
    image, folder : Path
    """

    def __init__(self, image: Path, folder: Path) -> None:
        self.image, self.folder = image, folder
        self.folder.mkdir()
        with self.image.open("wb") as file:
            file.truncate(MEGABYTES * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)
        self._mount()

    def cut(self) -> None:
        """Go on with what the disk holds now, as after a power cut; no process may use the old one any more."""
        kept = self.image.with_suffix(".cut")
        shutil.copy(self.image, kept)
        self.remove()
        kept.replace(self.image)
        self._mount()

    def remove(self) -> None:
        """Unmount it, whoever is in there."""
        subprocess.run(["umount", "--lazy", self.folder], check=True)

    def _mount(self) -> None:
        needs.mounted("-o", f"loop,{NEVER}", self.image, self.folder)


@pytest.fixture
def disk(tmp_path, killed, monkeypatch):
    """Return a disk that holds the workspace, which is the current folder."""
    needs.command("mkfs.ext4", "e2fsprogs")
    disk = Disk(tmp_path / "disk.img", tmp_path / "disk")
    for name in ("mlruns", "recording.npz", "killed.toml"):
        (shutil.copytree if (killed / name).is_dir() else shutil.copy)(killed / name, disk.folder / name)
    os.sync()
    monkeypatch.chdir(disk.folder)
    yield disk
    disk.remove()


@pytest.mark.parametrize("trials", [3, 17])
def test_a_power_cut_leaves_no_finished_run_without_its_files(trials, disk, launch, undisturbed, monkeypatch):
    process = launch("run", "killed.toml")
    until(lambda: trials_logged(disk.folder) >= trials, process)
    process.send_signal(signal.SIGSTOP)
    logged = trials_logged(disk.folder)
    monkeypatch.chdir("/")
    disk.cut()
    process.kill()
    monkeypatch.chdir(disk.folder)

    store = open_store()
    (parent,) = searches(store, "killed")
    run = SearchRun.of(store, parent)
    finished = [one for one in run.trial_runs().values() if one.info.status == "FINISHED"]
    assert 0 < len(finished) <= logged < TRIALS
    assert all(run.is_intact(one) for one in finished)
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)
