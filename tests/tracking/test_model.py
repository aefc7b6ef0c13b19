import hashlib
import importlib.metadata
import json
import zipfile

import mlflow
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score

from regsearch.errors import ModelRejectedError
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.path import RegularizationPath
from regsearch.tracking.estimator import Champion, fitted
from regsearch.tracking.model import load, save

COEF = np.array([1.0, 0.0, -2.5])
X = np.random.default_rng(0).standard_normal((5, 3)) * [1, 10, 0.1] + 4
PENALTIES = {"LinearRegression": (0, 0), "Ridge": (0, 0.02), "Lasso": (0.05, 0), "ElasticNet": (0.05, 0.04)}


def model_of(coef=COEF, intercept=0.5, names=(), l1=0.0, l2=0.0):
    return fitted(coef, intercept, [(X[:2], None), (X[2:], None)], strengths=(l1, l2), feature_names=names)


@pytest.mark.parametrize(("kind", "penalty"), PENALTIES.items())
@pytest.mark.parametrize("shape", [(80, 20), (60, 150)])
def test_the_estimator_predicts_the_solution_and_fitted_again_finds_it(kind, penalty, shape):
    rng = np.random.default_rng(1)
    X = rng.standard_normal(shape) * rng.uniform(0.5, 20, shape[1]) + rng.uniform(-50, 50, shape[1])
    X[:, 3] = 7  # a column that does not vary
    y = X[:, :6] @ rng.standard_normal(6) / 5 + rng.standard_normal(shape[0])
    fit = next(RegularizationPath(X, y, tolerance=1e-12).solve([Penalty(*penalty)]))
    strengths = penalty[0] * shape[0] ** 0.5, penalty[1] * shape[0]
    model = fitted(fit.coef, fit.intercept, [(X[:17], None), (X[17:], None)], strengths=strengths)
    assert type(model[-1]).__name__ == kind
    np.testing.assert_allclose(model.predict(X), X @ fit.coef + fit.intercept, rtol=1e-10, atol=1e-10)
    again = Champion(clone(model).fit(X, y).steps)
    np.testing.assert_allclose(again.coef_, fit.coef, atol=1e-7 * np.abs(fit.coef).max())
    assert again.intercept_ == pytest.approx(fit.intercept, rel=1e-6)
    assert np.isfinite(cross_val_score(model, X, y)).all()


@pytest.mark.parametrize(("kind", "penalty"), PENALTIES.items())
@pytest.mark.parametrize("scale", ["unit-norm", "standard", "none"])
def test_fitted_again_with_the_weights_of_its_rows_it_finds_the_same_on_every_scale(kind, penalty, scale):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((60, 8)) * rng.uniform(0.5, 3, 8) + 5
    y, weights = X[:, 0] - X[:, 2] + rng.standard_normal(60), rng.uniform(0.2, 4, 60)
    fit = next(RegularizationPath(X, y, tolerance=1e-12, scale=scale, weights=weights).solve([Penalty(*penalty)]))
    total = weights.sum() if scale == "unit-norm" else 1.0
    blocks = [(X[:17], weights[:17]), (X[17:], weights[17:])]
    strengths = penalty[0] * total**0.5, penalty[1] * total
    model = fitted(fit.coef, fit.intercept, blocks, strengths=strengths, is_scaled=scale != "none")
    assert type(model[-1]).__name__ == kind
    np.testing.assert_allclose(model.predict(X), X @ fit.coef + fit.intercept, rtol=1e-10, atol=1e-10)
    again = Champion(clone(model).fit(X, y, scale__sample_weight=weights, fit__sample_weight=weights).steps)
    np.testing.assert_allclose(again.coef_, fit.coef, atol=1e-6 * np.abs(fit.coef).max())
    assert again.intercept_ == pytest.approx(fit.intercept, rel=1e-6)


@pytest.mark.parametrize("constant", [0.1, 3.7, 1e8 + 8])
def test_a_constant_column_of_weighted_rows_is_scaled_by_one_without_a_warning(constant):
    for n_rows in range(5, 40):
        rng = np.random.default_rng(n_rows)
        X = np.column_stack([rng.standard_normal(n_rows), np.full(n_rows, constant)])
        rows = [(X, rng.uniform(0.1, 3, n_rows))]
        model = fitted(np.array([2.0, 0.0]), 1.0, rows, strengths=(1.0, 0.0))
        assert model[0].scale_[1] == 1
        np.testing.assert_allclose(model.predict(X), 2 * X[:, 0] + 1)


@pytest.mark.parametrize("names", [(), ("a", "b", "c")])
@pytest.mark.parametrize("intercept", [0.5, np.float64(0.5)])
@pytest.mark.parametrize("penalty", PENALTIES.values())
def test_what_was_saved_is_read_back_with_the_weights_in_the_units_of_the_columns(names, intercept, penalty, tmp_path):
    model = model_of(intercept=intercept, names=names, l1=penalty[0], l2=penalty[1])
    loaded = load(tmp_path / "model", save(model, tmp_path / "model"))
    np.testing.assert_allclose(loaded.coef_, COEF, rtol=1e-14)
    assert loaded.intercept_ == pytest.approx(0.5, rel=1e-12)
    assert tuple(getattr(loaded, "feature_names_in_", ())) == names
    given = pd.DataFrame(X, columns=names) if names else X
    assert loaded.predict(given).tobytes() == model.predict(given).tobytes()
    assert type(clone(loaded).fit(X, X[:, 0])[-1]) is type(model[-1])


def test_a_model_is_saved_without_a_word_in_an_environment_without_pip(tmp_path, monkeypatch, caplog):
    installed = importlib.metadata.version

    def version(name):
        if name == "pip":
            raise importlib.metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    save(model_of(), tmp_path / "model")
    assert not caplog.records
    assert "\n- pip\n" in (tmp_path / "model" / "conda.yaml").read_text()


def test_the_model_of_regsearch_0_1_is_read(tmp_path):
    plain = LinearRegression()
    plain.coef_, plain.intercept_, plain.n_features_in_ = COEF, 0.5, 3
    mlflow.sklearn.save_model(plain, tmp_path / "model", serialization_format="skops", pip_requirements=[])
    loaded = load(tmp_path / "model", hashlib.sha256((tmp_path / "model" / "model.skops").read_bytes()).hexdigest())
    assert loaded.coef_.tobytes() == COEF.tobytes()


TABLE = pd.DataFrame({"i": [1, 2, 300], "b": [True, False, True], "h": np.array([0.5, 1, 2], np.float16)})
TYPES = {
    "as it is": TABLE,
    "another order and more columns": TABLE.assign(z="text")[["z", "h", "b", "i"]],
    "nullable": TABLE.convert_dtypes().astype({"h": "Float32"}),
    "double": TABLE.astype(float),
    "single": TABLE.astype(np.float32),
    "small": TABLE.assign(b=TABLE["b"].astype(np.uint8), i=TABLE["i"].astype(np.int16)),
}


@pytest.mark.parametrize("given", TYPES.values(), ids=TYPES)
def test_a_table_is_taken_with_any_numeric_types(given, tmp_path):
    values = TABLE.astype(float).to_numpy()
    save(fitted(COEF, 0.5, [(values, None)], strengths=(0.1, 0), feature_names=("i", "b", "h")), tmp_path / "model")
    predicted = mlflow.pyfunc.load_model(tmp_path / "model").predict(given)
    np.testing.assert_allclose(predicted, values @ COEF + 0.5, rtol=1e-12)


def test_a_table_without_one_of_the_columns_is_refused(tmp_path):
    save(model_of(names=("a", "b", "c")), tmp_path / "model")
    with pytest.raises(mlflow.exceptions.MlflowException, match=r"missing inputs \['b'\]"):
        mlflow.pyfunc.load_model(tmp_path / "model").predict(pd.DataFrame(X[:, ::2], columns=["a", "c"]))


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool", "object"])
def test_an_array_is_taken_with_any_numeric_type(dtype, tmp_path):
    values = np.arange(9).reshape(3, 3).astype(dtype)
    save(model_of(), tmp_path / "model")
    predicted = mlflow.pyfunc.load_model(tmp_path / "model").predict(values)
    np.testing.assert_allclose(predicted, values.astype(float) @ COEF + 0.5, rtol=1e-5)


def test_without_the_checksum_that_was_registered_nothing_is_read(tmp_path):
    save(model_of(), tmp_path / "model")
    with pytest.raises(ModelRejectedError, match="not the file that was registered"):
        load(tmp_path / "model", None)
    with pytest.raises(ModelRejectedError, match="MLmodel file cannot be read"):
        load(tmp_path / "nothing", None)


def schema(text):
    def write(folder):
        with zipfile.ZipFile(folder / "model.skops", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("schema.json", text)

    return write


def many_entries(folder):
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        archive.writestr("schema.json", "{}")
        for number in range(70_000):
            archive.writestr(str(number), b"")


def wide(folder):
    """Keep what was saved, but for a header that declares more than any memory holds."""
    with zipfile.ZipFile(folder / "model.skops") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }"
    npy = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(117) + b"\n"
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, npy if name.endswith(".npy") else content)


def mlmodel(text):
    return lambda folder: (folder / "MLmodel").write_text(text)


HOSTILE = {
    "a deep schema": schema("[" * 10**6 + "]" * 10**6),
    "a deep schema of objects": schema('{"a":' * 10**5 + "1" + "}" * 10**5),
    "a large schema": schema(json.dumps(["x" * 1000] * 40_000)),
    "a schema of text": schema("no json"),
    "many entries": many_entries,
    "a wide array": wide,
    "aliases": mlmodel("a: &a [x, x]\nb: &b [*a, *a, *a]\nflavors: [*b, *b]\n"),
    "a deep MLmodel": mlmodel("[" * 10_000),
    "a large MLmodel": mlmodel("- x\n" * 10_000_000),
    "many nodes": mlmodel("- x\n" * 100_000),
    "brackets that do not close": mlmodel("flavors: {{{"),
    "no flavours": mlmodel("a: 1"),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_model_larger_or_deeper_than_ours_is_refused_in_one_line_before_memory_is_spent(make, tmp_path):
    import resource

    save(model_of(), tmp_path / "model")
    make(tmp_path / "model")
    sha256 = hashlib.sha256((tmp_path / "model" / "model.skops").read_bytes()).hexdigest()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelRejectedError) as refused:
        load(tmp_path / "model", sha256)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KB


def test_columns_may_have_brackets_in_their_names(tmp_path):
    names = tuple(f"[{number}, {number + 1})" for number in range(3))
    sha256 = save(model_of(names=names), tmp_path / "model")
    assert tuple(load(tmp_path / "model", sha256).feature_names_in_) == names
    assert skops.io.get_untrusted_types(file=tmp_path / "model" / "model.skops") == []
