import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import r2_score as sklearn_r2

from regsearch.data import Recording, Split, seal
from regsearch.search.penalty import Penalty, penalty_of
from regsearch.search.solving.evaluate import Evaluator, Failure, r2_score
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
    evaluator = Evaluator(development, tolerance=1e-12)
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
    (solved,) = Evaluator(development, tolerance=1e-6)([proposal("none", {}, development)])
    published = PUBLISHED["cross_validated"]
    expected = list(zip(published["r2_train"], published["r2_validation"], strict=True))
    np.testing.assert_allclose(solved.evaluation.folds, expected, atol=1e-8)
    assert solved.evaluation.r2_validation == pytest.approx(np.mean(published["r2_validation"]))


def test_an_evaluation_describes_the_weights_it_is_of(sealed):
    development, _ = sealed
    (solved,) = Evaluator(development, 1e-9)([proposal("lasso", {"alpha": 0.01}, development)])
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
    outcomes = Evaluator(development, 1e-6)(path)
    assert len(outcomes) == 2
    assert isinstance(outcomes[1], Failure)
    assert "TypeError" in outcomes[1].traceback
