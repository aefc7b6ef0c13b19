"""The loop of a search: ask, solve, log, tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from itertools import groupby

from regsearch.errors import MORE_MEMORY, TrialError
from regsearch.search.proposals.studies import FamilyStudy
from regsearch.search.solving.evaluate import Failure, Solved
from regsearch.search.solving.local_engines import Submit
from regsearch.search.trial import Proposal

Log = Callable[[Proposal, Solved | Failure], None]


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
    told: Callable[[], object] = lambda: None,
) -> None:
    """Run every study to its end.

    The families take turns: while one family's batch is being solved, another's is logged here and told to Optuna.
    Only this thread asks, logs and tells.  It tells a batch in the order of its trials once all of them are logged, so
    that the proposals do not depend on where and in which order paths were solved.  A grid's proposals depend on
    nothing, so each path of a grid is told when it is logged.

    Parameters
    ----------
    studies : iterable of FamilyStudy
    submit : callable
        Has a path of proposals evaluated in order, and returns the future of their outcomes.
    log : callable
        Records the outcome of a trial; called from this thread.
    logged : set of (family, number)
        Trials whose runs are already finished; grows as trials are logged.
    meanwhile : callable
        Called while the first batches are being solved.
    told : callable
        Called after a batch, or a path of a grid, was told, and the next batch was given to the solver.

    Raises
    ------
    TrialError
        If a trial raised.
    """
    pending: dict[Future[list[Solved | Failure]], tuple[_Batch, list[Proposal]]] = {}

    def ask(study: FamilyStudy) -> None:
        batch = _Batch(study, study.ask(numbers_of(logged, study.family)))
        for path in paths(batch.proposals):
            pending[submit(path)] = (batch, path)

    for study in studies:
        ask(study)
    if pending:
        meanwhile()
    while pending:
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            batch, path = pending.pop(future)
            for proposal, outcome in zip(path, future.result(), strict=False):
                log(proposal, outcome)
                if isinstance(outcome, Failure):
                    raise TrialError(f"{proposal.family} trial {proposal.number}: {_cause(outcome)}")
                logged.add((proposal.family, proposal.number))
                batch.values[proposal.number] = outcome.evaluation.r2_validation
            is_whole = len(batch.values) == len(batch.proposals)
            due = path if batch.study.is_grid else batch.proposals if is_whole else []
            for proposal in sorted(due, key=lambda proposal: proposal.number):
                if not proposal.told:
                    batch.study.tell(proposal.number, batch.values[proposal.number])
            if is_whole:
                ask(batch.study)
            if due:
                told()


def _cause(failure: Failure) -> str:
    last = failure.traceback.strip().splitlines()[-1]
    return f"{last}; {MORE_MEMORY}" if "MemoryError" in last.partition(":")[0] else last


def numbers_of(logged: Iterable[tuple[str, int]], family: str) -> set[int]:
    """Return the trial numbers of one family."""
    return {number for of, number in logged if of == family}


def paths(proposals: Iterable[Proposal]) -> list[list[Proposal]]:
    """Group proposals into paths: the same L2 strength, from the strongest L1 strength to the weakest.

    Without an L1 strength all proposals are one path, from the strongest L2 strength to the weakest.
    """

    def row(proposal: Proposal) -> float:
        return proposal.penalty.row

    ordered = sorted(proposals, key=lambda proposal: (-row(proposal), -proposal.penalty.l1, -proposal.penalty.l2))
    return [list(path) for _, path in groupby(ordered, key=row)]
