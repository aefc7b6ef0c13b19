"""What a key of a configuration takes, in the words of regsearch instead of those of the library that checks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BeforeValidator, Discriminator

from regsearch.data.refusal import short

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a table of keys",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "a number above {gt:.12g}",
    "greater_than_equal": "a number of at least {ge:.12g}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "less_than": "a number below {lt:.12g}",
    "less_than_equal": "a number of at most {le:.12g}",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_type": "a table of keys",
    "string_too_short": "a text that is not empty",
    "string_type": "a text",
    "too_long": "a list of {max_length} or fewer",
    "too_short": "a list of {min_length} or more",
    "tuple_type": "a list",
}
"""By the type of the problem; in braces what the problem says of itself."""


def one_of(forms: str, tag: Callable[[Any], str | None]) -> Discriminator:
    """Return what tells the forms of a value apart, and names them all where a value has none of them.

    Parameters
    ----------
    forms : str
        The forms, for people.
    tag : callable
        Takes a value and returns the tag of its form, or None.
    """
    return Discriminator(tag, custom_error_type="no_form", custom_error_message=f"expected {forms}")


def is_listed(value: object) -> bool:
    """Return whether a value is a list, or an array, of others; a text and a table are none."""
    return isinstance(value, Iterable) and not isinstance(value, str | Mapping)


def several(forms: str) -> BeforeValidator:
    """Return what refuses a value that is no list, and says of what it should be one.

    Parameters
    ----------
    forms : str
        The forms that a value may have, for people.
    """

    def listed(value: object) -> object:
        if not is_listed(value):
            raise ValueError(f"expected {forms}, found {short(value)}")
        return value

    return BeforeValidator(listed)


def problem_in_words(problem: ErrorDetails) -> str:
    """Say what was expected and what was found; a check of our own says both itself."""
    if problem["type"] == "value_error":
        return problem["msg"].removeprefix("Value error, ")
    expected = _EXPECTED.get(problem["type"])
    if expected is None:
        return f"{problem['msg']}, found {short(problem['input'])}"
    return f"expected {expected.format(**problem.get('ctx', {}))}, found {short(problem['input'])}"
