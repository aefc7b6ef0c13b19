"""Whether a winner is what its run says: its score and its certificate, computed anew from the data at hand.

Whoever may write to a tracking server can change the numbers and the files of a run.  A promotion has the data, so it
believes neither.
"""

from __future__ import annotations

import math

from regsearch.errors import PromotionRefusedError
from regsearch.search.result import Search
from regsearch.search.solvers.certificate import certificate
from regsearch.search.solving.evaluate import Evaluator, Failure, Task
from regsearch.search.solving.predictions import predict
from regsearch.search.solving.scores import r2_score
from regsearch.search.strengths import design_of
from regsearch.search.trial import Proposal

_LARGEST_DIFFERENCE = 1e-6
"""Largest difference of two R² that rounding error explains."""


def require_agreement(search: Search) -> None:
    """Refuse a winner whose weights do not give what was logged of it.

    For a holdout, the score and the certificate come from the weights in the winner's run.  The models of the folds are
    not kept, so with folds the winner is solved again.

    Raises
    ------
    PromotionRefusedError
        If the score differs, or the weights are not certified.
    """
    winner = search.winner
    r2_validation = _score(search)
    if not abs(r2_validation - winner.r2_validation) <= _LARGEST_DIFFERENCE * max(1.0, abs(winner.r2_validation)):
        raise _refusal(
            search, f"R² validation {winner.r2_validation:.6g} was logged, and the data give {r2_validation:.6g}"
        )
    gap = _gap(search)
    if not gap <= search.config.tolerance:
        raise _refusal(search, f"its weights are not the solution for its penalty (duality gap {gap:.2g})")


def _score(search: Search) -> float:
    development, winner, weights = search.development, search.winner, search.weights
    if len(development.folds) == 1:
        rows = development.folds[0].validation
        return r2_score(rows.y, predict(rows, weights), rows.weights)
    proposal = Proposal(winner.family, winner.number, winner.parameters, search.penalty_of_the_winner)
    (outcome,) = Evaluator(Task(development, search.config.tolerance, search.run.score))([proposal])
    return math.nan if isinstance(outcome, Failure) else outcome.evaluation.r2_validation


def _gap(search: Search) -> float:
    model, weights = search.development.model, search.weights
    if weights.coef.shape != (model.X.shape[1],):
        return math.inf
    design = design_of(model, search.development.preparation.scale)
    return certificate(design, weights.coef * design.scale, design.inner(search.penalty_of_the_winner))


def _refusal(search: Search, found: str) -> PromotionRefusedError:
    return PromotionRefusedError(
        f"{search.winner.name}, run {search.winner.run_id}: {found}; the run was changed after it was logged: delete "
        "it in MLflow, and the same `regsearch run` solves the trial again"
    )
