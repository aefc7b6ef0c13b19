"""Write the reference tables of these pages from the code: keys, commands, options and errors.

    python docs/reference.py

A table stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.  The tests fail when a table is out of date.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import typer

from regsearch import SearchConfig, errors
from regsearch.search import cli

DOCS = Path(__file__).parent


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    cells = [[cell.replace("|", r"\|") for cell in row] for row in (header, ("---",) * len(header), *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def key_rows(
    schema: Mapping[str, Any], section: Mapping[str, Any], prefix: str = "", required: str = "required"
) -> Iterator[tuple[str, str, str]]:
    """Yield key, default and meaning of everything that a section of a configuration may hold."""
    for key, value in section["properties"].items():
        if value is False:  # a rule of the schema that forbids the key
            continue
        default = required if key in section.get("required", ()) else ""
        if "default" in value and "$ref" not in value:
            default = f"`{as_toml(value['default'])}`"
        yield f"`{prefix}{key}`", default, value["description"]
        for option in [value, *value.get("oneOf", ())]:
            if "$ref" in option:
                inner = reduce(getitem, option["$ref"].removeprefix("#/").split("/"), schema)
                yield from key_rows(schema, inner, f"{prefix}{key}.", "required" if option is value else "one form")


def as_toml(value: object) -> str:
    """Return a default as a TOML file writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    return f"{value:g}" if isinstance(value, int | float) else f'"{value}"'


def keys() -> str:
    """Return the table of a configuration's keys."""
    schema = SearchConfig.toml_schema()
    rows = dict.fromkeys(key_rows(schema, schema))  # a range and a grid share some keys
    return table(("key", "default", "meaning"), rows)


def option_rows(command: Any) -> Iterator[tuple[str, str]]:
    """Yield the spelling and the help of each argument and option."""
    for one in command.params:
        if one.param_type_name == "argument":
            yield f"`{one.metavar or one.name.upper()}`", one.help
        else:
            value = f" {one.metavar}" if one.metavar else ""
            yield ", ".join(f"`{name}{value}`" for name in one.opts), one.help


def commands() -> str:
    """Return a section for each command, with the table of its options."""
    sections = [
        f"### regsearch {name}\n\n{command.help}\n\n{table(('option', 'meaning'), option_rows(command))}"
        for name, command in typer.main.get_command(cli.app).commands.items()  # type: ignore[attr-defined]
    ]
    return "\n\n".join(sections)


def error_rows() -> Iterator[tuple[str, str, str]]:
    """Yield name, exit code and meaning of each error that regsearch raises on purpose."""
    for name, error in inspect.getmembers(errors, inspect.isclass):
        if issubclass(error, errors.RegsearchError):
            yield f"`{name}`", str(error.exit_code), " ".join((error.__doc__ or "").partition("\n\n")[0].split())


def error_table() -> str:
    """Return the table of errors."""
    return table(("error", "exit code", "meaning"), error_rows())


TABLES = {
    "configuration.md": {"keys": keys, "commands": commands},
    "python.md": {"errors": error_table},
}
"""The function that writes each table of each page."""


def with_tables(page: str) -> str:
    """Return the text of a page with its tables written anew."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for name, written in TABLES[page].items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise SystemExit(f"{page}: expected the lines {begin.strip()} and {end} once each; add them")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{written()}\n\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    for page in TABLES:
        (DOCS / page).write_text(with_tables(page), encoding="utf-8")
