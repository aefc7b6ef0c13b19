"""Columns that are made on demand are those that are held, and so is everything computed with them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regsearch.search.penalty import Penalty
from regsearch.search.solvers import columns as module
from regsearch.search.solvers.certificate import certificate
from regsearch.search.solvers.columns import SinglePrecision, gram_of_features, gram_of_rows
from regsearch.search.solvers.coordinate_descent import descend
from regsearch.search.solvers.design import normalise
from regsearch.search.solvers.path import RegularizationPath

shapes = st.tuples(st.integers(2, 40), st.integers(1, 60))
dtypes = st.sampled_from([np.float32, np.float64])
seeds = st.integers(0, 2**31)


def recording(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 4, shape[1]) + rng.choice([0, 5, 300], shape[1])
    X[:, rng.random(shape[1]) < 0.1] = 0.3
    return X.astype(dtype), rng.standard_normal(shape[0]) + X[:, 0] / np.abs(X[:, 0]).max()


def both(X, y):
    held, streamed = normalise(X, y), normalise(X, y, in_memory=False)
    assert isinstance(held.columns, np.ndarray)
    assert not isinstance(streamed.columns, np.ndarray)
    return held.columns, streamed.columns


@pytest.fixture(params=[7, 2**18], autouse=True)
def blocks_of(request, monkeypatch):
    """Cut the columns into one block, and into as many as possible."""
    monkeypatch.setattr(module, "_CACHED_VALUES", request.param)
    monkeypatch.setattr(module, "_PRODUCT_VALUES", request.param)


@given(shapes, dtypes, seeds, st.data())
def test_they_are_the_same_to_the_last_bit_however_they_are_picked(shape, dtype, seed, data):
    held, streamed = both(*recording(shape, dtype, seed))
    assert streamed.shape == held.shape
    np.testing.assert_array_equal(np.asarray(streamed), held)
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, shape[1])] * 2)))
    picked = np.array(data.draw(st.lists(st.integers(0, shape[1] - 1), min_size=1, max_size=9)))
    for features in (slice(start, stop), picked):
        np.testing.assert_array_equal(np.asarray(streamed[features]), held[features])
    np.testing.assert_array_equal(np.asarray(streamed[picked][1:]), held[picked][1:])
    np.testing.assert_array_equal(np.asarray(streamed, dtype=np.float32), held.astype(np.float32))


@given(shapes, dtypes, seeds)
def test_products_are_the_same_to_rounding(shape, dtype, seed):
    held, streamed = both(*recording(shape, dtype, seed))
    rng = np.random.default_rng(seed)
    vector, weights = rng.standard_normal(shape[0]), rng.standard_normal(shape[1])
    np.testing.assert_allclose(streamed @ vector, held @ vector, atol=1e-13 * np.linalg.norm(vector))
    np.testing.assert_allclose(weights @ streamed, weights @ held, atol=1e-13 * np.abs(weights).sum())
    picked = rng.integers(0, shape[1], 5)
    np.testing.assert_allclose(streamed[picked] @ vector, held[picked] @ vector, atol=1e-13 * np.linalg.norm(vector))
    for columns in (held, streamed):
        np.testing.assert_allclose(np.tril(gram_of_rows(columns)), np.tril(held.T @ held), atol=1e-12)
        np.testing.assert_allclose(np.tril(gram_of_features(columns)), np.tril(held @ held.T), atol=1e-12)


@settings(max_examples=60)
@given(
    shapes,
    dtypes,
    seeds,
    st.lists(st.tuples(st.sampled_from([0.0, 0.003, 0.1, 0.5]), st.sampled_from([0.0, 0.04, 1.0])), max_size=6),
)
def test_fits_and_their_certificates_are_the_same(shape, dtype, seed, points):
    X, y = recording(shape, dtype, seed)
    design = normalise(X, y)
    largest = np.abs(design.columns @ design.target).max() / len(y)
    penalties = [Penalty(share * largest, n_l2 / len(y)) for share, n_l2 in points]
    held, streamed = (RegularizationPath(X, y, in_memory=in_memory).solve(penalties) for in_memory in (True, False))
    for one, other in zip(held, streamed, strict=True):
        np.testing.assert_allclose(other.fitted, one.fitted, atol=1e-7 * np.std(y))
        assert abs(other.duality_gap - one.duality_gap) <= 1e-9


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_coordinate_descent_reaches_the_certificate_from_anywhere(in_memory, l2):
    X, y = recording((20, 300), np.float32, 0)
    design = normalise(X, y, in_memory=in_memory)
    largest = np.abs(design.columns @ design.target).max() / len(y)
    penalty = Penalty(0.02 * largest, l2)
    elsewhere = np.where(np.arange(300) < 10, 0.1, 0.0)
    for start in (np.zeros(300), elsewhere):
        assert certificate(design, descend(design, penalty, start, 1e-8), penalty) <= 1e-8
    assert not descend(design, Penalty(2 * largest, l2), elsewhere, 1e-8).any()


def test_coordinate_descent_copies_no_more_columns_than_memory_has_room_for(monkeypatch):
    X, y = recording((5, 300), np.float32, 0)
    design = normalise(X, y, in_memory=False)
    start = np.full(300, 0.1)
    monkeypatch.setattr("regsearch.search.solvers.coordinate_descent.fits_in_memory", lambda size: size < 8 * 300 * 5)
    np.testing.assert_array_equal(descend(design, Penalty(1e-6, 1.0), start, 1e-8), start)


@pytest.mark.parametrize("size", [0.0, 1e-300, 1.0, 1e300])
def test_products_of_single_precision_are_right_to_seven_digits_whatever_the_size_of_the_vector(size):
    held, _ = both(*recording((40, 60), np.float64, 0))
    rng, single = np.random.default_rng(1), SinglePrecision(held)
    vector, weights = size * rng.standard_normal(40), size * rng.standard_normal(60)
    found, expected = single.correlate(vector) / (size or 1.0), held @ vector / (size or 1.0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    found, expected = single.combine(weights) / (size or 1.0), weights @ held / (size or 1.0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
