import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet, Lasso, Ridge
from sklearn.metrics import r2_score as sklearn_r2
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut
from sklearn.preprocessing import StandardScaler

from regsearch import SearchConfig
from regsearch.data import Recording, Split, from_arrays, seal
from regsearch.search.config import DataConfig
from regsearch.search.penalty import Penalty, penalty_of
from regsearch.search.rows import cut
from regsearch.search.solvers.path import RegularizationPath
from regsearch.search.solving.evaluate import Evaluator, Failure, Task
from regsearch.search.trial import Proposal
from tests.search.reference import make_tutorial_reference as reference

PUBLISHED = json.loads(Path(reference.__file__).with_name("tutorial_reference.json").read_text())


def proposal(family, parameters, development):
    return Proposal(family, 0, parameters, penalty_of(family, parameters, len(development.model.y)))


def test_every_trial_of_the_tutorial_agrees_with_scikit_learns_own_normalisation():
    X, y = reference.recording()
    assert reference.digest(X, y) == PUBLISHED["sha256"]
    first, second = reference.N_TRAIN, reference.N_TRAIN + reference.N_VALIDATION
    recording = Recording.checked(X, y, source="mine")
    development, _ = seal(recording, Split.holdout([(0, first)], (first, second), (second, len(y))))
    evaluator = Evaluator(Task(development, 1e-12))
    assert len(PUBLISHED["trials"]) == 1 + 5 + 5 + 25
    for trial in PUBLISHED["trials"]:
        strengths = {name: value for name, value in trial.items() if name.endswith("alpha")}
        (solved,) = evaluator([proposal(trial["family"], strengths, development)])
        assert solved.evaluation.r2_train == pytest.approx(trial["r2_train"], abs=1e-6)
        assert solved.evaluation.r2_validation == pytest.approx(trial["r2_validation"], abs=1e-6)


def test_the_tutorials_cross_validation_is_reproduced():
    X, y = reference.recording()
    recording = Recording.checked(
        np.vstack([X, X[:20]])[:, reference.NARROW], np.concatenate([y, y[:20]]), source="mine"
    )
    development, _ = seal(recording, Split.blocked([(0, 250)], 5, 0, (250, 270)))
    (solved,) = Evaluator(Task(development, 1e-6))([proposal("none", {}, development)])
    published = PUBLISHED["cross_validated"]
    expected = list(zip(published["r2_train"], published["r2_validation"], strict=True))
    np.testing.assert_allclose(solved.evaluation.folds, expected, atol=1e-8)
    (first_version,) = Evaluator(Task(development, 1e-6, "mean"))([proposal("none", {}, development)])
    assert first_version.evaluation.r2_validation == pytest.approx(np.mean(published["r2_validation"]))


def test_an_evaluation_describes_the_weights_it_is_of(sealed):
    development, _ = sealed
    (solved,) = Evaluator(Task(development, 1e-9))([proposal("lasso", {"alpha": 0.01}, development)])
    coef, evaluation, (fold,) = solved.fit.coef, solved.evaluation, development.folds
    assert 0 < np.count_nonzero(coef) < len(coef)
    assert evaluation.n_nonzero == np.count_nonzero(coef)
    assert evaluation.sparsity == pytest.approx(np.mean(coef == 0))
    assert evaluation.l1_norm == pytest.approx(np.abs(coef).sum())
    assert evaluation.l2_norm == pytest.approx(np.sqrt(np.sum(coef**2)))
    for rows, score in ((fold.train, evaluation.r2_train), (fold.validation, evaluation.r2_validation)):
        assert score == pytest.approx(sklearn_r2(rows.y, rows.X @ coef + solved.fit.intercept), rel=1e-10)


def test_a_trial_that_raises_ends_the_path_with_its_traceback(sealed):
    development, _ = sealed
    path = [Proposal("lasso", number, {}, Penalty(l1, 0.0)) for number, l1 in enumerate((0.1, "0.1", 0.2))]
    outcomes = Evaluator(Task(development, 1e-6))(path)
    assert len(outcomes) == 2
    assert isinstance(outcomes[1], Failure)
    assert "TypeError" in outcomes[1].traceback


def folds(X, y, n_folds, n_test=20):
    n_rows = len(y) - n_test
    recording = Recording.checked(X, y, source="mine")
    return seal(recording, Split.blocked([(0, n_rows)], n_folds, 0, (n_rows, len(y))))[0]


def uneven(seed=0, n_rows=120, n_features=30):
    """Return rows in whose second fold of five the target hardly varies."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features))
    y = X[:, :3] @ [3.0, -2.0, 1.0] + 0.3 * rng.standard_normal(n_rows)
    X[20:40] *= 0.1
    y[20:40] *= 0.01
    return X, y


def test_the_pooled_score_is_one_minus_the_error_over_the_deviations_from_the_training_means():
    X, y = uneven()
    development = folds(X, y, 5)
    (solved,) = Evaluator(Task(development, 1e-10))([proposal("ridge", {"alpha": 0.3}, development)])
    errors, deviations = [], []
    for train, validation in KFold(5).split(X[:100]):
        scaler = StandardScaler().fit(X[train])
        unit = np.sqrt(len(train))  # columns of unit norm
        ridge = Ridge(0.3).fit(scaler.transform(X[train]) / unit, y[train])
        predicted = ridge.predict(scaler.transform(X[validation]) / unit)
        errors.append(np.sum((y[validation] - predicted) ** 2))
        deviations.append(np.sum((y[validation] - y[train].mean()) ** 2))
    evaluation = solved.evaluation
    assert evaluation.r2_validation == pytest.approx(1 - sum(errors) / sum(deviations), rel=1e-9)
    assert evaluation.losses == pytest.approx(np.array(errors) / sum(deviations), rel=1e-9)


def test_the_standard_error_of_the_pooled_score_is_about_how_much_it_varies():
    scores, errors = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((220, 3))
        development = folds(X, X.sum(axis=1) + rng.standard_normal(220), 10)
        (solved,) = Evaluator(Task(development, 1e-10))([proposal("ridge", {"alpha": 0.1}, development)])
        scores.append(solved.evaluation.r2_validation)
        errors.append(solved.evaluation.r2_validation_se)
    assert np.mean(errors) == pytest.approx(np.std(scores), rel=0.3)


@pytest.mark.parametrize("factor", [1e95, 1e-95])
def test_the_standard_error_is_the_same_in_every_unit(factor):
    X, y = uneven()
    errors = []
    for target in (y, factor * y):
        development = folds(X, target, 5)
        (solved,) = Evaluator(Task(development, 1e-10))([proposal("ridge", {"alpha": 0.3}, development)])
        errors.append(solved.evaluation.r2_validation_se)
    assert errors[1] == pytest.approx(errors[0], rel=1e-9)


def test_one_fold_of_low_variance_does_not_decide_the_pooled_score():
    development = folds(*uneven(), 5)
    path = [proposal("ridge", {"alpha": 0.3}, development)]
    (pooled,) = Evaluator(Task(development, 1e-10))(path)
    (mean,) = Evaluator(Task(development, 1e-10, "mean"))(path)
    np.testing.assert_allclose(pooled.evaluation.folds, mean.evaluation.folds)
    assert min(validation for _, validation in pooled.evaluation.folds) < -1
    assert pooled.evaluation.r2_validation > 0.8
    assert mean.evaluation.r2_validation < 0


def test_a_model_that_knows_only_the_mean_of_its_training_rows_scores_zero():
    development = folds(*uneven(), 4)
    (empty,) = Evaluator(Task(development, 1e-10))([proposal("lasso", {"alpha": 1e6}, development)])
    assert empty.evaluation.n_nonzero == 0
    assert empty.evaluation.r2_validation == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("family", ["ridge", "lasso", "elasticnet"])
def test_the_same_penalty_shrinks_as_much_on_every_row_given_twice(family):
    X, y = uneven()
    once = penalty_of(family, {"alpha": 0.05, "l1_alpha": 0.05, "l2_alpha": 0.4}, len(y))
    (fit,) = RegularizationPath(X, y, tolerance=1e-12).solve([once])
    doubled = RegularizationPath(np.vstack([X, X]), np.concatenate([y, y]), tolerance=1e-12)
    (twice,) = doubled.solve([once.on(2 * len(y), instead_of=len(y))])
    assert np.count_nonzero(fit.coef) > 2
    np.testing.assert_allclose(twice.coef, fit.coef, rtol=1e-6, atol=1e-9)


def test_the_losses_of_a_holdout_are_those_of_ten_blocks_and_make_its_score(sealed):
    development, _ = sealed
    (solved,) = Evaluator(Task(development, 1e-9))([proposal("lasso", {"alpha": 0.01}, development)])
    assert len(solved.evaluation.losses) == 10
    assert 1 - sum(solved.evaluation.losses) == pytest.approx(solved.evaluation.r2_validation, abs=1e-12)


def test_r_is_the_mean_over_the_folds_and_a_model_without_weights_has_none():
    development = folds(*uneven(), 4)
    evaluator = Evaluator(Task(development, 1e-10))
    (solved,) = evaluator([proposal("lasso", {"alpha": 0.01}, development)])
    each = [
        np.corrcoef(fold.validation.y, values)[0, 1]
        for fold, values in zip(development.folds, solved.predicted, strict=True)
    ]
    assert solved.evaluation.r_validation == pytest.approx(np.mean(each), rel=1e-9)
    (empty,) = evaluator([proposal("lasso", {"alpha": 1e6}, development)])
    assert empty.evaluation.r_validation == 0


def test_a_feature_is_counted_in_each_fold_whose_model_uses_it():
    X, y = uneven()
    development = folds(X, y, 5)
    (solved,) = Evaluator(Task(development, 1e-10))([proposal("lasso", {"alpha": 0.005}, development)])
    counts = np.zeros(X.shape[1], dtype=int)
    for fold in development.folds:
        penalty = penalty_of("lasso", {"alpha": 0.005}, len(development.model.y))
        path = RegularizationPath(fold.train.X, fold.train.y, tolerance=1e-10)
        (fit,) = path.solve([penalty.on(path.n_rows, instead_of=len(development.model.y))])
        counts += fit.coef != 0
    np.testing.assert_array_equal(solved.selected, counts)
    assert {0, 5} < set(counts)


def rolled(X, groups, lags):
    """Return a table of each lag's columns side by side, and which rows have all of them."""
    blocks, has_past = [], np.ones(len(X), dtype=bool)
    for lag in lags:
        block = np.zeros_like(X)
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            block[rows] = np.roll(X[rows], lag, axis=0)
            has_past[rows[:lag] if lag > 0 else rows[len(rows) + lag :]] = False
        blocks.append(block)
    return np.hstack(blocks), has_past


class ByHand:
    """A fit by scikit-learn: weights by replicated rows, covariates by least squares, columns scaled by themselves."""

    def __init__(self, rows, weights, scale, penalty):
        X, y, covariates = (np.repeat(values, weights, axis=0) for values in rows)
        known = np.hstack([np.ones((len(y), 1)), covariates])
        freed = [values - known @ np.linalg.lstsq(known, values, rcond=None)[0] for values in (X, y)]
        n_rows, columns = len(y), StandardScaler(with_std=scale != "none").fit(freed[0])
        size = np.ones(X.shape[1]) if columns.scale_ is None else columns.scale_
        if scale == "unit-norm":
            size = size * np.sqrt(n_rows)
        alpha, options = penalty.l1 + penalty.l2, {"fit_intercept": False, "tol": 1e-12, "max_iter": 100_000}
        if penalty.l1 == 0:
            fit = Ridge(penalty.l2 * n_rows, fit_intercept=False)
        elif penalty.l2 == 0:
            fit = Lasso(penalty.l1, **options)
        else:
            fit = ElasticNet(alpha, l1_ratio=penalty.l1 / alpha, **options)
        self.coef = fit.fit(freed[0] / size, freed[1]).coef_ / size
        self.rest = np.linalg.lstsq(known, y - X @ self.coef, rcond=None)[0]
        self.mean = y.mean()

    def predict(self, X, covariates):
        return X @ self.coef + covariates @ self.rest[1:] + self.rest[0]


SPLITTERS = {
    "groups": ({"validation": {"groups": "each"}, "test": "none"}, LeaveOneGroupOut()),
    "dealt": ({"validation": {"groups": 2}, "test": "none"}, GroupKFold(2)),
    "blocks": ({"validation": {"folds": 3}, "test": "none", "share_groups": True}, KFold(3)),
}


@settings(max_examples=40)
@given(
    st.sampled_from(list(SPLITTERS)),
    st.sampled_from(["unit-norm", "standard", "none"]),
    st.sampled_from([(0,), (1, 0), (-1, 2)]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(
        [
            ("ridge", {"alpha": 0.7}),
            ("lasso", {"alpha": 0.02}),
            ("elasticnet", {"l1_alpha": 0.01, "l2_alpha": 0.3}),
        ]
    ),
    st.integers(0, 2**16),
)
def test_a_trial_is_what_scikit_learn_finds_on_rows_made_by_hand(kind, scale, lags, weighted, adjusted, family, seed):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(["a", "b", "c"], [22, 17, 13]))
    n_rows = len(groups)
    X = rng.standard_normal((n_rows, 4)) * [1, 3, 0.5, 2] + 5
    covariates = rng.standard_normal((n_rows, 2)) + X[:, :2]
    y = rng.standard_normal(n_rows) + X[:, 0] + covariates[:, 0] + 3
    weights = rng.integers(0, 3, n_rows) if weighted else np.ones(n_rows, int)
    split, splitter = SPLITTERS[kind]
    config = SearchConfig.load("own-data").model_copy(
        update={"data": DataConfig.model_validate({"lags": lags, "scale": scale, "split": split})}
    )
    known = {"weights": weights} if weighted else {}
    known |= {"covariates": covariates} if adjusted else {}
    recording = from_arrays(X, y, groups=groups, **known)
    ((development, _),) = cut(config, [recording])
    total = development.model.total_weight
    penalty = penalty_of(*family, total)
    (solved,) = Evaluator(Task(development, 1e-12))([Proposal(family[0], 0, family[1], penalty)])

    table, has_past = rolled(X, groups, lags)
    if not adjusted:
        covariates = np.empty((n_rows, 0))
    used = np.flatnonzero(has_past & (weights > 0))
    (X, y, covariates, weights, groups) = (part[used] for part in (table, y, covariates, weights, groups))
    sizes = np.unique(groups, return_counts=True)[1]
    assume(kind != "dealt" or len(set(sizes)) == len(sizes))  # GroupKFold takes groups of one size in any order
    sources = rolled(np.arange(n_rows)[:, None], recording.annotations.groups, lags)[0][used].T
    expected, losses, deviations = [], [], []
    for train, part in splitter.split(X, y, None if kind == "blocks" else groups):
        if kind == "blocks":  # no training row sees a validation row through its lags
            train = train[~np.isin(sources[:, train], used[part]).any(axis=0)]
        share = total / weights[train].sum() if scale == "unit-norm" else 1.0
        of_fold = Penalty(penalty.l1 * np.sqrt(share), penalty.l2 * share)
        fit = ByHand((X[train], y[train], covariates[train]), weights[train], scale, of_fold)
        predicted = fit.predict(X[part], covariates[part])
        scores = [
            sklearn_r2(y[rows], fit.predict(X[rows], covariates[rows]), sample_weight=weights[rows])
            for rows in (train, part)
        ]
        losses.append(weights[part] @ (y[part] - predicted) ** 2)
        deviations.append(weights[part] @ (y[part] - fit.mean) ** 2)
        repeated = np.repeat(np.c_[y[part], predicted], weights[part], axis=0)
        expected.append((frozenset(used[part]), *scores, np.corrcoef(repeated.T)[0, 1]))
    places = [frozenset(fold.validation.index.tolist()) for fold in development.folds]
    expected.sort(key=lambda one: places.index(one[0]))
    evaluation = solved.evaluation
    np.testing.assert_allclose(evaluation.folds, [one[1:3] for one in expected], rtol=1e-6, atol=1e-7)
    assert evaluation.r2_validation == pytest.approx(1 - sum(losses) / sum(deviations), abs=1e-7)
    assert evaluation.r_validation == pytest.approx(np.mean([one[3] for one in expected]), abs=1e-6)
    whole = ByHand((X, y, covariates), weights, scale, penalty)
    np.testing.assert_allclose(solved.fit.coef, whole.coef, atol=1e-6)
    np.testing.assert_allclose(solved.fit.covariate_coef, whole.rest[1:], atol=1e-6)
    assert solved.fit.intercept == pytest.approx(whole.rest[0], abs=1e-5)
