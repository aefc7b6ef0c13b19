import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score as sklearn_r2
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from regsearch.data import Recording, Split, seal
from regsearch.search.penalty import Penalty, penalty_of
from regsearch.search.solvers.path import RegularizationPath
from regsearch.search.solving.evaluate import Evaluator, Failure, Task, pearson_r, r2_score
from regsearch.search.trial import Proposal
from tests.search.reference import make_tutorial_reference as reference

PUBLISHED = json.loads(Path(reference.__file__).with_name("tutorial_reference.json").read_text())


def proposal(family, parameters, development):
    return Proposal(family, 0, parameters, penalty_of(family, parameters, len(development.model.y)))


def test_r2_is_scikit_learns():
    rng = np.random.default_rng(0)
    true, predicted = rng.standard_normal(50), rng.standard_normal(50)
    assert r2_score(true, predicted) == pytest.approx(sklearn_r2(true, predicted), rel=1e-13)


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


def test_pearson_s_r_is_numpy_s_and_zero_for_predictions_that_do_not_vary():
    rng = np.random.default_rng(0)
    true, predicted = rng.standard_normal(50), 3 - rng.standard_normal(50)
    assert pearson_r(true, predicted) == pytest.approx(np.corrcoef(true, predicted)[0, 1], rel=1e-12)
    assert pearson_r(true, 1e6 + 2 * true) == pytest.approx(1, abs=1e-9)
    assert pearson_r(true, np.full(50, 0.1)) == 0


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
