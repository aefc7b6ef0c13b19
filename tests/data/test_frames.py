import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr
from scipy.sparse import csr_array

from regsearch import data
from regsearch.data import Recording, from_arrays, from_frame
from regsearch.data.roles import Roles
from regsearch.errors import DataError

FRAME = pd.DataFrame({"a": [1.0, 2.0, 4.0], "speed": [0.5, 1.5, 1.0], "b": [3, 4, 9]})


def test_a_table_is_its_features_and_its_target():
    recording = from_frame(FRAME, target="speed")
    np.testing.assert_array_equal(recording.X, [[1, 3], [2, 4], [4, 9]])
    np.testing.assert_array_equal(recording.y, [0.5, 1.5, 1.0])
    assert (recording.feature_names, recording.target, recording.source) == (("a", "b"), "speed", "memory")


def test_a_table_in_memory_is_the_same_recording_as_in_a_file(tmp_path):
    FRAME.to_parquet(tmp_path / "frame.parquet")
    assert from_frame(FRAME, "speed").sha256 == data.load(str(tmp_path / "frame.parquet"), "speed").sha256


@pytest.mark.parametrize("dtype", ["float32", "float16", "Float32", "float[pyarrow]"])
def test_what_has_32_bits_stays_so(dtype):
    features = FRAME[["a", "b"]].astype(dtype)
    assert from_arrays(features, FRAME["speed"]).X.dtype == np.float32


def test_types_of_arrow_are_numbers_as_those_of_numpy_are():
    plain = FRAME.assign(b=[True, False, True], c=[1, 2, 4], d=[0.5, 0.25, 4])
    arrow = plain.convert_dtypes(dtype_backend="pyarrow").astype({"d": pd.ArrowDtype(pa.decimal128(5, 2))})
    assert str(arrow["b"].dtype) == "bool[pyarrow]"
    assert from_frame(arrow, "speed").sha256 == from_frame(plain, "speed").sha256
    arrow.loc[1, "b"] = None
    with pytest.raises(DataError, match=r"X has 1 value.s. that are missing"):
        from_frame(arrow, "speed")


def test_arrays_have_no_names_and_frames_and_series_do():
    X, y = FRAME[["a", "b"]], FRAME["speed"]
    bare = from_arrays(X.to_numpy(), y.tolist())
    assert (bare.feature_names, bare.target) == ((), "y")
    named = from_arrays(X, y)
    assert (named.feature_names, named.target) == (("a", "b"), "speed")
    assert from_arrays(X, pl.Series(y)).target == "speed"
    assert from_arrays(X, pl.Series(y.to_numpy())).target == "y"  # polars has an empty name where there is none
    assert bare.sha256 == named.sha256 == Recording.checked(X.to_numpy(), y.to_numpy(), source="here").sha256


def test_a_sparse_matrix_is_refused():
    with pytest.raises(DataError, match=r"X: expected a dense array, found a sparse one; give X.toarray\(\)"):
        from_arrays(csr_array(FRAME[["a", "b"]].to_numpy()), FRAME["speed"])


@pytest.mark.parametrize("make", [lambda frame: frame, lambda frame: frame.to_numpy()])
def test_what_is_done_to_the_table_afterwards_does_not_reach_the_recording(make):
    features = FRAME[["a", "b"]].astype(float)
    given = make(features)
    recording = from_arrays(given, FRAME["speed"])
    if isinstance(given, pd.DataFrame):
        given.iloc[0, 0] = 7.0
    else:
        given[0, 0] = 7.0
    assert recording.X[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        recording.X[0, 0] = 7.0


@pytest.mark.parametrize(
    "as_kind",
    [
        lambda column: column.astype(object),
        lambda column: column.astype("category"),
        lambda column: column.astype(pd.ArrowDtype(pa.decimal128(24, 2))),
        lambda column: column.map(lambda value: Decimal(str(value))),
        lambda column: pd.Series([*column[:-1], float(column.iloc[-1])], dtype=object),
    ],
    ids=["objects", "categories", "decimal of Arrow", "decimal", "mixed"],
)
@pytest.mark.parametrize("name", ["b", "speed", "light", "weight"])
def test_numbers_as_objects_or_categories_are_those_of_the_same_table_in_a_file(name, as_kind, tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2.0, 4.0, 3.0], "b": [2, 1, 5, 3], "speed": [1, 2, 5, 0], "light": [2, 3, 1, 0]})
    frame["weight"] = [1, 2, 2, 1]
    table = frame.assign(**{name: as_kind(frame[name])})
    known = {"covariates": ["light"], "weights": "weight"}
    recording = from_frame(table, "speed", **known)
    assert recording.sha256 == from_frame(frame, "speed", **known).sha256
    table.to_parquet(tmp_path / "table.parquet")
    roles = Roles(("speed",), covariates=("light",), weights="weight")
    assert data.load(str(tmp_path / "table.parquet"), roles).sha256 == recording.sha256


def test_objects_that_are_numbers_or_missing_are_a_gap():
    for missing in (None, pd.NA, np.nan):
        with pytest.raises(DataError, match=r"X has 1 value.s. that are missing, .* row 1"):
            from_frame(FRAME.assign(b=pd.Series([1.0, missing, 2.0], dtype=object)), "speed")


@pytest.mark.parametrize("objects", [["1", "2", "3"], [1, "2", 3], [1, 2j, 3], [1, (2,), 3], [pd.Timestamp(0)] * 3])
@pytest.mark.parametrize("kind", [object, "category"])
def test_objects_that_are_no_numbers_are_refused(objects, kind):
    with pytest.raises(DataError, match="expected real numbers, found type"):
        from_frame(FRAME.assign(b=pd.Series(objects, dtype=object).astype(kind)), "speed")


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (
            FRAME.assign(b=["x", "y", "z"]),
            r"expected real numbers, found type (str|object) in 1 of 2 columns: 'b'; leave it "
            "out by exclude = ..b.. .--exclude b., or",
        ),
        (FRAME.assign(b=pd.date_range("2020", periods=3)), "found type datetime64.* in 1 of 2 columns: 'b'"),
        (FRAME.assign(b=[1j, 2, 3]), "found type complex128 in 1 of 2 columns: 'b'"),
        (
            FRAME.assign(b=[1.0, np.nan, 2.0]),
            "X has 1 value.s. that are missing, NaN or infinite, the first at row 1 .*, column b .in 1 of 2 columns: "
            "'b'.; every value must be finite: fill them, or leave it out by exclude = ..b.. .--exclude b.",
        ),
        (FRAME.assign(b=pd.array([1, None, 2], "Int64")), "X has 1 value.s. that are missing"),
        (FRAME.rename(columns={"b": "a"}), "expected names of columns that differ, found 'a' more than once"),
        *(
            (FRAME.rename(columns={"b": none}), "expected a name for every column, found column 3 without one; name it")
            for none in ("", None, np.nan)
        ),
        (
            FRAME.rename(columns={"b": 7}),
            "expected names of columns that are text, found 7 of type int; frame.c",
        ),
        (
            FRAME.rename(columns={"speed": "sped"}),
            "expected the column 'speed', found 3 other.s.; the nearest is .sped",
        ),
        (pd.concat({"one": FRAME}, axis=1), "expected one name for each column, found 2 levels of them"),
        (
            FRAME.set_index("speed"),
            "the column 'speed', found a level of the index of that name; make it a column: .*frame.reset_index",
        ),
        (FRAME[["speed"]], "expected features beside the target"),
        (FRAME[:0], "found 0 row"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(frame, says):
    with pytest.raises(DataError, match=says) as caught:
        from_frame(frame, "speed")
    assert "\n" not in str(caught.value)


def test_what_is_shown_of_a_recording_is_one_line_without_its_values():
    recording = from_frame(FRAME, "speed")
    assert repr(recording) == "<Recording of 3 rows × 2 features from memory, target 'speed'>"


def test_levels_of_names_are_joined_as_the_refusal_says():
    frame = pd.DataFrame(np.eye(3), columns=pd.MultiIndex.from_tuples([("ca1", 1), ("ca1", 2), ("y", "")]))
    with pytest.raises(DataError, match="found 2 levels of them; join the levels: ") as refused:
        from_frame(frame)
    exec(str(refused.value).partition("join the levels: ")[2], {"frame": frame})
    assert from_frame(frame, "y.").feature_names == ("ca1.1", "ca1.2")


def test_a_target_that_belongs_to_other_rows_is_refused():
    with pytest.raises(DataError, match="expected X and y with the same index, found two that differ"):
        from_arrays(FRAME[["a", "b"]], FRAME["speed"].sort_values())


def test_what_was_in_memory_cannot_be_read_again():
    with pytest.raises(DataError, match=r"are in no file; give them again: run_search\(config, data=…\)"):
        data.load("memory")


def test_a_masked_value_is_missing_whatever_lies_beneath_it():
    X = np.ma.masked_greater(FRAME[["a", "b"]].to_numpy(), 8.0)
    y = FRAME["speed"].to_numpy()
    for given, says in (
        (
            (X, y),
            "memory: X has 1 value.s. that are missing, NaN or infinite, the first at row 2 .*, column 1 .in 1 of",
        ),
        ((X.data.astype(int), np.ma.masked_equal([1, 2, 3], 2)), "memory: y has 1 value.s. that are missing"),
        ((np.ma.masked_equal(X.data.astype(int), 3), y), "memory: X has 1 value.s. that are missing"),
    ):
        with pytest.raises(DataError, match=says):
            from_arrays(*given)
    unmasked = from_arrays(np.ma.array(X.data), np.ma.array(y))
    assert unmasked.sha256 == from_arrays(X.data, y).sha256


def test_an_index_that_has_a_name_is_left_out_with_a_note():
    indexed = FRAME.set_index(pd.Index([1.5, 2.5, 3.5], name="time"))
    recording = from_frame(indexed, "speed")
    assert recording.sha256 == from_frame(FRAME, "speed").sha256
    assert recording.notes == ("the index 'time' is left out",)


def test_the_types_of_the_columns_are_kept():
    assert from_frame(FRAME, "speed").column_types == ("float64", "int64")
    assert from_arrays(np.eye(3, dtype=np.uint8), [1, 2, 4]).column_types == ("uint8",)


SESSIONS = pd.DataFrame(
    {
        "unit_0": [1.0, 2.0, 4.0, 3.0],
        "unit_1": [0.0, 1.0, 1.0, 5.0],
        "speed": [0.5, 1.5, 1.0, 2.0],
        "pupil": [1.5, 1.0, 0.0, 4.0],
        "session": ["a", "a", "b", "b"],
        "light": [0, 1, 1, 0],
        "w": [1, 2, 0, 1],
        "note": ["x", None, "y", "z"],
    }
)


@pytest.mark.parametrize("save", ["to_csv", "to_parquet"])
def test_parts_of_a_table_are_the_same_in_memory_and_in_a_file(save, tmp_path):
    path = tmp_path / f"table.{save.removeprefix('to_')}"
    getattr(SESSIONS, save)(path, index=False)
    parts = {"groups": "session", "weights": "w", "covariates": ("light",), "exclude": ("no*", "pup*")}
    held = from_frame(SESSIONS, "speed", **parts)
    read = data.load(str(path), data.Roles(("speed",), **parts))
    assert held.feature_names == read.feature_names == ("unit_0", "unit_1")
    assert held.sha256 == read.sha256
    for known in (held.annotations, read.annotations):
        assert known.groups.tolist() == ["a", "a", "b", "b"]
        np.testing.assert_array_equal(known.weights, SESSIONS["w"])
        np.testing.assert_array_equal(known.covariates, SESSIONS[["light"]])


def test_several_targets_are_a_recording_each_and_no_feature_of_one_another():
    speed, pupil = from_frame(SESSIONS, ["speed", "pupil"], features="unit_*")
    assert speed.X is pupil.X
    np.testing.assert_array_equal(pupil.y, SESSIONS["pupil"])
    numbers = from_frame(SESSIONS.select_dtypes("number"), ["speed", "pupil"])[0]
    assert numbers.feature_names == ("unit_0", "unit_1", "light", "w")


def test_arrays_and_series_say_what_is_known_of_rows():
    X, y = SESSIONS[["unit_0", "unit_1"]], SESSIONS["speed"]
    known = from_arrays(X, y, groups=SESSIONS["session"], weights=[1, 2, 0, 1], covariates=SESSIONS["light"])
    same = from_frame(SESSIONS, "speed", features="unit_*", groups="session", weights="w", covariates="light")
    assert known.sha256 == same.sha256
    assert known.covariate_names == same.covariate_names == ("light",)
    tables = from_arrays(X, y, groups=SESSIONS[["session"]], folds=SESSIONS[["session"]])
    assert tables.annotations.groups.tolist() == tables.annotations.folds.tolist() == ["a", "a", "b", "b"]
    strings = from_arrays(X, y, groups=SESSIONS["session"].to_numpy(np.dtypes.StringDType()))
    assert strings.annotations.groups.tolist() == ["a", "a", "b", "b"]
    assert from_arrays(X, y, covariates=np.empty((4, 0))).sha256 == from_arrays(X, y).sha256


@pytest.mark.parametrize("column", ["unit_0", "speed", "light"])
def test_a_missing_value_is_refused_in_a_row_of_weight_0_too_and_the_message_says_so(column):
    table = SESSIONS.assign(**{column: SESSIONS[column].mask(SESSIONS["w"] == 0)})
    known = {"features": "unit_*", "covariates": ["light"]}
    with pytest.raises(DataError, match=r"finite( numbers)?, also in rows of weight 0"):
        from_frame(table, "speed", weights="w", **known)
    with pytest.raises(DataError, match="finite") as refused:
        from_frame(table, "speed", **known)
    assert "weight" not in str(refused.value)


@pytest.mark.parametrize("labels", [["m1", "m1 ", " m2", "m2"], np.array([b"m1", b"m1 ", b" m2", b"m2"])])
def test_blanks_around_a_label_make_no_other_group_or_fold(labels):
    known = from_arrays(SESSIONS[["unit_0"]], SESSIONS["speed"], groups=labels, folds=labels).annotations
    assert known.groups.tolist() == known.folds.tolist() == ["m1", "m1", "m2", "m2"]


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"groups": SESSIONS["session"][::-1]}, "expected X and groups with the same index, found two that differ"),
        ({"covariates": SESSIONS[["light"]][::-1]}, "expected X and covariates with the same index"),
        ({"covariates": SESSIONS[["light"]].iloc[1:]}, "covariates: expected one for each of 4 rows, found 3"),
        (
            {"groups": ["a", "b", None, None]},
            "memory: expected a label in every row of groups, found 2 missing, the first at row 2 (from 0); name",
        ),
        (
            {"folds": ["1", np.nan, "2", "2"]},
            "every row of folds, found 1 missing, the first at row 1 (from 0); name the fold",
        ),
        ({"groups": ["a", " ", "b", "b"]}, "in every row of groups, found 1 missing, the first at row 1"),
        (
            {"groups": np.array(["a", None, "b", "b"], np.dtypes.StringDType(na_object=None))},
            "found 1 missing, the first",
        ),
        ({"groups": ["a", "a\0", "b", "b"]}, "found 'a' and 'a\\x00', which are the same as text; rename one of them"),
        ({"groups": np.array([1, "1", 2, 2], object)}, "labels in groups that differ as text, found 1 and '1', which"),
        ({"groups": pd.Series([[1], [1], [2], 2])}, "expected texts or numbers as groups, found other objects ("),
        ({"weights": [1, -1, 1, 1]}, "weights: expected numbers of at least 0, found -1 at row 1"),
        ({"weights": np.ones((4, 2))}, "weights: expected 1 dimension(s)"),
        ({"covariates": np.ones((4, 2, 2))}, "covariates: expected 2 dimension(s)"),
        ({"covariates": SESSIONS["speed"]}, "speed equals the covariate speed, so nothing is left to predict"),
        ({"folds": [0, 1]}, "folds: expected one for each of 4 rows, found 2"),
    ],
)
def test_what_is_known_of_rows_and_does_not_fit_is_refused(known, says):
    with pytest.raises(DataError) as caught:
        from_arrays(SESSIONS[["unit_0", "unit_1"]], SESSIONS["speed"], **known)
    assert str(caught.value).startswith("memory: ")
    assert says in str(caught.value)


def test_a_table_of_polars_or_arrow_is_the_same_recording():
    mixed = pl.from_pandas(FRAME).with_columns(day=pl.Series(["a", "b", "b"]))
    for table in (mixed, mixed.to_arrow()):
        recording = from_frame(table, "speed", groups="day")
        assert recording.sha256 == from_frame(FRAME.assign(day=["a", "b", "b"]), "speed", groups="day").sha256
        assert recording.feature_names == ("a", "b")
    with pytest.raises(DataError, match=r"in 1 of 3 columns: 'day'; leave it out by exclude = \["):
        from_frame(mixed, "speed")
    with pytest.raises(DataError, match=r"X has 1 value.s. that are missing"):
        from_frame(mixed.with_columns(b=pl.Series([1, None, 2])), "speed", exclude="day")
    with pytest.raises(DataError, match=r"one of type DataFrame that pandas cannot hold .*; cast its columns"):
        from_frame(mixed.with_columns(b=pl.Series([1, 2, 3], dtype=pl.Int128)), "speed", exclude="day")
    with pytest.raises(DataError, match="found an object of type LazyFrame; collect a lazy one first"):
        from_frame(mixed.lazy(), "speed")
    series = from_arrays(mixed[["a", "b"]], mixed["speed"], groups=mixed["day"])
    assert (series.target, series.annotations.groups.tolist()) == ("speed", ["a", "b", "b"])


def test_arrays_of_xarray_keep_their_labels_and_must_lie_at_the_same_times():
    times = {"time": [0.0, 0.5, 1.0]}
    X = xr.DataArray(FRAME[["a", "b"]].to_numpy(), dims=("time", "unit"), coords={**times, "unit": ["u", "v"]})
    speed = xr.DataArray(FRAME["speed"].to_numpy(), dims="time", coords=times, name="speed")
    recording = from_arrays(X, speed)
    assert recording.sha256 == from_frame(FRAME, "speed").sha256
    assert (recording.feature_names, recording.target) == (("u", "v"), "speed")
    assert recording.notes == ("the index 'time' is left out",)
    assert from_arrays(X.drop_vars("unit"), speed).feature_names == ("0", "1")
    with pytest.raises(DataError, match="expected X and y with the same index"):
        from_arrays(X, speed.assign_coords(time=[1.0, 1.5, 2.0]))
    with pytest.raises(DataError, match=r"X must be a table of rows and columns, found shape \(3, 2, 1\)"):
        from_arrays(X.expand_dims("more", 2), speed)


@pytest.mark.slow
def test_time_series_of_pynapple_keep_their_units_and_must_lie_at_the_same_times():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says on import is its own
        import pynapple

        times = np.array([0.0, 0.5, 1.0])
        X = pynapple.TsdFrame(t=times, d=FRAME[["a", "b"]].to_numpy(), columns=[7, 9])
        speed, late = (pynapple.Tsd(t=when, d=FRAME["speed"].to_numpy()) for when in (times, times + 0.25))
    recording = from_arrays(X, speed)
    assert recording.sha256 == from_frame(FRAME, "speed").sha256
    assert recording.feature_names == ("7", "9")
    with pytest.raises(DataError, match="expected X and y with the same index"):
        from_arrays(X, late)


def test_times_with_gaps_are_told_and_even_ones_are_not():
    times = np.r_[0:10:0.1, 15:20:0.1]
    table = pd.DataFrame(np.random.default_rng(0).standard_normal((len(times), 3)), columns=list("aby"), index=times)
    (note,) = from_frame(table, "y").notes
    assert note.startswith("its times have a gap after row 99, and rows beside a gap count as neighbours; name the")
    assert from_frame(table.iloc[:100], "y").notes == ()
    assert from_frame(table.reset_index(drop=True)[::2], "y").notes == ()
    days = table.set_index(pd.to_datetime([*range(140), *range(150, 160)], unit="D"))
    assert "a gap after row 139" in from_frame(days, "y").notes[0]


@pytest.mark.parametrize("y", [FRAME[["speed"]], FRAME[["speed"]].to_numpy(), FRAME[["speed"]].to_numpy().T.tolist()])
def test_a_column_or_a_row_is_taken_as_a_target(y):
    X = FRAME[["a", "b"]]
    assert from_arrays(X, y).sha256 == from_arrays(X, FRAME["speed"]).sha256
    assert from_arrays(X, FRAME["speed"], weights=y).annotations.weights.tolist() == FRAME["speed"].tolist()


DATASET = xr.Dataset({"x": (("time", "unit"), np.ones((3, 2))), "z": (("unit",), np.ones(2))})
XY = FRAME[["a", "b"]].to_numpy(), FRAME["speed"].to_numpy()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: from_arrays(XY[0], XY[0]),
            r"one target, one number per row, found y of shape \(3, 2\); call from_arr",
        ),
        (lambda: from_arrays(DATASET, XY[1]), "a table of rows and columns, found one of type Dataset"),
        (lambda: from_arrays([[1, 2], [3]], [1, 2]), "rows of the same length in X, found some that differ"),
        (lambda: from_arrays(*XY, groups="session"), "one label for each row as groups, found 'session'"),
        (lambda: from_arrays(*XY, weights=2.0), "one value or more for each row as weights, found a single value"),
        (lambda: from_arrays(*XY, group=["a", "b", "c"]), "found group; did you mean groups?"),
        (
            lambda: from_frame(FRAME, "speed", groups=FRAME["a"]),
            "columns of the table as groups, found an object of ty",
        ),
        (lambda: from_frame(FRAME, "speed", covariates=[1]), "columns of the table as covariates, found 1 of type int"),
        (lambda: from_frame(FRAME, 3), "names of columns of the table as target, found an object of type int; give a"),
        (lambda: from_frame(FRAME, None), "as target, found an object of type NoneType"),
        (lambda: from_frame(FRAME, "speed", group="a"), "found group; did you mean groups?"),
        (
            lambda: from_frame(FRAME, "speed", features=[]),
            "one or more columns as features, found none; leave features",
        ),
        (
            lambda: from_arrays(FRAME[["a", "b"]], FRAME["speed"], covariates=FRAME["a"]),
            "names of columns that differ, found 'a' more than once",
        ),
    ],
)
def test_an_argument_of_another_kind_is_refused_in_one_line(make, says):
    with pytest.raises(DataError, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)
