"""The null distribution of a finished search: how well its whole choice does on targets that only chance could fit."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from regsearch.data import Recording, Rows, SealedTest
from regsearch.data.blocks import blocks
from regsearch.errors import ConfigError, PromotionRefusedError
from regsearch.search.chance.distribution import NullDistribution, rounded
from regsearch.search.chance.null_targets import null_targets
from regsearch.search.chance.statistic import NullTask, narrowed, narrowed_development
from regsearch.search.config import NullConfig, SearchConfig
from regsearch.search.config.expectations import problem_in_words
from regsearch.search.config.null import Kind
from regsearch.search.config.search import plain
from regsearch.search.finished import finished_search, read_search
from regsearch.search.notes import promoting
from regsearch.search.objections import known_as
from regsearch.search.output.null_record import (
    conclude,
    concluded,
    distribution_of,
    known_scores,
    path_of,
    write_scores,
)
from regsearch.search.output.progress import Progress, progress_of
from regsearch.search.result import Search
from regsearch.search.rows import test_key
from regsearch.search.running import alone, engine_of, resumable, say_orphans
from regsearch.search.solving.evaluate import Task
from regsearch.search.solving.workload import Engine
from regsearch.search.strengths import Maxima
from regsearch.tracking import openings, registry
from regsearch.tracking.errors import require_truth
from regsearch.tracking.locks import Held
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import existing_store

Floats = NDArray[np.float64]

_TOGETHER = 4
"""Number of targets that a worker is given at once: what they share is made once, and a kill loses no more of them."""

_AHEAD = 64
"""Number of such units that are submitted before the first is done."""


_WRITE_SECONDS = 2.0
"""Least time between two writes of the scores so far."""


def null_distribution(
    search_id: str,
    *,
    n: int | None = None,
    kind: Kind | None = None,
    step: int | None = None,
    impostors: str | Sequence[str] = (),
    level: float | None = None,
    test: bool = False,
    data: Recording | str | os.PathLike[str] | None = None,
    tracking_uri: str | None = None,
    storage: str | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    progress: bool | Progress = True,
) -> NullDistribution:
    """Compare a finished search with chance: score its whole choice on the real target and on null targets.

    All targets, also the real one, are scored on the same fixed grid, with the search's own folds, score and rule. The
    same call again resumes an interrupted one. Scores agree to rounding error with any number of workers.

    Parameters
    ----------
    search_id : str
    n : int or None
        Number of null targets (default: all impostors that are given here; else that of ``[null]`` in the search's
        configuration; else 100, or all impostors).
    kind : {"shift", "session", "impostor", "permutation"} or None
        Where null targets come from (default: impostors if they are given here; else that of ``[null]``; else impostors
        if there are any, permutations of independent rows, and shifts).
    step : int or None
        Rows between one shift and the next (default: 1).
    impostors : str or sequence of str
        Source of another recording, or sources of several, each with a target of the same name.
    level : float or None
        Largest p that counts as significant; an `n` too small to reach it is refused (default: 0.05).
    test : bool
        Score the chosen models on the test rows, which must have been opened for the search's winner; each kind counts
        as another use of them.
    data : Recording, str, path or None
        The searched data or the path of their file, if the source has moved or cannot be read again.
    tracking_uri, storage : str or None
        Where the search is kept; see `run_search`.
    workers, cluster : int or None, str or None
        Processes that solve; see `run_search`.
    progress : bool or Progress

    Raises
    ------
    ConfigError
        If there is no such finished search, a setting cannot be used, or `n` is too small for `level`.
    DataError
        If the rows or the impostors do not suffice for the null targets.
    SearchBusyError
        If another process is running the search or its null distribution.
    SearchStoppedError
        If a store, the disk or a worker failed on the way.
    """
    require_truth(test=test)
    shown = progress_of(progress)
    connected = engine_of(workers, cluster, shown)
    store = existing_store(tracking_uri, storage)
    say_orphans(store, shown)
    try:
        finished = finished_search(store, search_id)
        settings = _settings(finished.config, n=n, kind=kind, step=step, impostors=impostors, level=level)
        search, sealed = read_search(finished, data, shown=shown)
    except PromotionRefusedError as refusal:
        raise ConfigError(str(refusal)) from refusal
    with alone(store, search_id) as held, resumable(), connected as engine:
        tested = _opened(search, sealed) if test else None
        return compare(search, settings, engine, held, shown=shown, test=tested)


def compare(
    search: Search,
    settings: NullConfig,
    engine: Engine,
    held: Held,
    *,
    shown: Progress,
    test: Rows | None = None,
) -> NullDistribution:
    """Score a search's whole choice on the real target and on null targets, and write what comes of it into its run.

    Parameters
    ----------
    search : Search
    settings : NullConfig
    engine : Engine
        What solves.
    held : Held
        The search's lock.
    shown : Progress
    test : Rows or None
        Opened test rows to score the chosen models on.
    """
    run, is_test = search.run, test is not None
    kind = settings.kind_for(is_independent=search.development.preparation.independent)
    targets, rows = null_targets(search.config, settings, search.development, test)
    development = narrowed_development(search.development, rows)
    tested = narrowed(test, rows) if test else None
    task = NullTask(
        Task(development, search.config.tolerance, run.score),
        search.config,
        Maxima.of_params(run.run.data.params),
        tested,
    )
    scores = _Scores(run, path_of(kind, is_test=is_test), targets.names, _keys(task, rows, targets.values))
    if is_test:  # nothing refuses to score them any more
        _note_use(search, kind)
    scores.complete(task, targets.values, engine, held, shown)
    found = distribution_of(run, kind, targets.names, scores.all, search.winner, is_test=is_test)
    if concluded(search, is_test=is_test) != found:
        shown.say("drawing the figure …")
        conclude(search, found, settings)
    return found


def _settings(
    config: SearchConfig,
    *,
    n: int | None,
    kind: Kind | None,
    step: int | None,
    impostors: str | Sequence[str],
    level: float | None,
) -> NullConfig:
    if isinstance(impostors, str | os.PathLike):
        impostors = (impostors,)
    given = {"n": n, "kind": kind, "step": step, "impostors": tuple(impostors) or None, "level": level}
    values = (config.null or NullConfig()).model_dump() | {key: one for key, one in given.items() if one is not None}
    if kind not in (None, "impostor") and not impostors:
        values["impostors"] = ()
    if impostors:  # what the configuration says is of its own null targets
        values |= {"kind": kind, "n": n}
    if kind is not None and kind not in get_args(Kind):
        raise ConfigError(f"--kind {kind}: expected shift, session, impostor or permutation")
    try:
        settings = NullConfig.model_validate(plain(values))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = f"--{problem['loc'][0]}: " if problem["loc"] else ""
        raise ConfigError(f"{where}{problem_in_words(problem)}") from error
    try:
        settings.require_usable(is_independent=config.data.preparation.independent)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return settings


def _opened(search: Search, sealed: SealedTest) -> Rows:
    """Return the test rows, which must have been opened for this winner."""
    key = test_key(search.development)
    if not key:
        raise ConfigError(f"--test: search {search.run.search_id} has no test rows; leave the option out")
    if known_as(search) not in openings.opened(search.run.store, key):
        raise ConfigError(
            f"--test: the test rows of search {search.run.search_id} have not been opened for its winner; "
            f"`{promoting(search.run.search_id, search.config)}` opens them"
        )
    return sealed.open()


def _note_use(search: Search, kind: Kind) -> None:
    """Note that the test rows are used for this winner and this kind of null targets, too."""
    key = test_key(search.development)
    with registry.alone(search.run.store):
        openings.note_opening(search.run, search.config.name, key, f"{known_as(search)}/null/{kind}")


def _keys(task: NullTask, rows: NDArray[np.intp], targets: Floats) -> list[str]:
    """Return a hash for each target of all that its score depends on; what a kill left is looked up by it."""
    config = task.config.model_dump(mode="json", include={"families", "tolerance", "select"})
    of_all = hashlib.sha256(json.dumps([config, task.task.score, str(task.maxima)]).encode())
    of_all.update(task.development.data_sha256.encode())
    of_all.update(np.ascontiguousarray(rows, dtype="<i8").data)
    keys = []
    for y in targets.T:
        of_one = of_all.copy()
        of_one.update(np.ascontiguousarray(y, dtype="<f8").data)
        keys.append(of_one.hexdigest()[:16])
    return keys


@dataclass(eq=False)
class _Scores:
    """The scores of some targets: those that an earlier call left, and those that come.

    Parameters
    ----------
    run : SearchRun
    path : str
        Path of the artifact that keeps them.
    names, keys : sequence of str
        Of each target.
    """

    run: SearchRun
    path: str
    names: Sequence[str]
    keys: Sequence[str]

    def __post_init__(self) -> None:
        kept = known_scores(self.run, self.path)
        self._known = {key: kept[key] for key in self.keys if key in kept}
        self._written = time.monotonic()

    @property
    def all(self) -> list[float]:
        """The score of each target."""
        return rounded([self._known[key] for key in self.keys])

    def complete(self, task: NullTask, targets: Floats, engine: Engine, held: Held, shown: Progress) -> None:
        """Have those scored that are missing, and write the scores now and then, and at the end however it comes."""
        missing = [place for place, key in enumerate(self.keys) if key not in self._known]
        scored = [self._known[key] for key in self.keys if key in self._known]
        if not missing:
            return
        parts = (missing[part] for part in blocks(len(missing), _TOGETHER))
        pending: dict[Future[list[float]], list[int]] = {}
        with ExitStack() as ending, shown.targets(len(self.keys), scored):
            submit = ending.enter_context(engine(task))
            ending.callback(self._write, held)

            def send(several: Iterator[list[int]]) -> None:
                pending.update({submit(targets[:, part]): part for part in several})

            send(islice(parts, _AHEAD))
            while pending:
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    for place, score in zip(pending.pop(future), future.result(), strict=True):
                        self._known[self.keys[place]] = score
                        shown.score(score)
                    send(islice(parts, 1))
                if time.monotonic() - self._written > _WRITE_SECONDS:
                    self._write(held)

    def _write(self, held: Held) -> None:
        held.confirm()
        write_scores(self.run, self.path, self.names, self.keys, self._known)
        self._written = time.monotonic()
