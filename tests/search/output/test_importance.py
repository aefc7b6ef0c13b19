import mlflow
import mlflow.sklearn
import numpy as np
import pytest

from regsearch.search.output.importance import strength_importance


def grid(side):
    """Return every mix of two strengths."""
    l1, l2 = np.meshgrid(np.geomspace(0.001, 0.1, side), np.geomspace(0.01, 100, side))
    return {"l1_alpha": l1.ravel(), "l2_alpha": l2.ravel()}


@pytest.mark.parametrize(
    ("score", "l1_share", "l2_share"),
    [
        (lambda l1, l2: l1 + l2, (0.4, 0.6), (0.4, 0.6)),
        (lambda l1, l2: l1 + 0 * l2, (0.95, 1.0), (0.0, 0.02)),
        (lambda l1, l2: 0 * l1 + l2**2, (0.0, 0.02), (0.95, 1.0)),
        (lambda l1, l2: l1 * l2, (0.0, 0.2), (0.0, 0.2)),
    ],
    ids=["both alike", "L1 alone", "L2 alone", "only together"],
)
def test_a_strength_has_the_share_of_the_variance_that_it_explains_alone(score, l1_share, l2_share):
    mixes = grid(8)
    l1, l2 = np.log10(mixes["l1_alpha"]) + 2, np.log10(mixes["l2_alpha"]) / 2  # both from -1 to 1
    shares = strength_importance(mixes, 2 + score(l1, l2))
    assert l1_share[0] <= shares["l1_alpha"] <= l1_share[1]
    assert l2_share[0] <= shares["l2_alpha"] <= l2_share[1]


def test_how_useless_a_useless_model_is_does_not_count():
    mixes = grid(5)
    score = np.log10(mixes["l1_alpha"]) + 2.5
    hopeless = np.where(score < 0, -1e7 * mixes["l2_alpha"], score)
    assert strength_importance(mixes, hopeless) == strength_importance(mixes, np.maximum(score, 0))


def test_the_same_trials_have_the_same_shares():
    mixes = grid(4)
    score = mixes["l1_alpha"] * mixes["l2_alpha"]
    assert strength_importance(mixes, score) == strength_importance(mixes, score)


def test_nothing_is_said_where_there_is_nothing_to_explain():
    mixes = grid(3)
    assert strength_importance(mixes, np.full(9, -0.1)) is None
    assert strength_importance({**mixes, "l2_alpha": np.ones(9)}, np.arange(9.0)) is None
    assert strength_importance({"alpha": np.arange(1.0, 10)}, np.arange(9.0)) is None


def test_nothing_is_logged_into_a_run_of_the_caller(workspace):
    mlflow.set_tracking_uri(f"sqlite:///{workspace}/mlruns/mlflow.db")
    mlflow.sklearn.autolog(silent=True)
    try:
        with mlflow.start_run() as run:
            strengths = grid(5)
            assert strength_importance(strengths, strengths["l1_alpha"] * 10) is not None
        kept = mlflow.get_run(run.info.run_id).data
    finally:
        mlflow.sklearn.autolog(disable=True)
        mlflow.set_tracking_uri(None)
    assert (kept.params, kept.metrics) == ({}, {})
