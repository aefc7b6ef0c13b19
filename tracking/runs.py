"""The runs of a search in MLflow: one parent, and one child for each trial."""

from __future__ import annotations

import difflib
import hashlib
import io
import logging
import tempfile
import time
import tomllib
import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Timer
from typing import Literal

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE
from sqlalchemy.exc import SQLAlchemyError

from regsearch.errors import SearchNotFoundError, SearchStoppedError
from regsearch.tracking import limits
from regsearch.tracking.errors import is_cut_short, require_text
from regsearch.tracking.limits import cut, cut_all
from regsearch.tracking.listing import listed
from regsearch.tracking.locks import INTERRUPTIONS, TOLD_AFTER_SECONDS, interruptible
from regsearch.tracking.pages import view_tags
from regsearch.tracking.provenance import checkout, environment, keeps_changes, origin, uncommitted
from regsearch.tracking.queries import SEARCH, parents_of, runs_with, searches
from regsearch.tracking.records import STRENGTHS, WEIGHTS, SearchRecord, TrialRecord
from regsearch.tracking.run_rows import finish_run, insert_run
from regsearch.tracking.store import Store, local_folder

LOCKED_IN = "locked_in"
"""Tag of a search's run: the places that keep its lock, a line each."""

_WEIGHTS_SHA256 = "weights_sha256"

_log = logging.getLogger(__name__)

Ending = Literal["FINISHED", "FAILED", "KILLED"]


class SearchRun:
    """The parent run of a search, and through it the runs of its trials."""

    def __init__(self, store: Store, experiment_id: str, run_id: str, tags: Mapping[str, str]) -> None:
        self.store = store
        self.experiment_id = experiment_id
        self.run_id = run_id
        self._tags = dict(tags)
        self._listed: dict[str, Run] = {}

    @classmethod
    def start(cls, store: Store, experiment: str, record: SearchRecord) -> SearchRun:
        """Start a search: make its run in an experiment, or reopen the run that is there."""
        experiment_id = store.experiment(experiment, record.about, view_tags(record.views))
        tags = {"search_id": record.search_id, "data_sha256": record.data_sha256, **origin()}
        locked_in = "\n".join(store.locks.places)
        found = parents_of(store, [experiment_id], record.search_id)
        if found:
            run = found[0]
            store.client.set_tag(run.info.run_id, LOCKED_IN, locked_in)
            store.client.update_run(run.info.run_id, status="RUNNING")
        else:
            run = store.client.create_run(
                experiment_id,
                run_name=record.name,
                tags={
                    **tags,
                    **checkout(),
                    **SEARCH,
                    LOCKED_IN: locked_in,
                    MLFLOW_RUN_NOTE: cut(record.description, limits.TAG),
                },
            )
        search = cls(store, experiment_id, run.info.run_id, tags)
        if not run.data.params:
            search._begin(record)
        return search

    def _begin(self, record: SearchRecord) -> None:
        """Log the search's data, and then its parameters, all at once; see `has_begun`."""
        dataset = Dataset(
            name=cut(record.source, limits.DATASET_NAME),
            digest=record.data_sha256[:36],
            source_type="regsearch",
            source=cut(record.source, limits.DATASET_SOURCE),
            profile=f'{{"development_rows": {record.shape[0]}, "features": {record.shape[1]}}}',
        )
        dataset_input = DatasetInput(dataset, [InputTag("mlflow.data.context", "search")])
        with self.store.locks.hold("store"):  # MLflow fails if another search logs the same new data between its steps
            self.store.client.log_inputs(self.run_id, [dataset_input])
        params = cut_all(record.params, limits.PARAM)
        self.store.client.log_batch(self.run_id, params=[Param(key, value) for key, value in params.items()])

    @classmethod
    def find(cls, store: Store, search_id: str, experiment: str | None = None) -> SearchRun | None:
        """Return the run of a search by the search's id, in the experiment that its configuration names.

        Whoever may write in another experiment can give a run there the same tags; it is not taken for the search.

        Parameters
        ----------
        store : Store
        search_id : str
        experiment : str or None
            Name of the experiment to prefer.  A run in another one then counts only if it has its configuration.
        """
        found = [run for run in (cls.of(store, one) for one in parents_of(store, None, search_id)) if run.is_at_home]
        if experiment is not None:
            found = [run for run in found if run.experiment == experiment] or [run for run in found if run._home]
        return found[0] if found else None

    @classmethod
    def get(cls, store: Store, search_id: str) -> SearchRun:
        """Return what `find` finds.

        Raises
        ------
        SearchNotFoundError
            If it finds nothing.
        """
        require_text(
            search_id, "search_id", "the id of a search, as `regsearch models` and a result's `search_id` give it"
        )
        found = cls.find(store, search_id)
        if found is None:
            why = elsewhere(store, search_id) or _suggestion(store, search_id)
            raise SearchNotFoundError(f"no search {search_id!r} in {store.shown}; {why}")
        return found

    @property
    def is_at_home(self) -> bool:
        """Whether the search's run lies in the experiment that its configuration names, as far as it wrote one."""
        name = self._home
        return name is None or name == self.experiment

    @cached_property
    def experiment(self) -> str:
        """Name of the experiment that the search's run lies in."""
        return str(self.store.client.get_experiment(self.experiment_id).name)

    @property
    def _home(self) -> str | None:
        """Name of the experiment that the search's configuration names."""
        try:
            config = tomllib.loads(self.read(self.run_id, "config.toml").decode())
        except (MlflowException, OSError, ValueError):  # it was killed before it wrote one
            return None
        return str(config.get("experiment") or config.get("name"))

    @classmethod
    def tagged(cls, store: Store, experiment: str, tag: str, value: str) -> SearchRun | None:
        """Return the finished search of an experiment whose run has a tag of that value."""
        known = store.client.get_experiment_by_name(experiment)
        if known is None:
            return None
        tags = {tag: value, **SEARCH}
        found = next(runs_with(store, tags, experiments=[known.experiment_id], status="FINISHED"), None)
        return cls.of(store, found) if found else None

    @classmethod
    def of(cls, store: Store, parent: Run) -> SearchRun:
        """Return the search of a parent run."""
        tags = {key: parent.data.tags[key] for key in ("search_id", "data_sha256")}
        return cls(store, parent.info.experiment_id, parent.info.run_id, {**tags, **origin()})

    @property
    def search_id(self) -> str:
        """Id of the search."""
        return self._tags["search_id"]

    @property
    def has_begun(self) -> bool:
        """Whether the search's parameters are logged; it may have been killed before, when its run was just made."""
        return bool(self.run.data.params)

    @property
    def score(self) -> Literal["pooled", "mean"]:
        """How the search's folds make one score; the searches of the first version took the mean."""
        return "pooled" if self.run.data.params.get("score") == "pooled" else "mean"

    @property
    def run(self) -> Run:
        """Parent run, as MLflow has it now."""
        return self.store.client.get_run(self.run_id)

    def trial_runs(self) -> dict[tuple[str, int], Run]:
        """Return the runs of the search's trials by family and trial number.

        A trial has two runs if a server made one and its answer was lost.  One of them is then moved to MLflow's bin.
        """
        runs: dict[tuple[str, int], Run] = {}
        tags = {"role": "trial", "search_id": self.search_id, MLFLOW_PARENT_RUN_ID: self.run_id}
        for run in list(runs_with(self.store, tags, experiments=[self.experiment_id])):  # before any of them is deleted
            key = _trial_key(run)
            if key is None:
                continue
            kept, spare = sorted((runs.get(key, run), run), key=lambda one: one.info.status != "FINISHED")
            if kept.info.run_id != spare.info.run_id:
                if self._is_registered(spare):
                    kept, spare = spare, kept
                if not self._is_registered(spare):
                    self.store.client.delete_run(spare.info.run_id)
            runs[key] = kept
        self._listed = {run.info.run_id: run for run in runs.values()}
        return runs

    def _is_registered(self, run: Run) -> bool:
        """Return whether a model was registered from a run, which therefore has to stay."""
        return next(listed(self.store.client.search_model_versions, f"run_id='{run.info.run_id}'"), None) is not None

    def is_intact(self, run: Run) -> bool:
        """Return whether a trial's run is finished and has the weights that were logged, as far as is soon known.

        A file of this machine is read; of a server's, only the size is asked for, and `read` compares the rest.
        """
        if run.info.status != "FINISHED" or not run.data.metrics:
            return False
        folder = local_folder(str(run.info.artifact_uri))
        if folder is None:
            return self.store.size(run.info.run_id, WEIGHTS) > 0
        try:
            content = (folder / WEIGHTS).read_bytes()
        except OSError:
            return False
        return _is_as_logged(run, content)

    def finished(self) -> list[TrialRecord]:
        """Return the finished trials, in order of family and number."""
        runs = self.trial_runs()
        return [record_of(key, runs[key]) for key in sorted(runs) if runs[key].info.status == "FINISHED"]

    def log_trial(self, record: TrialRecord, files: Mapping[str, bytes], existing: str | None = None) -> str:
        """Write a finished trial into its own run and return the run's id.

        If the server's answer is cut short, it is done once more, in the run that the server may have made.

        Parameters
        ----------
        record : TrialRecord
        files : mapping of str to bytes
            Artifacts by name.
        existing : str or None
            Id of the run that an interrupted attempt left.
        """
        try:
            return self._log(record, files, existing)
        except MlflowException as error:
            if not is_cut_short(error):
                raise
        left = self.trial_runs().get((record.family, record.number))
        return self._log(record, files, left.info.run_id if left else None)

    def _log(self, record: TrialRecord, files: Mapping[str, bytes], existing: str | None) -> str:
        tags = {"certified": str(record.certified).lower()}
        if WEIGHTS in files:
            tags[_WEIGHTS_SHA256] = _sha256(files[WEIGHTS])
        run = self._begin_trial(record, tags, existing)
        run_id = str(run.info.run_id)
        self._listed.pop(run_id, None)
        self.store.write(run, files)
        if not (self.store.is_embedded and finish_run(self.store.uri, run_id)):
            self._end(run_id, "FINISHED")
        return run_id

    def _begin_trial(self, record: TrialRecord, tags: Mapping[str, str], existing: str | None) -> Run:
        """Return a trial's run with all but its files: a new one, or the one that an interrupted attempt left."""
        params = {"family": record.family, **{name: repr(value) for name, value in record.params.items()}}
        if existing is None and self.store.is_embedded:
            name, all_tags = cut(record.name, limits.RUN_NAME), self._trial_tags(record, tags)
            inserted = insert_run(
                self.store.uri, self.experiment_id, name, tags=all_tags, params=params, metrics=record.metrics
            )
            if inserted:
                return inserted
        run = self.store.client.get_run(existing) if existing else self._create(record, tags)
        now = self._later(run, record.metrics)
        self.store.client.log_batch(
            run.info.run_id,
            metrics=[Metric(name, value, now, 0) for name, value in record.metrics.items()],
            params=[Param(name, value) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items() if run.data.tags.get(name) != value],
        )
        return run

    def fail_trial(self, record: TrialRecord, text: str, existing: str | None = None) -> None:
        """Write the traceback of a trial that raised into the trial's run, and end the run as FAILED."""
        self._fail(self.store.client.get_run(existing) if existing else self._create(record, {}), text)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write artifacts of the search itself."""
        self.store.write(self.run, files)

    def keep_environment(self) -> str:
        """Keep what the search is run with as ``environment/1``, and where a later start differs as ``2`` and so on.

        Returns
        -------
        str
            A note for people of which uncommitted changes were kept; empty if none were.
        """
        diff, note = uncommitted() if keeps_changes(own_machine=self.store.is_of_this_machine) else ("", "")
        files = environment(diff)
        digest = hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()[:12]
        known = self.run.data.tags.get("environments", "").split()
        seen = known if digest in known else [*known, digest]
        folder = f"environment/{seen.index(digest) + 1}"
        if seen != known or not self.store.holds(self.run_id, f"{folder}/environment.json"):
            self.write({f"{folder}/{name}": content for name, content in files.items()})
            self.annotate(tags={"environments": " ".join(seen)})
            return note
        return ""

    def read(self, run_id: str, name: str) -> bytes:
        """Return an artifact of one of the search's runs.

        Raises
        ------
        SearchStoppedError
            If a trial's weights are gone, or not those that were logged.  Its run is marked as failed, so that the same
            search solves it again.
        """
        run = self._listed.get(run_id) or self.store.client.get_run(run_id)
        local = local_folder(str(run.info.artifact_uri))
        try:
            if local:
                content = (local / name).read_bytes()
            else:
                with tempfile.TemporaryDirectory() as folder:
                    content = Path(self.store.client.download_artifacts(run_id, name, folder)).read_bytes()
        except (OSError, MlflowException):
            if name != WEIGHTS or self.store.holds(run_id, name):
                raise
            content = b""
        if name == WEIGHTS and not _is_as_logged(run, content):
            self._end(run_id, "FAILED")
            state = "damaged" if content else "gone"
            raise SearchStoppedError(
                f"{WEIGHTS} of run {run_id} is {state}; the same `regsearch run` solves that trial again"
            )
        return content

    def report(self, step: int, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Add a point to curves of the parent run and set tags of it, in one request."""
        now = int(time.time() * 1000)
        self.store.client.log_batch(
            self.run_id,
            metrics=[Metric(name, value, now, step) for name, value in metrics.items()],
            tags=[RunTag(name, value) for name, value in cut_all(tags, limits.TAG).items()],
        )

    def annotate(
        self, *, metrics: Mapping[str, float] | None = None, tags: Mapping[str, str] | None = None, run_id: str = ""
    ) -> None:
        """Set metrics and tags of the parent run, or of `run_id`."""
        run_id = run_id or self.run_id
        now = self._later(self.store.client.get_run(run_id), metrics) if metrics else 0
        self.store.client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in (metrics or {}).items()],
            tags=[RunTag(name, value) for name, value in cut_all(tags or {}, limits.TAG).items()],
        )

    def _later(self, run: Run, names: Iterable[str]) -> int:
        """Return the time in milliseconds, or if the clock was set back, one after those of a run's metrics so far.

        MLflow shows the value with the latest time.
        """
        known = set(names) & run.data.metrics.keys()
        history = self.store.client.get_metric_history
        times = [metric.timestamp for name in known for metric in history(run.info.run_id, name)]
        return max([int(time.time() * 1000), *(before + 1 for before in times)])

    @contextmanager
    def running(self, confirm: Callable[[], None]) -> Iterator[None]:
        """End the parent run by what happens inside: FINISHED, KILLED by its user, or FAILED with the traceback.

        If the user interrupts, open runs of trials end as KILLED, too.  A store that does not answer is waited for, and
        a warning says so; the next interruption ends the wait.

        Parameters
        ----------
        confirm : callable
            Raises if this process no longer holds the search's lock; the run then stays open.
        """
        try:
            with interruptible():
                yield
        except INTERRUPTIONS:
            with self._waited_for():
                confirm()
                for trial in self.trial_runs().values():
                    if trial.info.status == "RUNNING":
                        self._end(trial.info.run_id, "KILLED")
                self._end(self.run_id, "KILLED")
            raise
        except (MlflowException, SQLAlchemyError):
            raise  # the store itself failed, so the run stays open until the next command closes it
        except BaseException:
            confirm()
            self._fail(self.run, traceback.format_exc())
            raise
        confirm()
        self._end(self.run_id, "FINISHED")

    @contextmanager
    def _waited_for(self) -> Iterator[None]:
        """Say that the runs are being closed once that has taken a while."""
        line = "waiting for %s to close the runs; Ctrl-C again ends at once, and the next command closes them"
        warning = Timer(TOLD_AFTER_SECONDS, _log.warning, (line, self.store.shown))
        warning.daemon = True
        warning.start()
        try:
            yield
        finally:
            warning.cancel()

    def _end(self, run_id: str, status: Ending) -> None:
        self.store.client.set_terminated(run_id, status)

    def _fail(self, run: Run, text: str) -> None:
        self.store.write(run, {"traceback.txt": text.encode()})
        self.store.client.set_tag(run.info.run_id, "error", text.strip().splitlines()[-1][:500])
        self._end(run.info.run_id, "FAILED")

    def _create(self, record: TrialRecord, tags: Mapping[str, str]) -> Run:
        return self.store.client.create_run(
            self.experiment_id,
            run_name=cut(record.name, limits.RUN_NAME),
            tags=self._trial_tags(record, tags),
        )

    def _trial_tags(self, record: TrialRecord, tags: Mapping[str, str]) -> dict[str, str]:
        return {
            **self._tags,
            MLFLOW_PARENT_RUN_ID: self.run_id,
            MLFLOW_RUN_NOTE: cut(record.description, limits.TAG),
            "role": "trial",
            "family": record.family,
            "trial": str(record.number),
            **tags,
        }


def record_of(trial: tuple[str, int], run: Run) -> TrialRecord:
    """Return what a trial's run recorded; `trial` is the trial's family and number."""
    family, number = trial
    return TrialRecord(
        family=family,
        number=number,
        params={name: float(run.data.params[name]) for name in STRENGTHS if name in run.data.params},
        metrics=dict(run.data.metrics),
        name=str(run.info.run_name),
        description=run.data.tags.get(MLFLOW_RUN_NOTE, ""),
        certified=run.data.tags.get("certified") == "true",
        run_id=run.info.run_id,
    )


def elsewhere(store: Store, search_id: str) -> str | None:
    """Say where a search lies that is not where its configuration says, and the way back; ``None`` if there is none.

    People rename and delete experiments in MLflow's pages.  What was renamed is not used under its new name, because
    whoever may write in another experiment could have made a run there that looks the same.
    """
    for parent in parents_of(store, None, search_id, deleted=True):
        run = SearchRun.of(store, parent)
        experiment = store.client.get_experiment(run.experiment_id)
        if run.is_at_home and experiment.lifecycle_stage == "deleted":
            restore = store.command(f"experiments restore --experiment-id {run.experiment_id}")
            return f"it is in experiment {experiment.name!r}, which was deleted; {restore} brings it back"
        if run.is_at_home and parent.info.lifecycle_stage == "deleted":
            return f"its run was deleted; {store.command(f'runs restore --run-id {run.run_id}')} brings it back"
        if not run.is_at_home:
            return (
                f"one lies in experiment {experiment.name!r}, and its configuration names {run._home!r}; "
                "if you renamed that experiment, rename it back"
            )
    return None


def _suggestion(store: Store, search_id: str) -> str:
    """Say which search a person meant by an id that no search has: the nearest one, or else the latest ones."""
    known = {run.data.tags["search_id"]: run for run in searches(store, limit=1000)}
    if not known:
        return "none was tracked there; start one with `regsearch run`, or give the right place by --tracking-uri"
    begun = [other for other in known if search_id and other.startswith(search_id)]
    if near := begun or difflib.get_close_matches(search_id, known, n=1):
        return f"did you mean {near[0]}?"
    latest = [
        f"{other} ({store.client.get_experiment(run.info.experiment_id).name})"
        for other, run in list(known.items())[:3]
    ]
    return f"the latest are {', '.join(latest)}"


def _trial_key(run: Run) -> tuple[str, int] | None:
    """Return family and number of a trial's run, or ``None`` if its tags do not name them."""
    family, number = run.data.tags.get("family", ""), run.data.tags.get("trial", "")
    return (family, int(number)) if family and number.isascii() and number.isdigit() else None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_as_logged(run: Run, weights: bytes) -> bool:
    logged = run.data.tags.get(_WEIGHTS_SHA256)
    return _sha256(weights) == logged if logged else _is_readable(weights)


def _is_readable(archive: bytes) -> bool:
    """Return whether an ``.npz`` of regsearch 0.1, which logged no SHA-256, is whole by its own checksums."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return opened.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError):
        return False
