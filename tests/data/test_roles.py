import pytest
from hypothesis import given
from hypothesis import strategies as st

from regsearch.data import Roles
from regsearch.errors import DataError

NAMES = ("unit_0", "unit_1", "speed", "pupil", "session", "motion", "[x]")


@pytest.mark.parametrize(
    ("roles", "features"),
    [
        (Roles(("speed",)), ["unit_0", "unit_1", "pupil", "session", "motion", "[x]"]),
        (Roles(("speed", "pupil")), ["unit_0", "unit_1", "session", "motion", "[x]"]),
        (Roles(("speed",), features=("unit_*",)), ["unit_0", "unit_1"]),
        (Roles(("speed",), features="unit_1"), ["unit_1"]),
        (Roles(("speed",), features=("motion", "unit_*"), exclude=("unit_0",)), ["unit_1", "motion"]),
        (Roles(("speed",), exclude=("unit_?", "p*", "[x]", "speed")), ["session", "motion"]),
        (Roles(("speed",), groups="session", weights="pupil", covariates=("motion",)), ["unit_0", "unit_1", "[x]"]),
        (Roles(("speed",), groups="session", folds="session", features=("unit_0",)), ["unit_0"]),
    ],
)
def test_features_are_what_is_chosen_and_plays_no_other_part(roles, features):
    assert roles.features_among(NAMES) == features


@given(st.permutations(NAMES), st.integers(0, 3), st.integers(0, 2))
def test_every_column_plays_exactly_one_part(names, n_covariates, n_excluded):
    target, *others = names
    covariates, excluded = tuple(others[:n_covariates]), tuple(others[n_covariates : n_covariates + n_excluded])
    roles = Roles((target,), covariates=covariates, exclude=tuple(name for name in excluded if name != "[x]"))
    left = [name for name in others[n_covariates:] if name not in roles.exclude]
    assert roles.features_among(names) == left
    assert [name for name in names if roles.role_of(name)] == [name for name in names if name in (target, *covariates)]


@pytest.mark.parametrize(
    ("roles", "says"),
    [
        (Roles(("speed", "speed")), "expected one role for each name, found 'speed' twice"),
        (Roles(("speed",), covariates=("speed",)), "'speed' as a target and as a covariate"),
        (Roles(("speed",), covariates=("motion", "motion")), "'motion' twice"),
        (Roles(("speed",), groups="motion", weights="motion"), "'motion' as the weights and as the groups"),
        (Roles(("speed",), features=("speed", "unit_0")), "'speed' as a target and as a feature"),
        (Roles(("speed",), features="speed"), "'speed' as a feature beside another role"),
        (Roles(("nothing",)), "expected the column 'nothing', found 7 other(s)"),
        (Roles(("speed",), groups="sesion"), "the nearest is 'session'; name one of the columns"),
        (Roles(("speed",), features=("cell_*",)), "expected columns that match 'cell_*', found 6 other(s): 'unit_0'"),
        (Roles(("speed",), exclude=("cell_*",)), "expected columns to exclude that match 'cell_*'"),
        (Roles(("speed",), exclude=("*",)), "expected features beside the target, found that all are excluded by '*'"),
        (Roles(("speed",), "unit_*", ("unit_?",)), "found that all are excluded by 'unit_?'; exclude fewer columns"),
    ],
)
def test_a_name_with_two_parts_or_without_a_column_is_refused(roles, says):
    with pytest.raises(DataError) as caught:
        roles.features_among(NAMES)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pattern_where_a_name_belongs_is_said():
    with pytest.raises(DataError, match=r"the column 'unit_\*', .*name each column by itself: only features and excl"):
        Roles(covariates=("unit_*",)).features_among(["unit_1", "unit_2", "y"])
