import io
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from regsearch import SearchConfig, from_arrays, run_search
from regsearch.errors import SearchNotFoundError
from regsearch.search.choice import choose, config_of
from regsearch.search.output.search_figures import Predicted
from regsearch.search.redrawing import redraw
from regsearch.search.result import Finished
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store

NAMES = {
    "elasticnet",
    "history",
    "importance",
    "lasso",
    "lasso_path",
    "predictions",
    "residuals",
    "ridge",
    "trade_off",
    "weights",
}


def width_of(pdf):
    """Return the width of a PDF's page in mm."""
    (width,) = re.findall(rb"/MediaBox \[ *0 0 ([\d.]+)", pdf.read_bytes())
    return float(width) * 25.4 / 72


@pytest.mark.slow
@pytest.mark.parametrize("width", [85, 180])
def test_every_figure_is_drawn_in_the_width_of_a_column_without_the_data(width, result, workspace, invoke):
    Path("small.npz").unlink()
    code, out, error = invoke("figures", result.search_id, "--width", str(width), "--to", "drawn")
    assert (code, error) == (0, f"reading search {result.search_id} …\ndrawing the figures …\n")
    assert {*map(Path, out.splitlines())} == {*Path("drawn").iterdir()}
    assert {path.name for path in Path("drawn").iterdir()} == {
        f"{name}.{kind}" for name in NAMES for kind in ("pdf", "png")
    }
    for pdf in Path("drawn").glob("*.pdf"):
        assert width_of(pdf) == pytest.approx(width, abs=0.1)
    for png in Path("drawn").glob("*.png"):
        with Image.open(png) as picture:
            assert picture.width == pytest.approx(width / 25.4 * 300, abs=1)


@pytest.mark.slow
def test_figures_of_the_same_width_are_those_of_the_run(result, workspace):
    redraw(result.search_id, workspace / "drawn")
    run = SearchRun.find(open_store(), result.search_id)
    for name in NAMES:
        assert (workspace / "drawn" / f"{name}.pdf").read_bytes() == run.read(run.run_id, f"figures/{name}.pdf"), name


@pytest.mark.slow
@pytest.mark.parametrize("workers", [None, 2])
def test_a_search_that_draws_nothing_is_the_same_search_and_is_drawn_later(
    workers, result, small_config, workspace, monkeypatch, invoke
):
    Path("undrawn").mkdir()
    shutil.copy("small.npz", "undrawn")
    monkeypatch.chdir("undrawn")
    monkeypatch.setenv("REGSEARCH_FIGURES", "0")
    undrawn = run_search(small_config, workers=workers, progress=False)
    assert undrawn.search_id == result.search_id
    assert undrawn.promotion.r2_test == pytest.approx(result.promotion.r2_test, abs=1e-12)
    assert [path for path in Path("mlruns").rglob("*") if path.suffix in (".png", ".svg", ".pdf")] == []
    run = SearchRun.find(open_store(), undrawn.search_id)
    told = run.run.data.tags["mlflow.note.content"]
    assert f"No figures were drawn. `regsearch figures {undrawn.search_id}` draws them." in told
    assert "figures/" not in told
    assert invoke("figures", undrawn.search_id, "--to", "drawn")[0] == 0
    assert {path.name for path in Path("drawn").iterdir()} == {
        f"{name}.{kind}" for name in NAMES for kind in ("pdf", "png")
    }


def test_the_predictions_of_each_part_are_kept_to_the_last_bit(result, recording):
    run = SearchRun.find(open_store(), result.search_id)
    kept = Predicted.from_csv(run.read(run.run_id, "predictions.csv"))
    for trace, rows in ((kept.train, (40, 120)), (kept.validation, (0, 40)), (kept.test, (120, 160))):
        np.testing.assert_array_equal(trace.rows, np.arange(*rows))
        np.testing.assert_array_equal(trace.true, recording.y[slice(*rows)])
    residual = kept.test.true - kept.test.predicted
    r2 = 1 - residual @ residual / np.square(kept.test.true - kept.test.true.mean()).sum()
    assert r2 == pytest.approx(result.promotion.r2_test, abs=1e-12)


@pytest.mark.usefixtures("with_figures")
def test_figures_show_the_scores_of_a_weighted_search_in_folds(recording, workspace):
    rng = np.random.default_rng(0)
    weighted = from_arrays(recording.X, recording.y, weights=rng.integers(1, 4, len(recording.y)))
    config = SearchConfig.load("own-data").updated(families=["lasso"], folds=4)
    result = run_search(config, data=weighted, progress=False)
    run = SearchRun.find(open_store(), result.search_id)
    kept = Predicted.from_csv(run.read(run.run_id, "predictions.csv"))
    np.testing.assert_array_equal(kept.test.weights, weighted.annotations.weights[kept.test.rows])
    again = Predicted.from_csv(kept.table("predicted").to_csv(index=False).encode())  # a target of that name
    np.testing.assert_array_equal(again.validation.true, kept.validation.true)
    written = run.read(run.run_id, "figures/predictions.svg").decode()
    for score in (result.best["r2_validation"], result.promotion.r2_test):
        assert f"R² = {score:.3f}" in written
    files = redraw(result.search_id, workspace / "drawn")
    assert (workspace / "drawn" / "predictions.png") in files


def test_figures_name_the_target_as_the_recording_did_even_if_the_configuration_does_not(result, workspace):
    run = SearchRun.find(open_store(), result.search_id)
    kept = Predicted.from_csv(run.read(run.run_id, "predictions.csv"))
    run.write({"predictions.csv": kept.table('speed, "fast"').to_csv(index=False).encode()})
    config = config_of(run)
    assert config.data.targets == ("y",)
    assert Finished(run, config, choose(run, config)).target == 'speed, "fast"'


def test_sealed_rows_are_in_no_table(searched):
    run = SearchRun.find(open_store(), searched.search_id)
    kept = Predicted.from_csv(run.read(run.run_id, "predictions.csv"))
    assert kept.test is None
    assert max(kept.train.rows.max(), kept.validation.rows.max()) < 120


def test_a_search_that_is_not_there_is_one_line(result, workspace):
    with pytest.raises(SearchNotFoundError, match=f"no search 'nope' in .*; the latest are {result.search_id}"):
        redraw("nope", workspace / "drawn")
    assert not (workspace / "drawn").exists()


@pytest.mark.usefixtures("with_figures")
@pytest.mark.slow
def test_the_scores_of_groups_are_a_table_and_a_figure_that_is_drawn_again(small_config, recording, workspace):
    session = np.repeat([f"day {number}" for number in range(8)], 20)
    np.savez("small.npz", X=recording.X, y=recording.y, session=session)
    text = small_config.to_toml().partition("[families.elasticnet]")[0]
    config = SearchConfig.from_toml(text.replace("[data]", '[data]\ngroups = "session"', 1))
    result = run_search(config, progress=False)
    run = SearchRun.find(open_store(), result.search_id)
    groups = pd.read_csv(io.BytesIO(run.read(run.run_id, "groups.csv")))
    assert groups["group"].tolist() == ["day 0", "day 1", "day 6", "day 7"]
    assert groups["rows_validation"].tolist()[:2] == groups["rows_test"].tolist()[2:] == [20, 20]
    redraw(result.search_id, workspace / "drawn")
    assert (workspace / "drawn" / "groups.pdf").read_bytes() == run.read(run.run_id, "figures/groups.pdf")


@pytest.mark.parametrize("to", ["small.npz", "small.npz/inside"])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_drawn(to, result, invoke):
    code, out, error = invoke("figures", result.search_id, "--to", to)
    assert (code, out) == (2, "")
    assert "drawing" not in error
    assert f"--to {to}: expected a folder that can be written, found" in error
