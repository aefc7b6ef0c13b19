"""Everything on a page that can be run is run, from top to bottom, in a folder with the files of docs/your-data.md."""

import ast
import contextlib
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import mlflow
import pytest
import typer
from mlflow import environment_variables

from regsearch import SearchConfig
from regsearch.search import cli
from regsearch.search.rows import check_rows
from regsearch.tracking.records import METRICS, STRENGTHS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, ROOT / "deploy" / "README.md", ROOT / "examples" / "README.md", *DOCS]
LINKING = [*PAGES, ROOT / "benchmarks" / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
SLOW = {
    README,
    *(
        ROOT / "docs" / f"{name}.md"
        for name in (
            "chance",
            "choosing",
            "deploying",
            "experiment",
            "first-search",
            "python",
            "reading-results",
            "recipes",
            "resuming",
            "scikit-learn",
            "ui",
            "your-data",
        )
    ),
}
ONE_AFTER_ANOTHER = (ROOT / "docs" / "first-search.md", README)  # the search of the first is complete in the second
PACKAGES = ("data", "regsearch", "search", "tracking")
ANY = "…"
BLOCK = re.compile(r"(?ms:(?:^<!-- (?P<note>.+?) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
INSTALLING = re.compile(r"\S*pip install [^\n&]*|python3 -m venv \S+|source \.venv/bin/activate")
OURS = re.compile(r"(?:\.venv/bin/)?regsearch (?:config|data|models|null|promote|run|ui)\b[^;|&$`]*$")
EXTRA = re.compile(r"(?:\.|regsearch)\[(\w+)\]")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    A comment before it may say ``file: NAME``, ``not run: WHY`` or ``test command``, which .ci/run runs.
    """

    language: str
    text: str
    note: str

    @property
    def file(self):
        return self.note.removeprefix("file: ") if self.note.startswith("file: ") else None

    @property
    def is_run(self):
        return not self.note.startswith(("not run: ", "test command"))


def blocks(page, *languages):
    found = [Block(one["language"], one["text"], one["note"] or "") for one in BLOCK.finditer(page.read_text())]
    return [block for block in found if block.language in languages]


def pages_with(*languages):
    chosen = [page for page in PAGES if blocks(page, *languages)]
    return pytest.mark.parametrize("page", chosen, ids=_name)


def pages_to_run():
    chosen = [(page,) for page in PAGES if as_pasted(page) and page not in ONE_AFTER_ANOTHER] + [ONE_AFTER_ANOTHER]
    return pytest.mark.parametrize(
        "pages",
        [
            pytest.param(pages, id=" ".join(map(_name, pages)), marks=[pytest.mark.slow] * (not SLOW.isdisjoint(pages)))
            for pages in chosen
        ],
    )


def _name(page):
    return str(page.relative_to(ROOT).with_suffix(""))


def as_pasted(page):
    """Return the blocks of a page that a reader pastes, in order, with the files that it makes, if any are run."""
    run = [block for block in blocks(page, "bash", "console", "python", "toml") if block.is_run]
    return run if any(block.language != "toml" for block in run) else []


@pytest.fixture
def scratch(workspace, monkeypatch):
    """Return a folder with the files that docs/your-data.md makes, and an environment as the set-up command makes it.

    The commands of a shell find this interpreter's own environment as `.venv`, and no browser.
    """
    page = ROOT / "docs" / "your-data.md"
    made, *_ = blocks(page, "python")
    (config,) = (block for block in blocks(page, "toml") if block.file)
    exec(made.text, {})
    Path(config.file).write_text(config.text)
    Path(".venv").symlink_to(sys.prefix)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("BROWSER", "true")
    return workspace


@pages_to_run()
def test_a_page_runs_as_pasted_from_top_to_bottom_and_shows_what_it_says(pages, scratch, invoke):
    here = f"sqlite:///{scratch}/mlruns/"  # MLflow keeps a relative one open for the next test
    names = {}
    for page, block in ((one, block) for one in pages for block in as_pasted(one)):
        if block.file:
            Path(block.file).write_text(block.text)
        elif block.language == "python":
            code = compile(block.text.replace("sqlite:///mlruns/", here), page.name, "exec")
            with contextlib.redirect_stdout(None):
                exec(code, names)
        elif block.language == "bash":
            paste(block.text)
        elif block.language == "console":
            for command, shown in transcript(block.text):
                _, out, error = invoke(*shlex.split(command, comments=True)[1:])
                assert re.search(as_pattern(shown), error + out, re.MULTILINE), f"{command}\n{error}{out}"


def paste(script):
    """Run the lines of a shell, each to its end; what makes an environment and installs into it is run by .ci/run.

    Nothing else than regsearch and the examples is ever run: a page may tell an administrator to change a machine.
    """
    for line in script.replace("\\\n", " ").splitlines():
        ours = [part for part in line.split(" && ") if not INSTALLING.fullmatch(part)]
        for part in ours:
            assert OURS.match(part), f"say `not run: WHY` before the block with: {part}"
        left = " && ".join(ours)
        if re.match(r"regsearch ui\b", left):
            serve_and_interrupt(left)
        elif left:
            ended = subprocess.run(["bash", "-euc", left], capture_output=True, text=True, timeout=600)
            assert ended.returncode == 0, f"{left}\n{ended.stderr}"


@pytest.mark.parametrize(
    "line", ["apt-get install caddy", "systemctl stop mlflow", "pip install x && sudo true", "cd /"]
)
def test_a_line_that_could_change_the_machine_is_not_run(line):
    with pytest.raises(AssertionError, match="not run: WHY"):
        paste(line)


def serve_and_interrupt(command):
    """Start the UI, wait until it says where it is, and stop it as a person does."""
    with subprocess.Popen(["bash", "-euc", f"exec {command}"], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert any(line.startswith("open http://127.0.0.1:") for line in process.stderr)
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0


def transcript(text):
    """Yield each command of a session with what it printed."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown.rstrip("\n")


def as_pattern(shown):
    """Return a pattern of whole lines, where the sign for any text stands alone for any lines."""
    lines = [re.sub(rf"(?:\\ )*{ANY}", ".*", re.escape(line.rstrip())) + " *\\n" for line in shown.splitlines()]
    return "^" + "".join("(?:.*\\n)*?" if line == ".* *\\n" else line for line in lines)


def test_what_is_shown_is_compared_line_by_line():
    assert re.search(as_pattern("one\n…\nfour …"), "one\ntwo\nthree\nfour 4\n", re.MULTILINE)
    assert re.search(as_pattern("one   …"), "one 1\n", re.MULTILINE)
    assert not re.search(as_pattern("one\nthree"), "one\ntwo\nthree\n", re.MULTILINE)
    assert not re.search(as_pattern("one"), "someone\n", re.MULTILINE)


@pages_with("toml")
def test_a_configuration_is_one_that_can_be_run(page):
    for block in blocks(page, "toml"):
        check_rows(SearchConfig.from_toml(completed(block.text)))


def completed(text):
    """Return a configuration, or the part of one with the least that makes it whole."""
    name = "" if re.search(r"^name =", text, re.MULTILINE) else 'name = "page"\n'
    families = "" if "[families" in text else "\n[families.lasso]\nalpha = [0.01]\n"
    return f"{name}{text}{families}"


@pages_with("bash")
def test_a_command_that_is_not_run_has_the_options_that_it_is_given(page):
    for block in blocks(page, "bash"):
        for words in commands(block.text):
            parse(words)


def commands(script):
    """Yield the arguments of every call of regsearch in a script, without comments and what it is piped to."""
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        call = None
        for word in [*lexer, ";"]:
            if set(word) <= set("|&;<>()"):
                if call is not None:
                    yield call
                call = None
            elif call is not None:
                call.append(word)
            elif Path(word).name == "regsearch":
                call = []


def parse(words):
    group = typer.main.get_command(cli.app)
    context = group.make_context("regsearch", [*words], resilient_parsing=not words or words[0].startswith("-"))
    if words and not words[0].startswith("-"):
        group.commands[words[0]].make_context(words[0], words[1:], parent=context, resilient_parsing="--help" in words)


def test_what_is_installed_is_there_to_be_installed():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for page in PAGES:
        assert {*EXTRA.findall(page.read_text())} <= extras.keys(), page


def test_the_command_that_ci_runs_is_the_readme_s():
    (command,) = (block.text for block in blocks(README, "bash") if block.note == "test command")
    assert command.count("\n") == 1
    assert re.fullmatch(r"python3 -m venv \.venv && .* -e '\.\[dev\]' && .* -m pytest -n auto\n", command)


def test_the_readme_is_short_and_begins_with_what_sets_it_apart():
    lines = README.read_text().splitlines()
    assert len(lines) <= 130
    beginning = " ".join(lines[:15])
    for said in ("benchmarks", "rounding error", "Kill", "test rows", "mlflow.pyfunc.load_model"):
        assert said in beginning


@pytest.mark.parametrize("page", LINKING, ids=_name)
def test_a_link_leads_to_a_file_and_a_heading_that_are_there(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text())):
        if not re.match(r"https?://", target):
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


def anchors(page):
    """Return the anchors that GitHub gives to a page's headings."""
    headings = HEADING.findall(BLOCK.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_index_leads_to_every_page():
    index = ROOT / "docs" / "README.md"
    linked = re.findall(r"\]\(([\w-]+\.md)\)", index.read_text())
    assert {*linked} == {page.name for page in DOCS if page != index}


REFERENCE = runpy.run_path(str(ROOT / "docs" / "reference.py"))


@pytest.mark.parametrize("page", REFERENCE["TABLES"])
def test_a_generated_table_is_what_the_code_says_now(page):
    assert (ROOT / "docs" / page).read_text() == REFERENCE["with_tables"](page), "run: python docs/reference.py"


@pytest.mark.parametrize("command", typer.main.get_command(cli.app).commands)
def test_every_option_that_a_command_s_help_shows_is_in_the_reference(command, invoke):
    _, shown, _ = invoke(command, "--help")
    page = (ROOT / "docs" / "configuration.md").read_text()
    section = page.split(f"### regsearch {command}\n", 1)[1].split("\n##", 1)[0]
    options = {*re.findall(r"(?<!\S)--[a-z][a-z-]+", shown)} - {"--help"}
    assert options
    for option in options:
        assert f"`{option}" in section


def test_every_key_that_a_configuration_prints_is_in_the_reference():
    (config,) = (block for block in blocks(ROOT / "docs" / "your-data.md", "toml") if block.file)
    table = (ROOT / "docs" / "configuration.md").read_text()
    for key in dotted(tomllib.loads(SearchConfig.from_toml(config.text).to_toml())):
        assert f"| `{key}` |" in table


def dotted(section, prefix=""):
    for key, value in section.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from dotted(value, f"{prefix}{key}.")


def rows_of(page, heading):
    """Return the cells of the first table under a heading, without its own heading."""
    text = (ROOT / "docs" / page).read_text().split(f"\n{heading}\n", 1)[1]
    table = re.search(r"^\|.*?(?=\n\n|\Z)", text, re.MULTILINE | re.DOTALL)[0]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()[2:]]


def test_what_is_logged_of_a_trial_is_explained():
    explained = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows_of("reading-results.md", "## Metrics")))
    assert [name for name in explained if name in METRICS] == list(METRICS)
    explained = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows_of("reading-results.md", "## Parameters")))
    assert sorted(explained) == sorted(["family", *STRENGTHS])


SOMETIMES = {"groups", "nested", "null", "null_test"}
"""Figures of searches with groups, of nested cross-validation, and of null distributions."""


def test_every_figure_and_tag_of_a_search_is_explained(result):
    client = mlflow.MlflowClient(f"sqlite:///{Path.cwd()}/mlruns/mlflow.db")
    drawn = {Path(file.path).stem for file in client.list_artifacts(result.run_id, "figures")}
    said = {re.match(r"`(\w+)", row[0])[1] for row in rows_of("reading-results.md", "## Figures")}
    assert drawn - {"ridge", "lasso"} == said - {"alpha"} - SOMETIMES
    explained = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows_of("reading-results.md", "## Tags")))
    for run_id in (result.run_id, result.best["run_id"]):
        tags = client.get_run(run_id).data.tags
        assert {name for name in tags if not name.startswith("mlflow.")} <= {*explained}


def sources():
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]


@cache
def messages():
    """Return every text in the source, with one sign for each value that is put into it."""
    found = set()
    for file in sources():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else ANY for part in node.values)
                found.add("".join(parts))
    return found


def quoted_messages():
    """Return what the tables of docs/troubleshooting.md quote of messages."""
    rows = re.findall(r"^\| `(.+?)` \|", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE)
    assert len(rows) > 20
    return rows


@pytest.mark.parametrize("quoted", quoted_messages())
def test_a_message_that_is_quoted_is_in_the_source(quoted):
    assert any(quoted in message for message in messages())


def test_every_environment_variable_is_one_that_is_read():
    own = {name for file in sources() for name in re.findall(r"REGSEARCH_\w+", file.read_text())}
    known = {*vars(environment_variables), *own}
    for page in PAGES:
        assert {*re.findall(r"\b(?:MLFLOW|REGSEARCH)_\w+", page.read_text())} <= known, page
