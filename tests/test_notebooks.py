import shutil
from pathlib import Path

import jupytext
import nbclient
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("script", sorted(NOTEBOOKS.glob("*.py")), ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_script_and_is_paired_with_it(script, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    kept = jupytext.read(script.with_suffix(".ipynb"))
    paired = jupytext.read(script)
    assert [cell.source for cell in kept.cells] == [cell.source for cell in paired.cells]
    shutil.copy(script, tmp_path)
    executed = nbclient.NotebookClient(paired, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    text = "\n".join(output.get("text", "") for cell in executed.cells for output in cell.get("outputs", []))
    assert "R² on the test rows: 0." in text
