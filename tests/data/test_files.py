"""A file of the user's own becomes a recording of the same numbers, or one line that says why not."""

import io
import os
import struct
import tempfile
import tomllib
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from regsearch import data
from regsearch.data import Recording
from regsearch.data.columns import MAX_COLUMNS
from regsearch.data.plausibility import FILL_VALUES
from regsearch.data.roles import Roles
from regsearch.errors import DataError

X = np.array([[1.5, -2.25], [0.1, 1e-300], [3.0, 7.0]])
Y = np.array([0.5, 1.5, -1.0])


def read_file(path: str | Path, target: str = "y") -> Recording:
    return data.load(str(path), target)


def file_shape(path: str | Path, target: str = "y") -> tuple[int, int] | None:
    return data.shape(str(path), target)


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y} | columns)


def save_csv(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def save_table(folder: Path, suffix: str, frame: pd.DataFrame) -> Path:
    path = folder / f"recording{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return path


def save_npz(folder: Path, **arrays: object) -> Path:
    path = folder / "recording.npz"
    np.savez(path, **({"X": X, "y": Y} | arrays))  # type: ignore[arg-type]
    return path


def npy(array: NDArray[np.generic]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npy_header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def save_zip(folder: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "recording.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refusal(path: Path, target: str = "y") -> str:
    with pytest.raises(DataError) as caught:
        read_file(path, target)
    message = str(caught.value)
    assert message.isprintable()
    assert repr(str(path))[1:-1] in message
    assert len(message) < len(str(path)) + 700
    return message


SQUARABLE = (st.floats(1e-90, 1e90) | st.floats(-1e90, -1e-90) | st.just(0.0)).filter(
    lambda value: not any(np.isclose(value, fill, rtol=1e-6) for fill in FILL_VALUES)
)
TABLES = hnp.arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(2, 5)), elements=SQUARABLE).filter(
    lambda values: np.ptp(values[:, -1]) > 0 and (np.ptp(values, axis=0)[np.ptp(values, axis=0) > 0] > 1e-90).all()
)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
@given(values=TABLES)
def test_every_number_that_can_be_squared_comes_back_exactly(suffix: str, values: NDArray[np.float64]) -> None:
    names = [f"n{i}" for i in range(values.shape[1] - 1)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"r{suffix}"
        if suffix == ".npz":
            np.savez(path, X=values[:, :-1], y=values[:, -1])
        elif suffix == ".csv":
            lines = [[*names, "y"], *([repr(float(value)) for value in row] for row in values)]
            path.write_text("\n".join(",".join(line) for line in lines))
        else:
            pd.DataFrame(values, columns=[*names, "y"]).to_parquet(path)
        recording = read_file(path)
    np.testing.assert_array_equal(recording.X, values[:, :-1])
    np.testing.assert_array_equal(recording.y, values[:, -1])
    assert recording.X.dtype == recording.y.dtype == np.float64
    assert recording.X.flags.c_contiguous
    assert recording.feature_names == (() if suffix == ".npz" else tuple(names))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_every_column_but_the_target_is_a_feature_in_file_order(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"z": [1, 2], "speed": [3.5, 4.5], "m": [True, False]})
    recording = read_file(str(save_table(tmp_path, suffix, frame)), target="speed")
    assert recording.feature_names == ("z", "m")
    assert recording.target == "speed"
    assert recording.X.dtype == np.float64
    np.testing.assert_array_equal(recording.X, [[1, 1], [2, 0]])


def test_npz_reads_only_x_and_the_named_target(tmp_path: Path) -> None:
    path = save_npz(tmp_path, speed=Y[:, None] + 1, notes=np.array([{}], dtype=object))
    recording = read_file(path, target="speed")
    np.testing.assert_array_equal(recording.X, X)
    np.testing.assert_array_equal(recording.y, Y + 1)
    assert recording.source == str(path)


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        *(("<f4", "f4"), ("<f2", "f4"), (">f4", "f4"), (">f8", "f8"), ("<i8", "f8"), (">i2", "f8"), ("u1", "f8")),
        ("?", "f8"),
    ],
)
def test_npz_numbers_become_native_floats(tmp_path: Path, stored: str, kept: str) -> None:
    values = np.array([[0, 1], [1, 0], [1, 1]])
    for array in (values.astype(stored), np.asfortranarray(values.astype(stored))):
        recording = read_file(save_npz(tmp_path, X=array, y=np.array([0, 1, 1]).astype(stored)))
        assert recording.X.dtype == np.dtype(kept)
        assert recording.X.dtype.isnative
        assert recording.X.flags.c_contiguous
        assert recording.y.dtype == np.float64
        np.testing.assert_array_equal(recording.X, values)


@pytest.mark.parametrize(("stored", "kept"), [("f4", "f4"), ("f2", "f4"), ("i4", "f8"), ("u8", "f8"), ("?", "f8")])
def test_parquet_numbers_become_floats(tmp_path: Path, stored: str, kept: str) -> None:
    frame = pd.DataFrame({"a": np.array([0, 1, 1]).astype(stored), "y": Y})
    recording = read_file(save_table(tmp_path, ".parquet", frame))
    assert recording.X.dtype == np.dtype(kept)
    np.testing.assert_array_equal(recording.X, [[0], [1], [1]])


def test_a_mixed_parquet_is_widened(tmp_path: Path) -> None:
    frame = table(a=X[:, 0].astype(np.float32))
    assert read_file(save_table(tmp_path, ".parquet", frame)).X.dtype == np.float64


def test_parquet_of_many_row_groups_is_read_in_order(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((1000, 3))
    pd.DataFrame(values, columns=["a", "b", "y"]).to_parquet(tmp_path / "r.parquet", row_group_size=7)
    np.testing.assert_array_equal(read_file(tmp_path / "r.parquet").X, values[:, :2])


def test_compressed_zeros_are_data_and_no_bomb(tmp_path: Path) -> None:
    zeros = np.zeros((1000, 1000))
    zeros[5, 5] = 1
    path = tmp_path / "sparse.npz"
    np.savez_compressed(path, X=zeros, y=np.arange(1000))
    assert path.stat().st_size < zeros.nbytes / 500
    np.testing.assert_array_equal(read_file(path).X, zeros)


def test_an_object_array_is_refused_and_never_unpickled(tmp_path: Path) -> None:
    class Call:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "executed"),)

    for name in ("X", "y"):
        message = refusal(save_npz(tmp_path, **{name: np.array([Call()], dtype=object)}))
        assert f"array '{name}'" in message
        assert "pickles are not read" in message
        assert "astype(float)" in message
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "array",
    [X + 1j, np.array([["a", "b"]]), np.zeros(3, [("a", "f8")]), np.zeros(3, "M8[s]"), np.zeros(3, "V8")],
    ids=["complex", "text", "structured", "dates", "void"],
)
def test_npz_of_anything_but_real_numbers_is_refused(tmp_path: Path, array: NDArray[np.generic]) -> None:
    assert "expected real numbers, found array 'X' of type" in refusal(save_npz(tmp_path, X=array))


@pytest.mark.parametrize("name", ["X", "y"])
def test_a_single_number_is_no_array(tmp_path: Path, name: str) -> None:
    assert "found shape ()" in refusal(save_npz(tmp_path, **{name: np.float64(1)}))


@pytest.mark.parametrize("shape", [(10**9, 10**6), (2**62, 2**62)])
def test_an_array_beyond_this_machine_is_refused_unread(tmp_path: Path, shape: tuple[int, int]) -> None:
    message = refusal(save_zip(tmp_path, {"X.npy": npy_header(shape), "y.npy": npy(Y)}))
    assert "GiB of this machine" in message


@pytest.mark.parametrize("shape", [(10**6, 10), (1, 2), (-3, -2), (3, -2)])
def test_a_header_that_disagrees_with_the_archive_is_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    refusal(save_zip(tmp_path, {"X.npy": npy_header(shape) + X.tobytes(), "y.npy": npy(Y)}))


def test_a_member_that_lies_about_its_size_does_not_expand_past_it(tmp_path: Path) -> None:
    header = npy_header((4, 2))
    path = save_zip(tmp_path, {"X.npy": header + bytes(100_000_000), "y.npy": npy(np.arange(4))})
    sized = struct.pack("<I", len(header) + 100_000_000)
    content = path.read_bytes()
    assert content.count(sized) == 2
    path.write_bytes(content.replace(sized, struct.pack("<I", len(header) + 64)))
    tracemalloc.start()
    try:
        assert "CRC" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("version", [2, 3])
def test_a_header_that_claims_gigabytes_is_not_read(tmp_path: Path, version: int) -> None:
    header = b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<I", 2**32 - 1) + b" " * 50_000_000
    path = save_zip(tmp_path, {"X.npy": header, "y.npy": npy(Y)})
    tracemalloc.start()
    try:
        refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_of_unbounded_expansion_are_refused(tmp_path: Path, compression: int) -> None:
    path = save_zip(tmp_path, {"X.npy": npy(X), "y.npy": npy(Y)}, compression)
    assert "numpy.savez" in refusal(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_text_is_refused_by_column(tmp_path: Path, suffix: str) -> None:
    frame = table(a=["1", "x", "y"], b=["2", "3", "z"], c=list("pqr"), d=list("pqr"))
    message = refusal(save_table(tmp_path, suffix, frame))
    assert "found text in 4 of 5 columns: 'a', 'b', 'c', …" in message
    assert 'leave them out by exclude = ["a", "b", "c", …] (--exclude a --exclude b --exclude c …)' in message
    assert ("the first with 'x'" in message) == (suffix == ".csv")


def test_a_table_with_columns_of_any_type_is_listed(tmp_path: Path) -> None:
    columns = {
        "y": [1.0, 2.0],
        "session": pa.array(["a", "b"]).dictionary_encode(),
        "position": [{"x": 1}, {"x": 2}],
        "when": pa.array([1, 2], pa.timestamp("us", tz="UTC")),
        "lasted": pa.array([1, 2], pa.duration("s")),
        "spikes": [[1], [2, 3]],
        "price": pa.array([1, 2]).cast(pa.decimal128(22, 1)),
        "nothing": pa.nulls(2),
    }
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    assert {entry.name: entry.dtype for entry in data.contents(str(tmp_path / "table.parquet"))} == {
        "y": "float64",
        "session": "string",
        "position": "struct<x: int64>",
        "when": "timestamp[us, tz=UTC]",
        "lasted": "duration[s]",
        "spikes": "list<element: int64>",
        "price": "decimal128(22, 1)",
        "nothing": "null",
    }


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_target_that_is_no_number_is_not_to_be_excluded(tmp_path: Path, suffix: str) -> None:
    frame = table(session=list("pqr"), day=pd.date_range("2020", periods=3))
    path = save_table(tmp_path, suffix, frame)
    for roles, advice in (
        (Roles(("session",), exclude=("day",)), "write 'session' as numbers, such as 0 and 1 for two classes"),
        (Roles(("day",), exclude=("session",)), "seconds for times, or name another column by --target"),
        (Roles(covariates=("session",)), "seconds for times; leave 'day' out by exclude = [\"day\"]"),
    ):
        with pytest.raises(DataError) as caught:
            data.load(str(path), roles)
        assert advice in str(caught.value)
        assert 'exclude = ["session"' not in str(caught.value)


def test_a_line_of_units_is_to_be_deleted(tmp_path: Path) -> None:
    path = save_csv(tmp_path / "r.csv", "a,b,y\nmV,s,cm/s\n1,2,3\n4.5,6,7\n8,9,1\n")
    assert "the first row holds no numbers: if it holds units, delete that line" in refusal(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_of_text_dates_or_gaps_are_left_out_as_the_message_says(tmp_path: Path, suffix: str) -> None:
    name = "a note " + "that is long " * 9
    text = pd.DataFrame({name: list("pqr"), "day": pd.date_range("2020", periods=3)})
    path = save_table(tmp_path, suffix, table(c=[1.0, np.nan, 2.0]).join(text))
    left_out: tuple[str, ...] = ()
    for expected in ("text and dates or times in 2 of 6 columns", "column c (in 1 of 3 columns: 'c')"):
        with pytest.raises(DataError) as caught:
            data.load(str(path), Roles(exclude=left_out))
        message = str(caught.value)
        assert expected in message
        left_out += tuple(tomllib.loads(message[message.index("exclude = [") : message.index("] (") + 1])["exclude"])
    assert left_out == (f"{name[:39]}*", "day", "c")
    np.testing.assert_array_equal(data.load(str(path), Roles(exclude=left_out)).X, X)


@pytest.mark.parametrize(
    "cell",
    [
        '=HYPERLINK("http://a.b";"c")',
        "x" * 100_000,
        "up\nrecording.csv: all is well",
        "\x1b[2J\u202egnp",
        "1+2j",
    ],
    ids=["formula", "huge", "newline", "control", "complex"],
)
def test_a_cell_cannot_flood_or_forge_the_message(tmp_path: Path, cell: str) -> None:
    quoted = cell.replace('"', '""')
    message = refusal(save_csv(tmp_path / "r.csv", f'a,y\n1,2\n"{quoted}",3\n'))
    assert "'a'" in message


@pytest.mark.parametrize("column", ["b\nforged", "b" * 100_000, "\x1b[2J"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_column_name_cannot_flood_or_forge_the_message(tmp_path: Path, column: str, suffix: str) -> None:
    refusal(save_table(tmp_path, suffix, pd.DataFrame({column: ["p", "q"], "y": [1, 2]})))
    refusal(save_table(tmp_path, suffix, pd.DataFrame({column: [1, 2], "x": [1, 2]})))
    refusal(save_table(tmp_path, suffix, pd.DataFrame({column: [1, 1], "x": [1, 2]})), target=column[:50])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_missing_values_are_reported_with_their_place(tmp_path: Path, suffix: str) -> None:
    assert "row 1 (from 0), column a (in 1 of 2 columns: 'a');" in refusal(
        save_table(tmp_path, suffix, table(a=[1.0, np.nan, 2.0]))
    )
    missing = table(y=pd.array([1, 2, None], dtype="Int64"))
    assert "y has 1 value(s)" in refusal(save_table(tmp_path, suffix, missing))
    assert "row 2 (from 0)" in refusal(save_table(tmp_path, suffix, missing))
    assert "3 value(s)" in refusal(save_table(tmp_path, suffix, table(b=[None, None, None])))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_the_nearest_name_is_offered_for_a_missing_target(tmp_path: Path, suffix: str) -> None:
    frame = table(running=Y)
    path = save_npz(tmp_path, running=Y) if suffix == ".npz" else save_table(tmp_path, suffix, frame)
    message = refusal(path, target="runing")
    assert "'runing'" in message
    assert "the nearest is 'running'" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty file"),
        ("\n\n", "empty file"),
        ("a,y\n", "a header and no rows"),
        ("a,a,y\n1,2,3\n4,5,6\n", "'a' more than once"),
        ("y\n1\n2\n", "no column but 'y'"),
        ("a,,y\n0,1,2\n1,2,3\n", "a name for every column, found column 2 without one"),
        ("a,y\n1,2\n3\n", "expected 2 cells in every line, as in the header, found a line of 1: '3'"),
        ("a,y\n1,2,3\n", "expected 2 cells in every line, as in the header, found a line of 3: '1,2,3'"),
        ("a,y\n1e400,2\n3,4\n", "NaN or infinite"),
        ("a,y\n2020-01-01,2\n2020-01-02,4\n", "2020"),
        (b"a,y\n\xff,2\n3,4\n", "'a'"),
        (b"\x81,y\n1,2\n3,4\n", "expected text in UTF-8, UTF-16 or Windows-1252, found the byte 0x81"),
        (b"PK\x03\x04\0\0\0", "expected"),
        ("," * MAX_COLUMNS + "\n", f"at most {MAX_COLUMNS} columns"),
    ],
)
def test_a_csv_that_is_no_table_of_numbers_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refusal(save_csv(tmp_path / "r.csv", text))


def test_a_csv_may_carry_a_byte_order_mark_and_quotes(tmp_path: Path) -> None:
    recording = read_file(save_csv(tmp_path / "r.CSV", b'\xef\xbb\xbf"a",y\r\n"1",2\r\n3,4\r\n'))
    assert recording.feature_names == ("a",)
    np.testing.assert_array_equal(recording.X, [[1], [3]])


def test_parquet_without_rows_names_or_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    table().iloc[:0].to_parquet(path)
    assert "a header and no rows" in refusal(path)
    pd.DataFrame({"a": [[1.0], [2.0]], "y": [1, 2]}).to_parquet(path)
    assert "'a'" in refusal(path)
    pd.DataFrame({"a": pd.Categorical(["1", "2"]), "y": [1, 2]}).to_parquet(path)
    assert "found text in 1 of 2 columns: 'a'" in refusal(path)


@pytest.mark.parametrize("suffix", [".npz", ".parquet", ".csv"])
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = save_npz(tmp_path, X=np.ones((500, 4)) * np.arange(4)) if suffix == ".npz" else tmp_path / f"r{suffix}"
    if suffix == ".parquet":
        table().to_parquet(path)
    elif suffix == ".csv":
        path.write_text("a,y\n1,2\n3,4\n")
    whole = path.read_bytes()
    lengths = (len(whole) // 3, len(whole) // 2, len(whole) - 2) if suffix != ".csv" else (7, 9, 10)
    for length in (*lengths, 0):
        path.write_bytes(whole[:length])
        refusal(path)
    path.write_bytes(b"not this kind of file\n" * 100)
    refusal(path)


def test_a_flipped_byte_in_npz_is_noticed(tmp_path: Path) -> None:
    path = save_npz(tmp_path)
    content = bytearray(path.read_bytes())
    content[content.index(X.tobytes()) + 7] ^= 1
    path.write_bytes(content)
    assert "CRC" in refusal(path)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
def test_what_is_no_readable_file_is_named(tmp_path: Path, suffix: str) -> None:
    assert "found nothing" in refusal(tmp_path / f"missing{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    assert "found another folder" in refusal(tmp_path / f"folder{suffix}")
    os.mkfifo(tmp_path / f"pipe{suffix}")
    assert "no regular file" in refusal(tmp_path / f"pipe{suffix}")
    (tmp_path / f"loop{suffix}").symlink_to(tmp_path / f"loop{suffix}")
    assert "expected a file" in refusal(tmp_path / f"loop{suffix}")
    with pytest.raises(DataError, match="File name too long"):
        read_file(tmp_path / f"{'x' * 300}{suffix}")


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    assert "'.xlsx'" in refusal(tmp_path / "r.xlsx")
    assert "a name without suffix; save it as one of these, or name" in refusal(tmp_path / "recording")


def test_a_path_cannot_forge_the_message(tmp_path: Path) -> None:
    folder = tmp_path / "a\nb\x1b[2J"
    folder.mkdir()
    refusal(folder / "missing.csv")
    refusal(save_table(folder, ".csv", table(y=[1, 1, 1])))


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
def test_a_header_tells_the_shape_that_reading_gives(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame(X).rename(columns=str).assign(y=Y)
    path = save_npz(tmp_path) if suffix == ".npz" else save_table(tmp_path, suffix, frame)
    assert file_shape(path) == read_file(path).X.shape


def test_the_rows_of_a_csv_are_counted_as_they_are_read(tmp_path: Path) -> None:
    path = save_csv(tmp_path / "recording.csv", "a,y,b\n\n1,2,3\r\n,4,1e3\n5,6,7")
    assert file_shape(path) == (3, 2)
    with pytest.raises(DataError, match=r"expected the column 'speed'.*; say by --target which column to predict"):
        file_shape(path, "speed")


def test_what_a_header_shows_to_be_no_recording_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for path, says in (
        (tmp_path / "missing.npz", "expected a file, found nothing"),
        (tmp_path, "found another folder"),
        (save_npz(tmp_path, X=np.zeros(3)), r"expected an array X of rows and columns, found shape \(3,\)"),
    ):
        with pytest.raises(DataError, match=says):
            file_shape(path)
    with pytest.raises(DataError, match="expected the array 'speed'"):
        file_shape(save_npz(tmp_path), "speed")


@pytest.mark.parametrize("part", ["groups", "folds"])
@pytest.mark.parametrize(
    "labels", [["a", None, "b", "b"], ["a", "  ", "b", "b"], [1.0, None, 2.0, 2.0]], ids=["text", "blanks", "numbers"]
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_row_without_a_label_is_refused_in_every_file(labels, suffix, part, tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0, 3.0], "y": [0.5, 1.5, 1.0, 2.0], "session": labels})
    path = tmp_path / f"table{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    with pytest.raises(DataError) as refused:
        data.load(str(path), Roles(("y",), **{part: "session"}))
    assert str(refused.value).endswith(
        f"expected a label in every row of {part}, found 1 missing in column 'session', the first at row 1 (from 0); "
        f"name the {part[:-1]} of each row"
    )


@pytest.mark.parametrize("labels", [np.array([1.0, np.nan, 2.0]), np.array(["a", "nan", "b"])])
def test_a_label_that_is_not_a_number_is_missing_in_arrays(labels, tmp_path):
    np.savez(tmp_path / "a.npz", X=X, y=Y, session=labels)
    with pytest.raises(DataError, match=r"in every row of groups, found 1 missing in 'session', the first at row 1"):
        data.load(str(tmp_path / "a.npz"), Roles(("y",), groups="session"))


@given(
    st.lists(
        st.one_of(st.sampled_from([0.0, 0.5, 1.0, 1e-5, 1.7e15 + 1, 1.7e15 + 2]), st.floats(allow_nan=False)),
        min_size=4,
        max_size=4,
    )
)
def test_numbers_are_the_same_labels_in_every_file_and_in_memory(numbers):
    table = pd.DataFrame({"a": [1.0, 2.0, 4.0, 3.0], "y": [0.5, 1.5, 1.0, 2.0], "session": numbers})
    arrays = {"X": table[["a"]].to_numpy(), "y": table["y"].to_numpy(), "session": table["session"].to_numpy()}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "table"))
        table.to_csv(path + ".csv", index=False)
        table.to_parquet(path + ".parquet")
        np.savez(path + ".npz", **arrays)
        with h5py.File(path + ".h5", "w") as file:
            file.update(arrays)
        roles = Roles(("y",), groups="session")
        found = [data.load(path + suffix, roles) for suffix in (".csv", ".parquet", ".npz", ".h5")]
    found += [data.from_frame(table, groups="session"), data.from_arrays(table[["a"]], table["y"], groups=numbers)]
    for recording in found:
        assert recording.annotations.groups.tolist() == [str(number).removesuffix(".0") for number in numbers]


def test_labels_that_only_look_like_numbers_are_kept(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0, 3.0], "y": [0.5, 1.5, 1.0, 2.0]})
    for labels in (["1.1", "1.10", "1.0", "2.0"], ["1.0", "1", "2", "2"], ["007", "7", "7.0", "8"]):
        save_csv(tmp_path / "table.csv", frame.assign(session=labels).to_csv(index=False))
        recording = data.load(str(tmp_path / "table.csv"), Roles(("y",), groups="session"))
        assert recording.annotations.groups.tolist() == labels


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz", ".h5"])
def test_blanks_around_a_label_make_no_other_group_or_fold(suffix, tmp_path):
    path, table = tmp_path / f"table{suffix}", pd.DataFrame({"a": [1.0, 2.0, 4.0, 3.0], "y": [0.5, 1.5, 1.0, 2.0]})
    table["session"] = ["m1", "m1 ", " m 2", "m 2\t"]
    if suffix == ".csv":
        table.to_csv(path, index=False)
    elif suffix == ".parquet":
        table.to_parquet(path)
    elif suffix == ".npz":
        np.savez(path, X=table[["a"]], y=table["y"], session=table["session"].to_numpy(str))
    else:
        with h5py.File(path, "w") as file:
            file.update({"X": table[["a"]].to_numpy(), "y": table["y"].to_numpy(), "session": [*table["session"]]})
    known = data.load(str(path), Roles(("y",), groups="session", folds="session")).annotations
    assert known.groups.tolist() == known.folds.tolist() == ["m1", "m1", "m 2", "m 2"]
