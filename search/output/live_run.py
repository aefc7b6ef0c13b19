"""How far a search is, in the search's run in MLflow, while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from regsearch.search.output.parent_run import STORY_OF
from regsearch.tracking.records import TrialRecord
from regsearch.tracking.runs import SearchRun

TRIALS_DONE, BEST_SO_FAR = "trials_done", "best_r2_validation_so_far"
"""Metrics of a search's run.  Their steps are numbers of trials, so that an interruption leaves no trace in them."""

_EVERY_SECONDS = 1.0


class LiveRun:
    """Counts the finished trials of a search, and shows in its run how many they are and how good the best is.

    Parameters
    ----------
    run : SearchRun
    describe : callable
        Returns the run's description by the number of trials done and the best certified trial so far.
    done : iterable of TrialRecord
        Trials that were finished before.
    every : float
        Least seconds between two requests to the store.
    """

    def __init__(
        self,
        run: SearchRun,
        describe: Callable[[int, TrialRecord | None], str],
        done: Iterable[TrialRecord],
        *,
        every: float = _EVERY_SECONDS,
    ) -> None:
        self._run = run
        self._describe = describe
        self._every = every
        self._done: set[tuple[str, int]] = set()
        self._best: TrialRecord | None = None
        self._shown = int(run.run.data.metrics.get(TRIALS_DONE, 0))
        self._at = time.monotonic()
        for record in done:
            self.count(record)

    def count(self, record: TrialRecord) -> None:
        """Count a trial whose run is finished."""
        self._done.add((record.family, record.number))
        if record.certified and (self._best is None or _score(record) > _score(self._best)):
            self._best = record

    def show(self, *, at_once: bool = False) -> None:
        """Add a point to the curves, if there are more trials than at the last one and that is long enough ago.

        If the store does not take it, nothing is lost: the next trial's run tells whether the store is gone.
        """
        done, now = len(self._done), time.monotonic()
        if done <= self._shown or not (at_once or now - self._at >= self._every):
            return
        best = {BEST_SO_FAR: _score(self._best)} if self._best else {}
        tags = {MLFLOW_RUN_NOTE: self._describe(done, self._best), STORY_OF: ""}
        with suppress(MlflowException):
            self._run.report(done, {TRIALS_DONE: done, **best}, tags)
        self._shown, self._at = done, now


def _score(record: TrialRecord) -> float:
    return record.metrics["r2_validation"]
