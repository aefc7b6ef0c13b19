"""Refuse data in one line that names the source, and says what was expected, what was found and what to do."""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from regsearch.errors import DataError

_LISTED = 5
_NAMED = 3
_LONGEST = 40
_LONGEST_TEXT = 120
"""Characters up to which a text is shown whole."""


@contextmanager
def naming(path: Path, what: str = "") -> Iterator[None]:
    """Turn any exception into a `DataError` of one line that names the file.

    Parameters
    ----------
    path : Path
    what : str
        What the file should be, for people; the default is a file of its suffix.
    """
    name = line(path)
    try:
        yield
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    except MemoryError:
        raise DataError(f"{name}: expected data that fits in memory, found more; save fewer rows or columns") from None
    except Exception as error:  # parsers raise anything at all on a damaged file
        found = f"{type(error).__name__} ({line(error)[:160]})"
        expected = f"a whole {what or f'{path.suffix.lower()} file'}"
        raise DataError(f"{name}: {refusal(expected, found, 'save or download the file again')}") from error


def refusal(expected: str, found: str, do: str) -> DataError:
    """Return the error; its text does not name the source yet."""
    return DataError(f"expected {expected}, found {found}; {do}")


def choice_where_it_lies() -> DataError:
    """Return the refusal of a choice among features that are read where they lie."""
    do = "save the features to search as an array of their own"
    return refusal("all features of a recording that is read where it lies", "a choice among them", do)


def require_present(name: str, names: Sequence[str], what: str, do: str) -> None:
    """Raise `DataError` if the file has no array or column of this name."""
    if name not in names:
        raise refusal(f"the {what} {short(name)}", others(name, names), do)


def require_names(names: Sequence[str]) -> None:
    """Raise `DataError` unless every column has a name that no other column has."""
    if "" in names:
        found = f"column {names.index('') + 1} without one"
        raise refusal("a name for every column", found, "name it or drop it")
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise refusal("names of columns that differ", f"{short(twice)} more than once", "rename or drop one")


def others(name: str, names: Sequence[str]) -> str:
    """Return the nearest of the names that are there; if none is near, a few in full, or the first ones of many."""
    ends = {other[-_LONGEST_TEXT:]: other for other in names}
    near = difflib.get_close_matches(name[-_LONGEST_TEXT:], list(ends), n=1)
    if near:
        return f"{len(names)} other(s); the nearest is {short(ends[near[0]])}"
    if len(names) > _LISTED:
        return f"{len(names)} other(s): {some(names)}"
    return ", ".join(map(short, names)) or "nothing"


def some(names: Sequence[str]) -> str:
    """Return the first names of many, for people."""
    return ", ".join(map(short, names[:_NAMED])) + (", …" if len(names) > _NAMED else "")


def them(names: Sequence[str]) -> str:
    """Return the pronoun for one column or several."""
    return "it" if len(names) == 1 else "them"


def excluding(names: Sequence[str]) -> str:
    """Return the key, and the options, that leave columns out: the first ones of many, a long name as a pattern."""
    first = [line(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}*") for name in names[:_NAMED]]
    options = " ".join(f"--exclude {shlex.quote(name)}" for name in first)
    key = ", ".join(json.dumps(name, ensure_ascii=False) for name in first)
    more = ("", "") if len(names) <= _NAMED else (" …", ", …")
    return f"exclude = [{key}{more[1]}] ({options}{more[0]})"


def short(value: object) -> str:
    """Return a value for people: of a long text, such as a path in a file, the beginning and the end."""
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        value = f"{value[: _LONGEST_TEXT // 2]}…{value[1 - _LONGEST_TEXT // 2 :]}"
    text = _written(value)
    longest = _LONGEST_TEXT + 20 if isinstance(value, str) else 60
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _written(value: object) -> str:
    """Return a value as people write it, also inside a list or a table: a date or a decimal without its type."""
    if isinstance(value, str):
        return repr(str(value))
    if isinstance(value, bytes):
        return repr(value[:_LONGEST])
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_written(key)}: {_written(inside)}' for key, inside in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_written, value))}{',' * (len(value) == 1)})"
    return line(value)


def line(text: object) -> str:
    """Return a text as one line: characters that cannot be printed are escaped, all others stay as they are."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
