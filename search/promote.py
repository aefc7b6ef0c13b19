"""What winning does: the test rows are opened once, the model is registered and becomes champion."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data import Development, SealedTest
from search import story
from search.bootstrap import resampled_r2
from search.config import SearchConfig
from search.evaluate import predict, r2_score
from search.report import read_weights, subject, tell, told, trial_name
from search.rows import read_rows
from search.select import winner
from tracking import registry
from tracking.orphans import close_orphans
from tracking.runs import SearchRun
from tracking.store import Store, open_store

_TEST_SCORES = ("r2_test", "r2_test_low", "r2_test_high")


class PromotionRefusedError(RuntimeError):
    """The winner may not become champion: the message says why, and what would allow it."""


@dataclass(frozen=True)
class Promotion:
    """A champion and how it came to be.

    Attributes
    ----------
    model : str
        Name of the registered model.
    version : str
    replaced : str or None
        The version that was champion before.
    trial : str
        The winning trial's name.
    r2_train, r2_validation, r2_test : float
    r2_test_low, r2_test_high : float
        95 % interval of the test score, by the block bootstrap.
    """

    model: str
    version: str
    replaced: str | None
    trial: str
    r2_train: float
    r2_validation: float
    r2_test: float
    r2_test_low: float
    r2_test_high: float

    @property
    def uri(self) -> str:
        """What `mlflow.pyfunc.load_model` takes."""
        return f"models:/{self.model}@{registry.CHAMPION}"


def promote(search_id: str, *, tracking_uri: str | None = None, again: bool = False, force: bool = False) -> Promotion:
    """Promote the winner of a finished search.

    Parameters
    ----------
    search_id : str
    tracking_uri : str or None
        Where the search was tracked.
    again : bool
        Open the test rows even though another winner of the same data and split has been scored on them.
    force : bool
        Replace the champion even if it is of other data or scores better.

    Raises
    ------
    PromotionRefusedError
        If there is no such finished search, the data are not what was searched, or `again` or `force` is needed.
    """
    store = open_store(tracking_uri)
    close_orphans(store)
    run = SearchRun.find(store, search_id)
    if run is None:
        raise PromotionRefusedError(
            f"no search {search_id!r} in {store.shown}; `regsearch run` prints the id of each search"
        )
    if run.run.info.status != "FINISHED":
        raise PromotionRefusedError(f"search {search_id} has not finished; the same `regsearch run` resumes it")
    config = SearchConfig.from_toml(run.read(run.run_id, "config.toml").decode())
    development, sealed = read_rows(config)
    if config.search_id(development.data_sha256) != search_id:
        raise PromotionRefusedError(
            f"{config.data.source} no longer holds the values that search {search_id} was run on"
        )
    return promote_winner(run, config, development, sealed, again=again, force=force)


def promote_winner(
    run: SearchRun,
    config: SearchConfig,
    development: Development,
    sealed: SealedTest,
    *,
    again: bool = False,
    force: bool = False,
) -> Promotion:
    """Promote the winner of a search whose data are at hand; see `promote`."""
    store = run.store
    trials = run.trials()
    best = winner(trials, config.tolerance, config.select)
    current = registry.champion(store, config.name)
    mine = current is not None and current.run_id == best["run_id"]
    if current is not None and not mine and not force:
        _require_better(best, current.tags, development, config.name, str(current.version), run)
    tested, openings = _score_once(run, best, development, sealed, again=again)
    scored = story.Tested(**tested, openings=openings)
    weights = read_weights(run, best["run_id"])
    scores = {name: float(best[name]) for name in ("r2_train", "r2_validation")} | tested
    name = trial_name(best["family"], best)
    version = registry.register(
        store,
        config.name,
        best["run_id"],
        registry.linear_model(weights.coef, weights.intercept, development.feature_names),
        development.model.X.dtype,
        tags={
            **{score: repr(value) for score, value in scores.items()},
            "search_id": run.run.data.tags["search_id"],
            "family": best["family"],
            "trial": str(best["trial"]),
            "data_sha256": development.data_sha256,
            "test_key": _test_key(development),
            "test_evaluations": str(openings),
        },
        description=story.version_card(subject(run, config, development), told(best), scored),
        about=story.model_card(config, development),
    )
    replaced = registry.crown(store, config.name, version)
    tell(run, config, development, trials, best, scored, version)
    return Promotion(config.name, version, replaced, name, **scores)


def _require_better(
    best: pd.Series, champion: dict[str, str], development: Development, model: str, version: str, run: SearchRun
) -> None:
    search_id = run.run.data.tags["search_id"]
    if champion.get("test_key") != _test_key(development):
        raise PromotionRefusedError(
            f"{model}: champion version {version} is of other data or another split, so the scores do not compare; "
            f"`regsearch promote {search_id} --force` replaces it all the same"
        )
    theirs = float(champion["r2_validation"])
    if best["r2_validation"] <= theirs:
        raise PromotionRefusedError(
            f"{model}: champion version {version} stays, its validation R² {theirs:.4f} is not below this search's "
            f"{best['r2_validation']:.4f}; `regsearch promote {search_id} --force` replaces it all the same"
        )


def _score_once(
    run: SearchRun, best: pd.Series, development: Development, sealed: SealedTest, *, again: bool
) -> tuple[dict[str, float], int]:
    """Return the winner's test score with its interval, and how often these test rows have been opened till now."""
    key = _test_key(development)
    winner_id = str(best["run_id"])
    opened = openings(run.store, key)
    if winner_id not in opened:
        if opened and not again:
            raise PromotionRefusedError(
                f"the test rows of this data and split were opened {len(opened)} time(s) before, for another winner; "
                "choosing by test scores would make them meaningless. "
                f"`regsearch promote {run.run.data.tags['search_id']} --again` opens them and counts it"
            )
        mine = [*filter(None, run.run.data.tags.get("test_opened_for", "").split(",")), winner_id]
        run.annotate(
            tags={
                "test_key": key,
                "test_opened_for": ",".join(mine),
                "test_opened_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            }
        )
        opened = [*opened, winner_id]
    known = run.store.client.get_run(winner_id).data.metrics
    if known.keys() >= set(_TEST_SCORES):
        return {name: known[name] for name in _TEST_SCORES}, len(opened)
    weights = read_weights(run, winner_id)
    rows = sealed.open()
    predicted = predict(rows, weights.coef, weights.intercept)
    low, high = np.quantile(resampled_r2(rows.y, predicted, resamples=2000), [0.025, 0.975])
    tested = dict(zip(_TEST_SCORES, (r2_score(rows.y, predicted), float(low), float(high)), strict=True))
    run.annotate(metrics={f"best_{name}": value for name, value in tested.items()})
    run.annotate(metrics=tested, run_id=winner_id)
    return tested, len(opened)


def openings(store: Store, test_key: str) -> list[str]:
    """Return the runs of the winners for which the test rows of some data and split were opened, over all searches."""
    parents = store.client.search_runs(store.experiments(), f"tags.test_key = '{test_key}' AND tags.role = 'search'")
    return [winner_id for parent in parents for winner_id in parent.data.tags["test_opened_for"].split(",")]


def _test_key(development: Development) -> str:
    start, stop = development.split.test
    return f"{development.data_sha256}:{start}-{stop}"
