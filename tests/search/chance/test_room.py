"""Null targets that rows do not suffice for are refused from the rows alone, with a number that works."""

import re

import numpy as np
import pytest

from regsearch.data import Annotations, Split
from regsearch.errors import ConfigError, DataError
from regsearch.search.chance.room import Room, require_room
from regsearch.search.config import NullConfig, SearchConfig

CONFIG = SearchConfig.from_values({"name": "x", "families": {"lasso": {"alpha": [0.1]}}}, "test")


def room_of(n_rows, gaps=(), **known):
    """Return the room of a holdout with a third of the rows to validate on, and gaps between rows."""
    rows = np.setdiff1d(np.arange(n_rows), gaps)
    train, validation = rows[rows < 2 * n_rows // 3], rows[rows >= 2 * n_rows // 3]
    split = Split.of([(train, validation)], train, np.empty(0, dtype=np.intp))
    return Room.of(split, Annotations(**known))


@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("gaps", [(), (50, 51), (10, 110)])
def test_the_named_number_of_shifts_fits_and_the_next_does_not(step, gaps):
    room = room_of(120, gaps)
    with pytest.raises(DataError) as refused:
        require_room(CONFIG, NullConfig(n=118, step=step, level=1.0), room)
    most = int(re.search(r"use n = (\d+) or less", str(refused.value))[1])
    assert most % 2 == 0
    require_room(CONFIG, NullConfig(n=most, step=step, level=1.0), room)
    with pytest.raises(DataError, match=f"for n = {most + 2} shifts"):
        require_room(CONFIG, NullConfig(n=most + 2, step=step, level=1.0), room)


def test_rows_that_never_suffice_for_the_level_are_told_with_why_they_are_so_few():
    room = Room(**{**vars(room_of(60, gaps=range(0, 60, 15))), "left_out": "4 rows: 4 of weight 0"})
    said = (
        r"found stretches of at most 14 neighbouring rows \(4 rows: 4 of weight 0 left out, and a stretch of "
        r"neighbours ends there\); n = \d+ fits, .* at best, and the level 0.05 needs n = 38; use another kind"
    )
    with pytest.raises(DataError, match=said):
        require_room(CONFIG, NullConfig(), room)
    with pytest.raises(DataError, match=r"no number fits, .* use another kind"):
        require_room(CONFIG, NullConfig(n=38, step=9), room)
    with pytest.raises(DataError, match="use a smaller step or another kind"):
        require_room(CONFIG, NullConfig(n=38, step=9), room_of(200))


def test_the_longest_run_that_is_named_is_one_of_the_rows_that_do_not_suffice():
    room = room_of(120)
    short = Room(**{**vars(room), "rows": np.arange(150), "parts": {**room.parts, "test": [np.arange(120, 150)]}})
    with pytest.raises(DataError, match=r"at least 2 test rows .* found stretches of at most 30 neighbouring rows; "):
        require_room(CONFIG, NullConfig(n=38), short)


def test_groups_whose_rows_lie_among_those_of_others_are_named_as_the_cause_of_short_runs():
    said = r"stretches of at most 1 neighbouring rows \(rows of one group lie among those of others, and a stretch"
    with pytest.raises(DataError, match=said):
        require_room(CONFIG, NullConfig(), room_of(200, groups=np.tile(["a", "b"], 100)))
    with pytest.raises(DataError, match=r"stretches of at most 40 neighbouring rows; use n"):
        require_room(CONFIG, NullConfig(), room_of(120, groups=np.repeat(["a", "b", "c"], 40)))


def test_groups_and_impostors_are_looked_at_before_any_value(tmp_path):
    with pytest.raises(ConfigError, match="found no groups"):
        require_room(CONFIG, NullConfig(kind="session"), room_of(60))
    two = np.repeat(["a", "b"], 30)
    with pytest.raises(ConfigError, match="2 groups can be exchanged in 1 other way"):
        require_room(CONFIG, NullConfig(kind="session"), room_of(60, groups=two))
    np.savez(tmp_path / "short.npz", X=np.eye(59, 2), y=np.arange(59.0))
    with pytest.raises(DataError, match=r"short\.npz: expected an impostor of at least 60 rows, found 59"):
        require_room(CONFIG, NullConfig(impostors=(str(tmp_path / "short.npz"),)), room_of(60))
    with pytest.raises(DataError, match=r"absent\.npz"):
        require_room(CONFIG, NullConfig(impostors=(str(tmp_path / "absent.npz"),)), room_of(60))


@pytest.mark.parametrize("missing", [np.nan, 1e20])
def test_a_missing_value_of_an_impostor_is_to_be_filled_since_no_row_can_be_dropped(missing, tmp_path):
    np.savez(tmp_path / "gap.npz", y=np.r_[np.arange(59.0), missing])
    with pytest.raises(DataError, match=r"missing.*; fill them, or leave this recording out: rows are matched by num"):
        require_room(CONFIG, NullConfig(impostors=(str(tmp_path / "gap.npz"),)), room_of(60))


def test_impostors_are_refused_beside_covariates(tmp_path):
    np.savez(tmp_path / "other.npz", X=np.eye(60, 2), y=np.arange(60.0))
    room = room_of(60, covariates=np.arange(60.0)[:, None])
    with pytest.raises(ConfigError, match="found covariates; take another kind"):
        require_room(CONFIG, NullConfig(impostors=(str(tmp_path / "other.npz"),)), room)
