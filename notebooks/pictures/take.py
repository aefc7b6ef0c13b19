"""Make the pictures of the README and of the pages in docs/, in a temporary folder.

    python notebooks/pictures/take.py

Those called ui_… are of MLflow's pages, after the default search.  The others are figures of this search, but null.png,
which is of the search in docs/your-data.md.  The script needs Chromium and takes one or two minutes.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mlflow import MlflowClient
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from regsearch import SearchConfig, SearchResult, from_arrays, null_distribution, run_search
from regsearch.tracking import pages

HERE = Path(__file__).parent
UNCLUTTERED = "[data-assistant-ui] { display: none !important }"
FIGURES = ("elasticnet", "lasso", "trade_off", "weights")
FIGURE_WIDTH = 1050


def save(picture: Image.Image, name: str) -> None:
    """Save a picture in 256 colours."""
    colours = picture.convert("RGB").quantize(256, kmeans=1, dither=Image.Dither.NONE)
    colours.save(HERE / f"{name}.png", optimize=True)


def copy_figures(store: MlflowClient, run_id: str, names: Sequence[str] = FIGURES) -> None:
    """Save figures of a search, small enough for a page."""
    for name in names:
        with Image.open(store.download_artifacts(run_id, f"figures/{name}.png")) as figure:
            height = round(figure.height * FIGURE_WIDTH / figure.width)
            save(figure.convert("RGB").resize((FIGURE_WIDTH, height), Image.Resampling.LANCZOS), name)


def compare_with_chance(uri: str, storage: str) -> None:
    """Save the figure of the null targets in docs/chance.md."""
    page = (HERE.parents[1] / "docs" / "your-data.md").read_text(encoding="utf-8")
    config = SearchConfig.from_toml(re.search(r"<!-- file: decoder.toml -->\n```toml\n(.*?)```", page, re.DOTALL)[1])
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 400))
    recording = from_arrays(X, X[:, :8] @ rng.uniform(0.2, 1.0, 8) + rng.standard_normal(300))
    place = {"data": recording, "tracking_uri": uri, "storage": storage, "progress": False}
    result = run_search(config, promote=False, **place)
    null_distribution(result.search_id, n=38, **place)
    copy_figures(MlflowClient(uri), result.run_id, ["null"])


def take(page: Page, name: str, width: int, height: int) -> None:
    """Save a picture of the page."""
    page.set_viewport_size({"width": width, "height": height})
    page.add_style_tag(content=UNCLUTTERED)
    page.wait_for_timeout(1500)  # the page draws its charts again after a change of size
    save(Image.open(BytesIO(page.screenshot())), name)


def take_all(page: Page, front: str, result: SearchResult) -> None:
    """Visit each page and take its picture."""
    root, experiment_id = front.partition("#")[0], re.search(r"experiments/(\d+)/", front)[1]
    page.goto(front)
    page.get_by_text(f"{len(result.trials)} matching runs").wait_for()
    page.get_by_role("link", name=result.promotion.trial).wait_for()
    take(page, "ui_table", 1560, 700)

    page.goto(root + pages.run(experiment_id, result.run_id))
    chart = page.get_by_role("link", name="ridge: R² against alpha").get_attribute("href")
    page.get_by_text("Show more").click()
    page.locator("img[src*=ridge]").wait_for()
    place = page.locator("[data-component-type=tag]", has=page.get_by_title("locked_in", exact=True)).last
    place.evaluate("tag => tag.remove()")
    take(page, "ui_story", 1440, 1108)

    page.goto(root + chart)
    page.locator(".js-plotly-plot").first.wait_for()
    take(page, "ui_compare", 1440, 788)

    page.goto(root + pages.artifact(experiment_id, result.best["run_id"], "weights.png"))
    page.get_by_role("img", name="weights.png").wait_for()
    path = page.get_by_text("Path:").locator("..")  # names the temporary folder
    path.evaluate("line => line.style.visibility = 'hidden'")
    take(page, "ui_trial", 1440, 560)

    page.goto(root + pages.version(result.promotion.model, result.promotion.version))
    page.get_by_role("heading", name="Where it comes from").wait_for()
    code = page.locator("code", has_text="set_tracking_uri").first  # names the temporary folder, too
    code.evaluate("code => { code.textContent = code.textContent.replace(/sqlite:.*?mlflow/, 'sqlite:///…/mlflow') }")
    take(page, "ui_model", 1280, 892)


with TemporaryDirectory() as folder:
    uri, storage = f"sqlite:///{folder}/mlflow.db", f"{folder}/optuna.journal"
    compare_with_chance(uri, storage)
    searched = run_search(SearchConfig.load("default"), tracking_uri=uri, storage=storage)
    copy_figures(MlflowClient(uri), searched.run_id)
    command = [sys.executable, "-m", "regsearch", "ui", "--tracking-uri", uri]
    ui = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603
    try:
        address = next(line for line in ui.stderr if line.startswith("open ")).split()[1]
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            take_all(chromium.new_page(viewport={"width": 1280, "height": 760}), address, searched)
            chromium.close()
    finally:
        ui.send_signal(signal.SIGTERM)
        ui.wait()
