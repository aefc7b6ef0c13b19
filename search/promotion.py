"""Promotion: the test rows are opened once for the winner, and its model is registered and becomes champion."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from mlflow.entities.model_registry import ModelVersion

from regsearch.data import Recording, SealedTest
from regsearch.errors import PromotionRefusedError, RegistryError
from regsearch.search.champion import load_version, save_winner
from regsearch.search.finished import finished_search, read_search
from regsearch.search.notes import promoting
from regsearch.search.objections import known_as, require_no_objection
from regsearch.search.output import mlflow_text
from regsearch.search.output.nested_record import RESULT
from regsearch.search.output.parent_run import describe, draw_tested, is_drawn_tested
from regsearch.search.output.progress import Progress, progress_of
from regsearch.search.result import TEST_SCORES, Promotion, Search, Tested
from regsearch.search.rows import test_key
from regsearch.search.solving.bootstrap import resampled_r2
from regsearch.search.solving.predictions import predict
from regsearch.search.solving.scores import r2_score
from regsearch.search.verification import require_agreement
from regsearch.tracking import openings, registry
from regsearch.tracking.errors import require_truth
from regsearch.tracking.orphans import close_orphans
from regsearch.tracking.store import existing_store

if TYPE_CHECKING:
    from regsearch.tracking.model import Estimator


def promote(
    search_id: str,
    *,
    data: Recording | str | os.PathLike[str] | None = None,
    tracking_uri: str | None = None,
    storage: str | None = None,
    again: bool = False,
    force: bool = False,
    progress: bool | Progress = False,
) -> Promotion:
    """Promote the winner of a finished search.

    Parameters
    ----------
    search_id : str
    data : Recording, str, path or None
        The searched data or the path of their file, if the source has moved or cannot be read again.
    tracking_uri : str or None
        MLflow tracking URI of the search.
    storage : str or None
        Optuna storage URL of the search; if PostgreSQL, its locks keep promotions on several machines apart.
    again : bool
        Open the test rows even if they were opened for another winner.
    force : bool
        Promote the winner even if it is no better than a mean or the champion, or cannot be compared with it.
    progress : bool or Progress
        Whether to show the progress on standard error.

    Raises
    ------
    SearchNotFoundError
        If there is no such search.
    DataError
        If the data cannot be read.
    PromotionRefusedError
        If the search has not finished, the data differ from the searched data, or `again` or `force` is needed.
    SearchStoppedError
        If the winner's weights are gone or damaged; the same `run_search` solves its trial again.
    """
    require_truth(again=again, force=force)
    shown = progress_of(progress)
    store = existing_store(tracking_uri, storage)
    close_orphans(store)
    search, sealed = read_search(finished_search(store, search_id), data, shown=shown)
    shown.say("promoting the winner …")
    return promote_winner(search, sealed, again=again, force=force)


def promote_winner(search: Search, sealed: SealedTest, *, again: bool = False, force: bool = False) -> Promotion:
    """Promote the winner of a search whose data are at hand; see `promote`.

    Under the registry's lock, from the comparison with the champion to the move of the alias, one promotion goes on at
    a time.  The next promotion completes one that was interrupted.
    """
    run, config = search.run, search.config
    store, nested, key = run.store, search.said_of_choice(RESULT), test_key(search.development)
    with registry.alone(store) as held:
        opened = openings.opened(store, key) if key else ()
        given = [option for option, is_given in (("--force", force), ("--again", again)) if is_given]
        require_no_objection(search, registry.champion(store, config.name), opened, given)
        require_agreement(search)
        tested = _score_once(search, sealed, opened) if key else None
        version = _registered(search, tested, nested)
        if registry.was_rolled_back(version) and not force:
            raise PromotionRefusedError(
                f"{config.name}: version {version.version} was champion and has been rolled back; "
                f"`{promoting(run.search_id, config, ['--force', *given])}` makes it champion again"
            )
        held.confirm()
        replaced = registry.crown(store, config.name, str(version.version))
    describe(search, tested, str(version.version))
    return Promotion(
        model=config.name,
        version=str(version.version),
        replaced=replaced,
        trial=search.winner.name,
        tracking_uri=store.shown,
        nested=nested,
        **_scores(search, tested),
    )


def _registered(search: Search, tested: Tested | None, nested: str) -> ModelVersion:
    """Register the winner's model with its scores and its origin, unless it is registered, and return its version."""
    run, winner, development = search.run, search.winner, search.development
    card = mlflow_text.version_card(search, tested, is_drawn=search.is_drawn)
    return registry.register(
        run.store,
        search.config.name,
        winner.run_id,
        partial(save_winner, search),
        tags={
            **{score: repr(value) for score, value in _scores(search, tested).items()},
            "search_id": run.search_id,
            "family": winner.family,
            "trial": str(winner.number),
            "trial_name": winner.name,
            "data_sha256": development.data_sha256,
            "target": development.target,
            "test_key": test_key(development),
            "test_evaluations": str(tested.openings if tested else 0),
            **({"nested": nested} if nested else {}),
        },
        description=mlflow_text.with_chance(card, mlflow_text.chance(search)),
        about=mlflow_text.model_card(search),
    )


def _scores(search: Search, tested: Tested | None) -> dict[str, float]:
    of_trial = {"r2_train": search.winner.r2_train, "r2_validation": search.winner.r2_validation}
    return of_trial | (tested.scores if tested else {})


def score_part(search: Search, sealed: SealedTest) -> Tested:
    """Score the winner of a search on the part of the rows that it was kept from, and register nothing.

    How often these rows were opened is noted and counted as for a promotion.
    """
    with registry.alone(search.run.store):
        opened = openings.opened(search.run.store, test_key(search.development))
        require_agreement(search)
        tested = _score_once(search, sealed, opened)
    describe(search, tested)
    return tested


def rollback(name: str, *, tracking_uri: str | None = None, storage: str | None = None) -> str:
    """Go back to the previous champion: the version that the current champion replaced, bit for bit.

    Parameters
    ----------
    name : str
        Name of the registered model.
    tracking_uri : str or None
        MLflow tracking URI of the model.
    storage : str or None
        Optuna storage URL; if PostgreSQL, its locks keep promotions on several machines apart.

    Returns
    -------
    str
        The version that is champion now.

    Raises
    ------
    StoreError
        If nothing has been tracked there.
    RegistryError
        If there is no champion, or no version before it.
    ModelRejectedError
        If the file of the previous version was changed.
    """
    store = existing_store(tracking_uri, storage)
    with registry.alone(store):
        return registry.rollback(store, name, lambda version: load_version(store, version))


def load_champion(name: str, *, tracking_uri: str | None = None) -> Estimator:
    """Return the champion of a registered model: a scikit-learn estimator.

    Unlike `mlflow.pyfunc.load_model`, it loads only models that regsearch wrote, and executes nothing from the store.

    Raises
    ------
    RegistryError
        If there is no champion.
    ModelRejectedError
        If the registered model is not one that regsearch wrote.
    """
    store = existing_store(tracking_uri)
    version = registry.champion(store, name)
    if version is None:
        raise RegistryError(
            f"no champion of {name!r} in {store.shown}; known models are {', '.join(registry.names(store)) or 'none'}"
        )
    return load_version(store, version)


def _score_once(search: Search, sealed: SealedTest, opened: Sequence[str]) -> Tested:
    """Return the winner's test score; the test rows are opened for it, and that is noted, unless they were before."""
    run, winner_id = search.run, search.winner.run_id
    if known_as(search) not in opened:
        openings.note_opening(run, search.config.name, test_key(search.development), winner_id)
        opened = [*opened, known_as(search)]
    known = run.store.client.get_run(winner_id).data.metrics
    if known.keys() >= set(TEST_SCORES) and is_drawn_tested(search):
        return Tested(known["r2_test"], known["r2_test_low"], known["r2_test_high"], openings=len(opened))
    rows = sealed.open()
    predicted = predict(rows, search.weights)
    independent = search.development.preparation.independent
    resampled = resampled_r2(rows.y, predicted, rows.weights, independent=independent, resamples=2000)
    low, high = np.quantile(resampled, [0.025, 0.975]).tolist()
    tested = Tested(r2_score(rows.y, predicted, rows.weights), low, high, openings=len(opened))
    draw_tested(search, rows)
    run.annotate(metrics={f"best_{name}": value for name, value in tested.scores.items()})
    run.annotate(metrics=tested.scores, run_id=winner_id)
    return tested
