"""One configuration and seed make one table of trials, wherever and in whatever order they are solved."""

import os
import random
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Timer

import numpy as np
import pytest

from regsearch import SearchConfig, run_search
from regsearch.search.solving.evaluate import Evaluator
from tests.conftest import everywhere
from tests.guarantees.conftest import assert_complete, one_ridge

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("place", "workers"), [("embedded", 3), ("servers", 2)], indirect=["place"])
def test_any_number_of_workers_makes_the_same_table(workers, killed, undisturbed):
    config = SearchConfig.load("killed.toml")
    assert_complete(run_search(config, workers=workers, progress=False), undisturbed)


@pytest.mark.parametrize("seed", range(2))
def test_any_order_of_completion_makes_the_same_table(seed, killed, undisturbed, monkeypatch):
    chance = random.Random(seed)

    @contextmanager
    def disorderly(task):
        def submit(proposals):
            outcome = Evaluator(task)(proposals)
            future = Future()
            Timer(chance.uniform(0, 0.3), future.set_result, [outcome]).start()
            return future

        yield submit

    monkeypatch.setattr("regsearch.search.running.thread", disorderly)
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)


@everywhere
def test_a_finished_search_is_recalled_without_reading_its_data(completed, undisturbed, monkeypatch):
    config, first = SearchConfig.load("killed.toml"), completed
    with monkeypatch.context() as patch:
        patch.setattr("regsearch.search.launch.read_rows", lambda config: pytest.fail("the data were read"))
        again = run_search(config, progress=False)
    assert again.new_trials == 0
    assert again.promotion == first.promotion
    assert_complete(again, undisturbed)


def test_a_finished_search_is_not_recalled_for_data_that_may_have_changed(killed, recording):
    config = one_ridge()
    first = run_search(config, progress=False)
    os.utime("recording.npz")
    touched = run_search(config, progress=False)
    assert (touched.search_id, touched.new_trials) == (first.search_id, 0)
    np.savez("recording.npz", X=recording.X * 2, y=recording.y)
    other = run_search(config, progress=False)
    assert other.search_id != first.search_id
    assert other.new_trials == 2
