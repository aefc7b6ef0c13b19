"""Several targets on the same rows: what depends on the features alone is computed once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from regsearch.data import Development
from regsearch.search.penalty import Penalty
from regsearch.search.solving.evaluate import Evaluator, Failure, Solved, Task, illustrated
from regsearch.search.solving.scores import Score
from regsearch.search.trial import Proposal


class OfTarget(NamedTuple):
    """A path of one target.

    Attributes
    ----------
    target : int
        Place of the target among all.
    score : {"pooled", "mean"}
        How its folds make one score.
    proposals : sequence of Proposal
    """

    target: int
    score: Score
    proposals: Sequence[Proposal]


@dataclass(frozen=True, eq=False)
class TargetsTask:
    """What an engine needs to solve the trials of several searches that differ in their target alone.

    Parameters
    ----------
    developments : tuple of Development
        The rows of each target, with the same features.
    tolerance : float
        Relative duality gap that every fit must reach.
    is_drawn : bool
        Whether workers also draw the weights that they find.
    """

    developments: tuple[Development, ...]
    tolerance: float
    is_drawn: bool = True

    @property
    def development(self) -> Development:
        """The rows of the first target."""
        return self.developments[0]

    def task(self, work: OfTarget) -> Task:
        """Return the task that some work is part of."""
        return Task(self.developments[work.target], self.tolerance, work.score)

    def solver(self) -> Callable[[OfTarget], list[Solved | Failure]]:
        """Return what solves paths beside the driver."""
        return _Solver(self)

    def worker(self, processes: int = 1) -> Callable[[OfTarget], list[Solved | Failure]]:
        """Return what solves paths, and draws their weights so that the driver need not."""
        solver = _Solver(self, processes)
        return partial(_drawn, solver) if self.is_drawn else solver

    def check(self, work: OfTarget, result: object) -> None:
        """Refuse outcomes that no solver of these proposals can have."""
        self.task(work).check(work.proposals, result)

    def near(self, work: OfTarget) -> Penalty | None:
        """Return the penalty whose neighbours a solver should have solved to solve a path fast."""
        return work.proposals[0].penalty


class _Solver:
    """Solves the paths of one target after another; it keeps what it has solved of the latest one."""

    def __init__(self, task: TargetsTask, processes: int = 1) -> None:
        self._task = task
        self._shared = Evaluator(Task(task.development, task.tolerance), processes)
        self._of: tuple[int, Score] | None = None

    def __call__(self, work: OfTarget) -> list[Solved | Failure]:
        return self.evaluator(work)(work.proposals)

    def evaluator(self, work: OfTarget) -> Evaluator:
        """Return the evaluator of a path's target."""
        if self._of != (work.target, work.score):
            self._latest, self._of = self._shared.of(self._task.task(work)), (work.target, work.score)
        return self._latest


def _drawn(solver: _Solver, work: OfTarget) -> list[Solved | Failure]:
    return illustrated(solver.evaluator(work), work.proposals)
