import hashlib
from pathlib import Path

import numpy as np
import pytest

from regsearch import SearchConfig, from_arrays, null_distribution, run_search, run_targets
from regsearch.errors import ConfigError, PromotionRefusedError, SearchNotFoundError, SearchStoppedError
from regsearch.search.promotion import load_champion, promote, rollback
from regsearch.search.redrawing import redraw
from regsearch.tracking import registry
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store


def test_promotion_can_be_done_later_and_is_the_same_as_at_once(searched):
    store = open_store()
    assert searched.promotion is None
    assert registry.champion(store, "small") is None
    assert "best_r2_test" not in store.client.get_run(searched.run_id).data.metrics
    promotion = promote(searched.search_id)
    assert promotion == promote(searched.search_id)
    assert promotion.r2_validation == searched.best["r2_validation"]
    assert str(registry.champion(store, "small").version) == promotion.version


@pytest.mark.usefixtures("with_figures")
@pytest.mark.slow
def test_the_test_rows_are_drawn_once_a_promotion_has_opened_them_and_again_if_the_figures_were_lost(
    small_config, searched
):
    run = SearchRun.find(open_store(), searched.search_id)

    def drawn():
        return run.read(run.run_id, "figures/predictions.svg")

    assert b"test: R" not in drawn()
    promotion = promote(searched.search_id)
    assert f"test: R² = {promotion.r2_test:.3f}".encode() in drawn()
    opened = registry.champion(open_store(), "small").tags["test_evaluations"]
    run.annotate(tags={"summary_of": "lost"})
    assert run_search(small_config, progress=False).promotion == promotion
    assert f"test: R² = {promotion.r2_test:.3f}".encode() in drawn()
    assert registry.champion(open_store(), "small").tags["test_evaluations"] == opened == "1"
    before = run.read(run.run_id, "figures/predictions.pdf")
    run_search(small_config, promote=False, progress=False)
    assert run.read(run.run_id, "figures/predictions.pdf") == before


@pytest.mark.slow
def test_a_test_score_is_not_shown_beside_the_scores_of_another_winner(independent):
    config, result = independent.config, independent
    run = SearchRun.find(open_store(), result.search_id)
    other = run_search(config.updated(select={"at_most": 4}), promote=False, progress=False)
    assert other.search_id == result.search_id
    assert other.winner != result.winner
    shown = run.run.data.metrics
    assert shown["best_r2_validation"] == other.winner.r2_validation
    assert np.isnan([shown[f"best_{name}"] for name in ("r2_test", "r2_test_low", "r2_test_high")]).all()
    before = [metric.value for metric in open_store().client.get_metric_history(run.run_id, "best_r2_test")]
    assert before[0] == result.promotion.r2_test
    assert run_search(config, progress=False).promotion == result.promotion
    assert run.run.data.metrics["best_r2_test"] == result.promotion.r2_test


@pytest.mark.slow
def test_a_call_that_was_refused_promotion_leaves_no_winner_of_its_own_behind_for_the_call_before(independent):
    config, result = independent.config, independent
    run = SearchRun.find(open_store(), result.search_id)
    other = run_search(config.updated(select={"at_most": 4}), progress=False)
    assert (other.search_id, other.promotion) == (result.search_id, None)
    assert run.run.data.tags["best_run_id"] == other.winner.run_id
    assert run_search(config, progress=False).promotion == result.promotion
    assert run.run.data.tags["best_run_id"] == result.winner.run_id
    assert run.run.data.metrics["best_r2_test"] == result.promotion.r2_test
    assert SearchConfig.from_toml(run.read(run.run_id, "config.toml").decode()).select == "best"


@pytest.mark.slow
def test_promotion_refuses_what_is_not_a_finished_search_of_these_data(searched, workspace, recording):
    with pytest.raises(SearchNotFoundError, match="no search 'nope'"):
        promote("nope")
    np.savez(workspace / "small.npz", X=recording.X + 1, y=recording.y)
    with pytest.raises(PromotionRefusedError, match="no longer holds the values"):
        promote(searched.search_id)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda _: promote(3), "search_id: expected the id of a search, .*, found int 3"),
        (lambda _: redraw(None, "figures"), "search_id: expected .*, found NoneType None"),
        (lambda found: null_distribution(found, n=20, progress=False), "search_id: expected .*, found SearchResult"),
        (lambda _: load_champion(Path("small")), "name: expected the name of a registered model, found PosixPath"),
        (lambda _: rollback(["small"]), r"name: expected .*, found list \['small'\]"),
        (lambda found: promote(found.search_id, tracking_uri=3), "tracking_uri: expected an address .*, found int 3"),
        (lambda found: promote(found.search_id, storage=b"x"), "storage: expected the path of .*, found bytes b'x'"),
        (
            lambda found: promote(found.search_id, data=3),
            "data: expected the searched recording, .* type int",
        ),
        (lambda found: null_distribution(found.search_id, n=38, data=[1]), "data: expected .*, found an .* type list"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(call, says, result):
    with pytest.raises(ConfigError, match=says) as refused:
        call(result)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda _: run_search("default", promote="no"), "promote: expected True or False, found str 'no'"),
        (lambda _: run_targets("default", promote=None), "promote: expected True or False, found NoneType None"),
        (lambda found: promote(found.search_id, again="no"), "again: expected True or False, found str 'no'"),
        (lambda found: promote(found.search_id, force="no"), "force: expected True or False, found str 'no'"),
        (lambda found: null_distribution(found.search_id, test="no"), "test: expected True or False, found str 'no'"),
    ],
)
def test_what_opens_test_rows_is_true_or_false_and_nothing_that_python_takes_for_it(call, says, result):
    with pytest.raises(ConfigError, match=says):
        call(result)


@pytest.mark.slow
def test_another_winner_of_the_same_rows_is_not_scored_on_them_unless_asked(small_config, result, workspace):
    narrower = SearchConfig.from_toml(small_config.to_toml().replace("0.01,\n    0.1,", "0.02,\n    0.1,"))
    narrower = narrower.updated(name="small-2", families=["ridge"])
    other = run_search(narrower, progress=False)
    if other.best["r2_validation"] == result.best["r2_validation"]:
        pytest.fail("the two searches must have winners that differ")
    assert other.promotion is None
    assert any("opened 1 time(s) before" in note for note in other.notes)
    promotion = promote(other.search_id, again=True)
    assert registry.champion(open_store(), "small-2").tags["test_evaluations"] == "2"
    assert promotion.replaced is None


@pytest.mark.slow
def test_a_challenger_that_is_not_better_leaves_the_champion(small_config, result):
    worse = SearchConfig.from_toml(
        'name = "small"\n[data]\nsource = "small.npz"\n[data.split]\ntrain = [40, 120]\nvalidation = [0, 40]\n'
        "test = [120, 160]\n[families.ridge]\nalpha = [1000.0]\n"
    )
    refused = run_search(worse, progress=False)
    (refusal,) = [note for note in refused.notes if "stays" in note]
    assert "is better than this search's" in refusal
    assert refusal.endswith(
        f"`regsearch promote {refused.search_id} --force --again` promotes it anyway and opens the test rows again, "
        "which is counted"
    )
    assert str(registry.champion(open_store(), "small").version) == result.promotion.version
    promoted = promote(refused.search_id, again=True, force=True)
    assert promoted.replaced == result.promotion.version


def unrelated(seed=1):
    """Return features and a target that have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    return from_arrays(rng.standard_normal((120, 40)), rng.standard_normal(120))


@pytest.mark.slow
def test_a_winner_no_better_than_the_mean_keeps_the_test_rows_sealed_unless_forced(workspace):
    default = SearchConfig.load("default").on(unrelated()).updated(name="chance", families=["lasso"])
    result = run_search(default, data=unrelated(), progress=False)
    assert result.promotion is None
    (refusal,) = [note for note in result.notes if "predicts no better than a mean" in note]
    assert refusal.endswith(f'`promote("{result.search_id}", data=…, force=True)` promotes it anyway')
    assert registry.names(open_store()) == []
    assert promote(result.search_id, data=unrelated(), force=True).version == "1"


@pytest.mark.slow
def test_a_winner_of_covariates_alone_is_said_to_be_one_and_promoted(workspace):
    rng = np.random.default_rng(0)
    X, light = rng.standard_normal((120, 40)), rng.standard_normal(120)
    data = from_arrays(X, 2 * light + 0.5 * rng.standard_normal(120), covariates=light)
    config = SearchConfig.from_toml('name = "light"\n[families.lasso]\nalpha = [0.5, 5.0]\n').on(data)
    result = run_search(config, data=data, progress=False)
    assert result.winner.r2_validation > 0.9
    assert "the covariates alone predict the target: the winner gives no feature a weight" in result.notes
    assert result.promotion is not None


def forge_metric(store, run_id):
    store.client.log_metric(run_id, "r2_validation", 0.9999)


def forge_weights(store, run_id):
    (file,) = Path("mlruns").rglob(f"{run_id}/artifacts/weights.npz")
    arrays = dict(np.load(file))
    arrays["coef"] = np.full_like(arrays["coef"], 666.0)
    np.savez(file, **arrays)
    store.client.set_tag(run_id, "weights_sha256", hashlib.sha256(file.read_bytes()).hexdigest())


@pytest.mark.slow
@pytest.mark.parametrize("forge", [forge_metric, forge_weights])
@pytest.mark.parametrize("folds", [None, 3])
def test_a_winner_that_is_not_what_its_run_says_is_refused(forge, folds, small_config):
    config = small_config.updated(folds=folds, families=["ridge"], trials=2)
    searched = run_search(config, promote=False, progress=False)
    loser = searched.trials[searched.trials["family"] == "ridge"].nsmallest(1, "r2_validation")["run_id"].item()
    forge(open_store(), loser if forge is forge_metric else searched.winner.run_id)
    with pytest.raises(PromotionRefusedError, match="changed after it was logged"):
        promote(searched.search_id)
    assert registry.names(open_store()) == []


@pytest.mark.slow
def test_a_winner_whose_weights_are_gone_is_promoted_once_its_trial_was_solved_again(small_config, searched):
    (weights,) = Path("mlruns").rglob(f"{searched.winner.run_id}/artifacts/weights.npz")
    weights.unlink()
    with pytest.raises(SearchStoppedError, match=r"is gone; the same `regsearch run` solves that trial again"):
        promote(searched.search_id)
    again = run_search(small_config, promote=False, progress=False)
    assert (again.search_id, again.winner.parameters) == (searched.search_id, searched.winner.parameters)
    assert promote(searched.search_id).r2_validation == pytest.approx(searched.winner.r2_validation)


@pytest.mark.slow
def test_a_finished_search_that_lost_its_winner_promotes_no_other_until_that_is_solved_again(small_config, searched):
    client, n_trials = open_store().client, small_config.n_trials
    client.delete_run(searched.winner.run_id)
    lost = f"has lost trials since it finished, found {n_trials - 1} of {n_trials}; the same `regsearch run` solves"
    for call in (promote, null_distribution):
        with pytest.raises((PromotionRefusedError, ConfigError), match=lost):
            call(searched.search_id)
    again = run_search(small_config, progress=False)
    assert (again.new_trials, again.winner.name) == (1, searched.winner.name)
    assert again.promotion.trial == searched.winner.name


@pytest.mark.slow
def test_a_request_that_lost_a_trial_is_not_recalled_as_finished(small_config, result):
    loser = next(trial for trial in result.finished if trial.run_id not in (result.winner.run_id,))
    open_store().client.delete_run(loser.run_id)
    again = run_search(small_config, progress=False)
    assert (again.new_trials, len(again.finished)) == (1, len(result.finished))


@pytest.mark.slow
def test_a_champion_whose_run_was_deleted_and_solved_again_stays_champion(small_config, result):
    store = open_store()
    store.client.delete_run(result.winner.run_id)
    again = run_search(small_config, progress=False)
    assert again.promotion.r2_test == pytest.approx(result.promotion.r2_test)
    assert registry.champion(store, "small").run_id == again.winner.run_id
    assert registry.champion(store, "small").tags["test_evaluations"] == "1"


@pytest.mark.slow
def test_a_champion_that_lost_its_score_is_not_replaced_unless_forced(small_config, result):
    store = open_store()
    store.client.delete_model_version_tag("small", result.promotion.version, "r2_validation")
    other = run_search(small_config.updated(families=["ridge"]), progress=False)
    assert any("champion version 1 has lost the tag of its validation R²" in note for note in other.notes)
    assert promote(other.search_id, again=True, force=True).replaced == result.promotion.version


@pytest.mark.slow
def test_a_champion_without_test_rows_is_not_replaced_by_one_of_other_data_without_saying_so(workspace):
    config = SearchConfig.from_toml("""
        name = "untested"
        data.split = { validation = { fraction = 0.3 }, test = "none" }
        families.ridge.alpha = [0.1]
    """)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    worse, better = (from_arrays(X, X[:, 0] + noise * rng.standard_normal(60)) for noise in (0.5, 0.1))
    assert run_search(config, data=worse, progress=False).promotion.version == "1"
    refused = run_search(config, data=better, progress=False)
    assert refused.promotion is None
    assert any("other data or another split" in note and "force=True" in note for note in refused.notes)
    assert promote(refused.search_id, data=better, force=True).replaced == "1"


@pytest.mark.slow
def test_a_model_of_another_target_is_not_replaced_without_saying_so(workspace):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 20))
    np.savez(
        "two.npz", X=X, speed=X[:, 0] + 0.1 * rng.standard_normal(120), turn=X[:, 1] + 0.1 * rng.standard_normal(120)
    )
    first = SearchConfig.from_preset("default").on("two.npz").updated(families=["ridge"], trials=1)
    assert run_search(first.updated(target="speed"), progress=False).promotion.model == "two-speed"
    assert run_search(first.updated(target="turn"), progress=False).promotion.model == "two-turn"
    same_name = run_search(first.updated(target="turn", name="two-speed"), progress=False)
    (refusal,) = [note for note in same_name.notes if "champion version 1" in note]
    assert "predicts 'speed', not 'turn'; give this search a --name of its own" in refusal


def test_a_moved_file_is_named_by_an_option_and_its_values_decide(searched, workspace, invoke, recording):
    (workspace / "small.npz").rename(workspace / "moved.npz")
    code, _, error = invoke("promote", searched.search_id, "--json")
    assert (code, error.count("\n")) == (2, 1)
    assert "small.npz: expected a file, found nothing" in error
    assert "name it by --data" in error
    np.savez("other.npz", X=recording.X, y=recording.y + 1)
    with pytest.raises(PromotionRefusedError, match=r"other\.npz does not hold the values that search"):
        promote(searched.search_id, data="other.npz", progress=False)
    with pytest.raises(PromotionRefusedError, match=r"other\.npz does not hold the values that search"):
        promote(searched.search_id, data=workspace / "other.npz", progress=False)
    code, _, error = invoke("promote", searched.search_id, "--data", "moved.npz")
    assert code == 0
    said = [f"reading search {searched.search_id} …", "reading moved.npz …", "promoting the winner …"]
    assert error.splitlines() == said


@pytest.mark.slow
def test_searches_of_several_targets_and_of_a_named_experiment_are_found_again(workspace, recording):
    np.savez("two.npz", X=recording.X, speed=recording.X[:, 0], pupil=recording.y)
    config = SearchConfig.from_toml("""
        name = "two"
        experiment = "lab"
        data = { source = "two.npz", target = ["speed", "pupil"] }
        families.ridge.alpha = [1.0]
    """)
    for target, result in zip(("speed", "pupil"), run_targets(config, promote=False, progress=False), strict=True):
        assert promote(result.search_id).model == f"two-{target}"
        assert redraw(result.search_id, workspace / target)
    one = run_search(config.updated(target="pupil", name="one"), promote=False, progress=False)
    assert promote(one.search_id, again=True).model == "one"
