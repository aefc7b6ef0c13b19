"""There is one champion, it is the better one, and the one before comes back bit for bit."""

import json
import shutil
import signal
from functools import partial

import numpy as np
import psutil
import pytest
from mlflow import MlflowClient

from regsearch import SearchConfig, load_champion, promote, rollback, run_search
from regsearch.errors import ModelRejectedError, PromotionRefusedError
from regsearch.tracking import registry
from regsearch.tracking.store import open_store
from tests.conftest import another_machine, everywhere, on_servers
from tests.guarantees.conftest import one_ridge
from tests.guarantees.points import after, before
from tests.servers import until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("undrawn")]

WAITING = """
    SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_try_advisory_lock%'
    AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')
"""
"""The sessions that were refused a lock and are about to ask again."""


def searched(alpha, **settings):
    return run_search(one_ridge(alpha=alpha), progress=False, **settings)


@pytest.fixture
def champions(two_decoders):
    """Return two searches, the second of which has replaced the first as champion."""
    promote(two_decoders[1].search_id, again=True)
    return two_decoders


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@everywhere
def test_a_better_challenger_replaces_the_champion_and_rolling_back_restores_it_bit_for_bit(champions, place):
    store = open_store()
    one, two = registry.versions(store, "decoder")
    assert registry.champion(store, "decoder").version == two.version
    before = files_in(place.model_of(one))
    coef = load_champion("decoder").coef_
    assert rollback("decoder") == str(one.version)
    champion = registry.champion(store, "decoder")
    assert (champion.version, champion.run_id) == (one.version, champions[0].best["run_id"])
    assert files_in(place.model_of(champion)) == before
    assert load_champion("decoder").coef_.tobytes() != coef.tobytes()


@everywhere
def test_every_move_of_the_alias_is_kept(champions):
    store = open_store()
    rollback("decoder")
    promote(champions[1].search_id, again=True, force=True)
    assert [move.rsplit(",", 1)[0] for move in registry.moves(store, "decoder")] == [
        "version 1, the first",
        "version 2, replacing 1",
        "version 1, rolled back from 2",
        "version 2, replacing 1",
    ]


@everywhere
def test_what_was_rolled_back_is_not_promoted_again_unawares(champions):
    rollback("decoder")
    again = searched(1.0)
    assert again.promotion is None
    assert any("was champion and has been rolled back" in note for note in again.notes)
    with pytest.raises(PromotionRefusedError, match=r"rolled back.*--force"):
        promote(champions[1].search_id)
    assert promote(champions[1].search_id, force=True).version == "2"
    assert rollback("decoder") == "1"


@everywhere
def test_a_previous_champion_that_was_tampered_with_does_not_come_back(champions, place):
    store = open_store()
    one, two = registry.versions(store, "decoder")
    (place.model_of(one) / "model.skops").write_bytes((place.model_of(two) / "model.skops").read_bytes())
    with pytest.raises(ModelRejectedError, match="SHA-256 differs"):
        rollback("decoder")
    assert registry.champion(store, "decoder").version == two.version


@on_servers
def test_a_promotion_waits_for_that_of_another_machine(launch, killed, postgresql):
    """One is stopped when it has found that there is no champion, and is about to make its own winner champion."""
    worse, better = (searched(alpha, promote=False).search_id for alpha in (30.0, 1.0))
    stop = partial(before(MlflowClient, MlflowClient.set_registered_model_alias).interrupt, signal.SIGSTOP)
    first = launch("promote", worse, before=stop, environment=another_machine(killed, "first"))
    until(lambda: psutil.Process(first.pid).status() == psutil.STATUS_STOPPED, first)
    second = launch("promote", better, "--again", environment=another_machine(killed, "second"))
    until(lambda: second.poll() is not None or postgresql.rule(WAITING), first)
    first.send_signal(signal.SIGCONT)
    assert (first.wait(), second.wait()) == (0, 0), first.stderr + second.stderr
    store = open_store()
    assert registry.champion(store, "decoder").tags["search_id"] == better
    assert [move.rsplit(",", 1)[0] for move in registry.moves(store, "decoder")] == [
        "version 1, the first",
        "version 2, replacing 1",
    ]


@pytest.mark.parametrize(
    ("place", "point"),
    [
        ("embedded", before(MlflowClient, MlflowClient.create_model_version)),
        ("embedded", before(MlflowClient, MlflowClient.set_model_version_tag)),
        ("embedded", before(MlflowClient, MlflowClient.set_registered_model_tag)),
        ("embedded", before(MlflowClient, MlflowClient.set_registered_model_alias)),
        ("embedded", after(MlflowClient, MlflowClient.set_registered_model_alias)),
        ("servers", before(MlflowClient, MlflowClient.set_registered_model_tag)),
        ("servers", after(MlflowClient, MlflowClient.set_registered_model_alias)),
    ],
    ids=str,
    indirect=["place"],
)
def test_a_promotion_killed_half_way_is_completed_by_the_next(point, kill, two_decoders):
    _, better = two_decoders
    kill(point, ("promote", better.search_id, "--again"))
    store = open_store()
    assert str(registry.champion(store, "decoder").version) in ("1", "2")
    assert promote(better.search_id, again=True).version == "2"
    one, two = registry.history(store, "decoder")
    assert (one["champion"], two["champion"], two["replaced"]) == (False, True, "1")
    assert [move.rsplit(",", 1)[0] for move in registry.moves(store, "decoder")] == [
        "version 1, the first",
        "version 2, replacing 1",
    ]
    assert registry.champion(store, "decoder").tags["test_evaluations"] == "2"


def test_models_are_kept_in_the_registry_that_the_environment_names(killed, place, empty_database, monkeypatch, invoke):
    shutil.copytree(empty_database, killed / "registry")
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{killed}/registry/mlflow.db")
        result = searched(1.0)
        (version,) = json.loads(invoke("models", "--json")[1])["decoder"]["versions"]
        coef = load_champion("decoder").coef_
    assert (version["champion"], version["search_id"]) == (True, result.search_id)
    (weights,) = place.artifacts.rglob(f"{result.best['run_id']}/artifacts/weights.npz")
    np.testing.assert_allclose(coef, np.load(weights)["coef"], rtol=1e-14)
    assert json.loads(invoke("models", "--json")[1]) == {}


def test_other_data_are_another_matter(killed, recording):
    searched(1.0)
    shutil.copy("recording.npz", "moved.npz")
    other_rows = SearchConfig.from_toml(one_ridge(alpha=0.5).to_toml().replace("120,\n    160", "125,\n    160"))
    refused = run_search(other_rows, progress=False)
    assert any("other data or another split" in note and "--force" in note for note in refused.notes)
    assert promote(refused.search_id, force=True).replaced == "1"
