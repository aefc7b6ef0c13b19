"""The penalty plane: every family of models is a region of one plane of L1 and L2 strengths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Family = Literal["none", "ridge", "lasso", "elasticnet"]

PARAMETERS: Mapping[Family, tuple[str, ...]] = {
    "none": (),
    "ridge": ("alpha",),
    "lasso": ("alpha",),
    "elasticnet": ("l1_alpha", "l2_alpha"),
}
"""Names of each family's hyperparameters in Optuna and MLflow."""


@dataclass(frozen=True, order=True)
class Penalty:
    """A point of the penalty plane.

    With columns that are centred and scaled to unit Euclidean norm, it stands for the objective
    ``||y - X w||^2 / (2 n) + l1 * ||w||_1 + (l2 / 2) * ||w||^2``. At ``l1 = l2 = 0`` the solution is the
    least-squares solution of minimum norm.

    Parameters
    ----------
    l1, l2 : float
        Strengths of the two penalties, at least zero.
    """

    l1: float
    l2: float

    @classmethod
    def from_sklearn(cls, alpha: float, l1_ratio: float) -> Penalty:
        """Return the point that ``sklearn.linear_model.ElasticNet(alpha, l1_ratio=l1_ratio)`` stands for."""
        return cls(alpha * l1_ratio, alpha * (1 - l1_ratio))

    @property
    def sklearn_alpha(self) -> float:
        """``alpha`` of ``sklearn.linear_model.ElasticNet`` at this point."""
        return self.l1 + self.l2

    @property
    def l1_ratio(self) -> float:
        """``l1_ratio`` of ``sklearn.linear_model.ElasticNet`` at this point; 0 without a penalty."""
        return self.l1 / (self.l1 + self.l2) if self.l1 + self.l2 > 0 else 0.0

    @property
    def row(self) -> float:
        """The L2 strength that a whole path shares; 0 without an L1 strength, where all points are one path."""
        return self.l2 if self.l1 else 0.0

    def on(self, n_rows: float, *, instead_of: float, keep_l1: bool = False) -> Penalty:
        """Return the penalty that means the same on another number of training rows.

        Scaling columns to unit norm makes the weights grow with the square root of the number of rows, so `l1` falls
        with that root and `l2` with the number itself.  The effect on a coefficient in the recording's units is then
        the same on few rows as on many.

        Parameters
        ----------
        n_rows, instead_of : float
            The other number of rows, and the number that this penalty is for; with weights their sums.
        keep_l1 : bool
            Whether to leave `l1` as it is, as the first version did.
        """
        share = instead_of / n_rows
        return Penalty(self.l1 if keep_l1 else self.l1 * math.sqrt(share), self.l2 * share)


def penalty_of(family: Family, parameters: Mapping[str, float], n_rows: float) -> Penalty:
    """Return the point of the plane at which a family puts its hyperparameters.

    Ridge strengths follow ``sklearn.linear_model.Ridge``. Its loss is not divided by the number of rows, so the
    strengths are divided by `n_rows` here.

    Parameters
    ----------
    family : {"none", "ridge", "lasso", "elasticnet"}
    parameters : mapping of str to float
        The hyperparameters named in `PARAMETERS`.
    n_rows : float
        Number of training rows; with weights their sum.
    """
    match family:
        case "none":
            return Penalty(0.0, 0.0)
        case "ridge":
            return Penalty(0.0, parameters["alpha"] / n_rows)
        case "lasso":
            return Penalty(parameters["alpha"], 0.0)
        case "elasticnet":
            return Penalty(parameters["l1_alpha"], parameters["l2_alpha"] / n_rows)
