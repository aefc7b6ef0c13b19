import json
import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from regsearch.errors import ConfigError, StoreError
from regsearch.search.proposals.optuna_storage import open_storage

optuna.logging.set_verbosity(optuna.logging.WARNING)


def study(path, name):
    return optuna.create_study(storage=open_storage(str(path), path.parent), study_name=name, load_if_exists=True)


def tell(study, number):
    asked = study.ask()
    assert asked.number == number
    asked.suggest_float("x", 0, 1)
    study.tell(asked, number)


def values(path, name):
    return [one.value for one in study(path, name).get_trials() if one.state.is_finished()]


@pytest.fixture
def journal(tmp_path):
    """Return a journal with three told trials of one search."""
    path = tmp_path / "optuna.journal"
    one = study(path, "one")
    for number in range(3):
        tell(one, number)
    return path


TORN = b'{"op_code":6,"worker_id":"x","trial_id":2,"state":1,"val'


def test_what_a_dead_writer_left_of_a_line_does_not_hinder_a_search_that_is_running(journal):
    other = study(journal, "other")
    with journal.open("ab") as file:
        file.write(TORN)
    for number in range(2):
        tell(other, number)
    assert values(journal, "one") == [0, 1, 2]
    assert values(journal, "other") == [0, 1]
    assert all(json.loads(line) for line in journal.read_bytes().splitlines())


@pytest.mark.parametrize("place", ["in the middle", "at the end"])
@pytest.mark.parametrize("torn", [TORN, b"\0\0\0", b"{", TORN + b"\n"])
def test_a_torn_line_that_another_process_wrote_on_to_is_mended(place, torn, journal):
    lines = journal.read_bytes().splitlines(keepends=True)
    begun = len(lines) - (1 if place == "at the end" else 3)
    journal.write_bytes(b"".join([*lines[:begun], torn, *lines[begun:]]))  # what is torn and the next are one line
    assert values(journal, "one") == [0, 1, 2]
    assert journal.read_bytes().startswith(b"".join(lines))


def test_a_torn_line_costs_its_own_trial_and_nothing_else(journal):
    other, one = study(journal, "other"), study(journal, "one")
    tell(one, 3)
    os.truncate(journal, journal.stat().st_size - 20)  # the last trial was never told
    tell(other, 0)
    again = study(journal, "one")
    assert [one.state.name for one in again.get_trials()] == ["COMPLETE"] * 3 + ["RUNNING"]
    again.tell(3, 5.0)
    assert values(journal, "one") == [0, 1, 2, 5]
    assert values(journal, "other") == [0]


FULL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from tests.search.proposals.test_optuna_storage import study, tell
path = Path({path!r})
one = study(path, "one")
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 30,) * 2)
try:
    tell(one, 3)
except OSError as error:
    print(error.errno)
"""


@pytest.mark.slow
def test_a_full_disk_leaves_no_torn_line(journal):
    before = journal.read_bytes()
    script = FULL.format(folder=str(Path.cwd()), path=str(journal))
    full = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert full.stdout.strip()
    after = journal.read_bytes()
    assert after.startswith(before)
    assert all(json.loads(line) for line in after.splitlines())


@pytest.mark.parametrize("content", [b"name = 'x'\n", b"\x89PNG\n\x1a", b'{"a": 1}\n{"b": 2}\n'])
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(content, tmp_path):
    path = tmp_path / "other.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"is not a journal of Optuna, or damaged"):
        open_storage(str(path), tmp_path)
    assert path.read_bytes() == content
    assert [*tmp_path.iterdir()] == [path]


def test_a_folder_is_no_journal_and_nothing_is_left_beside_it(tmp_path):
    (tmp_path / "mlruns").mkdir()
    with pytest.raises(ConfigError, match=r"mlruns: cannot be opened"):
        open_storage(str(tmp_path / "mlruns"), tmp_path)
    assert [*tmp_path.rglob("*")] == [tmp_path / "mlruns"]


def test_a_journal_in_a_folder_that_is_not_there_is_refused_and_no_folder_is_made(tmp_path):
    path = tmp_path / "nope" / "studies.journal"
    with pytest.raises(ConfigError, match=f"^--storage {path}: expected a folder, found no {path.parent}; make it"):
        open_storage(str(path), tmp_path / "mlruns")
    assert [*tmp_path.iterdir()] == []


def test_a_default_journal_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "mlruns").touch()
    with pytest.raises(ConfigError, match=f"^{tmp_path}/mlruns/optuna.journal: cannot be opened .*; give --storage"):
        open_storage(None, tmp_path / "mlruns")


def test_a_journal_that_a_power_cut_began_with_zeros_is_mended(journal):
    lines = journal.read_bytes()
    journal.write_bytes(b"\0" * 50 + lines)
    assert values(journal, "one") == [0, 1, 2]
    assert journal.read_bytes().startswith(lines)


def test_a_database_whose_driver_is_not_installed_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"^--storage mysql://h/x: needs a driver .*; pip install mysqlclient$"):
        open_storage("mysql://me:secret@h/x", tmp_path)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_without_a_file_is_refused_as_the_storage(url, tmp_path):
    with pytest.raises(StoreError, match=f"^storage '{url}' names no file, so nothing would be kept; give sqlite:///"):
        open_storage(url, tmp_path)
