"""There is one champion, it is the better one, and the one before comes back bit for bit."""

import shutil

import pytest

from search import PromotionRefusedError, SearchConfig, promote, run_search
from search.promotion import load_champion, rollback
from tests.conftest import another_machine, everywhere
from tests.guarantees.conftest import one_ridge
from tracking import registry
from tracking.model import ModelRejectedError
from tracking.store import open_store


def searched(alpha, **settings):
    return run_search(one_ridge(alpha=alpha), progress=False, **settings)


@pytest.fixture
def champions(killed):
    """Return two searches, the second of which has replaced the first as champion."""
    first = searched(100.0)
    second = searched(1.0)
    assert second.promotion is None  # the test rows have been opened for the first
    promote(second.search_id, again=True)
    return first, second


@everywhere
def test_a_better_challenger_replaces_the_champion_and_rolling_back_restores_it_bit_for_bit(champions, place):
    store = open_store()
    one, two = registry.versions(store, "decoder")
    assert registry.champion(store, "decoder").version == two.version
    before = place.files_of(one.run_id, "model")
    coef = load_champion("decoder").coef_
    assert rollback("decoder") == str(one.version)
    champion = registry.champion(store, "decoder")
    assert (champion.version, champion.run_id) == (one.version, champions[0].best["run_id"])
    assert place.files_of(champion.run_id, "model") == before
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
    (model,) = place.artifacts.rglob(f"{one.run_id}/artifacts/model/model.skops")
    model.write_bytes(place.files_of(two.run_id, "model")["model.skops"])
    with pytest.raises(ModelRejectedError, match="SHA-256 differs"):
        rollback("decoder")
    assert registry.champion(store, "decoder").version == two.version


@everywhere
@pytest.mark.slow
def test_two_promotions_at_once_leave_the_better_one_champion(launch, killed):
    searches = [searched(alpha, promote=False) for alpha in (1.0, 100.0, 3.0, 30.0)]
    best = max(searches, key=lambda one: one.best["r2_validation"])
    started = [
        launch("promote", one.search_id, "--again", environment=another_machine(killed, one.search_id))
        for one in searches
    ]
    for process in started:
        assert process.wait() == 0 or "stays, its validation R²" in process.stderr
    store = open_store()
    champion = registry.champion(store, "decoder")
    assert champion.run_id == best.best["run_id"]
    moved = [int(move.split(",")[0].removeprefix("version ")) for move in registry.moves(store, "decoder")]
    scores = {int(one.version): float(one.tags["r2_validation"]) for one in registry.versions(store, "decoder")}
    assert [scores[version] for version in moved] == sorted(scores[version] for version in moved)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "moment", "call"),
    [
        ("embedded", "before", "create_model_version"),
        ("embedded", "before", "set_model_version_tag"),
        ("embedded", "before", "set_registered_model_tag"),
        ("embedded", "before", "set_registered_model_alias"),
        ("embedded", "after", "set_registered_model_alias"),
        ("servers", "before", "set_registered_model_tag"),
        ("servers", "after", "set_registered_model_alias"),
    ],
    indirect=["place"],
)
def test_a_promotion_killed_half_way_is_completed_by_the_next(call, moment, kill, killed):
    searched(100.0)
    better = searched(1.0)
    kill(f"mlflow:MlflowClient.{call}", moment, 1, ("promote", better.search_id, "--again"))
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


def test_other_data_are_another_matter(killed, recording):
    searched(1.0)
    shutil.copy("recording.npz", "moved.npz")
    other_rows = SearchConfig.from_toml(one_ridge(alpha=0.5).to_toml().replace("120,\n    160", "125,\n    160"))
    refused = run_search(other_rows, progress=False)
    assert any("other data or another split" in note and "--force" in note for note in refused.notes)
    assert promote(refused.search_id, force=True).replaced == "1"
