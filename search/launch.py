"""A whole search from its configuration: open what it needs, drive it, report it, promote its winner."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
from filelock import FileLock, Timeout
from mlflow.entities import Run

from data import Development
from search import report
from search.config import SearchConfig
from search.driver import drive
from search.evaluate import Evaluator, Failure, Solved
from search.penalty import Family
from search.predecessor import predecessor
from search.progress import Progress, Shown
from search.promote import Promotion, PromotionRefusedError, promote_winner
from search.rows import read_rows
from search.select import edges, winner
from search.study import FamilyStudy, Proposal, open_storage, open_studies
from tracking.orphans import close_orphans
from tracking.runs import SearchRun
from tracking.store import Store, home, open_store


class SearchBusyError(RuntimeError):
    """Another process is running the same search."""


@dataclass(frozen=True, eq=False)
class SearchResult:
    """A finished search.

    Attributes
    ----------
    search_id : str
        Identity of the search: what decides its trials, and its data.
    run_id : str
        Of the MLflow parent run.
    trials : DataFrame
        One row per trial: family, trial, strengths, metrics, run id.
    best : Series
        The winning row.
    new_trials : int
        How many of the trials this call solved; the others were there already.
    promotion : Promotion or None
        ``None`` where promotion was not wanted or was refused.
    notes : tuple of str
        What a person should know: a winner at the edge of its range, a refused promotion.
    """

    search_id: str
    run_id: str
    trials: pd.DataFrame
    best: pd.Series
    new_trials: int
    promotion: Promotion | None
    notes: tuple[str, ...]


def run_search(
    config: SearchConfig,
    *,
    tracking_uri: str | None = None,
    storage: str | None = None,
    promote: bool = True,
    progress: Shown = True,
) -> SearchResult:
    """Run a search, or take it up where it stopped.

    Parameters
    ----------
    config : SearchConfig
    tracking_uri : str or None
        MLflow's; ``None`` for ``MLFLOW_TRACKING_URI``, or else the database in ``mlruns``.
    storage : str or None
        Optuna's: a database URL or the path of a journal file; ``None`` for the journal in ``mlruns``.
    promote : bool
        Whether the winner is scored on the test rows, registered and made champion.
    progress : bool or "trials"
        Whether to say on standard error how far it is, or by ``"trials"`` a line for every one.

    Returns
    -------
    SearchResult

    Raises
    ------
    data.DataError, tracking.store.StoreError
        If the data or the store cannot be used; nothing has been written then.
    search.driver.TrialError
        If a trial raised; the same call resumes the search.
    SearchBusyError
        If another process is running it.
    """
    if progress:
        print(f"reading {config.data.source} …", file=sys.stderr, flush=True)
    development, sealed = read_rows(config, progress=bool(progress))
    search_id = config.search_id(development.data_sha256)
    store = open_store(tracking_uri)
    for closed in close_orphans(store):
        if progress:
            print(f"search {closed} had been stopped by the death of its process; its runs are closed", file=sys.stderr)
    with _alone(store, search_id):
        earlier = predecessor(store, config, development.data_sha256)
        if earlier and progress:
            print(earlier, file=sys.stderr, flush=True)
        studies = open_studies(config, search_id, open_storage(storage, home()))
        run = SearchRun.start(store, config.name, report.search_record(config, search_id, development))
        if earlier:
            run.annotate(tags={"differs_from": earlier.search_id})
        with run.running():
            run.write({"config.toml": config.to_toml().encode()})
            new_trials = _drive(config, studies, run, development, progress=progress)
            trials = run.trials()
            best = winner(trials, config.tolerance, config.select)
            if not report.is_current(run, trials, best):
                report.summarise(run, config, development, trials, best)
        promotion, notes = None, edges(best, config)
        uncertified = int((trials["duality_gap"] > config.tolerance).sum())
        if uncertified:
            notes.append(f"{uncertified} trial(s) did not reach the duality gap {config.tolerance:g} and cannot win")
        if promote:
            try:
                promotion = promote_winner(run, config, development, sealed)
            except PromotionRefusedError as refusal:
                notes.append(str(refusal))
    return SearchResult(search_id, run.run_id, trials, best, new_trials, promotion, tuple(notes))


@contextmanager
def _alone(store: Store, search_id: str) -> Iterator[None]:
    """Hold the search's lock, which the system lets go of if this process dies."""
    lock = FileLock(store.lock_of(search_id), timeout=0)
    holder = store.lock_of(search_id).with_suffix(".holder")
    try:
        lock.acquire()
    except Timeout as error:
        raise SearchBusyError(
            f"search {search_id} is being run by {holder.read_text()}; wait for it to end, or stop it first"
        ) from error
    try:
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        lock.release()


def _drive(
    config: SearchConfig, studies: list[FamilyStudy], run: SearchRun, development: Development, *, progress: Shown
) -> int:
    """Solve and log the trials that are missing, and return how many they were."""
    evaluator = Evaluator(development, config.tolerance)
    runs = run.trial_runs()
    logged = {key for key, trial in runs.items() if trial.info.status == "FINISHED"}
    already = len(logged)
    with (
        Progress(config.n_trials, already, progress) as bar,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="solver") as executor,
    ):
        recorder = _Recorder(run, runs, len(development.model.y), config.tolerance, bar)
        try:
            drive(studies, evaluator, recorder, logged, executor)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    return len(logged) - already


class _Recorder:
    """Writes each trial's outcome into its run, the one an interruption left where there is one."""

    def __init__(
        self,
        run: SearchRun,
        runs: Mapping[tuple[str, int], Run],
        n_rows: int,
        tolerance: float,
        bar: Progress,
    ) -> None:
        self._run = run
        self._tolerance = tolerance
        self._left = {key: left.info.run_id for key, left in runs.items()}
        self._n_rows = n_rows
        self._bar = bar

    def __call__(self, family: Family, proposal: Proposal, outcome: Solved | Failure) -> None:
        left = self._left.get((family, proposal.number))
        if isinstance(outcome, Failure):
            record = report.trial_record(family, proposal, self._n_rows, self._tolerance)
            self._run.fail_trial(record, outcome.traceback, left)
            return
        record = report.trial_record(family, proposal, self._n_rows, self._tolerance, outcome)
        self._run.log_trial(record, report.trial_files(record, outcome), left)
        self._bar.update(record)
