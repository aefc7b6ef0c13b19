"""What a search came to, told from the store alone: no data are read and nothing is solved."""

from __future__ import annotations

import hashlib
import json

import data
from data import Recording
from search.config import SearchConfig
from search.penalty import trial_name
from search.result import Promotion, SearchResult, invitation
from search.select import remarks, winner
from tracking import registry
from tracking.runs import SearchRun
from tracking.store import Store

_TAG = "request"


def request_of(config: SearchConfig, given: Recording | None = None, *, promote: bool) -> str | None:
    """Return what identifies a call of `run_search`: its configuration, and the data's state without reading them.

    Of data that were given that is their values' SHA-256.  ``None`` if there are no such data.
    """
    state = given.sha256 if given else data.fingerprint(config.data.source, config.data.target)
    text = json.dumps([config.model_dump(mode="json"), state, promote], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest() if state else None


def remember(run: SearchRun, request: str) -> None:
    """Note on a search's run that it is all that a request wanted."""
    run.annotate(tags={_TAG: request})


def recall(store: Store, config: SearchConfig, request: str, *, promote: bool) -> SearchResult | None:
    """Return the result of a request that was carried out, or ``None`` if any part of it is missing or has changed."""
    run = SearchRun.tagged(store, config.name, _TAG, request)
    if run is None or not store.holds(run.run_id, "trials.csv"):
        return None
    if not all(run.is_intact(trial) for trial in run.trial_runs().values()):
        return None
    trials = run.trials()
    best = winner(trials, config.tolerance, config.select)
    promotion = None
    if promote:
        champion = registry.champion(store, config.name)
        if champion is None or champion.run_id != best["run_id"] or not registry.is_intact(store, champion):
            return None
        promotion = Promotion.of(champion, trial_name(best["family"], best), store.shown)
    notes = [*remarks(trials, best, config), *([] if promote else [invitation(run.search_id)])]
    return SearchResult(run.search_id, run.run_id, trials, best, 0, promotion, tuple(notes))
