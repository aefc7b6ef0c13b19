"""Searches from their configuration: of one target, of several on the same features, and nested ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache, partial

import scipy.special  # noqa: F401  # first, because skops seeks its functions one by one in all modules before it

from regsearch.data import Development, Recording, SealedTest
from regsearch.errors import DataError, NoWinnerError
from regsearch.search.chance.null_targets import null_targets
from regsearch.search.config import PRESETS, SearchConfig
from regsearch.search.cutting import nested_parts
from regsearch.search.earlier import request_of
from regsearch.search.execution import Call, Shared
from regsearch.search.nested import Nested, Part
from regsearch.search.output.nested_record import conclude
from regsearch.search.output.parent_run import describe
from regsearch.search.output.progress import Progress, progress_of
from regsearch.search.promotion import score_part
from regsearch.search.result import Search, SearchResult, Tested
from regsearch.search.rows import cut, read_rows, require_cuttable
from regsearch.search.solving.targets import TargetsTask
from regsearch.search.strengths import maxima_of_targets
from regsearch.tracking.errors import require_truth
from regsearch.tracking.figures.attempt import are_wanted


def run_search(
    config: SearchConfig | str | os.PathLike[str],
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
    config : SearchConfig, str or path
        A configuration, a preset's name (``"default"``, ``"tutorial"``), or the path of a TOML file.
    data : Recording or None
        Data to search instead of the configuration's source; see `regsearch.from_frame` and `regsearch.from_arrays`.
        The configuration's `features` and `exclude` choose among its columns.  With a preset's name, its rows are split
        by fractions.
    name : str or None
        Name of the experiment and the model (default: the configuration's).
    tracking_uri : str or None
        MLflow tracking URI (default: ``MLFLOW_TRACKING_URI``, else the database in ``mlruns``).
    storage : str or None
        Optuna storage: a database URL or the path of a journal file (default: ``REGSEARCH_STORAGE``, else the journal
        in ``mlruns``).
    workers : int or None
        Number of processes that solve (default: a thread of this process). The trials are the same with any number;
        scores agree to rounding error.
    cluster : str or None
        Dask cluster that solves: the address of a scheduler, or ``local:4`` for four processes on this machine.  The
        trials and the scores are then the same, too.
    promote : bool
        Whether to score the winner on the test rows, register its model and make it champion.
    progress : bool or Progress
        Whether to show the progress on standard error; or an object that shows it, such as
        `regsearch.search.output.progress.TrialLines`.

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
        If a trial raised an error.
    NoWinnerError
        If no trial can win.  A search that was finished by another rule stays as it was.
    """
    require_truth(promote=promote)
    config = _configured(config, data, name)
    call = Call.of(tracking_uri, storage, progress, workers=workers, cluster=cluster)
    if config.is_nested:
        return _run_nested(call, config, data, promote=promote)
    request = request_of(config, data, promote=promote)
    if known := call.recalled(config, request, promote=promote):
        return known
    call.announce(config, data)
    development, sealed = read_rows(config, data, progress=call.shown.is_shown)
    _require_null(config, development)
    with call.begun({config.search_id(development.data_sha256): config}) as begun:
        search, new_trials = begun.search(config, development, is_promoted=promote)
        return begun.finished(search, sealed, new_trials, promote=promote, request=request)


def run_targets(
    config: SearchConfig | str | os.PathLike[str],
    *,
    data: Sequence[Recording] | None = None,
    name: str | None = None,
    tracking_uri: str | None = None,
    storage: str | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    promote: bool = True,
    progress: bool | Progress = True,
) -> tuple[SearchResult, ...]:
    """Run a search for each target of a configuration; the features are read, hashed and decomposed once for all.

    Each target has a run and a model of its own, ``NAME-TARGET``, in one experiment. With nested cross-validation, the
    targets are searched one after the other, as by `run_search`.

    Parameters
    ----------
    config : SearchConfig, str or path
        A configuration with several targets, a preset's name, or the path of a TOML file.
    data : sequence of Recording or None
        The recording of each target, by its name and in any order, with the same features and rows, to be searched
        instead of the configuration's source; see `regsearch.from_frame`.  They say which targets are searched if the
        configuration names none, such as that of a preset.
    name : str or None
        Name of the experiment; the name of each model begins with it (default: the configuration's).
    tracking_uri, storage, workers, cluster, promote, progress
        As `run_search` has them.

    Returns
    -------
    tuple of SearchResult
        In the order of the targets.

    Raises
    ------
    ConfigError
        If the configuration, its sampler or the cluster's address cannot be used.
    NoWinnerError
        If no trial of a target can win; the other targets are searched anyway.
    DataError, StoreError, SearchBusyError, SearchStoppedError, TrialError
        As `run_search` raises them.
    """
    require_truth(promote=promote)
    if data is not None:
        data = (data,) if isinstance(data, Recording) else tuple(data)
    config = _loaded(config, is_given=data is not None).updated(name=name)
    if data is not None:
        config = config.given_targets(data)
        data = _of_targets(config, data)
    configs = [one.of(data[place]) if data else one for place, one in enumerate(config.for_targets())]
    asked = list(zip(configs, data or [None] * len(configs), strict=True))
    begin = partial(Call.of, tracking_uri, storage, progress_of(progress), workers=workers, cluster=cluster)
    if config.is_nested:
        return tuple(_run_nested(begin(), one, recording, promote=promote) for one, recording in asked)
    call = begin()
    requests = [request_of(one, recording, promote=promote) for one, recording in asked]
    results = {
        place: known
        for place, (one, request) in enumerate(zip(configs, requests, strict=True))
        if (known := call.recalled(one, request, promote=promote))
    }
    missing = [place for place in range(len(configs)) if place not in results]
    if missing:
        recordings = call.recordings(config, data)
        rows = dict(zip(missing, cut(config, [recordings[place] for place in missing]), strict=True))
        del recordings
        found, refusals = _run_together(call, configs, requests, rows, promote=promote)
        results |= found
        if refusals:
            others = "; the searches of the other targets are finished" if results else ""
            raise NoWinnerError("; ".join(refusals) + others)
    return tuple(results[place] for place in range(len(configs)))


def _run_together(
    call: Call,
    configs: Sequence[SearchConfig],
    requests: Sequence[str | None],
    rows: Mapping[int, tuple[Development, SealedTest]],
    *,
    promote: bool,
) -> tuple[dict[int, SearchResult], list[str]]:
    """Search the targets whose rows are at hand, by their places; return their results, and why others have none."""
    for place, (development, _) in rows.items():
        _require_null(configs[place], development)
    wanted = {configs[place].search_id(one.data_sha256): configs[place] for place, (one, _) in rows.items()}
    developments = tuple(development for development, _ in rows.values())
    task = TargetsTask(developments, configs[0].tolerance, are_wanted())
    maxima = cache(partial(maxima_of_targets, developments))
    results, refusals = {}, []
    with call.begun(wanted) as begun, begun.engine(task) as submit:
        for at, (place, (development, sealed)) in enumerate(rows.items()):
            call.shown.say(f"target {development.target}:")
            shared = Shared(at, submit, maxima)
            try:
                search, new = begun.search(configs[place], development, is_promoted=promote, shared=shared)
            except NoWinnerError as refusal:
                refusals.append(f"target {development.target}: {refusal}")
                continue
            results[place] = begun.finished(search, sealed, new, promote=promote, request=requests[place])
    return results, refusals


def _of_targets(config: SearchConfig, data: Sequence[Recording]) -> tuple[Recording, ...]:
    """Return the recording of each target, in the configuration's order, after checking that they belong together."""
    targets = config.data.roles.targets
    if len(targets) == len(data) == 1:
        return tuple(data)
    by_target = {one.target: one for one in data}
    if len(data) != len(targets) or by_target.keys() != {*targets}:
        expected, found = (", ".join(map(repr, names)) for names in (targets, [one.target for one in data]))
        do = "make them together by from_frame(frame, [target, …])"
        raise DataError(
            f"data: expected one recording for each of the targets {expected}, found {found or 'none'}; {do}"
        )
    first, *others = (by_target[target] for target in targets)
    for other in others:
        if not first.differs_in_target_alone(other):
            raise DataError(
                f"data: expected recordings that differ in their target alone, found other features or rows beside "
                f"{other.target!r} than beside {first.target!r}; search them one after the other by run_search"
            )
    return (first, *others)


def _run_nested(call: Call, config: SearchConfig, data: Recording | None, *, promote: bool) -> SearchResult:
    """Run a search for each part of the rows, test each, and run the search on all rows; see `search.nested`."""
    (recording,) = recordings = call.recordings(config, data)
    parts, on_all = config.for_parts(nested_parts(config, len(recording.y), recording.annotations))
    wanted = {one.search_id(recording.sha256): one for one in (*parts, on_all)}
    for one in (*parts, on_all):  # before the test rows of any are opened
        require_cuttable(one, recording)
    if config.null:
        _require_null(on_all, cut(on_all, recordings)[0][0])
    tested = []
    with call.begun(wanted) as begun:
        for number, one in enumerate(parts):
            call.shown.say(f"target {recording.target}, part {number + 1} of {len(parts)}:")
            ((development, sealed),) = cut(one, recordings)
            search, _ = begun.search(one, development, is_promoted=False)
            if promote:
                scored = score_part(search, sealed)
                tested.append(_part(number, search, scored))
            else:
                describe(search)
        call.shown.say("all rows:")
        ((development, sealed),) = cut(on_all, recordings)
        search, new_trials = begun.search(on_all, development, is_promoted=promote)
        nested = Nested(tuple(tested)) if tested else None
        if nested:
            conclude(search, nested)
        result = begun.finished(search, sealed, new_trials, promote=promote)
        return replace(result, nested=nested)


def _require_null(config: SearchConfig, development: Development) -> None:
    """Refuse null targets that the rows do not suffice for before anything is solved, and not after it."""
    if config.null:
        null_targets(config, config.null, development)


def _part(number: int, search: Search, tested: Tested) -> Part:
    return Part(
        part=number,
        rows=search.development.split.shown["test"],
        search_id=search.run.search_id,
        winner=search.winner.name,
        r2_validation=search.winner.r2_validation,
        **asdict(tested),
    )


def _configured(
    config: SearchConfig | str | os.PathLike[str], data: Recording | None, name: str | None
) -> SearchConfig:
    config = _loaded(config, is_given=data is not None)
    return (config if data is None else config.given(data)).updated(name=name)


def _loaded(config: SearchConfig | str | os.PathLike[str], *, is_given: bool) -> SearchConfig:
    """Return a configuration, or load one; a preset is then one for recordings at hand if these are given."""
    if isinstance(config, SearchConfig):
        return config
    loaded = SearchConfig.load(config)
    return loaded.for_recordings() if is_given and config in PRESETS else loaded
