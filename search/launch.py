"""A whole search from its configuration: open what it needs, run the loop, summarise it, promote its winner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

from mlflow.entities import Run

from regsearch.data import Development, Recording
from regsearch.errors import (
    PromotionRefusedError,
)
from regsearch.search.choice import choose
from regsearch.search.config import PRESETS, SearchConfig
from regsearch.search.earlier import predecessor, recall, remember, request_of
from regsearch.search.notes import invitation, notes
from regsearch.search.null import compare
from regsearch.search.output import mlflow_text
from regsearch.search.output.live_run import LiveRun
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
from regsearch.search.running import alone, engine_of, resumable, say_orphans
from regsearch.search.solving.evaluate import Failure, Solved, Task
from regsearch.search.solving.local_engines import Submit
from regsearch.search.solving.loop import drive, numbers_of
from regsearch.search.strengths import Maxima, absolute, maxima_of
from regsearch.search.trial import Proposal
from regsearch.tracking.locks import Held
from regsearch.tracking.runs import SearchRun, TrialRecord, elsewhere, record_of
from regsearch.tracking.sqlite_file import home
from regsearch.tracking.store import is_there, open_store, storage_url


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
    connected = engine_of(workers, cluster)
    config = _configured(config, data, name)
    request = request_of(config, data, promote=promote)
    store = open_store(tracking_uri, storage) if request and is_there(tracking_uri) else None
    if request and store:
        known = recall(store, config, request, promote=promote)
        if known is not None:
            say_orphans(store, shown)
            return known
    require_sampler(config)
    if not data:
        shown.say(f"reading {config.data.source} …")
    development, sealed = read_rows(config, data, progress=shown.is_shown)
    search_id = config.search_id(development.data_sha256)
    store = store or open_store(tracking_uri, storage)
    say_orphans(store, shown)
    with (
        alone(store, search_id) as held,
        resumable(),
        connected as engine,
        storage_at(storage_url(storage), home(), store.locks) as opened,
    ):
        earlier = predecessor(store, config, development.data_sha256)
        if earlier:
            shown.say(str(earlier))
        is_new = SearchRun.find(store, search_id) is None
        if is_new and (lies := elsewhere(store, search_id)):
            shown.say(f"this starts search {search_id} anew: {lies}")
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
            recorder = _Recorder(run, held, shown, config=config, maxima=maxima, development=development)
            with engine(Task(development, config.tolerance, run.score)) as submit:
                ahead = _import_what_saves_a_model if promote else (lambda: None)
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
        null = compare(search, config.null, engine, held, shown=shown) if config.null else None
        if request and (promotion or not promote):
            remember(run, request)
    return SearchResult(
        search_id,
        run.run_id,
        chosen.trials,
        chosen.winner,
        new_trials,
        promotion,
        tuple(said),
        config,
        run.experiment_id,
        store.shown,
        null,
    )


def _configured(config: SearchConfig | str, data: Recording | None, name: str | None) -> SearchConfig:
    if isinstance(config, str):
        loaded = SearchConfig.load(config)
        config = loaded.on(data) if data and config in PRESETS else loaded
    return (config.of(data) if data else config).updated(name=name)


def _import_what_saves_a_model() -> None:
    """Import scikit-learn, which takes two seconds, while the first batches are being solved."""
    for name in ("mlflow.sklearn", "skops.io"):
        import_module(name)


class _Recorder:
    """Runs the loop, and writes each trial's outcome into a run: the one that an interruption left, if there is one."""

    def __init__(
        self,
        run: SearchRun,
        held: Held,
        shown: Progress,
        *,
        config: SearchConfig,
        maxima: Maxima | None,
        development: Development,
    ) -> None:
        self._run = run
        self._held = held
        self._config = config
        self._maxima = maxima
        self._development = development
        self._shown = shown
        self._left: dict[tuple[str, int], Run] = run.trial_runs()

    def drive(self, studies: list[FamilyStudy], submit: Submit, *, most: int, meanwhile: Callable[[], object]) -> int:
        """Solve and log the missing trials, of at most so many in all, and return how many they were."""
        logged = {key for key, trial in self._left.items() if self._run.is_intact(trial)}
        already = len(logged)
        settled = sum(study.settled(numbers_of(logged, study.family)) for study in studies)
        live = LiveRun(self._run, self._description, [record_of(key, self._left[key]) for key in sorted(logged)])

        def log(proposal: Proposal, outcome: Solved | Failure) -> None:
            if record := self._log(proposal, outcome):
                live.count(record)

        with self._shown.trials(most, settled):
            drive(studies, submit, log, logged, meanwhile, live.show)
            live.show(at_once=True)
            self._shown.complete()
        return len(logged) - already

    def _description(self, done: int, best: TrialRecord | None) -> str:
        said = mlflow_text.so_far(self._run.search_id, self._run.experiment_id, self._config, done, best)
        return f"{said}\n\n{mlflow_text.opening(self._config, self._development)}"

    def _log(self, proposal: Proposal, outcome: Solved | Failure) -> TrialRecord | None:
        """Write a trial's outcome, and return its record unless the trial raised."""
        self._held.confirm()
        left = self._left.get((proposal.family, proposal.number))
        run_id = left.info.run_id if left else None
        record = trial_record(proposal, outcome, self._config.tolerance, self._maxima)
        if isinstance(outcome, Failure):
            self._run.fail_trial(record, outcome.traceback, run_id)
            return None
        files = trial_files(record, outcome, self._development.feature_names)
        run_id = self._run.log_trial(record, files, run_id)
        self._shown.count(record)
        return replace(record, run_id=run_id)
