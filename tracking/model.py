"""The model that is registered: a plain scikit-learn estimator, saved and read without executing anything."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from numpy.typing import NDArray

from regsearch.errors import ModelRejectedError
from regsearch.tracking.quiet import settled

if TYPE_CHECKING:  # scikit-learn takes a second to import, and a finished search has no use for it
    from sklearn.linear_model import LinearRegression

_FILE = "model.skops"
_REQUIREMENTS = ("mlflow", "numpy", "scikit-learn", "skops")
_TYPES = frozenset(
    {
        "builtins.dict",
        "builtins.list",
        "builtins.str",
        "builtins.tuple",
        "numpy.float64",
        "numpy.ndarray",
        "sklearn.linear_model._base.LinearRegression",
    }
)
"""Everything that a model of ours is made of."""
_LARGEST = 2**30


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
    from sklearn.linear_model import LinearRegression

    model = LinearRegression()
    model.coef_ = coef
    model.intercept_ = intercept
    model.n_features_in_ = len(coef)
    if feature_names:
        model.feature_names_in_ = np.array(feature_names, dtype=object)
    return model


def save(model: LinearRegression, dtype: np.dtype[Any], folder: Path) -> str:
    """Save a model as MLflow does, by skops, and return the SHA-256 of its weights' file.

    Parameters
    ----------
    model : LinearRegression
    dtype : numpy.dtype
        Of the responses that the model will be given.
    folder : Path
        Made by this call.
    """
    import mlflow.sklearn

    names = getattr(model, "feature_names_in_", None)
    if names is None:
        inputs = Schema([TensorSpec(dtype, (-1, model.n_features_in_))])
    else:
        kind = DataType.float if dtype == np.float32 else DataType.double
        inputs = Schema([ColSpec(kind, str(column)) for column in names])
    with settled():
        mlflow.sklearn.save_model(
            model,
            folder,
            signature=ModelSignature(inputs=inputs, outputs=Schema([TensorSpec(np.dtype("float64"), (-1,))])),
            pip_requirements=[f"{package}=={installed(package)}" for package in _REQUIREMENTS],
            serialization_format="skops",
        )
    return _sha256(folder)


def load(folder: Path, sha256: str | None) -> LinearRegression:
    """Read a saved model, admitting only the types that a model of ours is made of.

    Parameters
    ----------
    folder : Path
        What `save` wrote.
    sha256 : str or None
        What `save` returned; ``None`` is never right.

    Raises
    ------
    ModelRejectedError
        If the folder asks for another loader, the file is not the one that was saved, or it holds another type.
    """
    import skops.io
    from sklearn.linear_model import LinearRegression

    _require_our_loader(folder)
    if _sha256(folder) != sha256:
        raise ModelRejectedError(f"{_FILE} is not the file that was registered: its SHA-256 differs; promote again")
    strange = sorted(set(_types(_schema(folder))) - _TYPES)
    if strange:
        raise ModelRejectedError(f"{_FILE} holds types that no model of regsearch has: {', '.join(strange)}")
    model = skops.io.load(folder / _FILE, trusted=[])
    if type(model) is not LinearRegression:
        raise ModelRejectedError(f"{_FILE} holds a {type(model).__name__}; expected a LinearRegression")
    return model


def _require_our_loader(folder: Path) -> None:
    try:
        flavors = Model.load(str(folder)).flavors
        found = (
            flavors["python_function"]["loader_module"],
            flavors["python_function"]["model_path"],
            flavors["python_function"].get("code"),
            flavors["sklearn"]["serialization_format"],
            flavors["sklearn"].get("skops_trusted_types"),
        )
    except Exception as error:  # a hostile file can fail to be read in any way
        raise ModelRejectedError(f"the model's MLmodel file cannot be read: {type(error).__name__}") from error
    if found != ("mlflow.sklearn", _FILE, None, "skops", None):
        raise ModelRejectedError(f"the model's MLmodel file asks for another loader than regsearch's: {found}")


def _sha256(folder: Path) -> str:
    try:
        with (folder / _FILE).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelRejectedError(f"{_FILE} is missing from the registered model; promote again") from error


def _schema(folder: Path) -> Any:
    try:
        with zipfile.ZipFile(folder / _FILE) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > _LARGEST:
                raise ModelRejectedError(f"{_FILE} unpacks to {size:,} bytes; no model of regsearch does")
            return json.loads(archive.read("schema.json"))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ModelRejectedError(f"{_FILE} is not a skops archive: {error}") from error


def _types(node: Any) -> Iterator[str]:
    """Yield the name of every type that a skops schema mentions."""
    if isinstance(node, dict):
        if "__class__" in node:
            yield f"{node.get('__module__')}.{node['__class__']}"
        for value in node.values():
            yield from _types(value)
    elif isinstance(node, list):
        for value in node:
            yield from _types(value)
