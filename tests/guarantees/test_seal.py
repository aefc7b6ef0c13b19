"""The test rows cannot be read during a search, and what is computed comes from the training rows alone."""

import numpy as np
import pandas as pd
import pytest

from regsearch import SearchConfig, run_search
from regsearch.data import Split, seal, seal_targets
from regsearch.data.seal import SealedTest
from regsearch.search.solvers.design import normalise
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store
from tests.conftest import everywhere

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("undrawn")]


class Explosive:
    """An object that raises at any touch."""

    def __getattribute__(self, name):
        raise AssertionError(f"the test rows were touched: {name}")

    def __array__(self, *_args, **_kwargs):
        raise AssertionError("the test rows were touched")


def test_a_search_whose_test_rows_cannot_be_touched_is_the_same_search(killed, undisturbed, monkeypatch):
    untouchable = []

    def sealing(recordings, split, preparation):
        untouchable.append(SealedTest(Explosive()))
        ((development, _),) = seal_targets(recordings, split, preparation)
        return [(development, untouchable[-1])]

    monkeypatch.setattr("regsearch.data.seal_targets", sealing)
    result = run_search(SearchConfig.load("killed.toml"), promote=False, progress=False)
    assert untouchable
    columns = [name for name in undisturbed.trials if name not in ("run_id", "fit_seconds")]
    pd.testing.assert_frame_equal(result.trials[columns], undisturbed.trials[columns], rtol=1e-7, atol=1e-9)
    assert (result.best["family"], result.best["trial"]) == undisturbed.winner


@everywhere
def test_no_test_row_is_written_anywhere_during_a_search(killed, place, recording, request):
    marked = recording.X.copy()
    marked[120:160] = 123456.789
    y = recording.y.copy()
    y[120:160] = np.linspace(98765.25, 98766.25, 40)
    np.savez(killed / "recording.npz", X=marked, y=y)
    run_search(SearchConfig.load("killed.toml"), promote=False, progress=False)
    folder = killed / "mlruns" if place.is_embedded else place.artifacts
    written = {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    if not place.is_embedded:
        postgresql = request.getfixturevalue("postgresql")
        written |= {name: postgresql.dump(name) for name in ("mlflow", "optuna")}
    for needle in (np.float64(123456.789).tobytes(), np.float64(98765.25).tobytes(), b"98765.25", b"123456.789"):
        for where, content in written.items():
            assert needle not in content, where


@everywhere
def test_the_opening_is_recorded_on_the_parent_with_when_for_whom_and_the_score(completed):
    result = completed
    parent = SearchRun.find(open_store(), result.search_id).run
    assert parent.data.tags["test_opened_for"] == result.best["run_id"]
    assert parent.data.tags["test_opened_at"].startswith("20")
    assert parent.data.metrics["best_r2_test"] == result.promotion.r2_test
    low, high = parent.data.metrics["best_r2_test_low"], parent.data.metrics["best_r2_test_high"]
    assert low < result.promotion.r2_test < high
    assert (result.promotion.r2_test_low, result.promotion.r2_test_high) == (low, high)


@pytest.mark.parametrize("rows", [(0, 40), (40, 120)])
def test_normalisation_comes_from_the_training_rows_alone(rows, recording):
    start, stop = rows
    development, _ = seal(recording, Split.holdout([rows], (125, 140), (140, 160)))
    design = normalise(development.model.X, development.model.y)
    X = recording.X[start:stop]
    np.testing.assert_allclose(design.mean, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(design.scale, np.sqrt(((X - X.mean(axis=0)) ** 2).sum(axis=0)), rtol=1e-12)
    assert design.target_mean == pytest.approx(recording.y[start:stop].mean())
