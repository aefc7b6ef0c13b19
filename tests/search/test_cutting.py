import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, PredefinedSplit

from regsearch import SearchConfig
from regsearch.data import Annotations
from regsearch.data.lagged import lag_sources
from regsearch.data.split import rows_of
from regsearch.errors import DataError
from regsearch.search.config import DataConfig
from regsearch.search.cutting import split_of

GROUPS = np.repeat(["s3", "s1", "s2", "s5", "s4"], [9, 4, 7, 3, 6])
N_ROWS = len(GROUPS)
MIXED = np.random.default_rng(0).permutation(GROUPS)
SHARING = {"share_groups": True}


def cut(split=None, known=None, *, n_rows=N_ROWS, seed=0, **data):
    values = {**data, **({} if split is None else {"split": split})}
    config = SearchConfig.load("own-data").model_copy(update={"data": DataConfig.model_validate(values), "seed": seed})
    return split_of(config, n_rows, known or Annotations())


def rows(split):
    return [(rows_of(fold.train), rows_of(fold.validation)) for fold in split.folds]


def as_sets(folds):
    return {(frozenset(map(int, train)), frozenset(map(int, part))) for train, part in folds}


@pytest.mark.parametrize("groups", [GROUPS, MIXED])
def test_each_group_in_turn_is_leave_one_group_out(groups):
    made = cut({"validation": {"groups": "each"}, "test": "none"}, Annotations(groups=groups))
    assert as_sets(rows(made)) == as_sets(LeaveOneGroupOut().split(groups, groups=groups))
    np.testing.assert_array_equal(rows_of(made.model), np.arange(N_ROWS))


@pytest.mark.parametrize("groups", [GROUPS, MIXED])
@pytest.mark.parametrize("number", [2, 3, 5])
def test_groups_are_dealt_to_folds_as_group_k_fold_deals_them(groups, number):
    made = cut({"validation": {"groups": number}, "test": "none"}, Annotations(groups=groups))
    assert as_sets(rows(made)) == as_sets(GroupKFold(number).split(groups, groups=groups))


def test_folds_as_supplied_are_those_of_predefined_split():
    folds = np.arange(N_ROWS) * 7 % 3
    made = cut({"validation": {"column": "f"}, "test": "none"}, Annotations(folds=folds.astype(str)))
    assert as_sets(rows(made)) == as_sets(PredefinedSplit(folds).split())


def test_folds_of_a_splitter_are_taken_as_they_are():
    splitter = KFold(3, shuffle=True, random_state=1)
    folds = [{"train": train, "validation": part} for train, part in splitter.split(np.arange(20))]
    made = cut({"validation": {"given": folds}, "test": np.arange(20, N_ROWS)})
    assert as_sets(rows(made)) == as_sets(splitter.split(np.arange(20)))
    np.testing.assert_array_equal(rows_of(made.model), np.arange(20))


def test_rows_that_are_left_out_are_the_rest():
    groups = Annotations(groups=GROUPS)
    named = cut({"train": {"groups": ["s1", "s2"]}, "validation": {"groups": ["s4"]}}, groups)
    assert set(GROUPS[rows_of(named.test)]) == {"s3", "s5"}
    train, test = (
        cut({"validation": {"groups": ["s4"]}, "test": {"groups": ["s1"]}}, groups),
        cut({"train": np.arange(10), "validation": [12, 20]}),
    )
    assert set(GROUPS[rows_of(train.model)]) == {"s2", "s3", "s5"}
    np.testing.assert_array_equal(rows_of(test.test), [10, 11, *range(20, N_ROWS)])


@given(st.integers(14, 2_000))
def test_by_default_every_row_is_used_once_in_time_order(n_rows):
    made = cut(n_rows=n_rows)
    (train,), (validation,), (test,) = made.folds[0].train, made.folds[0].validation, made.test
    assert (train, validation, test) == ((0, validation[0]), (round(0.7 * n_rows), test[0]), (test[0], n_rows))
    assert test[0] == round(0.85 * n_rows)


def test_a_handful_of_rows_is_too_few_for_the_default():
    with pytest.raises(DataError, match="13 rows are too few"):
        cut(n_rows=13)


@pytest.mark.parametrize(
    ("split", "test"),
    [
        ({"train": [0, 70], "validation": [70, 90], "test": {"fraction": 0.15}}, (90, 100)),
        ({"train": [20, 90], "validation": [90, 100], "test": {"fraction": 0.3}}, (0, 20)),
        ({"train": [0, 70], "validation": [70, 90], "test": {"fraction": 0.05}}, (95, 100)),
    ],
)
def test_a_share_of_more_rows_than_are_left_takes_all_that_are_left(split, test):
    made = cut(split, n_rows=100)
    assert made.test == (test,)
    assert made.folds[0].validation == (tuple(split["validation"]),)


def test_the_default_of_a_recording_with_groups_tests_on_the_last_ones_and_leaves_each_other_out():
    made = cut(known=Annotations(groups=GROUPS))
    assert set(GROUPS[rows_of(made.test)]) == {"s4"}
    assert [set(GROUPS[part]) for _, part in rows(made)] == [{"s3"}, {"s1"}, {"s2"}, {"s5"}]
    many = cut(known=Annotations(groups=np.repeat(np.arange(20).astype(str), 2)), n_rows=40)
    assert set(rows_of(many.test)) == set(range(34, 40))
    assert len(many.folds) == 5


def test_rows_of_many_folds_are_not_held_together():
    groups = np.repeat(np.arange(600).astype(str), 30)
    tracemalloc.start()
    try:
        made = cut({"validation": {"groups": "each"}, "test": "none"}, Annotations(groups=groups), n_rows=len(groups))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < sum(len(train) for train, _ in rows(made)) * 8 / 4


@given(st.lists(st.sampled_from("abcdefg"), min_size=8, max_size=40), st.data())
def test_a_group_in_two_parts_is_refused_whichever_parts_these_are(groups, data):
    part_of = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(groups), max_size=len(groups))))
    parts = [np.flatnonzero(part_of == part) for part in range(3)]
    assume(min(map(len, parts)) >= 2)
    split = dict(zip(("train", "validation", "test"), parts, strict=True))
    known = Annotations(groups=np.array(groups))
    named = [{groups[row] for row in part} for part in parts]
    both = [(0, 1, "training and validation"), (1, 2, "validation and test"), (0, 2, "training and test")]
    shared = [(min(named[one] & named[other]), where) for one, other, where in both if named[one] & named[other]]
    if not shared:
        assert rows(cut(split, known, n_rows=len(groups)))
        return
    with pytest.raises(DataError, match="found {!r} among {} rows".format(*shared[0])):
        cut(split, known, n_rows=len(groups))


def test_thousands_of_groups_are_dealt_like_a_few():
    patients = np.repeat([f"patient {number}" for number in range(4000)], 2)
    made = cut(known=Annotations(groups=patients), n_rows=len(patients))
    np.testing.assert_array_equal(rows_of(made.test), np.arange(6800, 8000))
    assert [len(part) for _, part in rows(made)] == [1360] * 5


def test_the_default_of_a_recording_with_folds_validates_by_them():
    folds = (np.arange(40) % 2).astype(str)
    made = cut(known=Annotations(folds=folds), n_rows=40)
    np.testing.assert_array_equal(rows_of(made.test), np.arange(34, 40))
    assert [set(folds[part]) for _, part in rows(made)] == [{"0"}, {"1"}]


def test_parts_that_are_tested_in_turn_keep_their_embargo():
    wanted = {"validation": {"fraction": 0.25}, "test": {"folds": 4, "embargo": 2}, "part": 1}
    data = DataConfig.model_validate({"split": wanted})
    config = SearchConfig.load("own-data").model_copy(update={"data": data})
    made = split_of(config, 40, Annotations())
    np.testing.assert_array_equal(rows_of(made.test), np.arange(10, 20))
    read = np.union1d(rows_of(made.model), rows(made)[0][1])
    np.testing.assert_array_equal(read, [*range(8), *range(22, 40)])


def test_nothing_is_kept_for_a_test_if_none_is_wanted():
    made = cut({"validation": {"fraction": 0.25}, "test": "none"}, n_rows=40)
    assert made.test == ()
    assert made.shown["test"] == "none"
    np.testing.assert_array_equal(rows_of(made.model), np.arange(30))


@given(st.integers(0, 2**31), st.integers(30, 80), st.integers(2, 5))
def test_independent_rows_are_shuffled_by_the_seed_and_each_validates_once(seed, n_rows, number):
    split = {"validation": {"folds": number}, "test": {"fraction": 0.2}}
    made = cut(split, n_rows=n_rows, seed=seed, rows="independent")
    assert made == cut(split, n_rows=n_rows, seed=seed, rows="independent")
    test = rows_of(made.test)
    assert len(test) == round(n_rows) - round(0.8 * n_rows)
    validated = np.concatenate([part for _, part in rows(made)])
    np.testing.assert_array_equal(np.sort(np.append(validated, test)), np.arange(n_rows))
    sizes = [len(part) for _, part in rows(made)]
    assert max(sizes) - min(sizes) <= 1
    for train, part in rows(made):
        np.testing.assert_array_equal(np.sort(np.append(train, part)), np.sort(validated))


def test_independent_rows_are_cut_otherwise_with_another_seed():
    first, second = (cut(n_rows=60, seed=seed, rows="independent") for seed in (0, 1))
    assert first.test != second.test
    assert len(first.test) > 1


SPLITS = st.sampled_from(
    [
        None,
        {"validation": {"groups": "each"}},
        {"validation": {"groups": 2}, "test": {"groups": ["a"]}},
        {"validation": {"groups": ["b"]}, "test": {"fraction": 0.3}},
        {"validation": {"folds": 3, "embargo": 1}, "test": {"fraction": 0.2}, **SHARING},
        {"validation": {"fraction": 0.2}, "test": {"fraction": 0.2}, **SHARING},
        {"train": {"fraction": 0.5}, "validation": {"fraction": 0.2}, **SHARING},
        {"validation": {"column": "f"}, "test": [30, 40], **SHARING},
        {"train": [[0, 12], [20, 30]], "validation": [12, 18], **SHARING},
        {"train": {"groups": ["a", "b"]}, "validation": {"groups": ["c"]}},
    ]
)


@st.composite
def recordings(draw):
    n_rows = draw(st.integers(45, 60))
    groups = np.array(draw(st.lists(st.sampled_from("abcd"), min_size=n_rows, max_size=n_rows)))
    if draw(st.booleans()):
        groups = np.sort(groups)
    weights = np.array(draw(st.lists(st.sampled_from([0.0, 1.0, 1.0, 2.5]), min_size=n_rows, max_size=n_rows)))
    folds = (np.arange(n_rows) % 3).astype(str)
    return Annotations(groups, weights if draw(st.booleans()) else None, None, folds if draw(st.booleans()) else None)


@settings(max_examples=150)
@given(recordings(), SPLITS, st.sampled_from([(0,), (0, 1), (2, 0), (-1, 1)]), st.booleans())
def test_no_row_that_a_search_reads_sees_a_test_row_or_another_part(known, split, lags, independent):
    validation = (split or {}).get("validation", {})
    assume(known.folds is not None or "column" not in validation)
    assume(not (independent and "embargo" in validation))
    n_rows = len(known.groups)
    try:
        made = cut(split, known, n_rows=n_rows, lags=lags, rows="independent" if independent else "time")
    except DataError:
        assume(False)
    kept, taken = lag_sources(n_rows, lags, known.groups)

    def seen(chosen):
        assert np.isin(chosen, kept).all()
        return taken[:, np.isin(kept, chosen)].ravel()

    test = rows_of(made.test)
    read = [*[part for fold in rows(made) for part in fold], rows_of(made.model)]
    for chosen in read:
        assert len(chosen) >= 2
        assert not np.isin(np.append(seen(chosen), chosen), test).any()
        assert known.weights is None or known.weights[chosen].all()
    for train, part in rows(made):
        assert not np.isin(np.append(seen(train), train), part).any()
        assert np.isin(train, rows_of(made.model)).all()
    if not (split or {}).get("share_groups"):
        for one, other in [*rows(made), (rows_of(made.model), test)]:
            assert not set(known.groups[one]) & set(known.groups[other])


def test_the_plan_says_rows_groups_and_what_is_left_out():
    weights = np.ones(N_ROWS)
    weights[[0, 28]] = 0
    known = Annotations(groups=GROUPS, weights=weights)
    shown = cut({"validation": {"groups": "each"}, "test": {"groups": ["s4"]}}, known, lags=(0, 1)).shown
    assert shown == {
        "train": "[1, 9), [10, 13), [14, 20), [21, 23) (s3, s1, s2, s5)",
        "validation": "each of 4 groups of these in turn",
        "test": "[24, 28) (s4)",
        "left_out": "6 rows: 5 without a past, 1 of weight 0",
    }


@pytest.mark.parametrize(
    ("split", "data", "says"),
    [
        ({"validation": {"folds": 3}}, {}, "every group in one part, found 's3' among training and validation rows"),
        ({"validation": {"folds": 3}}, {}, "deal whole groups by { groups = 3 }"),
        ({"validation": {"fraction": 0.3}, "test": [26, 29]}, {}, "'s4' among validation and test rows"),
        ({"validation": {"groups": ["s9"]}}, {}, "rows of the group 's9', found groups 's3', 's1', 's2', 's5', 's4'"),
        ({"validation": {"groups": 5}}, {}, "at least 5 groups to deal to folds, found 4"),
        ({"validation": {"column": "f"}}, {}, "expected a recording with folds, found none; give folds to from_frame"),
        ({"validation": {"groups": "each"}}, {"lags": [9]}, "lags [9] leave none of 29 rows; give smaller lags"),
        ({"validation": {"groups": "each"}}, {"lags": [6]}, "expected at least 2 groups to deal to folds, found 1"),
        ({"train": [0, 9], "validation": [9, 10], "test": [13, 20]}, {}, "validation rows [9, 10) hold one row"),
        (
            {"train": [0, 9], "validation": [9, 13], "test": [13, 20]},
            {"lags": [3]},
            "validation rows [12, 13) hold one row (left out: 15 rows: 15 without a past)",
        ),
        ({"train": [0, 9], "validation": [9, 13], "test": [13, 40]}, {}, "reach past the recording's 29 rows"),
        ({"train": {"fraction": 0.5}, "validation": {"fraction": 0.5}}, {}, "expected rows for a test beside train"),
        ({"train": [0, 13], "validation": [13, 29], "test": {"fraction": 0.2}}, {}, "expected rows for a test beside"),
        ({"validation": [0, 26], **SHARING}, {}, "no training rows are left"),
        ({"validation": {"fraction": 0.9}, **SHARING}, {}, "no training rows are left"),
        ({"validation": {"folds": 2, "embargo": 1}}, {"rows": "independent"}, 'no embargo beside rows = "independent"'),
    ],
)
def test_rows_that_cannot_be_cut_are_refused_in_one_line(split, data, says):
    with pytest.raises(DataError, match=re.escape(says)) as caught:
        cut(split, Annotations(groups=GROUPS), **data)
    assert str(caught.value).startswith("split: ")


@pytest.mark.parametrize(
    ("train", "validation", "says"),
    [
        ([0, 9], [8, 13], "fold 1: train rows [0, 9) and fold 1: validation rows [8, 13) overlap"),
        ([[0, 20], [5, 10]], [20, 25], "fold 1: train rows [0, 20) and fold 1: train rows [5, 10) overlap"),
        ([0, 20], [[25, 29], [22, 21]], "fold 1: validation rows must be [start, stop) with 0 <= start < stop, found"),
        ([-10, 20], [20, 25], "fold 1: train rows must be [start, stop) with 0 <= start < stop, found [-10, 20)"),
        ([0, 20], [[20, 22], [24, 10**13]], "fold 1: validation rows [24, 10000000000000) reach past the recording"),
    ],
)
def test_folds_as_given_are_checked_as_other_ranges_are(train, validation, says):
    folds = [{"train": [0, 9], "validation": [9, 18]}, {"train": train, "validation": validation}]
    with pytest.raises(DataError, match=re.escape(f"split: {says}")):
        cut({"validation": {"given": folds}, "test": "none"})


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (
            {"train": [0, 15], "test": "none"},
            "validation rows among the rows to train on, found row 15 beside the split's",
        ),
        ({"train": [0, 15]}, "validation rows among the rows to train on, found row 15 beside the split's train rows"),
        (
            {"train": {"groups": ["s3", "s1"]}},
            "validation rows among the rows to train on, found row 13 beside the split's",
        ),
        ({"test": [17, 29]}, "validation rows among the rows to train on, found row 17 among the test rows"),
        ({"test": [5, 9]}, "train rows among the rows to train on, found row 5 among the test rows"),
        ({"test": {"groups": ["s3"]}}, "train rows among the rows to train on, found row 0 among the test rows"),
    ],
)
def test_no_row_of_a_given_fold_is_left_out_in_silence(parts, says):
    folds = [{"train": np.arange(9), "validation": np.arange(9, 18)}, {"train": [9, 18], "validation": [0, 9]}]
    with pytest.raises(DataError, match=re.escape(f"split: fold 0: expected {says}")):
        cut({"validation": {"given": folds}, "share_groups": True, **parts}, Annotations(groups=GROUPS))


def test_the_default_test_rows_are_those_in_no_given_fold():
    def folds(n_rows):
        splits = KFold(3).split(np.arange(n_rows))
        return {"validation": {"given": [{"train": train, "validation": part} for train, part in splits]}}

    np.testing.assert_array_equal(rows_of(cut(folds(27)).test), [27, 28])
    with pytest.raises(DataError, match="expected rows for a test beside train and validation, found none left"):
        cut(folds(N_ROWS))


@pytest.mark.parametrize(
    ("split", "says"),
    [
        ({"validation": {"folds": 2}, "test": np.arange(20) < 5}, "29 rows as test rows, found one of 20"),
        (
            {"validation": {"given": [{"train": np.arange(40) < 9, "validation": [9, 18]}] * 2}},
            "29 rows as fold 0: train rows, found one of 40",
        ),
    ],
)
def test_a_mask_of_other_rows_is_refused_also_after_other_changes(split, says):
    config = SearchConfig.load("own-data").updated(split=split).updated(name="other")
    with pytest.raises(DataError, match=f"expected a mask of the recording's {says}; give a value for each row"):
        split_of(config, N_ROWS, Annotations())


@pytest.mark.parametrize("name", ["groups", "weights", "covariates"])
def test_a_recording_without_what_the_configuration_names_is_refused(name):
    with pytest.raises(DataError, match=f"expected a recording with {name}, found none; set data.{name}"):
        cut(**{name: "column"})


def test_a_fold_column_with_one_value_is_refused():
    with pytest.raises(DataError, match="expected a column of at least two folds, found 'x' alone"):
        cut({"validation": {"column": "f"}}, Annotations(folds=np.full(N_ROWS, "x")))


def test_the_plan_counts_the_rows_that_see_another_part_through_lags():
    shown = cut({"validation": {"fraction": 0.2}, "test": {"fraction": 0.2}}, lags=(0, -3)).shown
    assert shown["left_out"] == "8 rows: 3 without a future, 5 that see rows of another part through lags"
    assert cut({"validation": {"fraction": 0.2}}, lags=(0, 3)).shown["left_out"] == "3 rows: 3 without a past"
    both = cut({"validation": {"fraction": 0.2}}, lags=(-2, 2)).shown["left_out"]
    assert both.startswith("8 rows: 4 without a past or a future, 4 that see")
    shuffled = cut({"validation": {"fraction": 0.2}, "test": {"fraction": 0.2}}, lags=(0, 3), rows="independent")
    used = sum(map(len, (*rows(shuffled)[0], rows_of(shuffled.test))))
    assert shuffled.shown["left_out"].startswith(f"{N_ROWS - used} rows: 3 without a past")


def test_folds_as_given_keep_apart_through_lags():
    folds = [{"train": [10, 15], "validation": [0, 10]}, {"train": [0, 10], "validation": [10, 15]}]
    split = {"train": [0, 15], "validation": {"given": folds}, "test": [20, 29]}
    first, second = rows(cut(split, lags=(0, 1, 2)))
    assert (first[0].tolist(), first[1].tolist()) == ([*range(12, 15)], [*range(2, 10)])
    assert (second[0].tolist(), second[1].tolist()) == ([*range(2, 10)], [*range(10, 15)])
