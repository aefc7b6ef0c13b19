"""Whatever a source text names is read, or refused in one line at once, wherever it lies and whatever its name is."""

import os

import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy.io import savemat

from regsearch import data
from regsearch.data import Entry, Roles
from regsearch.data.sources import load_target
from regsearch.data.twin import SHAPE
from regsearch.errors import DataError

KINDS = ["npz", "csv", "parquet", "folder", "npy", "zarr"]
FILES = ["npz", "csv", "parquet", "npy"]


def numbers():
    rng = np.random.default_rng(0)
    return rng.standard_normal((30, 4)), rng.standard_normal(30)


def save(folder, kind, target="y", features="X"):
    """Save a recording of one kind in a folder, and return its path."""
    X, y = numbers()
    path = folder / f"recording.{kind}"
    match kind:
        case "npz":
            np.savez(path, **{features: X, target: y})
        case "csv":
            pd.DataFrame(X).rename(columns="n{}".format).assign(**{target: y}).to_csv(path, index=False)
        case "parquet":
            pd.DataFrame(X).rename(columns="n{}".format).assign(**{target: y}).to_parquet(path)
        case "folder" | "npy":
            path = folder / "recording"
            path.mkdir()
            np.save(path / f"{features}.npy", X)
            np.save(path / f"{target}.npy", y)
            path = path / f"{features}.npy" if kind == "npy" else path
        case "zarr":
            group = zarr.create_group(path)
            group.create_array(features, data=X, chunks=(8, 4))
            group.create_array(target, data=y)
    return path


def refusal(call, *arguments, **options):
    with pytest.raises(DataError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert message.isprintable()
    return message


def test_a_path_is_read_as_a_file(tmp_path, recording):
    np.savez(tmp_path / "mine.npz", X=recording.X, speed=recording.y)
    loaded = data.load(str(tmp_path / "mine.npz"), "speed")
    assert loaded.sha256 == recording.sha256
    assert loaded.target == "speed"


@pytest.mark.parametrize("source", ["nowhere.npz", "nowhere.npy", "nowhere.csv", "twins"])
def test_a_source_that_is_not_there_is_named(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert source in refusal(data.load, source)


def test_a_file_without_arrays_is_no_recording_to_list(tmp_path):
    np.savez(tmp_path / "empty.npz")
    zarr.create_group(tmp_path / "outer.zarr").create_group("inner").create_array("X", data=np.eye(3))
    for name in ("empty.npz", "outer.zarr"):
        assert f"{name}: expected arrays or columns, found none; name another" in refusal(
            data.contents, str(tmp_path / name)
        )


def test_names_are_no_paths_and_examples_are_known_wherever_they_lie(tmp_path):
    np.save(tmp_path / "p.npy", np.array({"sresp": 1}, dtype=object), allow_pickle=True)
    np.save(tmp_path / "X.npy", np.zeros((3, 2)))
    assert [data.is_path(source) for source in ("twin", "stringer", "memory", "twin.npz")] == [False] * 3 + [True]
    sources = ("twin", "stringer", "memory", *(str(tmp_path / name) for name in ("p.npy", "X.npy", "none.npy", "")))
    assert [data.is_example(source) for source in sources] == [True, True, False, True, False, False, False]
    assert data.is_example(str(tmp_path / "stringer_spontaneous.npy"))
    np.save(tmp_path / "stringer_spontaneous.npy", np.zeros((3, 2)))
    assert not data.is_example(str(tmp_path / "stringer_spontaneous.npy"))


STRANGE = [
    "100%",
    "a%20b",
    "C#",
    "what?",
    "a b",
    "it's",
    'say "so"',
    "a&b",
    "[1]",
    "*",
    "é",
    "ü" * 40,
    "$HOME;x",
    "\udcff",
]


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_may_have_any_name(kind, name, tmp_path):
    (tmp_path / "plain").mkdir()
    inside = save(tmp_path / "plain", kind).relative_to(tmp_path / "plain")
    path = (tmp_path / "plain").rename(tmp_path / name) / inside
    loaded = data.load(str(path))
    np.testing.assert_array_equal(loaded.X[0:30, 0:4], numbers()[0])
    assert loaded.source.isprintable()
    assert data.shape(str(path)) == (30, 4)
    assert data.fingerprint(str(path)) is not None
    assert len(data.contents(str(path))) == (5 if kind in ("csv", "parquet") else 2)


@pytest.mark.parametrize("kind", KINDS)
def test_an_array_or_column_may_have_any_name(kind, tmp_path):
    target = "y %#?[1] é'&;" if kind != "zarr" else "y %#é'&;"
    assert data.load(str(save(tmp_path, kind, target)), target).target == target


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_of_hundreds_of_characters_is_read(kind, tmp_path):
    folder = tmp_path / ("a" * 200) / ("b" * 200)
    folder.mkdir(parents=True)
    path = save(folder, kind)
    assert len(str(path)) > 400
    assert data.load(str(path)).sha256 == data.load(str(save(tmp_path, kind))).sha256


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "expected a file, found nothing"),
        (os.mkfifo, "expected a file, found no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "expected a file, found no regular file"),
        (lambda path: path.symlink_to(path), "found Too many levels of symbolic links"),
    ],
    ids=["missing", "pipe", "device", "loop"],
)
def test_what_is_no_regular_file_is_refused_without_waiting(suffix, make, says, tmp_path):
    path = tmp_path / f"r.{suffix}"
    make(path)
    for call in (data.load, data.shape, data.contents):
        if call is not data.contents or suffix != "npy":
            assert says in refusal(call, str(path))
    assert data.fingerprint(str(path)) is None


@pytest.mark.parametrize("suffix", [*FILES, ""])
@pytest.mark.parametrize(
    ("name", "says"),
    [("a\0b", "found a NUL character in it"), ("x" * 300, "expected a"), ("/x" * 3000, "expected a")],
    ids=["NUL", "long name", "long path"],
)
def test_what_can_be_no_path_is_refused(suffix, name, says):
    for call in (data.load, data.shape):
        assert says in refusal(call, f"/tmp/{name}.{suffix}")


@pytest.mark.parametrize("kind", ["folder", "npy", "zarr"])
def test_a_pipe_among_the_files_of_arrays_is_refused_without_waiting(kind, tmp_path):
    path = save(tmp_path, kind)
    inside = path / "y" / "c" / "0" if kind == "zarr" else tmp_path / "recording" / "y.npy"
    inside.unlink()
    os.mkfifo(inside)
    assert "expected a file, found no regular file" in refusal(data.load, str(path))
    assert data.fingerprint(str(path)) is None


@pytest.mark.parametrize("target", ["../y", "", "a\0b", "y/../y"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_target_is_a_name_and_no_path(kind, target, tmp_path):
    path = save(tmp_path, kind)
    np.save(tmp_path / "y.npy", numbers()[1])
    assert "say by --target which" in refusal(data.load, str(path), target)
    data.fingerprint(str(path), target)


@pytest.mark.parametrize("kind", ["npz", "folder", "zarr"])
def test_the_array_of_features_may_have_another_name(kind, tmp_path):
    path = str(save(tmp_path, kind, features="calcium"))
    assert "expected the array 'X', found 'calcium', 'y'; say by --features which" in refusal(data.load, path)
    roles = Roles(features="calcium")
    loaded = data.load(path, roles)
    np.testing.assert_array_equal(loaded.X[0:30, 0:4], numbers()[0])
    assert data.shape(path, roles) == (30, 4)
    assert {entry.name: entry.role for entry in data.contents(path, roles)} == {
        "calcium": "features",
        "y": "target",
    }
    assert data.fingerprint(path, roles) is not None


def test_a_file_that_is_the_features_has_no_array_of_them(tmp_path):
    assert "found --features calcium" in refusal(data.load, str(save(tmp_path, "npy")), Roles(features="calcium"))


@pytest.mark.parametrize("kind", KINDS)
def test_contents_are_what_is_there_and_the_role_that_it_would_have(kind, tmp_path):
    entries = data.contents(str(save(tmp_path, kind)))
    if kind in ("csv", "parquet"):
        shape = None if kind == "csv" else (30,)
        features = [Entry(f"n{column}", shape, "float64", "features") for column in range(4)]
        assert entries == (*features, Entry("y", shape, "float64", "target"))
    else:
        assert set(entries) == {Entry("X", (30, 4), "float64", "features"), Entry("y", (30,), "float64", "target")}


def test_contents_of_the_examples_need_no_download():
    for source in ("twin", "stringer"):
        features, target = data.contents(source)
        assert (features.role, target.role) == ("features", "target")
        assert data.shape(source) == SHAPE


def test_contents_of_what_is_left_out_are_shown_as_such(tmp_path):
    (tmp_path / "r.csv").write_text(",a,y\n0,1,2\n1,2,4\n")
    pd.DataFrame({"a": [1, 2], "y": [3, 4]}, pd.Index([5, 6], name="t")).to_parquet(tmp_path / "r.parquet")
    for name in ("r.csv", "r.parquet"):
        assert sorted(entry.role for entry in data.contents(str(tmp_path / name))) == ["features", "left out", "target"]


@pytest.mark.parametrize("kind", ["npz", "csv", "parquet", "folder", "zarr"])
def test_other_values_of_the_same_size_and_time_are_noticed(kind, tmp_path):
    path = save(tmp_path, kind)
    first = data.fingerprint(str(path))
    assert data.fingerprint(str(path)) == first
    files = [file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file() and file.stat().st_size]
    for file in files:
        if "zarr.json" in file.name:
            continue
        content, status = file.read_bytes(), file.stat()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert file.stat().st_size == status.st_size
        assert data.fingerprint(str(path)) != first


def test_a_change_between_the_probed_blocks_is_noticed_by_the_time_of_the_record(tmp_path):
    X, y = np.zeros((4000, 4)), np.arange(4000.0)
    np.savez(tmp_path / "r.npz", X=X, y=y)
    path, place = tmp_path / "r.npz", 10_000
    first, status = data.fingerprint(str(path)), path.stat()
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\1")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert data.fingerprint(str(path)) != first


def test_a_fingerprint_knows_values_where_the_file_system_keeps_every_time(tmp_path, monkeypatch):
    path = save(tmp_path, "npz")
    kept, whole = path.stat(), os.stat
    monkeypatch.setattr("pathlib.Path.stat", lambda self, **_: kept if self == path else whole(self))
    first = data.fingerprint(str(path))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert data.fingerprint(str(path)) != first


def test_a_fingerprint_changes_with_the_file_and_needs_no_reading(tmp_path):
    path = tmp_path / "a.npz"
    assert data.fingerprint(str(path)) is None
    path.write_bytes(b"not even an archive")
    first = data.fingerprint(str(path))
    assert data.fingerprint(str(path)) == first
    os.utime(path, ns=(0, 0))
    assert data.fingerprint(str(path)) != first
    assert data.fingerprint("twin") != data.fingerprint("stringer")


@pytest.mark.parametrize("kind", [*KINDS, "mat", "h5"])
def test_a_target_is_read_from_a_source_that_holds_nothing_else_that_can_be_searched(kind, tmp_path):
    path, y = tmp_path / f"recording.{kind}", numbers()[1]
    y[3] = np.nan
    text = np.full(len(y), "text")
    match kind:
        case "npz":
            np.savez(path, y=y, X=text)
        case "csv":
            pd.DataFrame({"y": y, "other": text, "gaps": y}).to_csv(path, index=False)
        case "parquet":
            pd.DataFrame({"y": y, "other": text, "gaps": y}).to_parquet(path)
        case "mat":
            savemat(path, {"y": y, "X": [*text]})
        case "h5":
            with h5py.File(path, "w") as file:
                file.update({"y": y, "X": text.tolist()})
        case "zarr":
            zarr.create_group(path).create_array("y", data=y)
        case "folder" | "npy":
            path = tmp_path / "recording"
            path.mkdir()
            np.save(path / "y.npy", y)
            path = path / "y.npy" if kind == "npy" else path
    roles = Roles(("y", "pupil"), exclude=("z",), covariates=("light",), groups="day", weights="w", folds="fold")
    np.testing.assert_array_equal(load_target(str(path), roles), y)
    says = "recording.*: expected the (array|column) 'speed', found .*; say by --target which .* to predict"
    with pytest.raises(DataError, match=says):
        load_target(str(path), Roles(("speed",)))


def test_a_target_alone_may_be_the_only_column_of_a_table_or_a_column_of_an_array(tmp_path):
    (tmp_path / "alone.csv").write_text("y\n1.5\n\n2.5\n")
    np.savez(tmp_path / "tables.npz", behaviour=np.arange(6.0).reshape(3, 2), deep=np.zeros((3, 2, 2)))
    assert load_target(str(tmp_path / "alone.csv"), Roles()).tolist() == pytest.approx([1.5, np.nan, 2.5], nan_ok=True)
    assert load_target(str(tmp_path / "tables.npz"), Roles(("behaviour:1",))).tolist() == [1.0, 3.0, 5.0]
    with pytest.raises(DataError, match=r"one number per row in 'deep', found shape \(3, 2, 2\)"):
        load_target(str(tmp_path / "tables.npz"), Roles(("deep",)))
