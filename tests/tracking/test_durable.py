import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import pytest

from regsearch.tracking import durable


def read(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_written_is_there_and_nothing_else(tmp_path):
    files = {"a.bin": b"1", "deep/er/b.bin": b"2"}
    durable.write(tmp_path / "new" / "folder", files)
    durable.write(tmp_path / "new" / "folder", {"a.bin": b"3"})
    assert read(tmp_path / "new" / "folder") == {**files, "a.bin": b"3"}


def test_many_threads_write_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: durable.write(tmp_path / name, {"x": name.encode()}), map(str, range(40))))
    assert read(tmp_path) == {f"{name}/x": str(name).encode() for name in range(40)}


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_writes_although_it_has_none_of_the_threads_that_wrote_before(tmp_path):
    durable.write(tmp_path, {"before": b"1"})
    child = multiprocessing.get_context("fork").Process(target=durable.write, args=(tmp_path, {"after": b"2"}))
    child.start()
    child.join(20)
    try:
        assert child.exitcode == 0
    finally:
        child.kill()
    assert read(tmp_path) == {"before": b"1", "after": b"2"}
