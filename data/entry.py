"""One array or column that a source holds, as its header describes it."""

from __future__ import annotations

from dataclasses import dataclass

from regsearch.data.roles import Roles


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
        ``"features"``, ``"target"``, ``"covariate"``, ``"groups"``, ``"weights"``, ``"folds"``, ``"left out"``, or
        empty if the search would not read it.
    """

    name: str
    shape: tuple[int, ...] | None
    dtype: str
    role: str = ""


def role_of(name: str, features: str, roles: Roles) -> str:
    """Return the role that the array `name` has beside the array of features."""
    parts = {role.rpartition(":")[0]: roles.role_of(role) for role in roles.numbers if ":" in role}
    return "features" if name == features else roles.role_of(name) or parts.get(name, "")
