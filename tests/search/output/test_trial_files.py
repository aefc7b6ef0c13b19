import csv
import io

import numpy as np
import pandas as pd
import pytest

from regsearch import SearchConfig, from_frame, run_search
from regsearch.search.weights import read_weights
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store

NAMES = ["unit 0, left", "unit 1, left", "unit 2", "unit 3 @ lag 0", "unit 4"]


@pytest.fixture
def named(workspace):
    """Return the run and the result of a search in folds of a recording with names, two of whose features matter."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 5))
    y = 3 * X[:, 3] - X[:, 1] + 0.5 * rng.standard_normal(120)
    config = SearchConfig.from_toml(
        'name = "named"\n[data]\nsource = "x.npz"\n[data.split]\ntrain = [0, 100]\n'
        "validation = { folds = 4 }\ntest = [100, 120]\n[families.lasso]\nalpha = [0.05, 0.5]\n"
    )
    result = run_search(
        config, data=from_frame(pd.DataFrame(X, columns=NAMES).assign(speed=y), target="speed"), progress=False
    )
    return SearchRun.find(open_store(), result.search_id), result


def test_weights_are_kept_with_the_names_of_their_features_and_no_pickle(named):
    run, result = named
    with np.load(io.BytesIO(run.read(result.best["run_id"], "weights.npz")), allow_pickle=False) as archive:
        assert archive["feature_names"].tolist() == NAMES
        assert archive["selected"].tolist()[3] == 4


def test_the_winner_s_weights_are_a_table_with_the_largest_first(named):
    run, result = named
    rows = list(csv.DictReader(io.StringIO(run.read(result.run_id, "weights.csv").decode())))
    coef = read_weights(run, result.best["run_id"]).coef
    assert [row["feature"] for row in rows] == [NAMES[at] for at in np.argsort(-np.abs(coef))]
    assert [row["feature"] for row in rows[:2]] == [NAMES[3], NAMES[1]]
    assert [float(row["coefficient"]) for row in rows] == sorted(coef, key=abs, reverse=True)
    assert rows[0]["n_folds"] == "4"
