import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution

from regsearch.search.output.importance import strength_importance
from regsearch.search.proposals.optuna_storage import open_storage
from regsearch.search.proposals.samplers import distributions
from regsearch.tracking.sqlite_file import home

SPACE = {"l1_alpha": FloatDistribution(0.001, 0.1, log=True), "l2_alpha": FloatDistribution(0.01, 100, log=True)}


def grid(side):
    """Return every mix of two strengths."""
    l1, l2 = np.meshgrid(np.geomspace(0.001, 0.1, side), np.geomspace(0.01, 100, side))
    return {"l1_alpha": l1.ravel(), "l2_alpha": l2.ravel()}


@pytest.mark.parametrize(
    ("score", "l1_share"),
    [
        (lambda l1, l2: l1 + l2, (0.4, 0.6)),
        (lambda l1, l2: l1 + 0 * l2, (0.99, 1.0)),
        (lambda l1, l2: 0 * l1 + l2, (0.0, 0.01)),
        (lambda l1, l2: l1 + l2 / 1000, (0.9, 1.0)),
    ],
    ids=["both alike", "L1 alone", "L2 alone", "L2 hardly"],
)
def test_a_strength_has_the_share_by_which_it_decides_what_is_best(score, l1_share):
    mixes = grid(8)
    l1, l2 = np.log10(mixes["l1_alpha"]) + 2, np.log10(mixes["l2_alpha"]) / 2  # both from -1 to 1
    shares = strength_importance(SPACE, mixes, 2 + score(l1, l2))
    assert sum(shares.values()) == pytest.approx(1)
    assert l1_share[0] <= shares["l1_alpha"] <= l1_share[1]


def test_how_useless_a_useless_model_is_does_not_count():
    mixes = grid(5)
    score = np.log10(mixes["l1_alpha"]) + 2.5
    hopeless = np.where(score < 0, -1e7 * mixes["l2_alpha"], score)
    assert strength_importance(SPACE, mixes, hopeless) == strength_importance(SPACE, mixes, np.maximum(score, 0))


def test_nothing_is_said_where_there_is_nothing_to_explain():
    mixes = grid(3)
    assert strength_importance(SPACE, mixes, -np.arange(1.0, 10)) is None
    assert strength_importance(SPACE, {**mixes, "l2_alpha": np.ones(9)}, np.arange(9.0)) is None
    assert strength_importance({}, {"alpha": np.arange(1.0, 10)}, np.arange(9.0)) is None


def test_the_shares_are_those_that_optuna_s_dashboard_shows_of_the_study(small_config, result):
    study = optuna.load_study(study_name=f"small/{result.search_id}/elasticnet", storage=open_storage(None, home()))
    trials = result.trials.query("family == 'elasticnet'")
    space = distributions(small_config.families.elasticnet)
    strengths = {name: trials[name].to_numpy() for name in space}
    shares = strength_importance(space, strengths, trials["r2_validation"].to_numpy())
    assert shares == pytest.approx(optuna.importance.get_param_importances(study))
