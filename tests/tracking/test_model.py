import numpy as np
import pytest

from regsearch.errors import ModelRejectedError
from regsearch.tracking.model import linear_model, load, save

COEF = np.array([1.0, 0.0, -2.5])
X = np.random.default_rng(0).standard_normal((5, 3))


def test_the_model_is_a_plain_estimator_that_predicts():
    np.testing.assert_allclose(linear_model(COEF, 0.5, ()).predict(X), X @ COEF + 0.5, rtol=1e-12)


@pytest.mark.parametrize("names", [(), ("a", "b", "c")])
@pytest.mark.parametrize("intercept", [0.5, np.float64(0.5)])
def test_what_was_saved_is_read_back_bit_for_bit(names, intercept, tmp_path):
    sha256 = save(linear_model(COEF, intercept, names), np.dtype("float32"), tmp_path / "model")
    loaded = load(tmp_path / "model", sha256)
    assert loaded.coef_.tobytes() == COEF.tobytes()
    assert loaded.intercept_ == 0.5
    assert tuple(getattr(loaded, "feature_names_in_", ())) == names


def test_without_the_checksum_that_was_registered_nothing_is_read(tmp_path):
    save(linear_model(COEF, 0.5, ()), np.dtype("float32"), tmp_path / "model")
    with pytest.raises(ModelRejectedError, match="not the file that was registered"):
        load(tmp_path / "model", None)
    with pytest.raises(ModelRejectedError, match="MLmodel file cannot be read"):
        load(tmp_path / "nothing", None)
