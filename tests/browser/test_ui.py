"""What a person finds in MLflow's UI, which is the product's face."""

import os
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from regsearch import SearchConfig
from regsearch.search.output.views import views
from regsearch.tracking import pages
from tests.conftest import SMALL

pytestmark = pytest.mark.slow


def shown_runs(page):
    """Return the ids of the runs in the table, from the top, as far as they are on the screen."""
    rows = page.locator(".ag-row[row-id]").evaluate_all(
        "rows => rows.map(row => [Number(row.getAttribute('row-index')), row.getAttribute('row-id')])"
    )
    return [run_id for _, run_id in sorted({tuple(row) for row in rows})]


def search(page, condition):
    box = page.get_by_placeholder("metrics.rmse < 1")
    box.fill(condition)
    box.press("Enter")


def wait_for_runs(page, count):
    page.get_by_text(f"{count} matching runs").wait_for()
    page.wait_for_function(
        "count => new Set([...document.querySelectorAll('.ag-row[row-id]')].map(row => row.getAttribute('row-id')))"
        ".size === count",
        arg=count,
    )


def experiment_of(served):
    return re.search(r"experiments/(\d+)/", served.front)[1]


def test_the_address_that_the_command_gives_opens_on_all_trials_the_best_first(served, page):
    page.goto(served.front)
    wait_for_runs(page, 20)
    ranked = served.result.trials.sort_values("r2_validation", ascending=False)
    assert shown_runs(page)[:5] == ranked["run_id"].tolist()[:5]
    assert shown_runs(page)[0] == served.result.best["run_id"]
    for column in ("Run Name", "family", "r2_validation", "r2_train", "n_nonzero", "sparsity", "log10_alpha"):
        assert page.get_by_role("columnheader", name=column).first.is_visible()


def test_a_bookmark_opens_on_model_training_and_leaves_people_their_own_choice(served, page):
    page.goto(served.page(""))
    page.get_by_role("link", name="Model registry").wait_for()
    page.get_by_role("link", name="small", exact=True).click()
    page.wait_for_url(f"**/experiments/{experiment_of(served)}/runs?**")
    page.goto(served.page("#/experiments"))
    page.get_by_role("button", name="GenAI").click()
    page.goto("about:blank")
    page.goto(served.page(""))
    page.get_by_role("link", name="Prompts").wait_for()


def test_trials_are_filtered_by_family_and_r2_and_sorted_by_strength(served, page):
    trials = served.result.trials
    ridge = trials[trials["family"] == "ridge"]
    level = float(ridge["r2_validation"].median())
    wanted = ridge[ridge["r2_validation"] > level].sort_values("alpha", ascending=False)
    page.goto(served.front)
    wait_for_runs(page, 20)
    search(page, f"params.family = 'ridge' AND metrics.r2_validation > {level!r}")
    wait_for_runs(page, len(wanted))
    page.get_by_role("columnheader", name="log10_alpha").first.click()
    page.wait_for_function(
        "first => document.querySelector(`.ag-row[row-index='0']`)?.getAttribute('row-id') === first",
        arg=wanted["run_id"].iloc[0],
    )
    assert shown_runs(page) == wanted["run_id"].tolist()


def test_the_list_of_views_has_one_for_all_trials_and_one_for_each_family(served, page):
    page.goto(served.front)
    wait_for_runs(page, 20)
    page.get_by_test_id("saved-views-trigger").click()
    config = SearchConfig.from_toml(SMALL.format(source="small.npz"))
    names = [view.name for view in views(config, served.result.search_id).values() if view.name]
    assert len(names) == 5
    for name in names:
        page.get_by_role("menu").get_by_text(name, exact=True).wait_for()
    page.get_by_role("menu").get_by_text("lasso: R² against alpha (choose the chart view)", exact=True).click()
    wait_for_runs(page, 3)


def test_the_story_leads_to_a_chart_of_every_ridge_run_s_r2_against_its_alpha(served, page):
    page.goto(served.page(pages.run(experiment_of(served), served.result.run_id)))
    with page.expect_popup() as opened:
        page.get_by_role("link", name="ridge: R² against alpha").click()
    charts = opened.value
    plot = charts.get_by_test_id("experiment-view-compare-runs-card").filter(has_text="log10_alpha vs. r2_validation")
    drawn = plot.locator(".js-plotly-plot")
    drawn.wait_for()
    charts.wait_for_function("plot => plot.data?.[0]?.x?.length === 12", arg=drawn.element_handle())
    x, y = drawn.evaluate("plot => [plot.data[0].x, plot.data[0].y]")
    ridge = served.result.trials.query("family == 'ridge'").sort_values("alpha")
    order = np.argsort(x)
    np.testing.assert_allclose(np.array(x)[order], np.log10(ridge["alpha"]))
    np.testing.assert_allclose(np.array(y)[order], ridge["r2_validation"])


def test_the_story_leads_to_level_lines_over_both_strengths_of_the_elasticnet(served, page):
    page.goto(served.page(pages.run(experiment_of(served), served.result.run_id)))
    address = page.get_by_role("link", name="elasticnet: R² against").get_attribute("href")
    page.goto(served.page(address))
    drawn = page.locator(".js-plotly-plot").first
    drawn.wait_for()
    x, y, z = drawn.evaluate("plot => { const {x, y, z} = plot.data[0]; return [x, y, z] }")
    mixes = served.result.trials.query("family == 'elasticnet'")
    expected = zip(np.log10(mixes["l1_alpha"]), np.log10(mixes["l2_alpha"]), mixes["r2_validation"], strict=True)
    np.testing.assert_allclose(sorted(zip(x, y, z, strict=True)), sorted(expected))


def test_the_list_of_all_trials_has_parallel_coordinates_of_every_trial(served, page):
    address = pages.view(experiment_of(served), f"{pages.BEST_FIRST}-{served.result.search_id}", charts=True)
    page.goto(served.page(address))
    card = page.get_by_test_id("experiment-view-compare-runs-card").filter(has_text="Parallel Coordinates")
    for metric in ("r2_train", "n_nonzero", "r2_validation"):
        card.get_by_text(metric).first.wait_for()


def test_the_parent_has_a_curve_of_the_best_score_so_far(served, page):
    page.goto(served.page(pages.run(experiment_of(served), served.result.run_id).replace("?", "/model-metrics?")))
    card = page.get_by_test_id("experiment-view-compare-runs-card").filter(has_text="best_r2_validation_so_far")
    drawn = card.locator(".js-plotly-plot").first
    drawn.wait_for()
    data = drawn.evaluate("plot => { const {x, y} = plot.data[0]; return [...x, ...y] }")
    best = served.result.trials["r2_validation"].max()
    assert any(isinstance(value, float) and value == pytest.approx(best) for value in data)


def test_the_champion_is_among_the_models_with_its_scores_and_data(served, page):
    page.goto(served.page(f"#/experiments/{experiment_of(served)}/models?workflowType=machine_learning"))
    for link in (served.result.promotion.trial, "small"):
        page.get_by_role("link", name=link).first.wait_for()
    page.get_by_text("small.npz").first.wait_for()
    page.get_by_role("link", name="model", exact=True).first.click()
    page.get_by_role("heading", name="model", exact=True).wait_for()
    for text in ("small.npz", "r2_test", repr(served.result.promotion.r2_test)[:10]):
        page.get_by_text(text).first.wait_for()


def test_the_story_is_told_with_its_scores_figures_and_links(served, page):
    result, promotion = served.result, served.result.promotion
    page.goto(served.page(pages.run(experiment_of(served), result.run_id)))
    beginning = page.locator("p", has_text="Look at:")
    beginning.wait_for()
    expect(beginning).to_contain_text(
        f"R² train {promotion.r2_train:.4f}, validation {promotion.r2_validation:.4f}, test {promotion.r2_test:.4f} "
        f"(95 % interval {promotion.r2_test_low:.4f} to {promotion.r2_test_high:.4f}), version 1 of small."
    )
    with page.expect_popup() as opened:
        beginning.get_by_role("link", name=promotion.trial).click()
    opened.value.get_by_role("heading", name=promotion.trial).wait_for()
    page.get_by_text("Show more").click()
    for name in ("ridge", "lasso", "elasticnet"):
        picture = page.locator(f"img[src*='figures%2F{name}.svg']")
        page.wait_for_function("picture => picture.naturalWidth > 600", arg=picture.element_handle())
    with page.expect_popup() as opened:
        page.get_by_role("link", name="weights", exact=True).click()
    opened.value.get_by_role("img", name="figures/weights.png").wait_for()
    best = result.trials.loc[result.trials.groupby("family")["r2_validation"].idxmax()]
    for _, row in best.iterrows():
        assert page.locator(f"table a[href*='{row['run_id']}']").count() == 1


def test_a_trial_shows_its_stem_plot(served, page):
    run_id = served.result.best["run_id"]
    page.goto(served.page(pages.artifact(experiment_of(served), run_id, "weights.png")))
    picture = page.get_by_role("img", name="weights.png")
    page.wait_for_function("picture => picture.naturalWidth > 600", arg=picture.element_handle())


def test_the_card_of_a_version_loads_the_model_that_it_describes(served, page, monkeypatch):
    promotion, recording = served.result.promotion, served.recording
    page.goto(served.page(pages.version(promotion.model, promotion.version)))
    for text in (
        f"R² test {promotion.r2_test:.4f} (95 % interval {promotion.r2_test_low:.4f} to {promotion.r2_test_high:.4f})",
        "The test rows have been opened once, this time included.",
        "Not causal",
        recording.sha256,
    ):
        page.get_by_text(text).first.wait_for()
    assert page.get_by_role("link", name=served.result.search_id).get_attribute("href") == pages.run(
        experiment_of(served), served.result.run_id
    )
    monkeypatch.chdir(served.folder)
    assert_predicts(page.locator("pre code").inner_text(), served, monkeypatch)


def test_the_card_of_a_model_loads_its_champion(served, page, monkeypatch):
    page.goto(served.page(f"#/models/{served.result.promotion.model}"))
    page.get_by_role("heading", name="Intended use").wait_for()
    assert_predicts(page.locator("pre code").inner_text(), served, monkeypatch)


def assert_predicts(code, served, monkeypatch):
    """Run what a card says, and compare its predictions of the test rows by their score."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{served.folder}/mlruns/mlflow.db")
    rows = slice(120, 160)
    given = {"X": served.recording.X[rows]}
    exec(code.replace("model.predict", "predicted = model.predict"), given)
    true = served.recording.y[rows]
    r2 = 1 - np.square(true - given["predicted"]).sum() / np.square(true - true.mean()).sum()
    assert r2 == pytest.approx(served.result.promotion.r2_test, abs=1e-9)
    assert os.environ["MLFLOW_TRACKING_URI"]
