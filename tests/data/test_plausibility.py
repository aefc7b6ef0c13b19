"""Values that cannot be squared, fill values and suspicious orders are found wherever a recording comes from."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regsearch import data
from regsearch.data import Preparation, Recording, Split, seal
from regsearch.data.plausibility import spearman
from regsearch.data.row_sums import row_sums
from regsearch.data.seal import AS_IS
from regsearch.errors import DataError

_RNG = np.random.default_rng(0)
X, Y, NOISE = _RNG.standard_normal((40, 3)), _RNG.standard_normal(40), _RNG.standard_normal(40)


@pytest.fixture
def rng():
    """A generator of its own for each test, so that no test depends on those before it."""
    return np.random.default_rng(1)


def changed(values, *places, to):
    values = values.copy()
    for place in places:
        values[place] = to
    return values


@pytest.mark.parametrize("scale", [1e160, -1e160, 1e-160, 1e300, 1e-300])
def test_a_target_whose_squares_leave_double_precision_is_refused(scale):
    with pytest.raises(DataError, match=r"here: y: expected magnitudes and differences between 1e-100 and 1e\+100"):
        Recording.checked(X, Y * scale, source="here")


@pytest.mark.parametrize("scale", [1e160, 1e-160])
def test_so_is_a_feature_which_would_count_as_constant(scale):
    values = X * [1, scale, 1]
    with pytest.raises(DataError, match=r"in column speed; squares of such numbers leave double precision: give them"):
        Recording.checked(values, Y, source="here", feature_names=("a", "speed", "b"))


@pytest.mark.parametrize("scale", [1e95, 1e-95])
def test_a_target_in_any_other_unit_is_fitted_as_in_this_one(scale):
    from regsearch.search.penalty import penalty_of
    from regsearch.search.solving.evaluate import Evaluator, Task
    from regsearch.search.trial import Proposal

    split = Split.holdout([(0, 20)], (20, 30), (30, 40))
    scores = []
    for factor in (1.0, scale):
        development, _ = seal(Recording.checked(X, Y * factor, source="here"), split)
        proposal = Proposal("ridge", 0, {"alpha": 1.0}, penalty_of("ridge", {"alpha": 1.0}, 20))
        (solved,) = Evaluator(Task(development, 1e-6))([proposal])
        scores.append(solved.evaluation.r2_validation)
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-9)


def test_a_constant_feature_of_any_size_is_no_fault():
    values = np.column_stack([X, np.full(40, 1e-200), np.zeros(40)])
    assert Recording.checked(values, Y, source="here").notes == ()


@pytest.mark.parametrize("fill", [1e20, 9.969209968386869e36])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fill_value_far_from_all_others_is_missing(fill, dtype):
    values = changed(X.astype(dtype), (3, 1), (5, 1), to=fill)
    with pytest.raises(DataError, match=r"here: X has 2 value\(s\) of .* in column 1, which masked arrays and netCDF"):
        Recording.checked(values, Y, source="here")
    with pytest.raises(DataError, match=r"here: y has 1 value\(s\) of .* in column y"):
        Recording.checked(X, changed(Y, 3, to=fill), source="here")


def test_a_density_of_1e20_is_a_number():
    values = X * [1, 1e19, 1]
    values[3, 1] = 1e20
    assert Recording.checked(values, Y, source="here").notes == ()


def notes_of(X, y, preparation=AS_IS, target="y"):
    recording = Recording.checked(X, y, source="here", target=target)
    ends = np.array([0, len(y) - 1])
    split = Split.of([(ends, ends)], ends, np.empty(0, np.intp))
    development, _ = seal(recording, split, preparation)
    return development.notes


@pytest.mark.parametrize(
    "y",
    [
        np.arange(40.0),
        -(np.arange(40.0) ** 3),
        np.repeat([0.0, 1.0], [10, 30]),
        np.arange(40.0) + 2 * NOISE,
    ],
    ids=["ascending", "descending", "two classes", "nearly"],
)
def test_rows_that_are_sorted_by_the_target_are_noted(y, rng):
    (note,) = notes_of(X, y, target="speed")
    assert note.startswith("rows are sorted by speed (Spearman's rho with the row number is")
    assert note.endswith('set rows = "independent" in [data]')
    assert notes_of(X, rng.permutation(y)) == ()
    assert notes_of(X, y, Preparation(independent=True)) == ()


def test_a_rank_correlation_is_that_of_scipy():
    from scipy.stats import spearmanr

    for y in (Y, np.round(Y), np.arange(40.0), np.round(Y) + np.arange(40) // 5):
        assert spearman(y) == pytest.approx(spearmanr(y, np.arange(40)).statistic)


def test_a_slow_drift_and_a_short_table_are_not_noted():
    assert notes_of(X, np.sin(np.arange(40) / 7)) == ()
    assert notes_of(X[:10], np.arange(10.0)) == ()


@pytest.mark.parametrize("start", [0, 1])
def test_a_feature_that_counts_the_rows_is_noted(start, rng):
    values = np.column_stack([X, np.arange(40) + start])
    names = ("a", "b", "c", "Unnamed: 0")
    (note,) = Recording.checked(values, Y, source="here", feature_names=names).notes
    assert note == "feature Unnamed: 0 counts the rows; if it is an index, leave it out"
    assert Recording.checked(np.column_stack([X, rng.permutation(40)]), Y, source="here").notes == ()


def test_notes_and_types_reach_whoever_runs_the_search():

    recording = Recording.checked(X, np.arange(40.0), source="here", notes=("read so",), column_types=("uint8",))
    development, _ = seal(recording, Split.holdout([(0, 20)], (20, 30), (30, 40)))
    assert len(development.notes) == 2
    assert (development.notes[0], development.column_types) == ("read so", ("uint8",))


def test_a_file_of_holes_is_noted(tmp_path, rng):
    values = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float64, (4000, 30))
    values[:2000] = rng.standard_normal((2000, 30))
    values.flush()
    np.save(tmp_path / "y.npy", rng.standard_normal(4000))
    (note,) = data.load(str(tmp_path)).notes
    assert note.startswith("X.npy has parts that were never written and read as 0, the first at byte")
    values[2000:] = rng.standard_normal((2000, 30))
    values.flush()
    assert data.load(str(tmp_path)).notes == ()


@given(st.sampled_from([np.float32, np.float64]), st.lists(st.integers(0, 9), max_size=4), st.booleans())
def test_sums_of_rows_are_the_same_in_whatever_blocks_they_are_read(dtype, cuts, whole):
    rng = np.random.default_rng(1)
    values = rng.integers(0, 3, (7, 9)) if whole else rng.standard_normal((7, 9))
    values = values.astype(dtype)
    edges = [0, *sorted(cuts), 9]
    parts = [row_sums(values[:, a:b], a) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.sum(parts, axis=0, dtype=np.uint64), row_sums(values))
    np.testing.assert_array_equal(row_sums(np.asfortranarray(values)), row_sums(values))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_rows_tell_changes_and_columns_that_trade_places(dtype, rng):
    counts = rng.poisson(1.0, (2000, 300)).astype(dtype)
    traded = counts.copy()
    traded[:, [3, 259]] = traded[:, [259, 3]]
    differ = counts[:, 3] != counts[:, 259]
    np.testing.assert_array_equal(row_sums(traded) != row_sums(counts), differ)
    counts[5, 7] = np.nextafter(counts[5, 7], dtype(9))
    assert np.flatnonzero(
        row_sums(counts) != row_sums(np.where(np.arange(2000)[:, None] == 5, 0, counts))
    ).tolist() == [5]
