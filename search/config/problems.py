"""What is wrong with a configuration, in one line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from regsearch.data.refusal import short
from regsearch.search.config.expectations import problem_in_words
from regsearch.search.config.split import kind_of_rows


def first_problem(model: type[BaseModel], error: ValidationError) -> str:
    """Say in one line what the first of a validation's errors is."""
    problems = error.errors(include_url=False)
    # a missing required key may be there under another spelling, so name the unknown key first
    problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
    place = ".".join(_words(problem["loc"]))
    match problem["type"]:
        case "extra_forbidden":
            return _unknown(model, problem["loc"])
        case "missing":
            return f"{place!r} is required and missing"
        case "string_pattern_mismatch":
            found = short(problem["input"])
            return f'{place} must be a word or more without / : or " and not begin with a dot, found {found}'
        case _:
            return f"{place}: {problem_in_words(problem)}" if place else problem_in_words(problem)


def _unknown(model: type[BaseModel], location: tuple[str | int, ...]) -> str:
    """Say that there is no key at a place in which pydantic found one; the key need not be a word."""
    section, key = _words(location[:-1]), str(location[-1])
    place = ".".join([*section, key])
    if kind := kind_of_rows(location):
        return f"unknown key {place!r} beside {kind!r}; leave it out, or choose another kind of rows"
    sections = _sections(model)
    known = sorted(sections.get(".".join(section), ()))
    if elsewhere := [name for name, keys in sections.items() if key in keys]:
        there = " or ".join(f"in [{name}]" if name else "at the top, before all sections" for name in elsewhere[:3])
        return f"unknown key {place!r}; {key!r} belongs {there}; known here are {', '.join(known)}"
    return f"unknown key {place!r}; {nearest(key, known)}"


def _words(location: Sequence[str | int]) -> list[str]:
    """Return the keys of a place, without the numbers and the tags of forms, all with a blank, between them."""
    return [str(part) for part in location if str(part).isidentifier()]


def _sections(model: type[BaseModel]) -> dict[str, set[str]]:
    """Return the keys that each section of the configuration may have, in any of its forms, by its dotted place."""
    schema = model.model_json_schema()
    sections: dict[str, set[str]] = {}

    def add(node: Mapping[str, Any], place: str) -> None:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        for key, inner in node.get("properties", {}).items():
            sections.setdefault(place, set()).add(key)
            add(inner, f"{place}.{key}" if place else key)
        for form in (*node.get("anyOf", ()), *node.get("oneOf", ()), *filter(None, (node.get("items"),))):
            add(form, place)

    add(schema, "")
    return sections


def nearest(name: str, known: Sequence[str]) -> str:
    """Return the known name that was meant, as a question, or else all of them."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
