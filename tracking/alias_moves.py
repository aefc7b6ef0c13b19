"""Moves of the alias ``champion``: each is noted in the model's tags first, so that an interrupted one is known."""

from __future__ import annotations

import re
import time

from mlflow.entities.model_registry import ModelVersion

from regsearch.tracking.store import Store

CHAMPION = "champion"

_NOTE = re.compile(r"champion_(\d{4,})")
"""Key of a note of a move; other tags that begin alike are somebody else's."""
_BACK = "rolled back from "
"""How the note of a rollback goes on after the version."""
_MOVING = "regsearch.moving_champion"
"""Tag of a model while its alias is moved: the number of the note, and for a rollback the version to return to."""


def now() -> str:
    """Return the time as notes and tags have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def replace(store: Store, name: str, current: ModelVersion | None, version: str) -> None:
    """Move the alias from the champion, if there is one, to a version that replaces it."""
    note = f"replacing {current.version}" if current is not None else "the first"
    _move(store, name, current, version, note)


def go_back(store: Store, name: str, current: ModelVersion, version: str) -> None:
    """Move the alias from the champion back to the version that it replaced."""
    _move(store, name, current, version, f"{_BACK}{current.version}", back_to=version)


def finish_going_back(store: Store, name: str, champion: str) -> bool:
    """Return whether a rollback to the champion was interrupted once the alias had moved, and bring it to its end."""
    if _interrupted(store, name)[1] != champion:
        return False
    store.client.delete_registered_model_tag(name, _MOVING)
    return True


def notes(store: Store, name: str) -> dict[int, str]:
    """Return the notes of all moves by their numbers, the oldest first."""
    tags = store.client.get_registered_model(name).tags
    noted = {int(match[1]): value for key, value in tags.items() if (match := _NOTE.fullmatch(key))}
    return {number: noted[number] for number in sorted(noted) if _version_of(noted[number])}


def line(store: Store, name: str, champion: str) -> list[str]:
    """Return the versions that rolling back again and again leads through: the champion last, the first one first."""
    passed: list[str] = []
    for note in _carried_out(store, name, champion).values():
        if f", {_BACK}" in note:
            passed = passed[:-1]
        if passed[-1:] != [_version_of(note)]:
            passed.append(_version_of(note))
    return passed if passed[-1:] == [champion] else [*passed, champion]


def _move(store: Store, name: str, current: ModelVersion | None, version: str, note: str, *, back_to: str = "") -> None:
    """Move the alias, after a note of it in the model's tags.

    The note of a move that was never carried out is replaced.  A move by other means than regsearch is noted, too.
    """
    champion = str(current.version) if current is not None else ""
    noted = _carried_out(store, name, champion)
    number = max(noted, default=0) + 1
    if champion and noted and _version_of(noted[max(noted)]) != champion:
        found = f"version {champion}, moved by other means than regsearch, found {now()}"
        store.client.set_registered_model_tag(name, f"champion_{number:04d}", found)
        number += 1
    store.client.set_registered_model_tag(name, _MOVING, f"{number} {back_to}".strip())
    store.client.set_registered_model_tag(name, f"champion_{number:04d}", f"version {version}, {note}, {now()}")
    store.client.set_registered_model_alias(name, CHAMPION, version)
    store.client.delete_registered_model_tag(name, _MOVING)


def _carried_out(store: Store, name: str, champion: str) -> dict[int, str]:
    """Return the notes of the moves without that of a move that was interrupted before the alias moved."""
    noted, (begun, _) = notes(store, name), _interrupted(store, name)
    return {number: note for number, note in noted.items() if number != begun or _version_of(note) == champion}


def _version_of(note: str) -> str:
    match = re.match(r"version (\d+),", note)
    return match[1] if match else ""


def _interrupted(store: Store, name: str) -> tuple[int, str]:
    """Return number and version to return to of a move that did not reach its end; zero and nothing without one."""
    number, _, back_to = store.client.get_registered_model(name).tags.get(_MOVING, "").partition(" ")
    return (int(number) if number.isdecimal() else 0), back_to
