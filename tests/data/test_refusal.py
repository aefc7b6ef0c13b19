"""What is refused is named so that it can be told from its neighbours."""

import datetime
from decimal import Decimal

import numpy as np
import pytest

from regsearch.data.refusal import require_present, short
from regsearch.errors import DataError

LONG = "processing/behavior/BehavioralTimeSeries/"


def test_paths_are_shown_whole_and_the_nearest_is_told_by_its_end():
    names = [f"{LONG}{name}/{kind}" for name in ("speed", "pupil", "lick") for kind in ("data", "timestamps")]
    with pytest.raises(DataError) as caught:
        require_present(f"{LONG}sped/data", names, "array", "name one")
    assert f"expected the array '{LONG}sped/data', found 6 other(s); the nearest is '{LONG}speed/data'" in str(
        caught.value
    )


def test_of_many_names_none_of_which_is_near_the_first_are_shown():
    with pytest.raises(DataError, match=r"found 7 other\(s\): 'u0', 'u1', 'u2', …; name one"):
        require_present("y", [f"u{number}" for number in range(7)], "column", "name one")


def test_a_very_long_text_keeps_its_beginning_and_its_end():
    shown = short("begin/" + "x" * 500 + "/end")
    assert shown.startswith("'begin/")
    assert shown.endswith("/end'")
    assert len(shown) <= 125
    assert len(short("\0" * 500)) <= 140


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (datetime.timedelta(hours=3), "3:00:00"),
        (Decimal("1.50"), "1.50"),
        (np.int64(7), "7"),
        ("2024", "'2024'"),
        (1.5, "1.5"),
        (None, "None"),
        (np.float64(1.5), "1.5"),
        (np.str_("a"), "'a'"),
        ([datetime.date(2024, 1, 2), "2024"], "[2024-01-02, '2024']"),
        ({"since": (datetime.date(2024, 1, 2),)}, "{'since': (2024-01-02,)}"),
        (np.eye(2), r"[[1. 0.]\n [0. 1.]]"),
    ],
)
def test_a_value_is_shown_as_people_write_it(value, said):
    assert short(value) == said
