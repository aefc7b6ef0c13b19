"""Predictions of linear models at the rows of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Rows
from regsearch.data.blocks import blocks

Floats = NDArray[np.float64]

_BLOCK_VALUES = 2**18
"""How many values a prediction reads at once: 2 MB in double precision, so that they stay in the cache."""


class Model(Protocol):
    """A linear model."""

    @property
    def coef(self) -> Floats:
        """Target units per unit of each feature, shape (n_features,)."""

    @property
    def intercept(self) -> float:
        """Target units."""

    @property
    def covariate_coef(self) -> Floats:
        """Target units per unit of each covariate, shape (n_covariates,)."""


def predict(rows: Rows, model: Model) -> Floats:
    """Return the predictions at some rows in double precision, at the cost of the non-zero coefficients."""
    return predict_all(rows, [model])[0]


def predict_all(rows: Rows, models: Sequence[Model]) -> list[Floats]:
    """Return the predictions of several models; a column is read once for all of them."""
    is_used = np.zeros(rows.X.shape[1], dtype=bool)
    for model in models:
        is_used |= model.coef != 0
    support = np.flatnonzero(is_used)
    predicted = np.tile([[model.intercept] for model in models], len(rows.y))
    for block in blocks(len(support), max(1, _BLOCK_VALUES // len(rows.y))):
        predicted += (rows.X[:, support[block]] @ np.array([model.coef[support[block]] for model in models]).T).T
    if rows.covariates is not None:
        predicted += np.array([model.covariate_coef for model in models]) @ rows.covariates.T
    return list(predicted)
