"""The registered model of a search: its versions, which one is champion, and which were before."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    RESOURCE_ALREADY_EXISTS,
    ErrorCode,
)

from regsearch.errors import RegistryError
from regsearch.tracking.listing import listed
from regsearch.tracking.locks import Held
from regsearch.tracking.store import Store

CHAMPION = "champion"
_REPLACED = "replaced"
_PROMOTED_AT = "promoted_at"
_ROLLED_BACK_AT = "rolled_back_at"
_MOVE = "champion_"
_SCORES = ("r2_train", "r2_validation", "r2_test")

Write = Callable[[Path], Mapping[str, str]]
"""Writes a model into a new folder, and returns the tags that tell of it."""


def alone(store: Store) -> AbstractContextManager[Held]:
    """Hold the registry's lock, under which one process at a time decides who is champion."""
    return store.locks.hold("registry")


def register(
    store: Store,
    name: str,
    run_id: str,
    write: Write,
    tags: Mapping[str, str],
    description: str,
    about: str = "",
) -> ModelVersion:
    """Log a model into a run and register it, once: the same run is given its first version again.

    Parameters
    ----------
    store : Store
    name : str
        Of the registered model, made where there is none.
    run_id : str
        The winning trial's run.
    write : callable
        Writes the model into a folder; called where the run holds none.
    tags : mapping of str to str
    description, about : str
        Markdown: of the version, and of the model where it has none yet.
    """
    ensure_model(store, name, about)
    known = next((version for version in versions(store, name) if version.run_id == run_id), None)
    if known is not None and is_intact(store, known):
        return known
    with TemporaryDirectory() as folder:
        written = write(Path(folder, "model"))
        store.client.log_artifacts(run_id, str(Path(folder, "model")), "model")
    if known is None:
        return store.client.create_model_version(
            name, f"runs:/{run_id}/model", run_id=run_id, tags={**tags, **written}, description=description
        )
    for key, value in written.items():
        store.client.set_model_version_tag(name, known.version, key, value)
    return store.client.get_model_version(name, known.version)


def is_intact(store: Store, version: ModelVersion) -> bool:
    """Return whether the run that a version was registered from still has the model."""
    return store.holds(str(version.run_id), "model/MLmodel")


def champion(store: Store, name: str) -> ModelVersion | None:
    """Return the version that has the alias, or ``None``.

    A server with users refuses to look up the alias of a model that is not there; what it lists, it has.
    """
    for model in listed(store.client.search_registered_models, f'name="{name}"'):
        if CHAMPION in model.aliases:
            return store.client.get_model_version(name, str(model.aliases[CHAMPION]))
    return None


def crown(store: Store, name: str, version: str) -> str | None:
    """Give a version the alias, noting on it which version it replaced, and return that one; see `alone`.

    All notes are written before the alias moves, so an interrupted call leaves the old champion in place, and the
    same call again completes it.
    """
    current = champion(store, name)
    if current is not None and str(current.version) == version:
        return current.tags.get(_REPLACED) or None
    replaced = str(current.version) if current is not None else ""
    store.client.set_model_version_tag(name, version, _REPLACED, replaced)
    store.client.set_model_version_tag(name, version, _PROMOTED_AT, _now())
    store.client.delete_model_version_tag(name, version, _ROLLED_BACK_AT)
    _move(store, name, current, version, f"replacing {replaced}" if replaced else "the first")
    return replaced or None


def rollback(store: Store, name: str, check: Callable[[ModelVersion], object]) -> str:
    """Give the alias back to the version that the champion replaced, and return that version; see `alone`.

    Parameters
    ----------
    store : Store
    name : str
    check : callable
        Raises if the version that would be champion again cannot be.

    Raises
    ------
    RegistryError
        If there is no champion, or it replaced none.
    """
    current = champion(store, name)
    if current is None:
        raise RegistryError(f"{name}: there is no champion to roll back; `regsearch promote` makes one")
    replaced = current.tags.get(_REPLACED)
    if not replaced:
        raise RegistryError(f"{name}: champion version {current.version} replaced none; promote another search instead")
    check(store.client.get_model_version(name, replaced))
    store.client.set_model_version_tag(name, str(current.version), _ROLLED_BACK_AT, _now())
    _move(store, name, current, replaced, f"rolled back from {current.version}")
    return replaced


def was_rolled_back(version: ModelVersion) -> bool:
    """Return whether somebody took the alias back from a version."""
    return _ROLLED_BACK_AT in version.tags


def names(store: Store) -> list[str]:
    """Return the names of the registered models."""
    return [model.name for model in listed(store.client.search_registered_models)]


def versions(store: Store, name: str) -> list[ModelVersion]:
    """Return a model's versions, the oldest first; a name cannot hold a double quote."""
    found = listed(store.client.search_model_versions, f'name="{name}"')
    return sorted(found, key=lambda one: int(one.version))


def moves(store: Store, name: str) -> list[str]:
    """Return every move of the alias, the oldest first: which version, in whose stead, and when."""
    tags = store.client.get_registered_model(name).tags
    return [value for key, value in sorted(tags.items()) if key.startswith(_MOVE)]


def history(store: Store, name: str) -> list[dict[str, Any]]:
    """Return what is known of each version of a model, the oldest first, as plain values."""
    current = champion(store, name)
    return [
        {
            "version": str(one.version),
            "champion": current is not None and one.version == current.version,
            **{score: float(one.tags[score]) for score in _SCORES if score in one.tags},
            "trial": one.tags.get("trial_name", ""),
            **{tag: one.tags.get(tag) for tag in ("search_id", _PROMOTED_AT, _REPLACED, _ROLLED_BACK_AT)},
        }
        for one in versions(store, name)
    ]


def _move(store: Store, name: str, current: ModelVersion | None, version: str, note: str) -> None:
    """Move the alias, after a note of it in the model's tags, in the place of one that was never carried out."""
    noted = moves(store, name)
    carried_out = current is not None and (not noted or noted[-1].split(",")[0].split()[1] == str(current.version))
    number = len(noted) + 1 if carried_out or not noted else len(noted)
    store.client.set_registered_model_tag(name, f"{_MOVE}{number:04d}", f"version {version}, {note}, {_now()}")
    store.client.set_registered_model_alias(name, CHAMPION, version)


def ensure_model(store: Store, name: str, about: str = "") -> None:
    """Make a registered model where there is none, and describe it where nobody has."""
    try:
        store.client.create_registered_model(name, description=about)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
        if about and not store.client.get_registered_model(name).description:
            store.client.update_registered_model(name, about)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
