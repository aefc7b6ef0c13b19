"""The real recording is fetched once, verified, and read without running anything that its pickle asks for."""

import builtins
import copyreg
import functools
import hashlib
import io
import operator
import os
import pickle
import struct
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from regsearch.data import Recording
from regsearch.data.stringer import PublishedFile, fetch
from regsearch.errors import DataError

N_NEURONS, N_FRAMES = 40, 70


def read_stringer(path: Path) -> Recording:
    (recording,) = PublishedFile(path).read()
    return recording


def recorded(**changed: object) -> dict[str, object]:
    """A dict of the structure of the real file."""
    rng = np.random.default_rng(0)
    stat = np.empty(N_NEURONS, dtype=object)
    for i in range(N_NEURONS):
        stat[i] = {
            "ypix": rng.integers(0, 9, 5),
            "med": [1, 2.5],
            "npix": np.int64(5),
            "lam": np.float32(0.5),
            "ok": True,
        }
    entries: dict[str, object] = {
        "sresp": rng.gamma(2, 10, (N_NEURONS, N_FRAMES)).astype(np.float32),
        "run": rng.gamma(1, 3, (N_FRAMES, 1)),
        "beh_svd_time": rng.random((N_FRAMES, 10), dtype=np.float32),
        "beh_svd_mask": rng.random((6, 5, 10), dtype=np.float32),
        "stat": stat,
        "pupilArea": rng.random((N_FRAMES, 1)),
        "pupilCOM": rng.random((N_FRAMES, 2)),
        "xyz": rng.random((3, N_NEURONS)),
    }
    return {name: value for name, value in (entries | changed).items() if value is not None}


def save(path: Path, content: object) -> Path:
    np.save(path, np.array(content, dtype=object) if isinstance(content, dict) else content, allow_pickle=True)
    return path


def save_pickle(path: Path, stream: bytes) -> Path:
    """Any stream at all, behind the header that NumPy writes before a pickled dict."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    path.write_bytes(header.getvalue() + stream)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_stringer(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


def test_reads_frames_by_neurons_and_running_speed(tmp_path: Path) -> None:
    entries = recorded()
    recording = read_stringer(save(tmp_path / "s.npy", entries))
    assert recording.X.dtype == np.float32
    assert recording.X.flags.c_contiguous
    np.testing.assert_array_equal(recording.X, np.transpose(entries["sresp"]))
    np.testing.assert_array_equal(recording.y, np.ravel(entries["run"]))
    assert (recording.source, recording.target) == ("stringer", "run")


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_reads_files_of_old_and_new_numpy(tmp_path: Path, protocol: int, module: bytes) -> None:
    stream = pickle.dumps(np.array(recorded(), dtype=object), protocol=protocol)
    for written in (b"numpy.core.multiarray", b"numpy._core.multiarray"):
        lengthened = bytes([0x8C, len(written)]) + written if protocol == 4 else b"c" + written
        wanted = bytes([0x8C, len(module)]) + module if protocol == 4 else b"c" + module
        stream = stream.replace(lengthened, wanted)
    assert module in stream
    recording = read_stringer(save_pickle(tmp_path / "s.npy", stream))
    np.testing.assert_array_equal(recording.X, np.transpose(recorded()["sresp"]))


@pytest.mark.parametrize(
    "change",
    [
        {"sresp": np.asfortranarray(recorded()["sresp"])},
        {"sresp": np.asarray(recorded()["sresp"]).astype(">f4")},
        {"run": np.ravel(recorded()["run"])},
    ],
    ids=["fortran", "big-endian", "flat-run"],
)
def test_layout_does_not_matter(tmp_path: Path, change: dict[str, object]) -> None:
    recording = read_stringer(save(tmp_path / "s.npy", recorded(**change)))
    assert recording.X.flags.c_contiguous
    assert recording.sha256 == read_stringer(save(tmp_path / "t.npy", recorded())).sha256


def test_reads_in_blocks_with_little_memory(tmp_path: Path) -> None:
    responses = np.random.default_rng(1).random((1500, 4000), dtype=np.float32)
    path = save(tmp_path / "s.npy", recorded(sresp=responses, run=np.arange(4000.0), beh_svd_time=responses + 1))
    tracemalloc.start()
    try:
        recording = read_stringer(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(recording.X, responses.T)
    assert peak < 0.75 * path.stat().st_size


class Call:
    """Pickles into a call of any function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.reduced


def hostile_calls(marker: str) -> dict[str, object]:
    write = f"open({marker!r}, 'w').close()"
    return {
        f"{os.name}.system": Call(os.system, f"touch '{marker}'"),
        "builtins.eval": Call(builtins.eval, write),
        "builtins.exec": Call(builtins.exec, write),
        "builtins.getattr": Call(getattr, "", "join"),
        f"{open.__module__}.open": Call(open, marker, "w"),
        "numpy.load": Call(np.load, marker),
        "numpy.memmap": Call(np.memmap, marker, "u1", "w+", 0, (4,)),
        "functools.partial": Call(functools.partial, os.mkdir, marker),
        "operator.methodcaller": Call(operator.methodcaller, "mkdir", marker),
        "copyreg._reconstructor": Call(copyreg._reconstructor, Path, object, None),  # type: ignore[attr-defined]
    }


@pytest.mark.parametrize("name", hostile_calls(""))
@pytest.mark.parametrize("place", ["whole", "sresp", "stat", "last"])
def test_refuses_a_hostile_global_by_name_and_runs_nothing(tmp_path: Path, name: str, place: str) -> None:
    marker = tmp_path / "executed"
    call = hostile_calls(str(marker))[name]
    content = np.array(call, dtype=object) if place == "whole" else recorded(**{place: call})
    assert repr(name) in refusal(save(tmp_path / "s.npy", content))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("stream", "named"),
    [
        (b"cos\nmkdir\n(V{marker}\ntR.", "os.mkdir"),
        (b"(V{marker}\nios\nmkdir\n.", ""),
        (b"c__builtin__\neval\n(V1\ntR.", "__builtin__.eval"),
        (b"cnumpy\nndarray.__class__\n.", "numpy.ndarray.__class__"),
        (b"cos\nmk\x1b[2Jdir\rx\n.", "os.mk"),
        (b"\x80\x04\x8c\x02o\n\x8c\x05mkdir\x93.", "mkdir"),
        (b"\x80\x02\x82\x01.", ""),
        (b"Pattacker\n.", ""),
    ],
    ids=["global", "inst", "python-2", "dotted", "control-characters", "newline-in-module", "extension", "persistent"],
)
def test_refuses_hand_written_pickles(tmp_path: Path, stream: bytes, named: str) -> None:
    marker = tmp_path / "executed"
    message = refusal(save_pickle(tmp_path / "s.npy", stream.replace(b"{marker}", str(marker).encode())))
    assert named in message
    assert message.isprintable()
    assert not marker.exists()


NDARRAY = b"cnumpy.core.multiarray\n_reconstruct\n"


@pytest.mark.parametrize(
    "stream",
    [
        NDARRAY + b"(cnumpy\nndarray\n(K\x00tC\x01btR}b.",
        NDARRAY + b"(cnumpy\nndarray\n(" + b"J\xff\xff\xff\x7f" * 3 + b"tC\x01btR.",
        NDARRAY + b"}X\x08\x00\x00\x00__code__K\x01sb.",
        b"cnumpy\nndarray\n)R(K\x01)cnumpy\ndtype\n)R\x89](}etb.",
        b"\x80\x04B\xff\xff\xff\x7f.",
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".",
        b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",
        b"\x80\x04X\xff\xff\xff\x7f.",
        b"\x80\x04Nr\xff\xff\xff\xff.",
        b"\x80\x04" + b"(" * 100_000 + b".",
        b"\x80\x04" + b"]" + b"\x85" * 100_000 + b".",
        b"",
        b".",
    ],
    ids=[
        *("state-of-a-dict", "huge-reconstruct", "attributes-of-a-function", "empty-dict", "huge-bytes", "huger-bytes"),
        *("huge-frame", "huge-text", "huge-memo", "many-marks", "deep", "empty", "only-stop"),
    ],
)
def test_a_malformed_pickle_is_refused_in_little_memory(tmp_path: Path, stream: bytes) -> None:
    path = save_pickle(tmp_path / "s.npy", stream)
    tracemalloc.start()
    try:
        refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("old", "new"), [(N_NEURONS, 39), (N_FRAMES, 255)])
def test_a_shape_that_disagrees_with_its_bytes_is_refused(tmp_path: Path, old: int, new: int) -> None:
    stream = pickle.dumps(np.array(recorded(), dtype=object), protocol=4)
    shape = bytes([ord("K"), N_NEURONS, ord("K"), N_FRAMES])
    assert shape in stream
    lying = stream.replace(shape, shape.replace(bytes([old]), bytes([new])), 1)
    assert "as long as its shape says" in refusal(save_pickle(tmp_path / "s.npy", lying))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sresp": None}, "expected an array sresp, found no such key among 'run'"),
        ({"run": None}, "expected an array run"),
        ({"sresp": [1, 2]}, "sresp to be a vector or matrix of float32 or float64"),
        ({"sresp": np.array(["a"])}, "sresp to be a vector or matrix of float32 or float64"),
        ({"sresp": np.array([None, {}])}, "sresp to be a vector or matrix of float32 or float64"),
        ({"sresp": np.ones((2, N_FRAMES, 1))}, "sresp to be a vector or matrix"),
        ({"sresp": np.ones(N_FRAMES)}, f"found ({N_FRAMES},) and ({N_FRAMES}, 1)"),
        ({"run": np.ones((N_FRAMES + 1, 1))}, f"({N_FRAMES + 1}, 1)"),
        ({"run": np.ones((1, N_FRAMES))}, f"(1, {N_FRAMES})"),
    ],
)
def test_says_what_is_missing_or_misshapen(tmp_path: Path, change: dict[str, object], said: str) -> None:
    assert said in refusal(save(tmp_path / "s.npy", recorded(**change)))


def test_refuses_files_of_another_kind(tmp_path: Path) -> None:
    assert "found nothing" in refusal(tmp_path / "missing.npy")
    assert "directory" in refusal(tmp_path)
    assert "a pickled dict" in refusal(save(tmp_path / "numbers.npy", np.ones(3)))
    assert "one dict" in refusal(save_pickle(tmp_path / "list.npy", pickle.dumps([1])))
    (tmp_path / "text.npy").write_text("not found")
    assert "magic" in refusal(tmp_path / "text.npy")


@pytest.mark.parametrize("kept", [0.01, 0.3, 0.6, 0.99])
def test_refuses_a_truncated_file(tmp_path: Path, kept: float) -> None:
    path = save(tmp_path / "s.npy", recorded())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    refusal(path)


BODY = bytes(range(256)) * 400
BODY_SHA256 = hashlib.sha256(BODY).hexdigest()


@contextmanager
def serving(*answers: str) -> Iterator[tuple[str, list[str]]]:
    """A server that gives each answer in turn, the last one for ever, and the requests it has had."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            answer = answers[min(len(requests), len(answers)) - 1]
            if answer == "missing":
                self.send_error(404)
                return
            short = BODY[: len(BODY) // 2]
            self.send_response(200)
            self.send_header("Content-Length", str(len(short) if answer == "short" else len(BODY)))
            self.end_headers()
            self.wfile.write(BODY if answer == "whole" else short)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/file", requests
        finally:
            server.shutdown()
            thread.join()


def fetch_refusal(url: str, cache: Path) -> str:
    with pytest.raises(DataError) as caught:
        fetch(url=url, sha256=BODY_SHA256, cache=cache, progress=False)
    assert not cache.exists() or list(cache.iterdir()) == []
    message = str(caught.value)
    assert "\n" not in message
    assert "--data path/to/stringer_spontaneous.npy" in message
    return message


def test_downloads_once_and_then_needs_no_network(tmp_path: Path) -> None:
    with serving("whole") as (url, requests):
        path = fetch(url=url, sha256=BODY_SHA256, cache=tmp_path / "cache", progress=False)
    assert path == tmp_path / "cache" / "stringer_spontaneous.npy"
    assert path.read_bytes() == BODY
    assert fetch(url=url, sha256=BODY_SHA256, cache=tmp_path / "cache", progress=False) == path
    assert len(requests) == 1


def test_a_wrong_file_under_its_name_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "stringer_spontaneous.npy").write_bytes(BODY[:100])
    with serving("whole") as (url, _):
        assert fetch(url=url, sha256=BODY_SHA256, cache=tmp_path, progress=False).read_bytes() == BODY


def test_the_environment_names_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGSEARCH_CACHE", str(tmp_path / "elsewhere"))
    with serving("whole") as (url, _):
        assert fetch(url=url, sha256=BODY_SHA256, progress=False).parent == tmp_path / "elsewhere"


def test_progress_goes_to_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with serving("whole") as (url, _):
        fetch(url=url, sha256=BODY_SHA256, cache=tmp_path / "loud")
        assert "100%" in capfd.readouterr().err
        fetch(url=url, sha256=BODY_SHA256, cache=tmp_path / "quiet", progress=False)
    assert capfd.readouterr() == ("", "")


def test_a_dropped_connection_is_tried_again(tmp_path: Path) -> None:
    with serving("drop", "whole") as (url, requests):
        path = fetch(url=url, sha256=BODY_SHA256, cache=tmp_path, progress=False)
    assert path.read_bytes() == BODY
    assert len(requests) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_truncated_download_says_both_hashes_and_leaves_nothing(tmp_path: Path) -> None:
    with serving("short") as (url, requests):
        message = fetch_refusal(url, tmp_path)
    assert BODY_SHA256 in message
    assert hashlib.sha256(BODY[: len(BODY) // 2]).hexdigest() in message
    assert len(requests) == 1


def test_a_missing_page_is_not_asked_for_again(tmp_path: Path) -> None:
    with serving("missing") as (url, requests):
        assert "404" in fetch_refusal(url, tmp_path)
    assert len(requests) == 1


def test_without_a_network_it_says_what_to_do(tmp_path: Path) -> None:
    with serving("whole") as (url, _):
        pass
    message = fetch_refusal(url, tmp_path / "cache")
    assert message.startswith(url)
    assert "at attempt 4" in message


def test_an_unusable_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file/cache"):
        fetch(url="http://127.0.0.1:9/", sha256=BODY_SHA256, cache=tmp_path / "file" / "cache", progress=False)
