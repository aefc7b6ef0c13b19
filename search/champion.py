"""The winner of a search as a scikit-learn estimator: made of its weights, saved, and loaded from the registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from mlflow.entities.model_registry import ModelVersion
from numpy.typing import NDArray

from regsearch.data import Development, Rows
from regsearch.data.blocks import row_blocks
from regsearch.search.result import Search
from regsearch.tracking import registry
from regsearch.tracking.model import load, save
from regsearch.tracking.store import Store

if TYPE_CHECKING:
    from regsearch.tracking.model import Estimator


def save_winner(search: Search, folder: Path) -> dict[str, str]:
    """Save the winner of a search as an estimator in a new folder, and return the tags that its version gets of that.

    Parameters
    ----------
    search : Search
    folder : Path
        Made by this call.
    """
    from regsearch.tracking.estimator import fitted

    development, weights = search.development, search.weights
    model = fitted(
        np.append(weights.coef, weights.covariate_coef),
        weights.intercept,
        _table(development.model),
        strengths=_strengths(search),
        feature_names=_column_names(development),
        is_scaled=development.preparation.scale != "none",
    )
    return {registry.SHA256: save(model, folder)}


def load_version(store: Store, version: ModelVersion) -> Estimator:
    """Download the estimator of a registered version, and load it; see `tracking.model.load`."""
    with TemporaryDirectory() as folder:
        return load(registry.download(store, version, folder), version.tags.get(registry.SHA256))


def _table(rows: Rows) -> Iterator[tuple[NDArray[np.floating], NDArray[np.float64] | None]]:
    """Yield blocks of rows, covariates after features, and their weights."""
    for block in row_blocks(rows.X):
        X = rows.X[block, :]
        if rows.covariates is not None:
            X = np.hstack([X, rows.covariates[block]])
        yield X, None if rows.weights is None else rows.weights[block]


def _strengths(search: Search) -> tuple[float, float]:
    """Return the strengths of the winner for columns that are scaled to unit deviation, or not at all."""
    penalty, prepared = search.penalty_of_the_winner, search.development.preparation
    n_rows = search.development.model.total_weight if prepared.scale == "unit-norm" else 1.0
    return penalty.l1 * float(np.sqrt(n_rows)), penalty.l2 * n_rows


def _column_names(development: Development) -> tuple[str, ...]:
    """Return the names of the columns that the champion takes, or none if the features have none."""
    return development.feature_names and (*development.feature_names, *development.covariate_names)
