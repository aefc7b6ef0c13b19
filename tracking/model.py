"""The model that is registered: a plain scikit-learn estimator, saved and read without executing anything."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import yaml
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType

from regsearch.errors import ModelRejectedError
from regsearch.tracking.quiet_mlflow import quiet, settled

if TYPE_CHECKING:  # scikit-learn takes a second to import, and a finished search has no use for it
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import Pipeline

    from regsearch.tracking.estimator import Champion

    Estimator: TypeAlias = Champion | LinearRegression
    """What `load` returns: regsearch 0.1 registered a `LinearRegression`."""

_FILE = "model.skops"
_REQUIREMENTS = ("mlflow", "numpy", "scikit-learn", "skops")
_TYPES = frozenset(
    {
        "builtins.dict",
        "builtins.list",
        "builtins.str",
        "builtins.tuple",
        "numpy.dtype",
        "numpy.float64",
        "numpy.int64",
        "numpy.ndarray",
        "sklearn.linear_model._base.LinearRegression",
        "sklearn.linear_model._coordinate_descent.ElasticNet",
        "sklearn.linear_model._coordinate_descent.Lasso",
        "sklearn.linear_model._ridge.Ridge",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
    }
)
"""Everything that a model of ours is made of."""
_LARGEST = 2**30
_LARGEST_TEXT = 2**25
_MOST_NODES = 1000
_DEEPEST = 30
_LARGEST_DIRECTORY = 2**16
_SHOWN = 5
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def save(model: Pipeline, folder: Path) -> str:
    """Save a model as MLflow does, by skops, and return the SHA-256 of its weights' file.

    The signature names the columns, so that a table may have them in any order and others beside them.  It names no
    types: MLflow compares them strictly and refuses integers where numbers are expected, scikit-learn converts them.

    Parameters
    ----------
    model : Pipeline
        What `regsearch.tracking.estimator.fitted` returned.
    folder : Path
        Made by this call.
    """
    import mlflow.sklearn

    names = getattr(model[0], "feature_names_in_", None)
    inputs = None if names is None else Schema([ColSpec(AnyType(), str(column)) for column in names])
    with settled(), quiet("mlflow.utils.environment", level=logging.ERROR):  # of an absent pip, as in uv's environments
        mlflow.sklearn.save_model(
            model,
            folder,
            signature=ModelSignature(inputs=inputs, outputs=Schema([TensorSpec(np.dtype("float64"), (-1,))])),
            pip_requirements=[f"{package}=={installed(package)}" for package in _REQUIREMENTS],
            serialization_format="skops",
        )
    return _sha256(folder)


def load(folder: Path, sha256: str | None) -> Estimator:
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
    with _rejected("MLmodel"):
        _require_our_loader(folder)
    if _sha256(folder) != sha256:
        raise ModelRejectedError(f"{_FILE} is not the file that was registered: its SHA-256 differs; promote again")
    with _rejected(_FILE):
        strange = sorted(set(_types(_schema(folder))) - _TYPES)
        if strange:
            more = f" and {len(strange) - _SHOWN} more" if len(strange) > _SHOWN else ""
            names = ", ".join(name[:100] for name in strange[:_SHOWN])
            raise ModelRejectedError(f"{_FILE} holds types that no model of regsearch has: {names}{more}")
        return _estimator(folder)


def is_saved(folder: Path, sha256: str | None) -> bool:
    """Return whether a folder holds what `save` wrote, as far as that can be told without reading the weights."""
    try:
        with _rejected("MLmodel"):
            _require_our_loader(folder)
        return _sha256(folder) == sha256
    except ModelRejectedError:
        return False


def _estimator(folder: Path) -> Estimator:
    import skops.io
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    from regsearch.tracking.estimator import REGRESSORS, Champion

    model = skops.io.load(folder / _FILE, trusted=[])
    if type(model) is LinearRegression:
        return model
    kinds = [type(step) for _, step in model.steps] if type(model) is Pipeline else []
    if len(kinds) != 2 or kinds[0] is not StandardScaler or kinds[1] not in REGRESSORS:
        raise ModelRejectedError(
            f"{_FILE} holds a {type(model).__name__}; expected a StandardScaler and a linear model in a Pipeline"
        )
    return Champion(model.steps)


@contextmanager
def _rejected(file: str) -> Iterator[None]:
    """Reject a model whose file cannot be read: a hostile one can fail to be in any way."""
    try:
        yield
    except ModelRejectedError:
        raise
    except Exception as error:
        what = " ".join(str(error).split())[:100]
        raise ModelRejectedError(
            f"the model's {file} file cannot be read: {type(error).__name__}{f', {what}' if what else ''}"
        ) from error


def _require_our_loader(folder: Path) -> None:
    file = folder / "MLmodel"
    if file.stat().st_size > _LARGEST_TEXT:
        raise ModelRejectedError(f"the model's MLmodel file has {file.stat().st_size:,} bytes; none of regsearch's has")
    content = file.read_bytes()
    _require_shallow(content)
    flavors = yaml.safe_load(content)["flavors"]
    found = (
        flavors["python_function"]["loader_module"],
        flavors["python_function"]["model_path"],
        flavors["python_function"].get("code"),
        flavors["sklearn"]["serialization_format"],
        flavors["sklearn"].get("skops_trusted_types"),
    )
    if found != ("mlflow.sklearn", _FILE, None, "skops", None):
        raise ModelRejectedError(
            f"the model's MLmodel file asks for another loader than regsearch's: {str(found)[:200]}"
        )


def _require_shallow(content: bytes) -> None:
    """Reject YAML that is made of many or deeply nested nodes, or repeats some, before any of it is built."""
    depth = 0
    for number, event in enumerate(yaml.parse(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if number > _MOST_NODES or depth > _DEEPEST or isinstance(event, yaml.AliasEvent):
            raise ModelRejectedError("the model's MLmodel file is larger or deeper than any of regsearch's")


def _sha256(folder: Path) -> str:
    try:
        with (folder / _FILE).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelRejectedError(f"{_FILE} is missing from the registered model; promote again") from error


def _schema(folder: Path) -> Any:
    _require_small_directory(folder / _FILE)
    try:
        with zipfile.ZipFile(folder / _FILE) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > _LARGEST or archive.getinfo("schema.json").file_size > _LARGEST_TEXT:
                raise ModelRejectedError(f"{_FILE} unpacks to {size:,} bytes; no model of regsearch does")
            text = archive.read("schema.json").decode()
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ModelRejectedError(f"{_FILE} is not a skops archive: {error}") from error
    if _depth(text) > _DEEPEST:
        raise ModelRejectedError(f"the schema of {_FILE} is nested deeper than any of regsearch's")
    return json.loads(text)


def _require_small_directory(file: Path) -> None:
    """Reject a ZIP that lists more than a model does: zipfile reads the whole list, of gigabytes in a hostile one."""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 42))
        end = opened.read()
    is_extended = end[:4] == b"PK\x06\x07"
    if end[-22:-18] != b"PK\x05\x06" or is_extended or int.from_bytes(end[-10:-6], "little") > _LARGEST_DIRECTORY:
        raise ModelRejectedError(f"{_FILE} is not a skops archive of regsearch's")


def _depth(text: str) -> int:
    """Return how deep JSON is nested, without building it."""
    brackets = np.frombuffer(_STRING.sub("", text).encode(), np.uint8)
    opening, closing = np.isin(brackets, list(b"[{")), np.isin(brackets, list(b"]}"))
    return int(np.max(np.cumsum(opening.astype(np.int32) - closing), initial=0))


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
