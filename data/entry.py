"""One array or column that a source holds, as its header describes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """An array or a column of a source.

    Parameters
    ----------
    name : str
    shape : tuple of int or None
        ``None`` if only reading the values would tell.
    dtype : str
        Type in which the source stores it.
    role : str
        ``"features"``, ``"target"``, ``"left out"``, or empty if the search would not read it.
    """

    name: str
    shape: tuple[int, ...] | None
    dtype: str
    role: str = ""


def role_of(name: str, features: str, target: str) -> str:
    """Return the role that the array `name` has, if `features` and `target` name the two that are read."""
    return {features: "features", target: "target"}.get(name, "")
