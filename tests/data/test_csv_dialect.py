"""A table is read as its writer meant it, be that R, pandas or Excel in another language, or the reason is named."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regsearch import data
from regsearch.data import csv_table
from regsearch.data.regular_file import open_regular
from regsearch.errors import DataError


def save(folder, content):
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path, target="y"):
    with pytest.raises(DataError) as caught:
        data.load(str(path), target)
    assert "\n" not in str(caught.value)
    return str(caught.value)


COMMA = "it was read with semicolons between columns and decimal commas"
POINT = "it was read with semicolons between columns and decimal points"
ROW_NAMES, EMPTY = "its first column has no name and was left out", "empty column(s) without a name were left out"
GROUPED = "marks between thousands were left out"


@pytest.mark.parametrize(
    ("text", "X", "notes"),
    [
        pytest.param('"","a","y"\n"1",1.5,2\n"2",3,4\n', [1.5, 3], [ROW_NAMES], id="write.csv of R"),
        pytest.param('"","a","y"\n"RX4",1.5,2\n"X1/9",3,4\n', [1.5, 3], [ROW_NAMES], id="row names of R"),
        pytest.param('"a","y"\n"1",1.5,2\n"2",3,4\n', [1.5, 3], [ROW_NAMES], id="write.table of R"),
        pytest.param('"";"a";"y"\n"1";1,5;2\n"2";3;4\n', [1.5, 3], [COMMA, ROW_NAMES], id="write.csv2 of R"),
        pytest.param(",a,y\n0,1.5,2\n1,3,4\n", [1.5, 3], [ROW_NAMES], id="to_csv of pandas"),
        pytest.param(
            ",Unnamed: 0.1,Unnamed: 0,a,y\n0,0,0,1.5,2\n1,1,1,3,4\n",
            [1.5, 3],
            [
                ROW_NAMES,
                "its column 'Unnamed: 0.1', an index",
                "its column 'Unnamed: 0', an index of pandas that counts",
            ],
            id="an index saved three times",
        ),
        pytest.param("Unnamed: 0,a,y\n0,1.5,2\n2,3,4\n", [0, 1.5, 2, 3], [], id="no index, for all its name"),
        pytest.param("a,y,\n1.5,2,\n3,4,\n", [1.5, 3], [EMPTY], id="trailing commas"),
        pytest.param("a,,,y,,\n1.5,,,2,,\n3,,,4,,\n", [1.5, 3], [EMPTY], id="empty columns"),
        pytest.param("a,y\n1.5,2,\n3,4,\n", [1.5, 3], [EMPTY], id="trailing commas in the rows"),
        pytest.param("a,y,\n1.5,2\n3,4\n", [1.5, 3], [], id="a trailing comma in the header"),
        pytest.param(",a,y,\n0,1.5,2,\n1,3,4,\n", [1.5, 3], [ROW_NAMES, EMPTY], id="index and trailing commas"),
        pytest.param("a;y\n1,5;2\n3;4\n", [1.5, 3], [COMMA], id="German"),
        pytest.param("a;y\n1.234,5;2\n3,25;4\n", [1234.5, 3.25], [COMMA, GROUPED], id="German thousands"),
        pytest.param("a;y\n1,5;2.000\n3,25;4.000\n", [1.5, 3.25], [COMMA, GROUPED], id="thousands in another column"),
        pytest.param("a;y\n1.234.567;2,5\n3;4\n", [1234567, 3], [COMMA, GROUPED], id="German millions"),
        pytest.param("a;y\n1,234;2\n3,256;4\n", [1.234, 3.256], [COMMA], id="three decimals"),
        pytest.param("a;y\n" + "3;4\n" * 30 + "1,5;2\n", [3.0] * 30 + [1.5], [COMMA], id="a decimal comma far below"),
        pytest.param("a;y\n1\xa0234,5;2\n3,25;4\n", [1234.5, 3.25], [COMMA, GROUPED], id="French"),
        pytest.param(
            "a;y\n1\u202f234,5;2\n3,25;4\n", [1234.5, 3.25], [COMMA, GROUPED], id="French with a narrow space"
        ),
        pytest.param("a;y\n1'234.5;2\n3.25;4\n", [1234.5, 3.25], [POINT, GROUPED], id="Swiss"),
        pytest.param('a,y\n"1,234.5",2\n"3,456,789",4\n', [1234.5, 3456789], [GROUPED], id="English thousands"),
        pytest.param(
            'a,y\n"1,5",2\n"3,25",4\n', [1.5, 3.25], ["commas between columns and decimal commas"], id="quoted"
        ),
        pytest.param("a\ty\n1.5\t2\n3\t4\n", [1.5, 3], ["tabs between columns and decimal points"], id="tabs"),
        pytest.param("a;y\n1.234;2\n3.256;4\n", [1.234, 3.256], [POINT], id="semicolons and points"),
        pytest.param("sep=;\r\na;y\r\n1,5;2\r\n3;4\r\n", [1.5, 3], [COMMA], id="a delimiter announced by Excel"),
        pytest.param('"a, b";y\n1,5;2\n3;4\n', [1.5, 3], [COMMA], id="a comma in a name"),
        pytest.param("\n\na,y\n\n1.5,2\n3,4\n\n", [1.5, 3], [], id="blank lines"),
        pytest.param('"a\nb",y\r\n1.5,2\r\n3,4\r\n', [1.5, 3], [], id="a name of two lines"),
        pytest.param("a,y\r1.5,2\r3,4\r", [1.5, 3], [], id="line ends of old Macs"),
        pytest.param("900,902.5,y\n1.5,0,2\n3,1,4\n", [1.5, 0, 3, 1], [], id="wavelengths as names"),
    ],
)
def test_a_table_is_read_as_it_was_meant(text, X, notes, tmp_path):
    recording = data.load(str(save(tmp_path, text)))
    np.testing.assert_array_equal(recording.X.ravel(), X)
    said = [note for note in recording.notes if note.startswith("table.csv: ")]
    assert len(said) == len(notes)
    assert all(any(note in one for one in said) for note in notes)
    assert data.shape(str(tmp_path / "table.csv")) == recording.X.shape


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        *(("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("utf-16-le", "\ufeff"), ("utf-16-be", "\ufeff")),
        *(("utf-16-le", ""), ("utf-16-be", ""), ("utf-32", ""), ("cp1252", "")),
    ],
)
def test_any_usual_encoding_is_read_or_named(encoding, mark, tmp_path):
    path = save(tmp_path, f"{mark}Größe (µm);y\n1,5;2\n3;4\n".encode(encoding))
    recording = data.load(str(path))
    assert recording.feature_names == ("Größe (µm)",)
    np.testing.assert_array_equal(recording.X, [[1.5], [3]])
    assert ("table.csv: it is not UTF-8 and was read as Windows-1252" in recording.notes) == (encoding == "cp1252")
    assert data.shape(str(path)) == (2, 1)
    assert [entry.name for entry in data.contents(str(path))] == ["Größe (µm)", "y"]


def test_an_index_that_is_named_keeps_its_part(tmp_path):
    path = str(save(tmp_path, "Unnamed: 0,a,y\n0,1.5,2\n1,3,4\n"))
    assert data.load(path, data.Roles(("y",), exclude=("Unnamed*",))).feature_names == ("a",)
    assert data.load(path, data.Roles(("Unnamed: 0",))).y.tolist() == [0, 1]


def test_windows_1252_far_below_the_header_is_noticed(tmp_path):
    text = "a;y\n" + "3;4\n" * 400_000 + "1\xa0234,5;2\n"
    assert data.load(str(save(tmp_path, text.encode("cp1252")))).X[-1, 0] == 1234.5


@pytest.mark.parametrize("ask", [data.load, data.shape, data.contents])
@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_a_file_is_decoded_once_however_often_its_text_is_parsed(encoding, ask, tmp_path, monkeypatch):
    text = "Größe;y\n" + "3;4\n" * 50 + "1,5;2\n"  # the decimal mark shows only when all is parsed
    path, opened = save(tmp_path, text.encode(encoding)), []
    monkeypatch.setattr(csv_table, "open_regular", lambda path: opened.append(path) or open_regular(path))
    ask(str(path))
    assert len(opened) == 2  # to find its encoding, and to decode it


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            "# by the lab\na,y\n1.5,2\n3,4\n",
            "a comment, '# by the lab'; delete the lines that begin with #",
        ),
        ("# by the lab\n# 2 units\na,y\n1.5,2\n3,4\n", "found a comment, '# by the lab'; delete the lines"),
        ("1.5,2,3\n4,5,6\n7,8,10\n", "expected a header line of column names, found numbers alone, the first '1.5'"),
        (
            "1,2,3\n4,5,6\n7,8,10\n",
            "found numbers alone, the first '1'; write a name for each column in the first line",
        ),
        ("1,5;2;3\n4;5;6\n", "found numbers alone, the first '1,5'"),
        (",,,\n,,,\n", "found no name at all"),
        (
            'a,y\n"1,234",2\n"3,456",4\n',
            "expected decimal points or decimal commas, found '1,234', whose mark may be ei",
        ),
        ("a;y\n1,5;2\n2.5;4\n", "expected numbers in every column, found text in 1 of 2 columns: 'a'"),
        ("a;y\n01.02.2020;2\n02.02.2020;4\n", "the first with '01.02.2020'"),
        ("a;y\n1,5%;2\n2%;4\n", "the first with '1,5%'"),
        ("a,y,\n1,2,\n3,4,5\n", "expected a name for every column, found column 3 without one"),
        ("a,y,\n" + "1,2,\n" * 40 + "3,4,5\n", "expected a name for every column, found column 3 without one"),
        ("a,y\n3,1,2\n9,3,4\n", "expected 2 cells in every line, as in the header, found a line of 3"),
        (bytes(range(256)) * 10, "expected text"),
        ("a,y\n1,2\n3,\0\n", "found bytes that are no text"),
        (b"\xe9\x81,y\n1,2\n", "expected text in UTF-8, UTF-16 or Windows-1252, found the byte 0x81"),
        ("x" * 2**25, "found one field that is too long for a name"),
        ('"' * 2**24, "expected a header line of column names"),
        ("," * 2**25, "expected at most 100000 columns"),
        (",".join(map("c{}".format, range(200_000))) + "\n", "expected at most 100000 columns, found 200000"),
    ],
)
def test_what_cannot_be_told_is_refused_in_one_line(content, says, tmp_path):
    assert says in refusal(save(tmp_path, content))


def test_a_first_line_of_numbers_is_of_names_where_the_target_is_one_of_them(tmp_path):
    recording = data.load(str(save(tmp_path, "900,902,950\n1,2,3\n4,5,7\n")), "950")
    assert recording.feature_names == ("900", "902")
    assert recording.notes == (
        "table.csv: its first line was read as the names of the columns, but holds only numbers",
    )
    assert data.load(str(save(tmp_path, "0,1,2\n1,2,3\n4,5,7\n")), "2").notes == ()  # as pandas numbers columns


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)), min_size=2, max_size=30), st.data())
def test_numbers_written_in_german_are_those_written_in_english(tmp_path_factory, rows, draw):
    decimals = draw.draw(st.integers(1, 4))
    english = ["a,b,y", *(f"{a:.{decimals}f},{b:.{decimals}f},{row}" for row, (a, b) in enumerate(rows))]
    german = ["a;b;y", *(f"{_german(a, decimals)};{_german(b, decimals)};{row}" for row, (a, b) in enumerate(rows))]
    folder = tmp_path_factory.mktemp("r")
    (folder / "en.csv").write_text("\n".join(english))
    (folder / "de.csv").write_text("\n".join(german))
    np.testing.assert_array_equal(data.load(str(folder / "de.csv")).X, data.load(str(folder / "en.csv")).X)


def _german(number, decimals):
    return f"{number:,.{decimals}f}".translate({ord(","): ".", ord("."): ","})


def test_the_types_of_the_columns_are_kept_for_whoever_serves_the_model(tmp_path):
    path = save(tmp_path, "a,b,c,y\n1,1.5,true,2\n3,2,false,4\n")
    assert data.load(str(path)).column_types == ("int64", "float64", "bool")


def test_a_table_that_lies_in_an_archive_is_named_for_what_it_is(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("table.csv", "a,y\n1,2\n3,4\n")
    assert "expected text" in refusal(save(tmp_path, stream.getvalue()))


def test_the_index_of_a_parquet_is_no_feature(tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2, 3], "y": [1.0, 2, 4]})
    frame.to_parquet(tmp_path / "plain.parquet")
    expected = data.load(str(tmp_path / "plain.parquet"))
    assert expected.notes == ()
    for number, index in enumerate(
        (
            pd.Index([5, 3, 4], name="time"),
            pd.Index([5, 3, 4]),
            pd.date_range("2020", periods=3, name="time"),
            pd.MultiIndex.from_arrays([[1, 1, 2], list("pqr")], names=["session", "trial"]),
            pd.Index(list("pqr"), name="a.b"),
        )
    ):
        path = tmp_path / f"{number}.parquet"
        frame.set_axis(index).to_parquet(path)
        recording = data.load(str(path))
        assert recording.sha256 == expected.sha256
        assert (recording.feature_names, len(recording.notes)) == (("a",), index.nlevels)
        assert all("of pandas was left out" in note for note in recording.notes)
        assert data.shape(str(path)) == (3, 1)


def test_an_index_that_is_the_target_is_the_target(tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2, 3], "b": [1.0, 2, 4]}, pd.Index([5.0, 3, 4], name="time"))
    frame.to_parquet(tmp_path / "r.parquet")
    recording = data.load(str(tmp_path / "r.parquet"), "time")
    np.testing.assert_array_equal(recording.y, [5, 3, 4])
    assert recording.feature_names == ("a", "b")


def test_a_parquet_of_more_rows_than_memory_holds_is_refused_unread(tmp_path, monkeypatch):
    pd.DataFrame({"a": np.zeros(100_000), "y": np.arange(100_000.0)}).to_parquet(tmp_path / "r.parquet")
    monkeypatch.setattr("regsearch.data.memory.memory_bytes", lambda: 10**6)
    assert "GiB of this machine, found" in refusal(tmp_path / "r.parquet")
