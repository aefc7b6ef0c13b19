import numpy as np
import pytest

from regsearch import SearchConfig, run_search
from regsearch.errors import PromotionRefusedError
from regsearch.search.promotion import promote
from regsearch.tracking import registry
from regsearch.tracking.store import open_store


def test_promotion_can_be_done_later_and_is_the_same_as_at_once(small_config):
    searched = run_search(small_config, promote=False, progress=False)
    store = open_store()
    assert searched.promotion is None
    assert registry.champion(store, "small") is None
    assert "best_r2_test" not in store.client.get_run(searched.run_id).data.metrics
    promotion = promote(searched.search_id)
    assert promotion == promote(searched.search_id)
    assert promotion.r2_validation == searched.best["r2_validation"]
    assert str(registry.champion(store, "small").version) == promotion.version


@pytest.mark.slow
def test_promotion_refuses_what_is_not_a_finished_search_of_these_data(small_config, workspace, recording):
    run_search(small_config, promote=False, progress=False)
    with pytest.raises(PromotionRefusedError, match="no search 'nope'"):
        promote("nope")
    search_id = run_search(small_config, promote=False, progress=False).search_id
    np.savez(workspace / "small.npz", X=recording.X + 1, y=recording.y)
    with pytest.raises(PromotionRefusedError, match="no longer holds the values"):
        promote(search_id)


def test_another_winner_of_the_same_rows_is_not_scored_on_them_unless_asked(small_config, result, workspace):
    narrower = SearchConfig.from_toml(small_config.to_toml().replace("0.01,\n    0.1,", "0.02,\n    0.1,"))
    narrower = narrower.model_copy(update={"name": "small-2"})
    other = run_search(narrower, progress=False)
    if other.best["r2_validation"] == result.best["r2_validation"]:
        pytest.fail("the two searches must have winners that differ")
    assert other.promotion is None
    assert any("opened 1 time(s) before" in note for note in other.notes)
    promotion = promote(other.search_id, again=True)
    assert registry.champion(open_store(), "small-2").tags["test_evaluations"] == "2"
    assert promotion.replaced is None


def test_a_challenger_that_is_not_better_leaves_the_champion(small_config, result):
    worse = SearchConfig.from_toml(
        'name = "small"\n[data]\nsource = "small.npz"\n[data.split]\ntrain = [40, 120]\nvalidation = [0, 40]\n'
        "test = [120, 160]\n[families.ridge]\nalpha = [1000.0]\n"
    )
    refused = run_search(worse, progress=False)
    (refusal,) = [note for note in refused.notes if "stays" in note]
    assert "is better than this search's" in refusal
    assert refusal.endswith(
        f"`regsearch promote {refused.search_id} --force --again` replaces it all the same and opens them and counts it"
    )
    assert str(registry.champion(open_store(), "small").version) == result.promotion.version
    promoted = promote(refused.search_id, again=True, force=True)
    assert promoted.replaced == result.promotion.version
