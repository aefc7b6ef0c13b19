"""The loop of a search whose trials become runs: it logs each outcome, and shows how far the search is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from mlflow.entities import Run

from regsearch.data import Development
from regsearch.search.config import SearchConfig
from regsearch.search.output import mlflow_text
from regsearch.search.output.live_run import LiveRun
from regsearch.search.output.progress import Progress
from regsearch.search.output.records import trial_record
from regsearch.search.output.trial_files import trial_files
from regsearch.search.proposals.studies import FamilyStudy
from regsearch.search.solving.evaluate import Failure, Solved
from regsearch.search.solving.local_engines import Submit
from regsearch.search.solving.loop import drive, numbers_of
from regsearch.search.strengths import Maxima
from regsearch.search.trial import Proposal
from regsearch.tracking.locks import Held
from regsearch.tracking.records import TrialRecord
from regsearch.tracking.runs import SearchRun, record_of


@dataclass(frozen=True, eq=False)
class Recorder:
    """Runs the loop, and writes each trial's outcome into a run: the one that an interruption left, if there is one.

    Attributes
    ----------
    run : SearchRun
    held : Held
        The search's lock, which is confirmed before anything is written.
    shown : Progress
    config : SearchConfig
    maxima : Maxima or None
        What relative strengths refer to.
    development : Development
    """

    run: SearchRun
    held: Held
    shown: Progress
    config: SearchConfig
    maxima: Maxima | None
    development: Development

    @cached_property
    def _left(self) -> dict[tuple[str, int], Run]:
        return self.run.trial_runs()

    def drive(self, studies: list[FamilyStudy], submit: Submit, *, most: int, meanwhile: Callable[[], object]) -> int:
        """Solve and log the missing trials, and return how many they were.

        Parameters
        ----------
        studies : list of FamilyStudy
        submit : callable
            Has a path of proposals evaluated; see `solving.loop.drive`.
        most : int
            Number of trials in all, at most.
        meanwhile : callable
            Called while the first batches are being solved.
        """
        logged = {key for key, trial in self._left.items() if self.run.is_intact(trial)}
        already = len(logged)
        settled = sum(study.settled(numbers_of(logged, study.family)) for study in studies)
        done = [record_of(key, self._left[key]) for key in sorted(logged)]
        live = LiveRun(self.run, self._description, done)

        def log(proposal: Proposal, outcome: Solved | Failure) -> None:
            if record := self._log(proposal, outcome):
                live.count(record)

        with self.shown.trials(most, settled, done):
            drive(studies, submit, log, logged, meanwhile, live.show)
            live.show(at_once=True)
            self.shown.complete()
        return len(logged) - already

    def _description(self, done: int, best: TrialRecord | None) -> str:
        said = mlflow_text.so_far(self.run.search_id, self.run.experiment_id, self.config, done, best)
        return f"{said}\n\n{mlflow_text.opening(self.config, self.development)}"

    def _log(self, proposal: Proposal, outcome: Solved | Failure) -> TrialRecord | None:
        """Write a trial's outcome, and return its record unless the trial raised."""
        self.held.confirm()
        left = self._left.get((proposal.family, proposal.number))
        run_id = left.info.run_id if left else None
        record = trial_record(proposal, outcome, self.config.tolerance, self.maxima)
        if isinstance(outcome, Failure):
            self.run.fail_trial(record, outcome.traceback, run_id)
            return None
        files = trial_files(record, outcome, self.development)
        run_id = self.run.log_trial(record, files, run_id)
        self.shown.count(record)
        return replace(record, run_id=run_id)
