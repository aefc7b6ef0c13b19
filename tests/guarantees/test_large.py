"""A recording that memory has no room for is searched as one that it has, and is never held in double precision."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import zarr

from benchmarks.control_group import control_group, within
from regsearch import SearchConfig, data, run_search
from tests import needs

pytestmark = pytest.mark.slow

CONFIG = """
name = "large"
[data]
source = "{source}"
[data.split]
train = [0, 120]
validation = {{ folds = 3 }}
test = [120, 160]
[families.ridge]
alpha = [1]
[families.lasso]
alpha = [0.01]
[families.elasticnet]
l1_alpha = [0.001]
l2_alpha = [1]
"""

FIT = """
import sys
from regsearch import data
from regsearch.data import Split
from regsearch.search.penalty import penalty_of
from regsearch.search.solving.evaluate import Evaluator, Task
from regsearch.search.trial import Proposal

development, sealed = data.seal(data.load(sys.argv[1]), Split.holdout([(0, 250)], (250, 275), (275, 300)))
evaluate = Evaluator(Task(development, 1e-6))
for family, alpha in {"ridge": 1.0, "lasso": 0.02}.items():
    penalty = penalty_of(family, {"alpha": alpha}, 250)
    (solved,) = evaluate([Proposal(family, 0, {"alpha": alpha}, penalty)])
    print(solved.evaluation.duality_gap)
"""


def test_the_same_values_make_the_same_search_wherever_they_lie(workspace, recording, monkeypatch):
    X, y = recording.X.astype(np.float32), recording.y
    np.savez("r.npz", X=X, y=y)
    (workspace / "folder").mkdir()
    np.save("folder/X.npy", X)
    np.save("folder/y.npy", y)
    group = zarr.create_group("r.zarr")
    group.create_array("X", data=X, chunks=(50, 30))
    group.create_array("y", data=y)

    def search(source, **where):
        config = SearchConfig.from_toml(CONFIG.format(source=source))
        store = workspace / f"{source}.mlruns"
        return run_search(
            config, tracking_uri=f"sqlite:///{store}/mlflow.db", storage=f"{source}.journal", progress=False, **where
        )

    expected = search("r.npz")
    monkeypatch.setattr(
        "regsearch.data.memory.memory_bytes", lambda: 100_000
    )  # of which a tenth is less than any part of it
    for source, workers in (("folder", 2), ("r.zarr", 1)):
        assert not data.fits_in_memory(4 * X[:120].size)
        found = search(source, workers=workers)
        assert found.search_id == expected.search_id
        columns = [name for name in expected.trials if name not in ("run_id", "fit_seconds")]
        pd.testing.assert_frame_equal(found.trials[columns], expected.trials[columns], rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(found.promotion.r2_test, expected.promotion.r2_test, rtol=1e-9)
        assert search(source, workers=workers).new_trials == 0


def test_a_recording_larger_than_memory_is_fitted(tmp_path):
    needs.control_groups()
    limit = 450_000_000
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (300, 400_000))
    assert limit < X.nbytes
    y = np.zeros(300)
    for start in range(0, 300, 100):
        X[start : start + 100] = rng.random((100, 400_000), dtype=np.float32)
        y[start : start + 100] = X[start : start + 100, :20].sum(axis=1)
    X.flush()
    del X
    np.save(tmp_path / "y.npy", y)
    with control_group(limit) as group:
        printed = subprocess.check_output(within(group, sys.executable, "-c", FIT, tmp_path), text=True)
    assert max(map(float, printed.split())) <= 1e-6
