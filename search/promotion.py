"""Promotion: the test rows are opened once for the winner, and its model is registered and becomes champion."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from mlflow.entities.model_registry import ModelVersion
from numpy.typing import NDArray

from regsearch.data import Development, Recording, Rows, SealedTest, is_path
from regsearch.data.blocks import row_blocks
from regsearch.errors import DataError, PromotionRefusedError, RegistryError
from regsearch.search.choice import choose, config_of, is_complete
from regsearch.search.config import SearchConfig, path_text
from regsearch.search.notes import promoting
from regsearch.search.objections import known_as, require_no_objection
from regsearch.search.output import mlflow_text
from regsearch.search.output.nested_record import RESULT
from regsearch.search.output.parent_run import describe, draw_tested, is_drawn_tested
from regsearch.search.output.progress import Progress, progress_of
from regsearch.search.result import TEST_SCORES, Promotion, Search, Tested
from regsearch.search.rows import read_rows, test_key
from regsearch.search.solving.bootstrap import resampled_r2
from regsearch.search.solving.predictions import predict
from regsearch.search.solving.scores import r2_score
from regsearch.search.trial import finished_trials
from regsearch.search.verification import require_agreement
from regsearch.tracking import openings, registry
from regsearch.tracking.errors import require_truth
from regsearch.tracking.model import load, save
from regsearch.tracking.orphans import close_orphans
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import Store, existing_store

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
    search, sealed = read_search(*finished_search(store, search_id), data, shown=shown)
    shown.say("promoting the winner …")
    return promote_winner(search, sealed, again=again, force=force)


def finished_search(store: Store, search_id: str) -> tuple[SearchRun, SearchConfig]:
    """Return the run of a finished search and its configuration; no data are read.

    Raises
    ------
    SearchNotFoundError
        If there is no such search.
    PromotionRefusedError
        If it has not finished, or a trial is no longer there.
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
    return run, config


def read_search(
    run: SearchRun, config: SearchConfig, data: Recording | str | os.PathLike[str] | None = None, *, shown: Progress
) -> tuple[Search, SealedTest]:
    """Return a finished search with its rows, and its sealed test rows.

    Parameters
    ----------
    run : SearchRun
    config : SearchConfig
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
    return Search(run, config, choose(run, config), development), sealed


def promote_winner(search: Search, sealed: SealedTest, *, again: bool = False, force: bool = False) -> Promotion:
    """Promote the winner of a search whose data are at hand; see `promote`.

    Under the registry's lock, from the comparison with the champion to the move of the alias, one promotion goes on at
    a time.  The next promotion completes one that was interrupted.
    """
    run, config, development, winner = search.run, search.config, search.development, search.winner
    store, nested, key = run.store, search.said_of_choice(RESULT), test_key(development)
    with registry.alone(store) as held:
        opened = openings.opened(store, key) if key else ()
        given = [option for option, is_given in (("--force", force), ("--again", again)) if is_given]
        require_no_objection(search, registry.champion(store, config.name), opened, given)
        require_agreement(search)
        tested = _score_once(search, sealed, opened) if key else None
        scores = {"r2_train": winner.r2_train, "r2_validation": winner.r2_validation}
        scores |= tested.scores if tested else {}
        card = mlflow_text.version_card(search, tested, is_drawn=search.is_drawn)
        version = registry.register(
            store,
            config.name,
            winner.run_id,
            partial(_save, search),
            tags={
                **{score: repr(value) for score, value in scores.items()},
                "search_id": run.search_id,
                "family": winner.family,
                "trial": str(winner.number),
                "trial_name": winner.name,
                "data_sha256": development.data_sha256,
                "target": development.target,
                "test_key": key,
                "test_evaluations": str(tested.openings if tested else 0),
                **({"nested": nested} if nested else {}),
            },
            description=mlflow_text.with_chance(card, mlflow_text.chance(search)),
            about=mlflow_text.model_card(search),
        )
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
        trial=winner.name,
        tracking_uri=store.shown,
        nested=nested,
        **scores,
    )


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
        return registry.rollback(store, name, lambda version: _load(store, version))


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
    return _load(store, version)


def _load(store: Store, version: ModelVersion) -> Estimator:
    with TemporaryDirectory() as folder:
        return load(registry.download(store, version, folder), version.tags.get(registry.SHA256))


def _save(search: Search, folder: Path) -> dict[str, str]:
    """Save the winner as an estimator in a new folder, and return the tags that its version gets of that."""
    from regsearch.tracking.estimator import fitted

    development, weights = search.development, search.weights
    model = fitted(
        np.append(weights.coef, weights.covariate_coef),
        weights.intercept,
        _table(development.model),
        strengths=_strengths(search),
        feature_names=_column_names(development),
        is_scaled=development.preparation.scale != "none",
    )
    return {registry.SHA256: save(model, folder)}


def _table(rows: Rows) -> Iterator[tuple[NDArray[np.floating], NDArray[np.float64] | None]]:
    """Yield blocks of rows, covariates after features, and their weights."""
    for block in row_blocks(rows.X):
        X = rows.X[block, :]
        if rows.covariates is not None:
            X = np.hstack([X, rows.covariates[block]])
        yield X, None if rows.weights is None else rows.weights[block]


def _strengths(search: Search) -> tuple[float, float]:
    """Return the strengths of the winner for columns that are scaled to unit deviation, or not at all."""
    penalty, prepared = search.penalty_of_the_winner, search.development.preparation
    n_rows = search.development.model.total_weight if prepared.scale == "unit-norm" else 1.0
    return penalty.l1 * float(np.sqrt(n_rows)), penalty.l2 * n_rows


def _column_names(development: Development) -> tuple[str, ...]:
    """Return the names of the columns that the champion takes, or none if the features have none."""
    return development.feature_names and (*development.feature_names, *development.covariate_names)


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
