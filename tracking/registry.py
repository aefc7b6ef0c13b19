"""The registered model of a search: its versions, which one is champion, and how to load it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version as installed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow.sklearn
import numpy as np
from filelock import FileLock
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression

from tracking.store import Store

CHAMPION = "champion"
_REPLACED = "replaced"
_PROMOTED_AT = "promoted_at"
_SCORES = ("r2_train", "r2_validation", "r2_test")
_REQUIREMENTS = ("mlflow", "numpy", "scikit-learn", "skops")


class RegistryError(RuntimeError):
    """The registry is not in a state that allows this: the message says which it would need."""


def linear_model(coef: NDArray[np.float64], intercept: float, feature_names: tuple[str, ...]) -> LinearRegression:
    """Return a plain fitted scikit-learn estimator that predicts ``X @ coef + intercept``.

    Parameters
    ----------
    coef : ndarray of float64, shape (n_features,)
        In the recording's own units.
    intercept : float
    feature_names : tuple of str
        Empty where the columns have no names.
    """
    model = LinearRegression()
    model.coef_ = coef
    model.intercept_ = intercept
    model.n_features_in_ = len(coef)
    if feature_names:
        model.feature_names_in_ = np.array(feature_names, dtype=object)
    return model


def register(
    store: Store,
    name: str,
    run_id: str,
    model: LinearRegression,
    dtype: np.dtype[Any],
    tags: Mapping[str, str],
    description: str,
    about: str = "",
) -> str:
    """Log a model into a run and register it, once: the same run is given its first version again.

    Parameters
    ----------
    store : Store
    name : str
        Of the registered model, made where there is none.
    run_id : str
        The winning trial's run.
    model : LinearRegression
    dtype : numpy.dtype
        Of the responses that the model will be given.
    tags : mapping of str to str
    description, about : str
        Markdown: of the version, and of the model where it has none yet.

    Returns
    -------
    str
        The version.
    """
    _ensure_model(store, name, about)
    for known in versions(store, name):
        if known.run_id == run_id:
            return str(known.version)
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        inputs = Schema([TensorSpec(dtype, (-1, model.n_features_in_))])
    else:
        kind = DataType.float if dtype == np.float32 else DataType.double
        inputs = Schema([ColSpec(kind, str(column)) for column in names])
    signature = ModelSignature(inputs=inputs, outputs=Schema([TensorSpec(np.dtype("float64"), (-1,))]))
    with TemporaryDirectory() as folder:
        path = Path(folder, "model")
        mlflow.sklearn.save_model(
            model,
            path,
            signature=signature,
            pip_requirements=[f"{package}=={installed(package)}" for package in _REQUIREMENTS],
            serialization_format="skops",
        )
        store.client.log_artifacts(run_id, str(path), "model")
    made = store.client.create_model_version(
        name, f"runs:/{run_id}/model", run_id=run_id, tags=dict(tags), description=description
    )
    return str(made.version)


def champion(store: Store, name: str) -> ModelVersion | None:
    """Return the version that has the alias, or ``None``."""
    try:
        return store.client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException:
        return None


def crown(store: Store, name: str, version: str) -> str | None:
    """Give a version the alias, noting on it which version it replaced, and return that one.

    The note is written before the alias moves, so an interrupted call leaves the old champion in place.
    """
    with _alias_lock(store):
        current = champion(store, name)
        if current is not None and str(current.version) == version:
            return store.client.get_model_version(name, version).tags.get(_REPLACED) or None
        replaced = str(current.version) if current is not None else ""
        store.client.set_model_version_tag(name, version, _REPLACED, replaced)
        store.client.set_model_version_tag(name, version, _PROMOTED_AT, time.strftime("%Y-%m-%dT%H:%M:%S%z"))
        store.client.set_registered_model_alias(name, CHAMPION, version)
    return replaced or None


def rollback(store: Store, name: str) -> str:
    """Give the alias back to the version that the champion replaced, and return that version.

    Raises
    ------
    RegistryError
        If there is no champion, or it replaced none.
    """
    with _alias_lock(store):
        current = champion(store, name)
        if current is None:
            raise RegistryError(f"{name}: there is no champion to roll back")
        replaced = current.tags.get(_REPLACED)
        if not replaced:
            raise RegistryError(f"{name}: champion version {current.version} replaced none; nothing to go back to")
        store.client.set_registered_model_alias(name, CHAMPION, replaced)
    return replaced


def names(store: Store) -> list[str]:
    """Return the names of the registered models."""
    return [model.name for model in store.client.search_registered_models(max_results=1000)]


def versions(store: Store, name: str) -> list[ModelVersion]:
    """Return a model's versions, the oldest first; a name cannot hold a double quote."""
    found = store.client.search_model_versions(f'name="{name}"', max_results=10_000)
    return sorted(found, key=lambda one: int(one.version))


def history(store: Store, name: str) -> list[dict[str, Any]]:
    """Return what is known of each version of a model, the oldest first, as plain values."""
    current = champion(store, name)
    return [
        {
            "version": str(one.version),
            "champion": current is not None and one.version == current.version,
            **{score: float(one.tags[score]) for score in _SCORES if score in one.tags},
            "trial": f"{one.tags.get('family', '')} {one.tags.get('trial', '')}".strip(),
            **{tag: one.tags.get(tag) for tag in ("search_id", _PROMOTED_AT, _REPLACED)},
        }
        for one in versions(store, name)
    ]


def _ensure_model(store: Store, name: str, about: str) -> None:
    try:
        store.client.create_registered_model(name, description=about)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
        if not store.client.get_registered_model(name).description:
            store.client.update_registered_model(name, about)


@contextmanager
def _alias_lock(store: Store) -> Iterator[None]:
    with FileLock(store.locks / "registry.lock"):
        yield
