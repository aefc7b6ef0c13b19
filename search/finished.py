"""A finished search read back: its run and its configuration from the store, and its rows from its data."""

from __future__ import annotations

import os
from pathlib import Path

from regsearch.data import Recording, SealedTest, is_path
from regsearch.errors import DataError, PromotionRefusedError
from regsearch.search.choice import choose, config_of, is_complete
from regsearch.search.config.search import path_text
from regsearch.search.output.progress import Progress
from regsearch.search.result import Finished, Search
from regsearch.search.rows import read_rows
from regsearch.search.trial import finished_trials
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import Store


def finished_search(store: Store, search_id: str) -> Finished:
    """Return a finished search as the store holds it; no data are read.

    Raises
    ------
    SearchNotFoundError
        If there is no such search.
    PromotionRefusedError
        If it has not finished, or a trial is no longer there.
    NoWinnerError
        If no trial can win.
    """
    run = SearchRun.get(store, search_id)
    if run.run.info.status != "FINISHED":
        raise PromotionRefusedError(f"search {search_id} has not finished; the same `regsearch run` resumes it")
    config, trials = config_of(run), finished_trials(run)
    if not is_complete(config, trials):
        raise PromotionRefusedError(
            f"search {search_id} has lost trials since it finished, found {len(trials)} of {config.n_trials}; the same "
            "`regsearch run` solves them again"
        )
    return Finished(run, config, choose(run, config, trials))


def read_search(
    finished: Finished, data: Recording | str | os.PathLike[str] | None = None, *, shown: Progress
) -> tuple[Search, SealedTest]:
    """Return a finished search with its rows, and its sealed test rows.

    Parameters
    ----------
    finished : Finished
    data : Recording, str, path or None
        The searched data or the path of their file, if the source has moved or cannot be read again.
    shown : Progress
        Says that the data are read.

    Raises
    ------
    DataError
        If the data cannot be read.
    PromotionRefusedError
        If the data are not those that were searched.
    """
    run, config = finished.run, finished.config
    given = data if isinstance(data, Recording) else None
    source = config.data.source
    if given is None and data is not None:
        source = path_text(data, "data", "the searched recording, by from_frame or from_arrays, or its file's path")
    if given is None:
        shown.say(f"reading {source} …")
    try:
        development, sealed = read_rows(config.reading(source), given, progress=shown.is_shown)
    except DataError as error:
        if data is None and is_path(source) and not Path(source).exists():
            raise DataError(
                f"{error}; if the file was moved or lies in another folder, name it by --data (in Python by data=…)"
            ) from None
        raise
    if config.search_id(development.data_sha256) != run.search_id:
        holds, do = f"{source} does not hold", "name the file that does by --data (in Python by data=…)"
        if data is None:
            holds = f"{source} no longer holds"
        elif given:
            holds, do = "what was given does not hold", "give the recording that does"
        raise PromotionRefusedError(f"{holds} the values that search {run.search_id} was run on; {do}")
    return Search(run, config, finished.choice, development), sealed
