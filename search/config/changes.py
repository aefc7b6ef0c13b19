"""What has changed between two configurations, key by key, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from regsearch.data.refusal import short


def changes(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> list[str]:
    """Return which keys have another value than before, a line for each."""
    was, now = dict(_leaves(earlier)), dict(_leaves(later))
    changed = [key for key in {**now, **was} if now.get(key) != was.get(key)]
    return [f"{key} was {_shown(was.get(key))}, now {_shown(now.get(key))}" for key in changed]


def _leaves(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the keys of a section and of those inside it, dotted, with their values."""
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value


def _shown(value: Any) -> str:
    return "left out" if value is None else f"{value:.12g}" if isinstance(value, float) else short(value)
