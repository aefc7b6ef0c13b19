import numpy as np

from regsearch.search.weights import Weights


def test_weights_of_the_first_version_make_a_table_without_folds():
    made = Weights(np.array([0.5, 0.0, -2.0]), 1.0, ()).table()
    assert made.to_dict("list") == {"feature": [2, 0, 1], "coefficient": [-2.0, 0.5, 0.0]}
