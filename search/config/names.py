"""Names of experiments and models: which ones MLflow accepts, and how other texts become one."""

from __future__ import annotations

import hashlib
import re

LONGEST = 200
"""Number of characters that a name may have."""

PATTERN = r'^[^./:"\x00-\x1f\s][^/:"\x00-\x1f]*$'
"""What MLflow accepts as the name of a model and can look up again, as a regular expression."""


def is_name(value: object) -> bool:
    """Return whether a value can be the name of an experiment and a model."""
    return isinstance(value, str) and len(value) <= LONGEST and re.fullmatch(PATTERN, value) is not None


def as_name(text: str) -> str:
    """Return a text as the name of an experiment and a model."""
    return re.sub(r'[/:"\x00-\x1f]', "-", text).lstrip(". ") or "recording"


def joined(name: str, target: str) -> str:
    """Return the name of the search of one target of several, ``NAME-TARGET``; a long one ends with its hash."""
    both = f"{name}-{as_name(target)}"
    if len(both) <= LONGEST:
        return both
    return f"{both[: LONGEST - 9]}-{hashlib.sha256(both.encode()).hexdigest()[:8]}"  # so that names still differ
