"""Every target, real or not, gets the score of the same choice: that of a plain loop over scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge

from regsearch.data import Annotations, Recording, Split, seal
from regsearch.search.chance.statistic import NullTask, candidates, narrowed_development, real_target, rows_of
from regsearch.search.config import SearchConfig
from regsearch.search.solving.evaluate import Evaluator, Task
from regsearch.search.strengths import maxima_of

FAMILIES = """
name = "chance"
tolerance = 1e-10
{select}

[families.ridge]
alpha = {{ low = 0.01, high = 100, points = 5 }}

[families.lasso]
alpha = {{ {span} }}
trials = 6

[families.elasticnet]
l1_alpha = [0.001, 0.01]
l2_alpha = [0.1, 10]
"""


def config(*, relative=False, select="best"):
    span = 'low = 0.02, high = 1, of = "max"' if relative else "low = 0.001, high = 0.1"
    return SearchConfig.from_toml(FAMILIES.format(select=f'select = "{select}"', span=span))


def development(split, shape, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(shape) * rng.uniform(0.5, 20, shape[1])
    y = X[:, :3] @ rng.standard_normal(3) / 10 + rng.standard_normal(shape[0])
    return seal(Recording.checked(X, y, source="test"), split)[0]


HOLDOUT = Split.holdout([(30, 90)], (0, 28), (90, 120))
FOLDS = Split.blocked([(0, 60), (65, 100)], 4, 2, (103, 120))


def by_hand(rows, y, wanted, maxima):
    """Return the best pooled R² over the grid, by scikit-learn."""
    places = rows_of(rows)
    scores = []
    for proposal in candidates(wanted, maxima, len(rows.model.y)):
        errors = deviations = 0.0
        for fold in rows.folds:
            train, validation = (y[np.searchsorted(places, part.index)] for part in (fold.train, fold.validation))
            X, held = np.asarray(fold.train.X[:, :]), np.asarray(fold.validation.X[:, :])
            mean = X.mean(axis=0)
            norm = np.linalg.norm(X - mean, axis=0)
            penalty = proposal.penalty.on(len(X), instead_of=len(rows.model.y))
            if penalty.l1:
                model = ElasticNet(penalty.sklearn_alpha, l1_ratio=penalty.l1_ratio, tol=1e-12, max_iter=10**6)
            else:
                model = Ridge(penalty.l2 * len(X), solver="svd") if penalty.l2 else LinearRegression()
            predicted = model.fit((X - mean) / norm, train).predict((held - mean) / norm)
            centre = validation.mean() if len(rows.folds) == 1 else train.mean()
            errors += np.sum((validation - predicted) ** 2)
            deviations += np.sum((validation - centre) ** 2)
        scores.append(1 - errors / deviations)
    return max(scores)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("shape", [(120, 150), (120, 20)], ids=["wide", "tall"])
@pytest.mark.parametrize("split", [HOLDOUT, FOLDS], ids=["holdout", "folds"])
def test_scores_are_those_of_a_plain_loop_over_scikit_learn(split, shape, relative):
    rows, wanted = development(split, shape), config(relative=relative)
    rows = narrowed_development(rows, np.setdiff1d(np.arange(120), [3, 40, 41, 70]))
    maxima = maxima_of(rows) if relative else None
    rng = np.random.default_rng(1)
    targets = np.column_stack([real_target(rows), rng.standard_normal((len(rows_of(rows)), 2))])
    found = NullTask(Task(rows, wanted.tolerance), wanted, maxima).solver()(targets)
    for y, score in zip(targets.T, found, strict=True):
        own = maxima
        if relative:
            centred = rows.model.X[:, :] - np.mean(rows.model.X[:, :], axis=0)
            of_model = y[np.searchsorted(rows_of(rows), rows.model.index)]
            products = (centred / np.linalg.norm(centred, axis=0)).T @ (of_model - of_model.mean())
            own = type(maxima)(
                np.abs(products).max() / len(of_model),
                maxima.l1_low,
                maxima.l2_max,
                maxima.l2_low,
                maxima.l2_low_beside_l1,
            )
        assert score == pytest.approx(by_hand(rows, y, wanted, own), abs=1e-7)


@pytest.mark.parametrize("select", ["best", "one-se", "one-se-paired", {"at_most": 5}])
@pytest.mark.parametrize("split", [HOLDOUT, FOLDS], ids=["holdout", "folds"])
def test_the_choice_is_that_of_a_search_on_the_same_grid(split, select):
    from regsearch.search.trial import Trial
    from regsearch.search.winner import winner

    rows, wanted = development(split, (120, 40)), config().updated(select=select)
    proposals = candidates(wanted, None, len(rows.model.y))
    solved = Evaluator(Task(rows, wanted.tolerance))(proposals)
    trials = [
        Trial(proposal.family, proposal.number, proposal.parameters, proposal.penalty, one.evaluation.metrics(), "")
        for proposal, one in zip(proposals, solved, strict=True)
    ]
    chosen = winner(
        trials, wanted.tolerance, wanted.select, lambda trial: np.array(solved[trial.number].evaluation.losses)
    )
    (score,) = NullTask(Task(rows, wanted.tolerance), wanted).solver()(real_target(rows)[:, None])
    assert score == pytest.approx(chosen.r2_validation, abs=1e-8)


@pytest.mark.parametrize("split", [HOLDOUT, FOLDS], ids=["holdout", "folds"])
def test_a_target_for_which_no_candidate_is_sparse_enough_has_the_score_of_no_features(split):
    rng = np.random.default_rng(0)
    X, light = rng.standard_normal((120, 40)), rng.standard_normal((120, 1))
    y = 10 * X[:, 0] + 3 * light[:, 0]
    recording = Recording.checked(X, y, source="test", annotations=Annotations(covariates=light))
    rows, _ = seal(recording, split)
    wanted = SearchConfig.from_values(
        {"name": "x", "select": {"at_most": 3}, "tolerance": 1e-10, "families": {"lasso": {"alpha": [0.005]}}}, "test"
    )
    places = rows_of(rows)
    null = 3 * light[places, 0] + rng.standard_normal(len(places))
    real, found = NullTask(Task(rows, wanted.tolerance), wanted).solver()(np.column_stack([y[places], null]))
    assert real > 0.99
    errors = deviations = 0.0
    for fold in rows.folds:
        train, validation = (null[np.searchsorted(places, part.index)] for part in (fold.train, fold.validation))
        predicted = LinearRegression().fit(fold.train.covariates, train).predict(fold.validation.covariates)
        centre = validation.mean() if len(rows.folds) == 1 else train.mean()
        errors += np.sum((validation - predicted) ** 2)
        deviations += np.sum((validation - centre) ** 2)
    assert found == pytest.approx(1 - errors / deviations, abs=1e-8)


def test_scores_do_not_depend_on_which_targets_are_scored_together():
    rows, wanted = development(FOLDS, (120, 150)), config()
    targets = np.random.default_rng(2).standard_normal((len(rows_of(rows)), 5))
    task = NullTask(Task(rows, wanted.tolerance), wanted)
    together = task.solver()(targets)
    one_by_one = task.solver()
    assert [one_by_one(targets[:, [place]])[0] for place in (4, 2, 0, 1, 3)] == [together[i] for i in (4, 2, 0, 1, 3)]
