"""One search carried out: open what it needs, run the loop, summarise it, promote its winner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib import import_module

from mlflow.entities import Run
from optuna.storages import BaseStorage

from regsearch.data import MEMORY, Development, Recording, SealedTest
from regsearch.errors import PromotionRefusedError
from regsearch.search.choice import choose, config_of
from regsearch.search.config import SearchConfig
from regsearch.search.earlier import forget, predecessor, recall, remember, require_winner
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
from regsearch.search.rows import Given, recordings_of
from regsearch.search.running import alone, engine_of, resumable, say_orphans
from regsearch.search.solving.evaluate import Failure, Solved, Task
from regsearch.search.solving.local_engines import Submit
from regsearch.search.solving.loop import drive, numbers_of
from regsearch.search.solving.targets import OfTarget
from regsearch.search.solving.workload import Engine
from regsearch.search.strengths import Maxima, absolute, maxima_of
from regsearch.search.trial import Proposal
from regsearch.tracking.figures.attempt import are_wanted
from regsearch.tracking.locks import Held
from regsearch.tracking.records import TrialRecord
from regsearch.tracking.runs import SearchRun, elsewhere, record_of
from regsearch.tracking.sqlite_file import home
from regsearch.tracking.store import Store, is_there, open_store, storage_url

_DRAWING = ("regsearch.tracking.figures.gallery",)
_SAVING = ("mlflow.sklearn", "skops.io")


@dataclass(frozen=True, eq=False)
class Call:
    """What a caller asked for, whichever search it is for."""

    tracking_uri: str | None
    storage: str | None
    shown: Progress
    connected: AbstractContextManager[Engine]

    @classmethod
    def of(
        cls,
        tracking_uri: str | None,
        storage: str | None,
        progress: bool | Progress,
        *,
        workers: int | None,
        cluster: str | None,
    ) -> Call:
        """Return a call, after checking that its engine can be used."""
        shown = progress_of(progress)
        return cls(tracking_uri, storage, shown, engine_of(workers, cluster, shown))

    @cached_property
    def store(self) -> Store:
        """The tracking store, opened when it is first needed."""
        return open_store(self.tracking_uri, self.storage)

    def recalled(self, config: SearchConfig, request: str | None, *, promote: bool) -> SearchResult | None:
        """Return the result of the same request, if it was carried out before."""
        if not request or not is_there(self.tracking_uri):
            return None
        known = recall(self.store, config, request, promote=promote)
        if known:
            say_orphans(self.store, self.shown)
        return known

    def announce(self, config: SearchConfig, data: Given) -> None:
        """Check what a search needs before its data are read, and say that they are being read."""
        require_sampler(config)
        are_wanted()
        if not data:
            self.shown.say(f"reading {config.data.source} …")

    def recordings(self, config: SearchConfig, data: Given) -> tuple[Recording, ...]:
        """Return the recording of each target."""
        self.announce(config, data)
        return recordings_of(config, data, progress=self.shown.is_shown)

    @contextmanager
    def begun(self, wanted: Mapping[str, SearchConfig]) -> Iterator[Begun]:
        """Hold the locks of searches, by their ids, and open what solves and proposes."""
        store = self.store
        say_orphans(store, self.shown)
        with ExitStack() as stack:
            held = {search_id: stack.enter_context(alone(store, search_id)) for search_id in wanted}
            stack.enter_context(resumable())
            for search_id, config in wanted.items():  # before any of them is changed
                require_winner(store, config, search_id)
            engine = stack.enter_context(self.connected)
            studies = stack.enter_context(storage_at(storage_url(self.storage), home(), store.locks))
            yield Begun(store, held, engine, studies, self.shown)


@dataclass(frozen=True, eq=False)
class Shared:
    """What a search of one of several targets gets of the features that they share.

    Attributes
    ----------
    place : int
        Of the target among those that are searched.
    submit : callable
        Has proposals of a target evaluated.
    maxima : callable
        Returns the maxima of all targets.
    """

    place: int
    submit: Callable[[OfTarget], Future[list[Solved | Failure]]]
    maxima: Callable[[], Sequence[Maxima]]

    @contextmanager
    def solving(self, task: Task) -> Iterator[Submit]:
        """Return the context in which the target's paths can be submitted."""
        yield lambda proposals: self.submit(OfTarget(self.place, task.score, proposals))

    def measure(self) -> Maxima:
        """Return the maxima that the target's relative strengths refer to."""
        return self.maxima()[self.place]


@dataclass(frozen=True, eq=False)
class Begun:
    """Everything that searches need once they have begun."""

    store: Store
    held: Mapping[str, Held]
    engine: Engine
    studies: BaseStorage
    shown: Progress

    def search(
        self,
        config: SearchConfig,
        development: Development,
        *,
        is_promoted: bool,
        shared: Shared | None = None,
    ) -> tuple[Search, int]:
        """Solve what is missing, choose, and summarise; return the search, and how many trials were solved.

        Parameters
        ----------
        config : SearchConfig
        development : Development
        is_promoted : bool
            Whether the winner will be promoted, so that what saves a model should be imported meanwhile.
        shared : Shared or None
            What the searches of several targets have in common.
        """
        search_id, store, shown = config.search_id(development.data_sha256), self.store, self.shown
        held = self.held[search_id]
        earlier = predecessor(store, config, development.data_sha256)
        if earlier:
            shown.say(str(earlier))
        known = SearchRun.find(store, search_id, config.in_experiment)
        if known is not None and known.experiment != config.in_experiment:
            shown.say(
                f"search {search_id} was started in experiment {known.experiment!r} and stays there; it is not solved "
                f"again in {config.in_experiment!r}"
            )
            config = config.model_copy(update={"experiment": known.experiment})
        lies = elsewhere(store, search_id) if known is None else None
        is_new = known is None or not known.has_begun
        measure = shared.measure if shared else partial(maxima_of, development)
        measured = measure() if config.families.is_relative and is_new else None
        run = SearchRun.start(store, config.in_experiment, search_record(config, search_id, development, measured))
        if lies:
            shown.say(f"this starts search {search_id} anew: {lies}")
        if not is_new:
            forget(run)
        maxima = Maxima.of_params(run.run.data.params)  # the maxima of the search's first start
        studies = open_studies(absolute(config, maxima), search_id, self.studies, development.model.total_weight)
        if earlier:
            run.annotate(tags={"differs_from": earlier.search_id})
        with run.running(held.confirm):
            is_known = config.data.source == MEMORY and store.holds(run.run_id, "config.toml")
            read_by = config.reading_as(config_of(run)) if is_known else config
            run.write({"config.toml": read_by.to_toml().encode()})
            if kept := run.keep_environment():
                shown.say(kept)
            recorder = _Recorder(run, held, shown, config, maxima, development)
            is_drawn = are_wanted()
            task = Task(development, config.tolerance, run.score, is_drawn)
            with (shared.solving if shared else self.engine)(task) as submit:
                ahead = partial(_import, (_DRAWING if is_drawn else ()) + (_SAVING if is_promoted else ()))
                new_trials = recorder.drive(studies, submit, most=config.n_trials, meanwhile=ahead)
            search = Search(run, config, choose(run, config), development)
            if not is_summarised(search):
                shown.say("drawing the figures …" if is_drawn else "writing the tables …")
                summarise(search)
        return search, new_trials

    def finished(
        self,
        search: Search,
        sealed: SealedTest,
        new_trials: int,
        *,
        promote: bool,
        request: str | None = None,
    ) -> SearchResult:
        """Promote the winner if that is wanted, tell the story, and return what came of it."""
        run, config, chosen = search.run, search.config, search.choice
        found = notes(chosen.trials, chosen.winner, chosen.absolute, search.development)
        said = [*search.development.notes, *found]
        promotion = None
        if promote:
            self.shown.say("promoting the winner …")
            try:
                promotion = promote_winner(search, sealed)
            except PromotionRefusedError as refusal:
                said.append(str(refusal))
        else:
            said.append(invitation(run.search_id, config))
        if promotion is None:
            describe(search)
        held = self.held[run.search_id]
        null = compare(search, config.null, self.engine, held, shown=self.shown) if config.null else None
        if request and (promotion or not promote):
            remember(run, request, said)
        return SearchResult.of(search, new_trials, promotion, notes=said, null=null)


def _import(names: Sequence[str]) -> None:
    """Import modules that take seconds and are needed once trials are solved."""
    for name in names:
        import_module(name)


@dataclass(frozen=True, eq=False)
class _Recorder:
    """Runs the loop, and writes each trial's outcome into a run: the one that an interruption left, if there is one."""

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
        """Solve and log the missing trials, of at most so many in all, and return how many they were."""
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
