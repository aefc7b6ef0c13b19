"""The records that MLflow keeps of a search and of its trials."""

from __future__ import annotations

import math

from regsearch.data import Development
from regsearch.search.config import SearchConfig
from regsearch.search.output import mlflow_text
from regsearch.search.output.views import views
from regsearch.search.solving.evaluate import Failure, Solved
from regsearch.search.strengths import Maxima
from regsearch.search.trial import Proposal
from regsearch.tracking.records import SearchRecord, TrialRecord


def search_record(
    config: SearchConfig, search_id: str, development: Development, maxima: Maxima | None = None
) -> SearchRecord:
    """Return the record of a search that starts."""
    rows = {f"rows_{part}": shown for part, shown in development.split.shown.items()}
    relative = maxima.params() if maxima else {}
    score = {"score": "pooled"} if len(development.folds) > 1 else {}
    return SearchRecord(
        search_id=search_id,
        name=f"search {search_id}",
        description=mlflow_text.opening(config, development),
        about=mlflow_text.EXPERIMENT,
        views=views(config, search_id),
        data_sha256=development.data_sha256,
        source=development.source,
        shape=(len(development.model.y), development.n_features),
        params={"sampler": config.sampler, "seed": str(config.seed), **rows, **score, **relative},
    )


def trial_record(
    proposal: Proposal, outcome: Solved | Failure, tolerance: float, maxima: Maxima | None = None
) -> TrialRecord:
    """Return the record of a trial, with both forms of its penalty; a trial that raised has no metrics."""
    penalty = proposal.penalty
    both = {} if proposal.family == "none" else {"l1_ratio": penalty.l1_ratio, "sklearn_alpha": penalty.sklearn_alpha}
    sortable = {f"log10_{name}": math.log10(value) for name, value in proposal.parameters.items()}
    if maxima:
        sortable |= maxima.fractions(proposal.family, proposal.parameters)
    solved = outcome if isinstance(outcome, Solved) else None
    return TrialRecord(
        family=proposal.family,
        number=proposal.number,
        params={**proposal.parameters, **both},
        metrics={**solved.evaluation.metrics(), **sortable} if solved else {},
        name=proposal.name,
        description=f"{proposal.name}. {mlflow_text.UNITS}",
        certified=solved is not None and solved.evaluation.duality_gap <= tolerance,
    )
