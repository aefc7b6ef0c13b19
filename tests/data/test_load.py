import os

import numpy as np
import pytest

from regsearch import data
from regsearch.errors import DataError


def test_a_path_is_read_as_a_file(tmp_path, recording):
    np.savez(tmp_path / "mine.npz", X=recording.X, speed=recording.y)
    loaded = data.load(str(tmp_path / "mine.npz"), target="speed")
    assert loaded.sha256 == recording.sha256
    assert loaded.target == "speed"


@pytest.mark.parametrize("source", ["nowhere.npz", "nowhere.npy", "nowhere.csv", "twins"])
def test_a_source_that_is_not_there_is_named(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=source):
        data.load(source)


def test_a_fingerprint_changes_with_the_file_and_needs_no_reading(tmp_path):
    path = tmp_path / "a.npz"
    assert data.fingerprint(str(path)) is None
    path.write_bytes(b"not even an archive")
    first = data.fingerprint(str(path))
    assert data.fingerprint(str(path)) == first
    os.utime(path, ns=(0, 0))
    assert data.fingerprint(str(path)) != first
    assert data.fingerprint("twin") != data.fingerprint("stringer")
