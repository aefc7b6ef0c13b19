"""Everything in the README and in docs/ that can be run is run, on the small recording that docs/your-data.md makes."""

import ast
import contextlib
import re
import shlex
from dataclasses import dataclass
from functools import cache, reduce
from operator import getitem
from pathlib import Path

import mlflow
import numpy as np
import pytest
import typer
from mlflow import environment_variables

from regsearch import SearchConfig
from regsearch.search import cli
from regsearch.search.rows import check_rows
from regsearch.tracking.runs import METRICS, STRENGTHS

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "deploy" / "README.md", *DOCS]
ANY = "…"
BLOCK = re.compile(r"(?ms:(?:^<!-- (?P<note>.+?) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

SMALL_PRESET = """
name = "running-speed"
data.source = "recording.npz"

[families]
ridge = { alpha = { low = 1, high = 10 }, trials = 2 }
lasso = { alpha = [0.003, 0.01] }
elasticnet = { l1_alpha = [0.003, 0.01], l2_alpha = [0.1, 1] }
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; a comment before it may say ``file: NAME`` or ``not run: WHY``."""

    language: str
    text: str
    note: str

    @property
    def file(self):
        return self.note.removeprefix("file: ") if self.note.startswith("file: ") else None

    @property
    def is_run(self):
        return not self.note.startswith("not run: ")


def blocks(page, *languages):
    found = [Block(one["language"], one["text"], one["note"] or "") for one in BLOCK.finditer(page.read_text())]
    return [block for block in found if block.language in languages]


def with_blocks(*languages):
    chosen = [page for page in PAGES if any(block.is_run for block in blocks(page, *languages))]
    return pytest.mark.parametrize("page", chosen, ids=lambda page: page.stem)


@pytest.fixture
def scratch(workspace):
    """Return a folder with the files that docs/your-data.md makes."""
    made, config = blocks(ROOT / "docs" / "your-data.md", "python", "toml")[:2]
    exec(made.text, {})
    Path(config.file).write_text(config.text)
    return workspace


@with_blocks("python", "console")
def test_a_page_runs_from_top_to_bottom_and_shows_what_it_says(page, scratch, invoke, monkeypatch):
    here = f"sqlite:///{scratch}/mlruns/"  # MLflow keeps a relative one open for the next test
    with np.load("recording.npz") as archive:
        names = {"X": archive["X"]}
    for block in blocks(page, "python", "console", "toml"):
        if block.file:
            Path(block.file).write_text(block.text)
        elif block.language == "python" and block.is_run:
            code = compile(block.text.replace("sqlite:///mlruns/", here), page.name, "exec")
            with contextlib.redirect_stdout(None), monkeypatch.context() as patch:
                patch.setattr("regsearch.search.config.preset", lambda name: SMALL_PRESET)
                exec(code, names)
        elif block.language == "console" and block.is_run:
            for command, shown in transcript(block.text):
                _, out, error = invoke(*shlex.split(command, comments=True)[1:])
                assert re.search(as_pattern(shown), error + out, re.MULTILINE), f"{command}\n{error}{out}"


def transcript(text):
    """Yield each command of a session with what it printed."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown.rstrip("\n")


def as_pattern(shown):
    """Return a pattern of whole lines, where the sign for any text stands alone for any lines."""
    lines = [re.escape(line.rstrip()).replace(ANY, ".*") + " *\\n" for line in shown.splitlines()]
    return "^" + "".join("(?:.*\\n)*?" if line == ".* *\\n" else line for line in lines)


@with_blocks("toml")
def test_a_configuration_is_one_that_can_be_run(page):
    for block in blocks(page, "toml"):
        check_rows(SearchConfig.from_toml(completed(block.text)))


def completed(text):
    """Return a configuration, or the part of one with the least that makes it whole."""
    name = "" if re.search(r"^name =", text, re.MULTILINE) else 'name = "page"\n'
    families = "" if "[families" in text else "\n[families.lasso]\nalpha = [0.01]\n"
    return f"{name}{text}{families}"


@with_blocks("bash")
def test_a_command_has_the_options_that_it_is_given(page, scratch, invoke):
    for block in blocks(page, "bash"):
        for words in commands(block.text):
            parse(words)
            if {"--dry-run", "--help", "--version"} & {*words}:
                assert invoke(*words)[0] == 0


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
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


def rows_of(page, heading):
    """Return the cells of the first table under a heading, without its own heading."""
    text = (ROOT / "docs" / page).read_text().split(f"\n{heading}\n", 1)[1]
    table = re.search(r"^\|.*?(?=\n\n|\Z)", text, re.MULTILINE | re.DOTALL)[0]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()[2:]]


def keys(schema, section, prefix=""):
    """Yield key, default and meaning of all that a section of a configuration may hold, as the table says them."""
    for key, value in section["properties"].items():
        if value is False:
            continue
        required = "required" if key in section.get("required", ()) else ""
        default = f"`{toml(value['default'])}`" if "default" in value and "$ref" not in value else ""
        yield [f"`{prefix}{key}`", default or required, value["description"]]
        for option in [value, *value.get("oneOf", ())]:
            if "$ref" in option:
                path = option["$ref"].removeprefix("#/").split("/")
                yield from keys(schema, reduce(getitem, path, schema), f"{prefix}{key}.")


def toml(value):
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def test_every_key_of_a_configuration_is_in_the_reference_with_its_default():
    schema = SearchConfig.toml_schema()
    assert rows_of("configuration.md", "## Keys") == list(keys(schema, schema))


@pytest.mark.parametrize("command", typer.main.get_command(cli.app).commands)
def test_every_option_of_a_command_is_in_the_reference(command):
    options = []
    for one in typer.main.get_command(cli.app).commands[command].params:
        names = [one.metavar or one.name.upper()] if one.param_type_name == "argument" else one.opts
        value = f" {one.metavar}" if one.param_type_name == "option" and one.metavar else ""
        options.append([", ".join(f"`{name}{value}`" for name in names), one.help])
    assert rows_of("configuration.md", f"### regsearch {command}") == options


def test_what_is_logged_of_a_trial_is_explained():
    explained = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows_of("reading-results.md", "## Metrics")))
    assert [name for name in explained if name in METRICS] == list(METRICS)
    explained = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows_of("reading-results.md", "## Parameters")))
    assert sorted(explained) == sorted(["family", *STRENGTHS])


def test_every_figure_and_tag_of_a_search_is_explained(result):
    client = mlflow.MlflowClient(f"sqlite:///{Path.cwd()}/mlruns/mlflow.db")
    drawn = {Path(file.path).stem for file in client.list_artifacts(result.run_id, "figures")}
    said = {re.match(r"`(\w+)", row[0])[1] for row in rows_of("reading-results.md", "## Figures")}
    assert drawn - {"ridge", "lasso"} == said - {"alpha"}
    explained = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows_of("reading-results.md", "## Tags")))
    for run_id in (result.run_id, result.best["run_id"]):
        tags = client.get_run(run_id).data.tags
        assert {name for name in tags if not name.startswith("mlflow.")} <= {*explained}


@cache
def messages():
    """Return every text in the source, with one sign for each value that is put into it."""
    found = set()
    for file in (path for package in ("data", "search", "tracking") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else ANY for part in node.values)
                found.add("".join(parts))
    return found


def test_an_error_that_is_quoted_without_being_made_is_in_the_source():
    quoted = blocks(ROOT / "docs" / "troubleshooting.md", "text")
    assert quoted
    for line in "".join(block.text for block in quoted).splitlines():
        assert any(line in message for message in messages()), line


def test_every_environment_variable_is_one_that_is_read():
    sources = (ROOT / "data" / "stringer.py", ROOT / "tracking" / "store.py")
    own = {name for file in sources for name in re.findall(r"REGSEARCH_\w+", file.read_text())}
    known = {*vars(environment_variables), *own}
    for page in PAGES:
        assert {*re.findall(r"\b(?:MLFLOW|REGSEARCH)_\w+", page.read_text())} <= known, page
