"""Searches one after the other, each begun before the one before it is finished."""

from contextlib import closing

import pytest

from regsearch.search.execution import end_of, overlapped


@pytest.fixture
def happened():
    return []


@pytest.fixture
def search(happened):
    """Return a search that notes when its first trials are asked for, when all are logged, and when it ends."""

    def stages(name):
        try:
            happened.append(f"{name} begins")
            yield
            happened.append(f"{name} is logged")
            yield
            happened.append(f"{name} ends")
        except GeneratorExit:
            happened.append(f"{name} is given up")
            raise
        return name, 0

    return stages


def test_a_search_begins_before_the_last_stage_of_the_one_before(search, happened):
    every = overlapped(map(search, "abc"), lambda at: happened.append(f"announced {at}"))
    assert [end_of(stages) for stages in every] == [("a", 0), ("b", 0), ("c", 0)]
    assert happened == [
        "a begins",
        *("announced 0", "a is logged", "b begins", "a ends"),
        *("announced 1", "b is logged", "c begins", "b ends"),
        *("announced 2", "c is logged", "c ends"),
    ]


def test_a_search_that_has_begun_is_given_up_if_no_more_are_wanted(search, happened):
    with closing(overlapped(map(search, "abc"), lambda _: None)) as every:
        end_of(next(every))
    assert happened == ["a begins", "a is logged", "b begins", "a ends", "b is given up"]


def test_no_search_is_none(search):
    assert list(overlapped([], lambda _: None)) == []
