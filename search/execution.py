"""One search carried out: open what it needs, run the loop, summarise it, promote its winner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module

from optuna.storages import BaseStorage

from regsearch.data import MEMORY, Development, Recording, SealedTest
from regsearch.errors import PromotionRefusedError
from regsearch.search.choice import choose, config_of
from regsearch.search.config import SearchConfig
from regsearch.search.earlier import forget, predecessor, recall, remember, renamed, require_winner
from regsearch.search.notes import invitation, notes
from regsearch.search.null import compare
from regsearch.search.output.parent_run import describe, is_summarised, summarise
from regsearch.search.output.progress import Progress, progress_of
from regsearch.search.output.records import search_record
from regsearch.search.promotion import promote_winner
from regsearch.search.proposals.optuna_storage import storage_at
from regsearch.search.proposals.samplers import require_sampler
from regsearch.search.proposals.studies import open_studies
from regsearch.search.recorder import Recorder
from regsearch.search.result import Search, SearchResult
from regsearch.search.rows import Given, recordings_of
from regsearch.search.running import alone, engine_of, resumable, say_orphans
from regsearch.search.solving.evaluate import Failure, Solved, Task
from regsearch.search.solving.local_engines import Submit
from regsearch.search.solving.targets import OfTarget
from regsearch.search.solving.workload import Engine
from regsearch.search.strengths import Maxima, absolute, maxima_of
from regsearch.tracking.figures.attempt import are_wanted
from regsearch.tracking.locks import Held
from regsearch.tracking.runs import SearchRun, elsewhere
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
        store, shown, held = self.store, self.shown, self.held[config.search_id(development.data_sha256)]
        run, config = self._start(config, development, shared)
        maxima = Maxima.of_params(run.run.data.params)  # the maxima of the search's first start
        total_weight = development.model.total_weight
        studies = open_studies(absolute(config, maxima), run.search_id, self.studies, total_weight)
        with run.running(held.confirm):
            is_known = config.data.source == MEMORY and store.holds(run.run_id, "config.toml")
            read_by = config.reading_as(config_of(run)) if is_known else config
            run.write({"config.toml": read_by.to_toml().encode()})
            if kept := run.keep_environment():
                shown.say(kept)
            recorder = Recorder(run, held, shown, config, maxima, development)
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

    def _start(
        self, config: SearchConfig, development: Development, shared: Shared | None
    ) -> tuple[SearchRun, SearchConfig]:
        """Start or reopen the run of a search, and say what a person should know of that.

        Returns
        -------
        SearchRun
        SearchConfig
            In the experiment that the run lies in.
        """
        search_id, store, shown = config.search_id(development.data_sha256), self.store, self.shown
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
        if earlier:
            run.annotate(tags={"differs_from": earlier.search_id})
        return run, config

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
        said = [*search.development.notes, *renamed(run, chosen.winner, search.feature_names), *found]
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
