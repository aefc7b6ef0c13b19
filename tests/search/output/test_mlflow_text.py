from dataclasses import replace

import numpy as np
import pytest

from regsearch import SearchConfig, promote, run_search
from regsearch.search import result
from regsearch.search.choice import Choice
from regsearch.search.output import mlflow_text
from regsearch.search.penalty import Penalty
from regsearch.search.trial import Trial
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store


def note(result):
    return open_store().client.get_run(result.run_id).data.tags["mlflow.note.content"]


@pytest.mark.slow
def test_the_story_says_that_the_test_rows_are_sealed_until_they_are_opened(searched):
    sealed = note(searched)
    assert f"They are sealed. This opens them, once: `regsearch promote {searched.search_id}`." in sealed
    promotion = promote(searched.search_id)
    opened = note(searched)
    assert f"test {promotion.r2_test:.4f} (95 % interval {promotion.r2_test_low:.4f}" in opened
    assert "version 1 of small" in opened
    assert "They are sealed" not in opened


@pytest.mark.slow
def test_the_story_is_of_the_trials_that_there_are(small_config, result):
    assert "20 trials: the unregularised baseline, ridge (12), lasso (3), elasticnet (4)." in note(result)
    run_search(small_config.updated(trials=14), progress=False)
    assert "22 trials: the unregularised baseline, ridge (14), lasso (3), elasticnet (4)." in note(result)
    assert "version 1 of small" in note(result)


def test_the_best_of_each_family_are_told_the_winner_marked(result):
    table = [line for line in note(result).splitlines() if line.startswith("| [")]
    assert len(table) == 4
    assert [("★" in line, result.best["run_id"] in line) for line in table] == [(True, True)] + [(False, False)] * 3
    scores = [float(line.split("|")[2].removesuffix("&emsp; ")) for line in table]
    assert scores == sorted(scores, reverse=True)


def test_what_a_person_wrote_into_a_told_story_stays(small_config, result):
    open_store().client.set_tag(result.run_id, "mlflow.note.content", "my own words")
    run_search(small_config, progress=False)
    assert note(result) == "my own words"


@pytest.mark.slow
def test_a_winner_at_the_end_of_its_range_is_said_to_be(small_config):
    weak = small_config.to_toml().replace("high = 100.0", "high = 0.02").partition("[families.lasso]")[0]
    result = run_search(SearchConfig.from_toml(weak), promote=False, progress=False)
    edge, useless, invitation = result.notes
    assert "end of its range" in edge
    assert useless.endswith("no better than always predicting the mean")
    assert invitation == f"not promoted; to promote it: regsearch promote {result.search_id}"
    assert f"Note: {edge}." in note(result)


def search_of(config, development, run_id="w"):
    """Return a search of one trial, which nothing has logged."""
    store = open_store()
    run = SearchRun(store, "1", "r", {"search_id": "abc"})
    metrics = {"r2_train": 0.51, "r2_validation": 0.42, "n_nonzero": 3.0, "sparsity": 0.9}
    trial = Trial("lasso", 0, {"alpha": 1.0}, Penalty(1.0, 0.0), metrics, run_id)
    return result.Search(run, config, Choice((trial,), trial, config), development)


@pytest.mark.parametrize("preset", ["default", "tutorial"])
def test_a_preset_is_run_again_by_its_name(preset, sealed, workspace):
    search = search_of(SearchConfig.load(preset), sealed[0])
    assert f"`regsearch run {preset}`" in mlflow_text.story(search)
    assert "[config.toml](" in mlflow_text.story(replace(search, config=search.config.updated(seed=9)))


def test_the_card_of_a_version_says_where_it_comes_from_and_how_often_the_test_rows_were_opened(sealed, small_config):
    development, _ = sealed
    card = mlflow_text.version_card(search_of(small_config, development), result.Tested(0.3, -0.1, 0.5, openings=2))
    for text in ("R² train 0.5100", "R² validation 0.4200", "R² test 0.3000 (95 % interval -0.1000 to 0.5000)"):
        assert text in card
    assert "opened 2 times" in card
    assert development.data_sha256 in card
    assert "runs:/w/model" in card


@pytest.mark.parametrize(("scale", "divisor"), [("unit-norm", "norm"), ("standard", "standard deviation")])
def test_a_card_warns_of_columns_that_hardly_vary_if_they_are_scaled(scale, divisor, sealed, small_config):
    development, _ = sealed
    scaled = replace(development, preparation=replace(development.preparation, scale=scale))
    assert f"each column was divided by its {divisor} " in mlflow_text.model_card(search_of(small_config, scaled))
    as_they_are = replace(development, preparation=replace(development.preparation, scale="none"))
    assert "divided" not in mlflow_text.model_card(search_of(small_config, as_they_are))


def test_a_card_promises_nothing_about_time_because_rows_may_be_independent(sealed, small_config):
    development, _ = sealed
    independent = replace(development, preparation=replace(development.preparation, independent=True))
    card = mlflow_text.model_card(search_of(small_config, independent))
    assert "in new rows that are recorded like the training rows" in card
    assert "time" not in card


def test_a_winner_that_is_not_the_best_of_its_family_is_in_the_table_with_its_star(sealed, small_config):
    search = search_of(small_config, sealed[0])
    better = replace(search.winner, number=1, metrics={**search.winner.metrics, "r2_validation": 0.5}, run_id="b")
    told = mlflow_text.story(replace(search, choice=replace(search.choice, trials=(search.winner, better))))
    rows = [line for line in told.splitlines() if line.startswith("| [")]
    assert [("runs/b" in row, "★" in row) for row in rows] == [(True, False), (False, True)]


@pytest.mark.slow
def test_hundreds_of_ranges_of_rows_leave_room_for_the_scores(workspace, recording):
    np.savez(workspace / "many.npz", X=np.tile(recording.X, (12, 1)), y=np.tile(recording.y, 12))
    blocks = [[4 * block, 4 * block + 3] for block in range(400)]
    split = f"[data.split]\ntrain = {blocks}\nvalidation = [1600, 1800]\ntest = [1800, 1920]\n"
    text = f'name = "many"\n[data]\nsource = "many.npz"\n{split}[families.ridge]\nalpha = [0.01, 1.0]\n'
    promotion = run_search(SearchConfig.from_toml(text), progress=False).promotion
    card = open_store().client.get_model_version("many", promotion.version).description
    assert "1200 rows between 0 and 1598" in card
    assert f"R² test {promotion.r2_test:.4f}" in card
    assert "How to load it" in card
    assert len(card) < 5000
