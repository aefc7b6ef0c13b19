"""The loop: ask, solve, log, tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from itertools import groupby

from regsearch.errors import TrialError
from regsearch.search.penalty import Family
from regsearch.search.proposals.studies import FamilyStudy, Proposal
from regsearch.search.solving.evaluate import Failure, Solved
from regsearch.search.solving.local import Submit

Log = Callable[[Family, Proposal, Solved | Failure], None]


@dataclass(eq=False)
class _Batch:
    study: FamilyStudy
    proposals: list[Proposal]
    values: dict[int, float] = field(default_factory=dict)


def drive(
    studies: Iterable[FamilyStudy],
    submit: Submit,
    log: Log,
    logged: set[tuple[str, int]],
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Run every study to its end.

    The families take turns: while one's batch is being solved, another's is logged here and told.  Only this thread
    asks, logs and tells.  A batch is told in the order of its trials once all of them are logged, so that nothing
    depends on where and in which order its paths were solved; of a grid, on which nothing depends, each path is told
    when it is logged.

    Parameters
    ----------
    studies : iterable of FamilyStudy
    submit : callable
        Has a path of trials of a family evaluated, in order, and returns its future.
    log : callable
        Records the outcome of a trial; runs here.
    logged : set of (family, number)
        Trials whose runs are already finished; grows as trials are logged.
    meanwhile : callable
        What to do while the first batches are being solved.

    Raises
    ------
    TrialError
        If a trial raised.
    """
    pending: dict[Future[list[Solved | Failure]], tuple[_Batch, list[Proposal]]] = {}

    def ask(study: FamilyStudy) -> None:
        batch = _Batch(study, study.ask({number for family, number in logged if family == study.family}))
        for path in paths(batch.proposals):
            future = submit(study.family, [proposal.parameters for proposal in path])
            pending[future] = (batch, path)

    for study in studies:
        ask(study)
    if pending:
        meanwhile()
    while pending:
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            batch, path = pending.pop(future)
            family = batch.study.family
            for proposal, outcome in zip(path, future.result(), strict=False):
                log(family, proposal, outcome)
                if isinstance(outcome, Failure):
                    raise TrialError(f"{family} trial {proposal.number}: {outcome.traceback.strip().splitlines()[-1]}")
                logged.add((family, proposal.number))
                batch.values[proposal.number] = outcome.evaluation.r2_validation
            is_whole = len(batch.values) == len(batch.proposals)
            due = path if batch.study.is_grid else batch.proposals if is_whole else []
            for proposal in sorted(due, key=lambda proposal: proposal.number):
                if not proposal.told:
                    batch.study.tell(proposal.number, batch.values[proposal.number])
            if is_whole:
                ask(batch.study)


def paths(proposals: Iterable[Proposal]) -> list[list[Proposal]]:
    """Group proposals into paths: the same L2 strength, from the strongest L1 strength to the weakest."""

    def row(proposal: Proposal) -> float:
        return proposal.parameters.get("l2_alpha", 0.0)

    def strength(proposal: Proposal) -> float:
        return proposal.parameters.get("l1_alpha", proposal.parameters.get("alpha", 0.0))

    ordered = sorted(proposals, key=lambda proposal: (-row(proposal), -strength(proposal)))
    return [list(path) for _, path in groupby(ordered, key=row)]
