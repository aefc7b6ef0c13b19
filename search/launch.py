"""A whole search from its configuration: open what it needs, drive it, report it, promote its winner."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from importlib import import_module

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from regsearch.data import Development, Recording
from regsearch.errors import (
    ConfigError,
    EngineLostError,
    HeldError,
    PromotionRefusedError,
    SearchBusyError,
    SearchStoppedError,
)
from regsearch.search.config import SearchConfig
from regsearch.search.earlier import predecessor, recall, remember, request_of
from regsearch.search.output import search_figures, trial_files
from regsearch.search.output.progress import Progress, Shown
from regsearch.search.penalty import Family
from regsearch.search.promotion import promote_winner
from regsearch.search.proposals.samplers import require_sampler
from regsearch.search.proposals.storage import storage_at
from regsearch.search.proposals.studies import FamilyStudy, Proposal, open_studies
from regsearch.search.result import SearchResult, invitation
from regsearch.search.rows import read_rows
from regsearch.search.solving.evaluate import Failure, Solved
from regsearch.search.solving.local import Engine, processes, thread
from regsearch.search.solving.loop import drive
from regsearch.search.winner import remarks, winner
from regsearch.tracking.embedded import home
from regsearch.tracking.errors import reason
from regsearch.tracking.locks import Held
from regsearch.tracking.orphans import close_orphans
from regsearch.tracking.quiet import quiet
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import Store, is_there, open_store, storage_url

_MOMENT = 1.0  # seconds in which a database may not have noticed yet that a holder died


def run_search(
    config: SearchConfig,
    *,
    data: Recording | None = None,
    tracking_uri: str | None = None,
    storage: str | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    promote: bool = True,
    progress: Shown = True,
) -> SearchResult:
    """Run a search, take it up where it stopped, or return what it came to.

    Parameters
    ----------
    config : SearchConfig
    data : Recording or None
        What is searched instead of the configuration's source: see `regsearch.from_frame` and `regsearch.from_arrays`.
    tracking_uri : str or None
        MLflow's; ``None`` for ``MLFLOW_TRACKING_URI``, or else the database in ``mlruns``.
    storage : str or None
        Optuna's: a database URL or the path of a journal file; ``None`` for ``REGSEARCH_STORAGE``, or else the journal
        in ``mlruns``.
    workers : int or None
        Processes that solve; 1 or ``None`` for a thread of this one.  The trials are the same with any number.
    cluster : str or None
        The Dask cluster that solves instead: a scheduler's address, or ``local:4`` for one of four processes of this
        machine.  The trials are the same here too.
    promote : bool
        Whether the winner is scored on the test rows, registered and made champion.
    progress : bool or "trials"
        Whether to say on standard error how far it is, or by ``"trials"`` a line for every one.

    Returns
    -------
    SearchResult

    Raises
    ------
    ConfigError
        If the sampler or the cluster cannot be used; nothing has been written then.
    data.DataError, tracking.store.StoreError
        If the data or the store cannot be used; nothing has been written then.
    search.driver.TrialError
        If a trial raised; the same call resumes the search.
    SearchStoppedError
        If a store, the disk or a worker failed on the way; the same call resumes the search.
    SearchBusyError
        If another process is running it.
    """
    connected = _engine(workers, cluster)
    config = config.of(data) if data else config
    request = request_of(config, data, promote=promote)
    store = open_store(tracking_uri, storage) if request and is_there(tracking_uri) else None
    if request and store:
        known = recall(store, config, request, promote=promote)
        if known is not None:
            _close_orphans(store, progress)
            return known
    require_sampler(config)
    if not data:
        _say(f"reading {config.data.source} …", progress)
    development, sealed = read_rows(config, data, progress=bool(progress))
    search_id = config.search_id(development.data_sha256)
    store = store or open_store(tracking_uri, storage)
    _close_orphans(store, progress)
    with (
        _alone(store, search_id) as held,
        _resumable(),
        connected as engine,
        storage_at(storage_url(storage), home(), store.locks) as opened,
    ):
        earlier = predecessor(store, config, development.data_sha256)
        if earlier:
            _say(str(earlier), progress)
        studies = open_studies(config, search_id, opened)
        run = SearchRun.start(store, config.name, search_figures.search_record(config, search_id, development))
        if earlier:
            run.annotate(tags={"differs_from": earlier.search_id})
        with run.running(held.confirm):
            run.write({"config.toml": config.to_toml().encode()})
            if kept := run.keep_environment():
                _say(kept, progress)
            new_trials = _drive(config, studies, run, held, development, engine, promote=promote, progress=progress)
            trials = run.trials()
            best = winner(trials, config.tolerance, config.select)
            if not search_figures.is_current(run, config, trials, best):
                _say("drawing the search …", progress)
                search_figures.summarise(run, config, development, trials, best)
        promotion, notes = None, remarks(trials, best, config)
        if promote:
            _say("promoting its winner …", progress)
            try:
                promotion = promote_winner(run, config, development, sealed)
            except PromotionRefusedError as refusal:
                notes.append(str(refusal))
        else:
            notes.append(invitation(search_id))
        if request and (promotion or not promote):
            remember(run, request)
    return SearchResult(search_id, run.run_id, trials, best, new_trials, promotion, tuple(notes))


def _engine(workers: int | None, cluster: str | None) -> AbstractContextManager[Engine]:
    if cluster is None:
        return nullcontext(thread if workers in (None, 1) else processes(workers))
    if workers is not None:
        raise ConfigError("--workers and --cluster exclude each other; a cluster has workers of its own")
    try:
        from regsearch.search.solving.dask import connect
    except ImportError as error:
        raise ConfigError(
            f"--cluster {cluster}: needs {error.name}, which is not installed; pip install 'regsearch[cluster]'"
        ) from error
    return connect(cluster)


def _close_orphans(store: Store, progress: Shown) -> None:
    for closed in close_orphans(store):
        _say(f"search {closed} had been stopped by the death of its process; its runs are closed", progress)


def _say(line: str, progress: Shown) -> None:
    if progress:
        print(line, file=sys.stderr, flush=True)


@contextmanager
def _alone(store: Store, search_id: str) -> Iterator[Held]:
    """Hold the search's lock, which is let go of if this process dies."""
    with ExitStack() as stack:
        try:
            held = stack.enter_context(store.locks.hold(search_id, _MOMENT))
        except HeldError as error:
            raise SearchBusyError(
                f"search {search_id} is being run by {error.who}; wait for it to end, or stop it first"
            ) from error
        yield held


@contextmanager
def _resumable() -> Iterator[None]:
    """Say of what failed outside of the search itself that the search can be resumed."""
    try:
        with quiet("mlflow.store", level=logging.CRITICAL):  # or MLflow prints the traceback of what is said below
            yield
    except EngineLostError as error:
        raise SearchStoppedError(f"{error}; what was logged is kept, and the same command resumes") from error
    except (MlflowException, SQLAlchemyError, StorageInternalError, OSError) as error:
        raise SearchStoppedError(
            f"stopped by {reason(error)}; what was logged is kept, and the same command resumes once that is mended"
        ) from error


def _drive(
    config: SearchConfig,
    studies: list[FamilyStudy],
    run: SearchRun,
    held: Held,
    development: Development,
    engine: Engine,
    *,
    promote: bool,
    progress: Shown,
) -> int:
    """Solve and log the trials that are missing, and return how many they were."""
    runs = run.trial_runs()
    logged = {key for key, trial in runs.items() if run.is_intact(trial)}
    already = len(logged)
    settled = sum(study.settled({number for family, number in logged if family == study.family}) for study in studies)
    with Progress(config.n_trials, settled, progress) as bar:
        recorder = _Recorder(run, held, runs, len(development.model.y), config.tolerance, bar)
        with engine(development, config.tolerance) as submit:
            ahead = partial(_import_what_ends_a_search, config, promote=promote)
            drive(studies, submit, recorder, logged, meanwhile=ahead)
        bar.finish()
    return len(logged) - already


def _import_what_ends_a_search(config: SearchConfig, *, promote: bool) -> None:
    """Spend on it the time in which nothing is solved yet: scikit-learn, for figures and model, takes two seconds."""
    for_figures = ["optuna.importance"] if "elasticnet" in config.families.searched else []
    for_the_model = ["mlflow.sklearn", "skops.io"] if promote else []
    for name in (*for_figures, *for_the_model):
        import_module(name)


class _Recorder:
    """Writes each trial's outcome into its run, the one an interruption left where there is one."""

    def __init__(
        self,
        run: SearchRun,
        held: Held,
        runs: Mapping[tuple[str, int], Run],
        n_rows: int,
        tolerance: float,
        bar: Progress,
    ) -> None:
        self._run = run
        self._held = held
        self._tolerance = tolerance
        self._left = {key: left.info.run_id for key, left in runs.items()}
        self._n_rows = n_rows
        self._bar = bar

    def __call__(self, family: Family, proposal: Proposal, outcome: Solved | Failure) -> None:
        self._held.confirm()
        left = self._left.get((family, proposal.number))
        if isinstance(outcome, Failure):
            record = search_figures.trial_record(family, proposal, self._n_rows, self._tolerance)
            self._run.fail_trial(record, outcome.traceback, left)
            return
        record = search_figures.trial_record(family, proposal, self._n_rows, self._tolerance, outcome)
        self._run.log_trial(record, trial_files.trial_files(record, outcome), left)
        self._bar.update(record)
