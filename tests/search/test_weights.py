import numpy as np

from regsearch.search.weights import Weights


def test_weights_of_the_first_version_make_a_table_without_folds():
    made = Weights(np.array([0.5, 0.0, -2.0]), 1.0, ()).table()
    assert made.to_dict("list") == {"feature": [2, 0, 1], "coefficient": [-2.0, 0.5, 0.0]}


def test_the_table_knows_lags_and_covariates():
    weights = Weights(
        np.array([0.5, 0.0, -2.0, 1.0]), 1.0, (np.empty(0), np.empty(0)), np.array([2, 0, 1, 2]), np.array([3.0])
    )
    made = weights.table(["a", "b"], (0, 2), ["light"])
    assert list(made.columns) == ["feature", "lag", "coefficient", "n_folds", "penalised"]
    assert made.to_numpy().tolist() == [
        ["a", 2, -2.0, 1, True],
        ["b", 2, 1.0, 2, True],
        ["a", 0, 0.5, 2, True],
        ["b", 0, 0.0, 0, True],
        ["light", 0, 3.0, 2, False],
    ]
    unnamed = weights.table(lags=(0, 2))
    assert unnamed["feature"].tolist() == [0, 1, 0, 1, 0]
