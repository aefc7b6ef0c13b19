"""regsearch is one package for whoever installs it, beside files of theirs that are called search, data or tracking."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
PACKAGE = {"regsearch", f"regsearch-{VERSION}.dist-info"}
CONFIG = """
name = "packaged"
[data]
source = "recording.npz"
[families.ridge]
alpha = [1, 10]
"""
SCRIPT = """
import data
import tracking
from regsearch import SearchConfig, run_search

if __name__ == "__main__":
    result = run_search(SearchConfig.load("packaged.toml"), workers=2, progress=False)
    print(data.MINE, tracking.MINE, len(result.trials), result.promotion.uri)
"""
NOTEBOOK = """
import nbclient, nbformat
cells = [nbformat.v4.new_code_cell(source) for source in (
    "import data, search, tracking",
    "from regsearch import SearchConfig, run_search",
    "result = run_search(SearchConfig.load('packaged.toml'), workers=2, progress=False)",
    "print(data.MINE, tracking.MINE, len(result.trials), result.promotion.uri)",
)]
ran = nbclient.NotebookClient(nbformat.v4.new_notebook(cells=cells), timeout=300).execute()
print(ran.cells[-1].outputs[0].text)
"""


@pytest.fixture(scope="session")
def distributions(made_once: Callable[..., Path]) -> tuple[Path, Path]:
    """Return the wheel and the source distribution of this checkout."""
    folder = made_once("distributions", lambda folder: build(ROOT, folder))
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def build(source: Path, folder: Path, *targets: str) -> None:
    """Build what pip builds, with the same backend."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", *targets, "-d", folder], cwd=source, check=True)


@dataclass(frozen=True)
class Environment:
    """An environment of its own, in which the other packages of this one can be imported, but not its regsearch.

    Attributes
    ----------
    folder : Path
    home : Path
        Where its regsearch must come from.
    """

    folder: Path
    home: Path

    @property
    def packages(self) -> Path:
        """The folder of its packages."""
        return next(self.folder.glob("lib/python*/site-packages"))

    def python(self, *arguments: str) -> str:
        """Run its Python in the current folder, and return what that prints."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [self.folder / "bin" / "python", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="session", params=["wheel", "editable"])
def environment(request, made_once: Callable[..., Path], distributions: tuple[Path, Path]) -> Environment:
    """Return an environment with regsearch, installed from the wheel or by ``pip install -e``."""
    installed, home = {
        "wheel": ([str(distributions[0])], None),
        "editable": (["--no-build-isolation", "-e", str(ROOT)], ROOT),
    }[request.param]

    def install(folder: Path) -> None:
        venv.create(folder, symlinks=True)
        packages = next(folder.glob("lib/python*/site-packages"))
        (packages / "others.pth").write_text(sysconfig.get_path("purelib"))  # whose own .pth files are not read
        pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "-q", "--no-deps"]
        subprocess.run([*pip, *installed], check=True)

    folder = made_once(f"environment-{request.param}", install)
    return Environment(folder, home or folder)


@pytest.fixture
def beside(environment: Environment, workspace: Path) -> Environment:
    """Return the environment, in a folder with a recording and files that are called as folders of regsearch's are."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5))
    np.savez("recording.npz", X=X, y=X @ rng.standard_normal(5) + rng.standard_normal(60))
    Path("packaged.toml").write_text(CONFIG)
    Path("search.py").write_text(SCRIPT)
    for name in ("data", "tracking"):
        Path(f"{name}.py").write_text("MINE = 'mine'")
    return environment


def test_the_wheel_holds_one_package_of_files_and_the_sdist_builds_the_same_wheel(distributions, tmp_path):
    wheel, source = distributions
    with zipfile.ZipFile(wheel) as archive:
        members = archive.infolist()
        folders = {str(Path(member.filename).parent) for member in members}
    assert {member.filename.split("/")[0] for member in members} == PACKAGE
    assert not [member.filename for member in members if member.external_attr >> 16 & 0o170000 == 0o120000]
    assert {f"regsearch/{name}" for name in ("data", "search", "search/config/presets", "tracking")} <= folders
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    build(tmp_path / f"regsearch-{VERSION}", tmp_path / "again", "-t", "wheel")
    assert (tmp_path / "again" / wheel.name).read_bytes() == wheel.read_bytes()


def test_an_environment_gets_one_package_and_no_other_name(environment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert environment.home in Path(environment.python("-c", "import regsearch; print(regsearch.__file__)")).parents
    files = {path.name for path in environment.packages.iterdir()} - {"others.pth", "__pycache__"}
    assert {name for name in files if not name.endswith(".pth")} == PACKAGE - (
        {"regsearch"} if environment.home == ROOT else set()
    )
    names = ("benchmarks", "data", "search", "tests", "tracking")
    found = "from importlib.util import find_spec; import sys; print(*filter(find_spec, sys.argv[1:]))"
    assert environment.python("-c", found, *names) == ""


def test_a_script_called_search_beside_data_and_tracking_runs_a_search(beside):
    assert beside.python("search.py") == "mine mine 3 models:/packaged@champion"


def test_the_command_runs_beside_them(beside):
    printed = beside.python("-m", "regsearch", "run", "packaged.toml", "--workers", "2", "--quiet")
    assert "models:/packaged@champion" in printed


def test_a_notebook_runs_beside_them(beside):
    assert beside.python("-c", NOTEBOOK) == "mine mine 3 models:/packaged@champion"


@pytest.mark.parametrize("first", ["import data.mine", "import regsearch.data"])
def test_folders_of_the_same_names_are_imported(first, environment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("data", "search", "tracking"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text("MINE = 'mine'")
    (tmp_path / "tracking" / "__init__.py").touch()
    (tmp_path / "script.py").write_text(
        f"{first}\nimport data.mine, search.mine, tracking.mine\n"
        "from regsearch import Recording, SearchConfig, data as ours\n"
        "print(data.mine.MINE, search.mine.MINE, tracking.mine.MINE, Recording is ours.Recording)"
    )
    assert environment.python("script.py") == "mine mine mine True"
