"""Rows are held once, in memory or in a file that leaves nothing behind, and picked like those of an array."""

import multiprocessing
import os
import pickle
import re
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regsearch.data import table
from regsearch.data.table import Table
from regsearch.errors import DataError
from tests import needs


@pytest.fixture(params=["memory", "file"])
def held(request, monkeypatch):
    monkeypatch.setattr(table, "fits_in_memory", lambda _size: request.param == "memory")
    monkeypatch.setattr("regsearch.data.blocks._BLOCK_BYTES", 200)
    return request.param


def matrix(dtype=np.float32):
    return np.random.default_rng(0).standard_normal((30, 7)).astype(dtype)


blocks = st.lists(st.tuples(st.integers(0, 29), st.integers(1, 12)), min_size=1, max_size=5).map(
    lambda pairs: [(start, min(30, start + size)) for start, size in pairs]
)


@given(blocks, st.slices(40).filter(lambda s: (s.step or 1) == 1), st.sampled_from([np.float32, np.float64]))
def test_a_selection_is_picked_from_like_the_array_it_stands_for(chosen, rows, dtype):
    X = matrix(dtype)
    selection = Table.copy(X, chosen).select(chosen)
    expected = np.concatenate([X[start:stop] for start, stop in chosen])
    assert (selection.shape, selection.dtype) == (expected.shape, dtype)
    np.testing.assert_array_equal(np.asarray(selection), expected)
    rows = slice(*rows.indices(len(expected))[:2])
    for features in (slice(2, 5), slice(None), np.array([6, 0, 6])):
        np.testing.assert_array_equal(selection[rows, features], expected[rows, features])


def test_rows_are_held_once_and_no_others(held):
    X = matrix()
    copied = Table.copy(X, [(20, 25), (0, 10), (5, 12), (12, 14)])
    np.testing.assert_array_equal(copied.values, np.concatenate([X[:14], X[20:25]]).T)
    assert not np.shares_memory(copied.values, X)
    np.testing.assert_array_equal(np.asarray(copied.select([(22, 24), (3, 13)])), np.concatenate([X[22:24], X[3:13]]))


def test_a_pickle_has_the_values_once(held):
    X = matrix()
    copied = Table.copy(X, [(0, 30)])
    one, other = pickle.loads(pickle.dumps([copied.select([(0, 20)]), copied.select([(10, 30)])]))
    assert one._table is other._table
    np.testing.assert_array_equal(np.asarray(other), X[10:30])


def answer(selection, connection):
    connection.send((np.asarray(selection), selection._table._file is not None))


def test_a_process_that_is_started_shares_the_file(held):
    X = matrix()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=answer, args=(Table.copy(X, [(0, 30)]).select([(5, 25)]), theirs))
    process.start()
    theirs.close()
    values, is_shared = ours.recv()
    process.join()
    ours.close()
    np.testing.assert_array_equal(values, X[5:25])
    assert is_shared == (held == "file")


def test_the_file_has_no_name(monkeypatch, tmp_path):
    monkeypatch.setattr(table, "fits_in_memory", lambda _size: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    copied = Table.copy(matrix(), [(0, 30)])
    assert os.fstat(copied._file.fileno()).st_size == 30 * 7 * 4
    assert not list(tmp_path.iterdir())


def test_a_folder_without_room_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(table, "fits_in_memory", lambda _size: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    try:
        with pytest.raises(DataError, match=r"expected room for a copy .* found File too large; name a folder"):
            Table.copy(matrix(), [(0, 30)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


def test_columns_that_are_picked_of_the_file_are_read_alone(monkeypatch):
    monkeypatch.setattr(table, "fits_in_memory", lambda _size: False)
    X = np.zeros((1024, 2000), np.float32)  # columns of a page each
    copied = Table.copy(X, [(0, 1024)])
    os.fsync(copied._file.fileno())
    os.posix_fadvise(copied._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    picked = np.sort(np.append(np.arange(0, 2000, 100), [501, 502]))
    before = bytes_read_from_disks()
    columns = copied.select([(0, 1024)])[:, picked]
    read = bytes_read_from_disks() - before
    if not read:
        needs.missing("temporary files lie in memory; name a folder on a disk by TMPDIR")
    assert read < 2 * columns.nbytes


def bytes_read_from_disks():
    return int(re.search(r"^read_bytes: (\d+)", Path("/proc/self/io").read_text(), re.MULTILINE)[1])
