import subprocess
import sys

import nbclient
import nbformat
import pytest

CODE = "import sys; from regsearch.data.standard_error import redraws; print(redraws())"


def test_a_pipe_cannot_show_a_line_anew():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True, text=True)
    assert done.stdout == "False\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_notebook_can_whether_or_not_its_page_shows_widgets():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)])
    (cell,) = nbclient.NotebookClient(notebook).execute().cells
    assert cell.outputs[0].text == "True\n"
