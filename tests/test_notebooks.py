import re
import shutil
from pathlib import Path

import jupytext
import nbclient
import pytest

from regsearch.tracking import registry
from regsearch.tracking.store import open_store

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SCRIPTS = {script.stem: script for script in NOTEBOOKS.glob("*.py")}
CHAMPIONS = {"estimator": None, "own_data": "decoder_table", "tutorial": "running-speed-tutorial"}
"""The model that each ends with, if it ends with one."""
TIMES = re.compile(r"^(?:CPU times|Wall time): .*\n", re.MULTILINE)
NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")


@pytest.fixture(params=sorted(SCRIPTS))
def script(request):
    return SCRIPTS[request.param]


@pytest.fixture
def kept(script):
    return jupytext.read(script.with_suffix(".ipynb"))


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(notebook):
    """Return the text that each cell of code shows, without how long it took."""
    shown = (
        "".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)
        for cell in code(notebook)
    )
    return [TIMES.sub("", text) for text in shown]


def numbers_in(text):
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]


def test_every_notebook_is_one_that_is_checked():
    assert SCRIPTS.keys() == CHAMPIONS.keys()
    assert {notebook.stem for notebook in NOTEBOOKS.glob("*.ipynb")} == CHAMPIONS.keys()


def test_a_notebook_is_its_script_run_once_from_top_to_bottom(script, kept):
    again = f"jupytext --to ipynb notebooks/{script.name} && jupyter execute --inplace notebooks/{script.stem}.ipynb"
    assert [cell.source for cell in kept.cells] == [cell.source for cell in jupytext.read(script).cells], again
    assert [cell.execution_count for cell in code(kept)] == list(range(1, 1 + len(code(kept)))), again
    outputs = [output for cell in code(kept) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs) or not CHAMPIONS[script.stem]
    assert script.with_suffix(".ipynb").stat().st_size < 700_000


def test_a_score_that_the_text_says_is_one_that_the_outputs_show(kept):
    shown = numbers_in(" ".join(text_of(kept)))
    said = " ".join(cell.source for cell in kept.cells if cell.cell_type == "markdown")
    for score in re.findall(r"(?<![\d./])[01]\.\d{2,}(?![\d./]*\d)", said):
        decimals = len(score.split(".")[1])
        assert float(score) in {round(abs(number), decimals) for number in shown}, score


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fresh_run_shows_what_the_notebook_keeps(script, kept, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(script, tmp_path)
    where = {"metadata": {"path": str(tmp_path)}}
    fresh = nbclient.NotebookClient(jupytext.read(script), timeout=600, resources=where).execute()
    for now, before in zip(text_of(fresh), text_of(kept), strict=True):
        assert NUMBER.sub("#", now).split() == NUMBER.sub("#", before).split()
        assert numbers_in(now) == pytest.approx(numbers_in(before), rel=0.05, abs=0.002)
    if name := CHAMPIONS[script.stem]:
        champion = registry.champion(open_store(f"sqlite:///{tmp_path}/mlruns/mlflow.db"), name)
        assert f"{float(champion.tags['r2_test']):.4f}" in " ".join(text_of(fresh))


def test_the_notebook_of_twelve_lines_has_twelve():
    lines = [line for cell in code(jupytext.read(SCRIPTS["estimator"])) for line in cell.source.splitlines()]
    assert len([line for line in lines if line and not line.startswith("%")]) == 12
