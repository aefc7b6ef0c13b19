"""How a file is refused: one line that names it, and says what was expected, what was found and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from regsearch.errors import DataError

_LISTED = 5


@contextmanager
def naming(path: Path, what: str = "") -> Iterator[None]:
    """Turn whatever is raised into one line that names the file, and says what it is expected to be."""
    name = line(path)
    try:
        yield
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    except MemoryError:
        raise DataError(f"{name}: expected data that fits in memory, found more; save fewer rows or columns") from None
    except Exception as error:  # whatever a parser raises, the file is what is wrong
        found = f"{type(error).__name__} ({line(error)[:160]})"
        expected = f"a whole {what or f'{path.suffix.lower()} file'}"
        raise DataError(f"{name}: {refusal(expected, found, 'save or download the file again')}") from error


def refusal(expected: str, found: str, do: str) -> DataError:
    """Return the error of a file, still without its name."""
    return DataError(f"expected {expected}, found {found}; {do}")


def require_present(name: str, names: Sequence[str], what: str) -> None:
    """Raise `DataError` if an array or column is not among those that there are."""
    if name not in names:
        do = f"say by --target which {what} to predict" if what == "column" else "save it under that name"
        raise refusal(f"the {what} {short(name)}", _others(name, names), do)


def _others(name: str, names: Sequence[str]) -> str:
    """Say what there is instead: what is nearest or, where that is nothing alike, all of a few."""
    few = len(names) <= _LISTED
    near = difflib.get_close_matches(name[:80], [other[:80] for other in names], n=1, cutoff=0.6 if few else 0)
    if near:
        return f"{len(names)} other(s); the nearest is {short(near[0])}"
    return ", ".join(map(short, names)) or "nothing"


def short(value: object) -> str:
    """Return a value as people may read it, in at most 60 characters."""
    text = repr(value[:40] if isinstance(value, str | bytes) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def line(text: object) -> str:
    """Return a text with whatever could break its line escaped."""
    return repr(str(text))[1:-1]
