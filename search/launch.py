"""A whole search from its configuration: open what it needs, run the loop, summarise it, promote its winner."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from importlib import import_module

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from regsearch.data import Recording
from regsearch.errors import (
    MORE_MEMORY,
    ConfigError,
    EngineLostError,
    HeldError,
    PromotionRefusedError,
    SearchBusyError,
    SearchStoppedError,
)
from regsearch.search.choice import choose
from regsearch.search.config import PRESETS, SearchConfig
from regsearch.search.earlier import predecessor, recall, remember, request_of
from regsearch.search.notes import invitation, notes
from regsearch.search.output.parent_run import describe, is_summarised, summarise
from regsearch.search.output.progress import Progress, progress_of
from regsearch.search.output.records import search_record, trial_record
from regsearch.search.output.trial_files import trial_files
from regsearch.search.promotion import promote_winner
from regsearch.search.proposals.optuna_storage import storage_at
from regsearch.search.proposals.samplers import require_sampler
from regsearch.search.proposals.studies import FamilyStudy, open_studies
from regsearch.search.result import Search, SearchResult
from regsearch.search.rows import read_rows
from regsearch.search.solving.evaluate import Failure, Solved, Task
from regsearch.search.solving.local_engines import Engine, Submit, processes, thread
from regsearch.search.solving.loop import drive, numbers_of
from regsearch.search.strengths import Maxima, absolute, maxima_of
from regsearch.search.trial import Proposal
from regsearch.tracking.errors import reason
from regsearch.tracking.locks import Held
from regsearch.tracking.orphans import close_orphans
from regsearch.tracking.quiet_mlflow import quiet
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.sqlite_file import home
from regsearch.tracking.store import Store, is_there, open_store, storage_url

_BUSY_SECONDS = 1.0
"""How long to wait for a search's lock: a database may need a moment to notice that its holder died."""


def run_search(
    config: SearchConfig | str,
    *,
    data: Recording | None = None,
    name: str | None = None,
    tracking_uri: str | None = None,
    storage: str | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    promote: bool = True,
    progress: bool | Progress = True,
) -> SearchResult:
    """Run a search, resume it, or return its result if it is complete.

    Parameters
    ----------
    config : SearchConfig or str
        A configuration, a preset's name (``"default"``, ``"tutorial"``), or the path of a TOML file.
    data : Recording or None
        Data to search instead of the configuration's source; see `regsearch.from_frame` and `regsearch.from_arrays`.
        With a preset's name, their rows are split by fractions.
    name : str or None
        Name of the experiment and the model (default: the configuration's).
    tracking_uri : str or None
        MLflow tracking URI (default: ``MLFLOW_TRACKING_URI``, else the database in ``mlruns``).
    storage : str or None
        Optuna storage: a database URL or the path of a journal file (default: ``REGSEARCH_STORAGE``, else the journal
        in ``mlruns``).
    workers : int or None
        Number of processes that solve (default: a thread of this process).  The trials are the same with any number.
    cluster : str or None
        Dask cluster that solves: the address of a scheduler, or ``local:4`` for four processes on this machine.  The
        trials are the same here, too.
    promote : bool
        Whether to score the winner on the test rows, register its model and make it champion.
    progress : bool or Progress
        Whether to show on standard error how far the search is; or the object that does, such as
        `search.output.progress.TrialLines`.

    Raises
    ------
    ConfigError
        If the configuration, its sampler or the cluster's address cannot be used.
    DataError
        If the recording or its split cannot be used.
    StoreError
        If the tracking store cannot be used.
    SearchBusyError
        If another process is running the same search.
    SearchStoppedError
        If a store, the disk or a worker failed on the way.
    TrialError
        If a trial raised.
    """
    shown = progress_of(progress)
    connected = _engine(workers, cluster)
    config = _configured(config, data, name)
    request = request_of(config, data, promote=promote)
    store = open_store(tracking_uri, storage) if request and is_there(tracking_uri) else None
    if request and store:
        known = recall(store, config, request, promote=promote)
        if known is not None:
            _close_orphans(store, shown)
            return known
    require_sampler(config)
    if not data:
        shown.say(f"reading {config.data.source} …")
    development, sealed = read_rows(config, data, progress=shown.is_shown)
    search_id = config.search_id(development.data_sha256)
    store = store or open_store(tracking_uri, storage)
    _close_orphans(store, shown)
    with (
        _alone(store, search_id) as held,
        _resumable(),
        connected as engine,
        storage_at(storage_url(storage), home(), store.locks) as opened,
    ):
        earlier = predecessor(store, config, development.data_sha256)
        if earlier:
            shown.say(str(earlier))
        is_new = SearchRun.find(store, search_id) is None
        measured = maxima_of(development) if config.families.is_relative and is_new else None
        run = SearchRun.start(store, config.name, search_record(config, search_id, development, measured))
        maxima = Maxima.of_params(run.run.data.params)  # the maxima of the search's first start
        wanted = absolute(config, maxima)
        studies = open_studies(wanted, search_id, opened, development.model.total_weight)
        if earlier:
            run.annotate(tags={"differs_from": earlier.search_id})
        with run.running(held.confirm):
            run.write({"config.toml": config.to_toml().encode()})
            if kept := run.keep_environment():
                shown.say(kept)
            recorder = _Recorder(
                run,
                held,
                shown,
                tolerance=config.tolerance,
                maxima=maxima,
                feature_names=development.feature_names,
            )
            with engine(Task(development, config.tolerance, run.score)) as submit:
                ahead = partial(_import_what_ends_a_search, config, promote=promote)
                new_trials = recorder.drive(studies, submit, most=config.n_trials, meanwhile=ahead)
            chosen = choose(run, config)
            search = Search(run, config, development, chosen)
            if not is_summarised(search):
                shown.say("drawing the figures …")
                summarise(search)
        promotion, said = None, [*development.notes, *notes(chosen.trials, chosen.winner, chosen.absolute)]
        if promote:
            shown.say("promoting the winner …")
            try:
                promotion = promote_winner(search, sealed)
            except PromotionRefusedError as refusal:
                said.append(str(refusal))
        else:
            said.append(invitation(search_id))
        if promotion is None:
            describe(search)
        if request and (promotion or not promote):
            remember(run, request)
    return SearchResult(search_id, run.run_id, chosen.trials, chosen.winner, new_trials, promotion, tuple(said))


def _configured(config: SearchConfig | str, data: Recording | None, name: str | None) -> SearchConfig:
    if isinstance(config, str):
        loaded = SearchConfig.load(config)
        config = loaded.on(data) if data and config in PRESETS else loaded
    return (config.of(data) if data else config).updated(name=name)


def _engine(workers: int | None, cluster: str | None) -> AbstractContextManager[Engine]:
    if cluster is None:
        return nullcontext(thread if workers in (None, 1) else processes(workers))
    if workers is not None:
        raise ConfigError("--workers and --cluster exclude each other; a cluster has workers of its own")
    try:
        from regsearch.search.solving.dask_engine import connect
    except ImportError as error:
        raise ConfigError(
            f"--cluster {cluster}: needs {error.name}, which is not installed; pip install 'regsearch[cluster]'"
        ) from error
    return connect(cluster)


def _close_orphans(store: Store, shown: Progress) -> None:
    for closed in close_orphans(store):
        shown.say(f"the process of search {closed} had died; its open runs are closed")


@contextmanager
def _alone(store: Store, search_id: str) -> Iterator[Held]:
    """Hold the search's lock; it is released if this process dies."""
    with ExitStack() as stack:
        try:
            held = stack.enter_context(store.locks.hold(search_id, _BUSY_SECONDS))
        except HeldError as error:
            raise SearchBusyError(
                f"search {search_id} is being run by {error.who}; wait for it to end, or stop it first"
            ) from error
        yield held


@contextmanager
def _resumable() -> Iterator[None]:
    """Turn a failure outside of the search itself into one line that says that the search can be resumed."""
    try:
        with quiet("mlflow.store", level=logging.CRITICAL):  # its tracebacks
            yield
    except EngineLostError as error:
        raise SearchStoppedError(f"{error}; what was logged is kept, and the same command resumes") from error
    except MemoryError as error:
        raise SearchStoppedError(f"{MORE_MEMORY}; what was logged is kept, and the same command resumes") from error
    except (MlflowException, SQLAlchemyError, StorageInternalError, OSError) as error:
        raise SearchStoppedError(
            f"stopped by {reason(error)}; what was logged is kept, and the same command resumes once that is mended"
        ) from error


def _import_what_ends_a_search(config: SearchConfig, *, promote: bool) -> None:
    """Import scikit-learn, which takes two seconds, while the first batches are being solved."""
    for_figures = ["optuna.importance"] if "elasticnet" in config.families.searched else []
    for_the_model = ["mlflow.sklearn", "skops.io"] if promote else []
    for name in (*for_figures, *for_the_model):
        import_module(name)


class _Recorder:
    """Runs the loop, and writes each trial's outcome into a run: the one that an interruption left, if there is one."""

    def __init__(
        self,
        run: SearchRun,
        held: Held,
        shown: Progress,
        *,
        tolerance: float,
        maxima: Maxima | None,
        feature_names: Sequence[str],
    ) -> None:
        self._run = run
        self._held = held
        self._tolerance = tolerance
        self._maxima = maxima
        self._feature_names = feature_names
        self._shown = shown
        self._left: dict[tuple[str, int], Run] = run.trial_runs()

    def drive(self, studies: list[FamilyStudy], submit: Submit, *, most: int, meanwhile: Callable[[], object]) -> int:
        """Solve and log the missing trials, of at most so many in all, and return how many they were."""
        logged = {key for key, trial in self._left.items() if self._run.is_intact(trial)}
        already = len(logged)
        settled = sum(study.settled(numbers_of(logged, study.family)) for study in studies)
        with self._shown.trials(most, settled):
            drive(studies, submit, self._log, logged, meanwhile)
            self._shown.complete()
        return len(logged) - already

    def _log(self, proposal: Proposal, outcome: Solved | Failure) -> None:
        self._held.confirm()
        left = self._left.get((proposal.family, proposal.number))
        run_id = left.info.run_id if left else None
        record = trial_record(proposal, outcome, self._tolerance, self._maxima)
        if isinstance(outcome, Failure):
            self._run.fail_trial(record, outcome.traceback, run_id)
            return
        self._run.log_trial(record, trial_files(record, outcome, self._feature_names), run_id)
        self._shown.count(record)
