"""What the store already knows: the result of the same request, and the latest other search of the same name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.exceptions import MlflowException

from regsearch import data
from regsearch.data import Recording
from regsearch.data.refusal import short
from regsearch.errors import ConfigError, NoWinnerError
from regsearch.search.choice import choose, config_of, is_complete
from regsearch.search.config import SearchConfig
from regsearch.search.output.null_record import concluded
from regsearch.search.result import Finished, Promotion, SearchResult
from regsearch.search.trial import Trial, finished_trials
from regsearch.search.weights import read_feature_names
from regsearch.tracking import registry
from regsearch.tracking.queries import searches
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import Store

_TAG, _NOTES = "request", "notes"
_SHOWN = 2


def request_of(config: SearchConfig, given: Recording | None = None, *, promote: bool) -> str | None:
    """Return the identity of a call of `run_search` without reading the data; ``None`` if there are no such data.

    It is a hash of the configuration, of whether to promote, and of the data's state: the fingerprint of their source,
    or the SHA-256 and the names of values that were given.
    """
    if given:
        state: str | None = json.dumps([given.sha256, given.feature_names, given.covariate_names])
    else:
        state = data.fingerprint(config.data.source, config.data.roles)
    text = json.dumps([config.model_dump(mode="json"), state, promote], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest() if state else None


def remember(run: SearchRun, request: str, said: Sequence[str]) -> None:
    """Note on a search's run that it has carried out a request, and what a person should know of the result."""
    run.annotate(tags={_TAG: request, _NOTES: "\n".join(said)})


def renamed(run: SearchRun, trial: Trial, names: Sequence[str]) -> list[str]:
    """Return a note if the features have other names than when a trial was solved: a search is told by its values."""
    solved_as = read_feature_names(run, trial.run_id)
    if not solved_as or not names or solved_as == tuple(names):
        return []
    was, now = next((was, now) for was, now in zip(solved_as, names, strict=True) if was != now)
    return [
        f"a feature that is called {short(now)} now was called {short(was)} when this search solved {trial.name}: its "
        "files and its champion may have the earlier names; to have the new ones everywhere, search under another name"
    ]


def forget(run: SearchRun) -> None:
    """Note that the run will be other than its last request left it, whether or not this one comes to its end."""
    if run.run.data.tags.get(_TAG):
        run.annotate(tags={_TAG: ""})


def recall(store: Store, config: SearchConfig, request: str, *, promote: bool) -> SearchResult | None:
    """Return the result of a request that was carried out before; ``None`` if any part of it is missing or changed."""
    run = SearchRun.tagged(store, config.in_experiment, _TAG, request)
    if run is None or not store.holds(run.run_id, "trials.csv"):
        return None
    if not all(run.is_intact(trial) for trial in run.trial_runs().values()):
        return None
    trials = finished_trials(run)
    if not is_complete(config, trials):
        return None
    chosen = choose(run, config, trials)
    best = chosen.winner
    promotion = None
    if promote:
        champion = registry.champion(store, config.name)
        if champion is None or champion.run_id != best.run_id or not registry.is_intact(store, champion):
            return None
        promotion = Promotion.of(champion, best.name, store.shown)
    finished = Finished(run, config, chosen)
    null = concluded(finished, config.null)
    if config.null and null is None:
        return None
    said = run.run.data.tags.get(_NOTES, "").splitlines()
    return SearchResult.of(finished, 0, promotion, notes=said, null=null)


def require_winner(store: Store, config: SearchConfig, search_id: str) -> None:
    """Refuse a rule by which no trial of a finished search wins, before the search is changed.

    If the configuration wants more trials than there are, one of the new ones may win, and nothing is refused.

    Raises
    ------
    NoWinnerError
        If no trial can win, and none would be added.
    """
    run = SearchRun.find(store, search_id, config.in_experiment)
    if run is None or run.run.info.status != "FINISHED" or not store.holds(run.run_id, "config.toml"):
        return
    if config_of(run).select == config.select:
        return
    trials = finished_trials(run)
    try:
        choose(run, config, trials)
    except NoWinnerError as refusal:
        if not is_complete(config, trials):
            return
        raise NoWinnerError(
            f"target {config.data.target}: {refusal}; the finished search {search_id} stays as it was"
        ) from refusal


@dataclass(frozen=True)
class Predecessor:
    """The latest search of the same name, if it is another search.

    Attributes
    ----------
    search_id : str
    changes : tuple of str
        The keys that have changed since, with their values; at least one.
    """

    search_id: str
    changes: tuple[str, ...]

    def __str__(self) -> str:
        more = f"; and {len(self.changes) - _SHOWN} more" if len(self.changes) > _SHOWN else ""
        return (
            f"this starts a new search instead of resuming {self.search_id} of the same name: "
            f"{'; '.join(self.changes[:_SHOWN])}{more}"
        )


def predecessor(store: Store, config: SearchConfig, data_sha256: str) -> Predecessor | None:
    """Return the latest other search of the same name; ``None`` without one, or if this search was started before.

    Parameters
    ----------
    store : Store
    config : SearchConfig
    data_sha256 : str
        SHA-256 of the recording that is to be searched.
    """
    if SearchRun.find(store, config.search_id(data_sha256)) is not None:
        return None
    for run in searches(store, config.in_experiment):
        tags = run.data.tags
        try:
            earlier = config_of(SearchRun.of(store, run))
        except (ConfigError, MlflowException, OSError):
            continue  # it never wrote one, or a newer version did
        if _kind(earlier) != _kind(config):
            continue
        changes = config.differences(earlier)
        if tags["data_sha256"] != data_sha256:
            changes[:0] = _what_is_read(earlier, config)
        return Predecessor(tags["search_id"], tuple(changes)) if changes else None
    return None


def _kind(config: SearchConfig) -> tuple[str, int | None, bool]:
    """Return what tells the searches of one experiment apart: those of several targets, and of parts in turn."""
    split = config.data.split
    return config.name, split.part if split else None, bool(split and split.test == "none")


def _what_is_read(earlier: SearchConfig, config: SearchConfig) -> list[str]:
    """Say why two searches have other data: their source, else the columns that are chosen, else its values."""
    was, now = earlier.data.source, config.data.source
    if was != now:
        return [f"the data's values (was {was}, now {now})"]
    return config.other_columns(earlier) or [f"the data's values (of {now})"]
