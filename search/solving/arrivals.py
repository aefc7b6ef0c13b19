"""What a worker of a cluster sends back is looked at before it is logged: it may be faulty, or not one of ours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from regsearch.data import Development
from regsearch.errors import EngineLostError
from regsearch.search.solving.evaluate import Failure, Solved
from regsearch.search.trial import Proposal

_ROUNDING = 1e-9


def require_plausible(outcomes: object, proposals: Sequence[Proposal], development: Development) -> None:
    """Refuse outcomes that no solver of these proposals can have: the cost is that of reading the weights once.

    Scores are not computed anew; promotion does that for the winner, see `search.verification`.

    Parameters
    ----------
    outcomes : object
        What arrived for a path.
    proposals : sequence of Proposal
        The path.
    development : Development
        The rows that were sent.

    Raises
    ------
    EngineLostError
        If it is not a list of one outcome for each proposal (up to the first that failed), of the right shapes, with
        finite numbers and the penalty that was asked for.
    """
    if not isinstance(outcomes, list) or not all(isinstance(outcome, Solved | Failure) for outcome in outcomes):
        raise _refusal("something else than solved trials")
    failed = bool(outcomes) and isinstance(outcomes[-1], Failure)
    if len(outcomes) != len(proposals) and not (failed and len(outcomes) < len(proposals)):
        raise _refusal(f"{len(outcomes)} trials for {len(proposals)}")
    for proposal, outcome in zip(proposals, outcomes, strict=False):
        if isinstance(outcome, Solved) and (wrong := _what_is_wrong(outcome, proposal, development)):
            raise _refusal(f"{wrong} for {proposal.family} trial {proposal.number}")


def _what_is_wrong(solved: Solved, proposal: Proposal, development: Development) -> str | None:
    coef, evaluation = np.asarray(solved.fit.coef), solved.evaluation
    rows = [len(fold.validation.y) for fold in development.folds]
    if coef.shape != (development.n_features,) or [np.shape(part) for part in solved.predicted] != [(n,) for n in rows]:
        return "weights or predictions of another shape"
    numbers = np.array([solved.fit.intercept, evaluation.r2_validation], dtype=float)  # a fold's own R² may be infinite
    if not all(np.isfinite(part).all() for part in (coef, numbers, *solved.predicted)):
        return "numbers that are not finite"
    if solved.fit.penalty != proposal.penalty:
        return "another penalty"
    said, counted = (evaluation.n_nonzero, evaluation.l1_norm), (np.count_nonzero(coef), np.abs(coef).sum())
    if not np.allclose(said, counted, rtol=_ROUNDING) or not evaluation.duality_gap >= 0:
        return "metrics that the weights do not have"
    return None


def _refusal(found: str) -> EngineLostError:
    return EngineLostError(
        f"a worker of the cluster sent back {found}: use workers that you started yourself, from the same environment"
    )
