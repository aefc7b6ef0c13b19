"""The registered model of a search: its versions, which one is champion, and which were before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from regsearch.errors import ModelRejectedError, RegistryError
from regsearch.tracking import alias_moves, logged_model
from regsearch.tracking.alias_moves import CHAMPION
from regsearch.tracking.errors import require_text
from regsearch.tracking.limits import REGISTERED, cut
from regsearch.tracking.listing import listed
from regsearch.tracking.locks import Held
from regsearch.tracking.model import is_saved
from regsearch.tracking.quiet_mlflow import settled
from regsearch.tracking.store import Store

_REPLACED = "replaced"
_PROMOTED_AT = "promoted_at"
_ROLLED_BACK_AT = "rolled_back_at"
SHA256 = "model_sha256"
"""Tag of a version: the SHA-256 of its weights' file."""
LOGGED_MODEL = "logged_model"
"""Tag of a version: the id of its logged model, which holds the files."""
_SCORES = ("r2_train", "r2_validation", "r2_test")

Write = Callable[[Path], Mapping[str, str]]
"""Writes a model into a new folder and returns the tags for its version."""


def alone(store: Store) -> AbstractContextManager[Held]:
    """Hold the registry's lock, so that one process at a time decides which version is champion."""
    return store.locks.hold("registry")


def register(
    store: Store,
    name: str,
    run_id: str,
    write: Write,
    *,
    tags: Mapping[str, str],
    description: str,
    about: str = "",
) -> ModelVersion:
    """Log a model of a run and register it.  A run has one version: a second call returns it, and mends its model.

    Parameters
    ----------
    store : Store
    name : str
        Name of the registered model, which is made where there is none.
    run_id : str
        Id of the winning trial's run.
    write : callable
        Writes the model into a folder; called if there is none of the run, or a damaged one.
    tags : mapping of str to str
    description, about : str
        Markdown for the version, and for the model if it has no description yet.
    """
    ensure_model(store, name, cut(about, REGISTERED))
    known = next((version for version in versions(store, name) if version.run_id == run_id), None)
    if known is not None and is_intact(store, known):
        return known
    with TemporaryDirectory() as folder:
        saved = Path(folder, "model")
        written = dict(write(saved))
        files = {file.relative_to(saved).as_posix(): file.read_bytes() for file in saved.rglob("*") if file.is_file()}
        model = logged_model.log(store, store.client.get_run(run_id), files)
        written[LOGGED_MODEL] = model.model_id
    if known is None:
        known = store.client.create_model_version(
            name,
            model.artifact_location,
            run_id=run_id,
            model_id=model.model_id,
            tags={**tags, **written},
            description=cut(description, REGISTERED),
        )
    else:
        for key, value in written.items():
            store.client.set_model_version_tag(name, known.version, key, value)
        known = store.client.get_model_version(name, known.version)
    logged_model.link(store, model.model_id, name, str(known.version))
    return known


def download(store: Store, version: ModelVersion, folder: str) -> Path:
    """Download the model of a version into a folder, and return the folder that holds it.

    The files are those of the run's logged model; where the version was registered without one, the run holds them.

    Raises
    ------
    ModelRejectedError
        If the version was not registered by regsearch.
    """
    strange = ModelRejectedError(f"{version.name} version {version.version} was not registered by regsearch")
    if version.run_id is None:
        raise strange
    if model_id := version.tags.get(LOGGED_MODEL):
        model = store.client.get_logged_model(model_id)
        if model.source_run_id == version.run_id and version.source in (model.artifact_location, _in_run(version)):
            with settled():
                return Path(download_artifacts(model.artifact_location, dst_path=folder, tracking_uri=store.uri))
        raise strange
    if version.source != _in_run(version):
        raise strange
    return Path(store.client.download_artifacts(version.run_id, logged_model.NAME, folder))


def _in_run(version: ModelVersion) -> str:
    """Return the source of a version that was registered without a logged model."""
    return f"runs:/{version.run_id}/{logged_model.NAME}"


def redescribe(store: Store, run_id: str, change: Callable[[str], str]) -> None:
    """Change the description of the version that was registered from a run, if there is one."""
    for version in listed(store.client.search_model_versions, f"run_id='{run_id}'"):
        text = cut(change(version.description or ""), REGISTERED)
        store.client.update_model_version(version.name, str(version.version), text)


def is_intact(store: Store, version: ModelVersion) -> bool:
    """Return whether the model of a version is still there, and is what was registered."""
    try:
        with TemporaryDirectory() as folder:
            return is_saved(download(store, version, folder), version.tags.get(SHA256))
    except (MlflowException, ModelRejectedError, OSError):
        return False


def champion(store: Store, name: str) -> ModelVersion | None:
    """Return the version that has the alias, or ``None``.

    The models are listed, because a server with users refuses to look up the alias of a model that does not exist.
    """
    require_text(name, "name", "the name of a registered model")
    for model in listed(store.client.search_registered_models, f'name="{name}"'):
        if CHAMPION in model.aliases:
            return store.client.get_model_version(name, str(model.aliases[CHAMPION]))
    return None


def crown(store: Store, name: str, version: str) -> str | None:
    """Give a version the alias, and return the version that it replaces; to be called while `alone`.

    The version that is replaced is noted before the alias moves.  An interrupted call leaves the old champion in
    place, and the same call again completes it.
    """
    current = champion(store, name)
    store.client.delete_model_version_tag(name, version, _ROLLED_BACK_AT)
    if current is not None and str(current.version) == version:
        return current.tags.get(_REPLACED) or None
    replaced = str(current.version) if current is not None else ""
    store.client.set_model_version_tag(name, version, _REPLACED, replaced)
    store.client.set_model_version_tag(name, version, _PROMOTED_AT, alias_moves.now())
    alias_moves.replace(store, name, current, version)
    return replaced or None


def rollback(store: Store, name: str, check: Callable[[ModelVersion], object]) -> str:
    """Give the alias back to the version that the champion replaced, and return it; to be called while `alone`.

    Repeated calls lead to the first champion.  A call that was interrupted is completed by the next one, which goes no
    further.

    Parameters
    ----------
    store : Store
    name : str
    check : callable
        Raises if the version that would be champion again is not usable.

    Raises
    ------
    RegistryError
        If there is no champion, or it replaced none.
    """
    current = champion(store, name)
    if current is None:
        raise RegistryError(f"{name}: there is no champion to roll back; `regsearch promote` makes one")
    now = str(current.version)
    if alias_moves.finish_going_back(store, name, now):
        return now
    before, replaced, _ = ["", "", *alias_moves.line(store, name, now)][-3:]
    if not replaced:
        raise RegistryError(f"{name}: champion version {now} replaced none; promote another search instead")
    previous = next((version for version in versions(store, name) if str(version.version) == replaced), None)
    if previous is None:
        raise RegistryError(f"{name}: version {replaced}, which the champion replaced, is deleted; promote a search")
    check(previous)
    store.client.set_model_version_tag(name, now, _ROLLED_BACK_AT, alias_moves.now())
    store.client.delete_model_version_tag(name, replaced, _ROLLED_BACK_AT)
    store.client.set_model_version_tag(name, replaced, _REPLACED, before)
    alias_moves.go_back(store, name, current, replaced)
    return replaced


def was_rolled_back(version: ModelVersion) -> bool:
    """Return whether a version was champion and was rolled back."""
    return _ROLLED_BACK_AT in version.tags


def names(store: Store) -> list[str]:
    """Return the names of the registered models."""
    return [model.name for model in listed(store.client.search_registered_models)]


def versions(store: Store, name: str) -> list[ModelVersion]:
    """Return a model's versions, the oldest first; a name cannot hold a double quote."""
    found = listed(store.client.search_model_versions, f'name="{name}"')
    return sorted(found, key=lambda one: int(one.version))


def moves(store: Store, name: str) -> list[str]:
    """Return a note of every move of the alias, the oldest first: to which version, why, and when."""
    return list(alias_moves.notes(store, name).values())


def history(store: Store, name: str) -> list[dict[str, Any]]:
    """Return scores, trial and history of each version of a model, the oldest first, as plain values."""
    current = champion(store, name)
    return [
        {
            "version": str(one.version),
            "champion": current is not None and one.version == current.version,
            **{name: number for name in _SCORES if (number := score(one, name)) is not None},
            "trial": one.tags.get("trial_name", ""),
            **{tag: one.tags.get(tag) for tag in ("search_id", _PROMOTED_AT, _REPLACED, _ROLLED_BACK_AT)},
        }
        for one in versions(store, name)
    ]


def score(version: ModelVersion, name: str) -> float | None:
    """Return a score that a version's tags hold, or ``None`` if they hold none."""
    try:
        return float(version.tags.get(name, ""))
    except ValueError:
        return None


def ensure_model(store: Store, name: str, about: str = "") -> None:
    """Make a registered model where there is none, and describe it where nobody has."""
    try:
        store.client.create_registered_model(name, description=about)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
        if about and not store.client.get_registered_model(name).description:
            store.client.update_registered_model(name, about)
