"""Make the pictures of the README and of the pages in docs/, from the default search in a temporary folder.

    python notebooks/pictures/take.py

Those called ui_… are of MLflow's pages, the others are figures of the search.  The script needs Chromium and takes one
or two minutes.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from regsearch import SearchConfig, SearchResult, run_search
from regsearch.tracking import pages

HERE = Path(__file__).parent
UNCLUTTERED = "[data-assistant-ui] { display: none !important }"
FIGURES = ("elasticnet", "lasso", "trade_off", "weights")
FIGURE_WIDTH = 1050


def save(picture: Image.Image, name: str) -> None:
    """Save a picture in 256 colours."""
    colours = picture.convert("RGB").quantize(256, kmeans=1, dither=Image.Dither.NONE)
    colours.save(HERE / f"{name}.png", optimize=True)


def copy_figures(store: MlflowClient, run_id: str) -> None:
    """Save figures of a search, small enough for a page."""
    for name in FIGURES:
        with Image.open(store.download_artifacts(run_id, f"figures/{name}.png")) as figure:
            height = round(figure.height * FIGURE_WIDTH / figure.width)
            save(figure.convert("RGB").resize((FIGURE_WIDTH, height), Image.Resampling.LANCZOS), name)


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
    uri = f"sqlite:///{folder}/mlflow.db"
    searched = run_search(SearchConfig.load("default"), tracking_uri=uri, storage=f"{folder}/optuna.journal")
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
