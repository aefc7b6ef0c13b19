"""What winning does: the test rows are opened once, the model is registered and becomes champion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from regsearch.data import Development, Recording, SealedTest
from regsearch.data.blocks import row_blocks
from regsearch.errors import ModelRejectedError, PromotionRefusedError, RegistryError
from regsearch.search.config import SearchConfig
from regsearch.search.output import mlflow_text
from regsearch.search.output.search_figures import subject, tell, told
from regsearch.search.output.trial_files import read_weights
from regsearch.search.penalty import penalty_of, trial_name
from regsearch.search.result import Promotion
from regsearch.search.rows import read_rows
from regsearch.search.solving.bootstrap import resampled_r2
from regsearch.search.solving.evaluate import predict, r2_score
from regsearch.search.winner import winner
from regsearch.tracking import openings, registry
from regsearch.tracking.model import load, save
from regsearch.tracking.orphans import close_orphans
from regsearch.tracking.runs import SearchRun, suggestion
from regsearch.tracking.store import Store, open_store

if TYPE_CHECKING:
    from regsearch.tracking.model import Estimator

_TEST_SCORES = ("r2_test", "r2_test_low", "r2_test_high")


def promote(
    search_id: str,
    *,
    data: Recording | None = None,
    tracking_uri: str | None = None,
    storage: str | None = None,
    again: bool = False,
    force: bool = False,
) -> Promotion:
    """Promote the winner of a finished search.

    Parameters
    ----------
    search_id : str
    data : Recording or None
        What was searched, where it cannot be read again or has moved.
    tracking_uri : str or None
        Where the search was tracked.
    storage : str or None
        Where it was proposed: a PostgreSQL keeps promotions of several machines apart.
    again : bool
        Open the test rows even though another winner of the same data and split has been scored on them.
    force : bool
        Replace the champion even if it is of other data or scores better.

    Raises
    ------
    PromotionRefusedError
        If there is no such finished search, the data are not what was searched, or `again` or `force` is needed.
    """
    store = open_store(tracking_uri, storage)
    close_orphans(store)
    run = SearchRun.find(store, search_id)
    if run is None:
        raise PromotionRefusedError(f"no search {search_id!r} in {store.shown}; {suggestion(store, search_id)}")
    if run.run.info.status != "FINISHED":
        raise PromotionRefusedError(f"search {search_id} has not finished; the same `regsearch run` resumes it")
    config = SearchConfig.from_toml(run.read(run.run_id, "config.toml").decode())
    development, sealed = read_rows(config, data)
    if config.search_id(development.data_sha256) != search_id:
        source = "what was given" if data else config.data.source
        raise PromotionRefusedError(f"{source} no longer holds the values that search {search_id} was run on")
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
    """Promote the winner of a search whose data are at hand; see `promote`.

    From the comparison with the champion to the move of the alias one promotion goes on at a time, and one that was
    interrupted is completed by the next.
    """
    store = run.store
    trials = run.trials()
    best = winner(trials, config.tolerance, config.select)
    with registry.alone(store) as held:
        current = registry.champion(store, config.name)
        opened = openings.opened(store, _test_key(development))
        objections = {} if force else _against_champion(best, current, development)
        objections |= {} if again else _against_opening(_winner(run, best), opened)
        given = [option for option, is_given in (("--force", force), ("--again", again)) if is_given]
        if objections:
            command, does = _command(run.search_id, [*given, *objections]), _effect(objections)
            raise PromotionRefusedError(f"{'; '.join(objections.values())}; {command} {does}")
        tested, count = _score_once(run, config, best, development, sealed, opened)
        scored = mlflow_text.Tested(**tested, openings=count)
        weights = read_weights(run, best["run_id"])
        scores = {name: float(best[name]) for name in ("r2_train", "r2_validation")} | tested
        name = trial_name(best["family"], best)

        def write(folder: Path) -> dict[str, str]:
            from regsearch.tracking.estimator import fitted

            X = development.model.X
            penalty = penalty_of(best["family"], dict(best), len(development.model.y))
            model = fitted(
                weights.coef,
                weights.intercept,
                (X[block, :] for block in row_blocks(X)),
                l1=penalty.l1,
                l2=penalty.l2,
                feature_names=development.feature_names,
            )
            return {registry.SHA256: save(model, folder)}

        version = registry.register(
            store,
            config.name,
            best["run_id"],
            write,
            tags={
                **{score: repr(value) for score, value in scores.items()},
                "search_id": run.search_id,
                "family": best["family"],
                "trial": str(best["trial"]),
                "trial_name": name,
                "data_sha256": development.data_sha256,
                "test_key": _test_key(development),
                "test_evaluations": str(count),
            },
            description=mlflow_text.version_card(subject(run, config, development), told(best), scored),
            about=mlflow_text.model_card(config, development, store.shown),
        )
        if registry.was_rolled_back(version) and not force:
            raise PromotionRefusedError(
                f"{config.name}: version {version.version} was champion and has been rolled back; "
                f"{_command(run.search_id, ['--force', *given])} makes it champion again"
            )
        held.confirm()
        replaced = registry.crown(store, config.name, str(version.version))
    tell(run, config, development, trials, best, scored, str(version.version))
    return Promotion(config.name, str(version.version), replaced, name, **scores, tracking_uri=store.shown)


def rollback(name: str, *, tracking_uri: str | None = None, storage: str | None = None) -> str:
    """Make the version that a model's champion replaced champion again, bit for bit, and return it; see `promote`.

    Raises
    ------
    tracking.RegistryError
        If there is no champion, or it replaced none.
    tracking.model.ModelRejectedError
        If the previous version is no longer what was registered.
    """
    store = open_store(tracking_uri, storage)
    with registry.alone(store):
        return registry.rollback(store, name, lambda version: _load(store, version))


def load_champion(name: str, *, tracking_uri: str | None = None) -> Estimator:
    """Return the champion of a registered model, as the scikit-learn estimator that it is.

    Unlike `mlflow.pyfunc.load_model`, this admits nothing but a model that regsearch wrote: see `tracking.model.load`.

    Raises
    ------
    tracking.RegistryError
        If there is no champion.
    tracking.model.ModelRejectedError
        If what is registered is something else.
    """
    store = open_store(tracking_uri)
    version = registry.champion(store, name)
    if version is None:
        raise RegistryError(
            f"no champion of {name!r} in {store.shown}; known models are {', '.join(registry.names(store)) or 'none'}"
        )
    return _load(store, version)


def _load(store: Store, version: ModelVersion) -> Estimator:
    if version.run_id is None or version.source != f"runs:/{version.run_id}/model":
        raise ModelRejectedError(f"{version.name} version {version.version} was not registered by regsearch")
    with TemporaryDirectory() as folder:
        return load(
            Path(store.client.download_artifacts(version.run_id, "model", folder)), version.tags.get(registry.SHA256)
        )


def _against_champion(best: pd.Series, champion: ModelVersion | None, development: Development) -> dict[str, str]:
    """Say by the option that overrules it why a winner may not replace the champion, if anything is against it."""
    if champion is None or champion.run_id == best["run_id"]:
        return {}
    model = f"{champion.name}: champion version {champion.version}"
    if champion.tags.get("test_key") != _test_key(development):
        return {"--force": f"{model} is of other data or another split, so the scores do not compare"}
    theirs, mine = float(champion.tags["r2_validation"]), float(best["r2_validation"])
    if mine > theirs:
        return {}
    than = "equals" if mine == theirs else "is better than"
    return {"--force": f"{model} stays, its validation R² {theirs:.4f} {than} this search's {mine:.4f}"}


def _against_opening(known: str, opened: Sequence[str]) -> dict[str, str]:
    """Say by the option that overrules it why the test rows may not be opened, if anything is against it."""
    if not opened or known in opened:
        return {}
    times = f"the test rows of this data and split were opened {len(opened)} time(s) before, for another winner"
    return {"--again": f"{times}; choosing by test scores would make them meaningless"}


def _command(search_id: str, options: Iterable[str]) -> str:
    return f"`regsearch promote {' '.join((search_id, *options))}`"


def _effect(options: Iterable[str]) -> str:
    does = {"--force": "replaces it all the same", "--again": "opens them and counts it"}
    return " and ".join(does[option] for option in options)


def _score_once(
    run: SearchRun,
    config: SearchConfig,
    best: pd.Series,
    development: Development,
    sealed: SealedTest,
    opened: Sequence[str],
) -> tuple[dict[str, float], int]:
    """Return the winner's test score with its interval, and how often these test rows have been opened till now."""
    winner_id = str(best["run_id"])
    if _winner(run, best) not in opened:
        openings.note_opening(run, config.name, _test_key(development), winner_id)
        opened = [*opened, _winner(run, best)]
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


def _winner(run: SearchRun, best: pd.Series) -> str:
    return openings.winner(run.search_id, best["family"], int(best["trial"]))


def _test_key(development: Development) -> str:
    start, stop = development.split.test
    return f"{development.data_sha256}:{start}-{stop}"
