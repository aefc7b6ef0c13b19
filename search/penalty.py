"""The penalty plane: every family of models is a region of one plane of L1 and L2 strengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Family = Literal["none", "ridge", "lasso", "elasticnet"]

PARAMETERS: Mapping[Family, tuple[str, ...]] = {
    "none": (),
    "ridge": ("alpha",),
    "lasso": ("alpha",),
    "elasticnet": ("l1_alpha", "l2_alpha"),
}
"""Names of each family's hyperparameters, as Optuna and MLflow know them."""


@dataclass(frozen=True, order=True)
class Penalty:
    """A point of the penalty plane.

    The objective it stands for, over columns that are centred and scaled to unit Euclidean norm, is
    ``||y - X w||^2 / (2 n) + l1 * ||w||_1 + (l2 / 2) * ||w||^2``. At ``l1 = l2 = 0`` the solution is the
    least-squares one of minimum norm.

    Parameters
    ----------
    l1, l2 : float
        Strengths of the two penalties, at least zero.
    """

    l1: float
    l2: float

    @property
    def sklearn_alpha(self) -> float:
        """``alpha`` of ``sklearn.linear_model.ElasticNet`` at this point."""
        return self.l1 + self.l2

    @property
    def l1_ratio(self) -> float:
        """``l1_ratio`` of ``sklearn.linear_model.ElasticNet`` at this point; 0 without a penalty."""
        return self.l1 / (self.l1 + self.l2) if self.l1 + self.l2 > 0 else 0.0


def penalty_of(family: Family, parameters: Mapping[str, float], n_rows: int) -> Penalty:
    """Return the point of the plane at which a family puts its hyperparameters.

    Ridge strengths follow ``sklearn.linear_model.Ridge``, whose loss is not divided by the number of rows, so they
    are divided by `n_rows` here.

    Parameters
    ----------
    family : {"none", "ridge", "lasso", "elasticnet"}
    parameters : mapping of str to float
        The hyperparameters named in `PARAMETERS`.
    n_rows : int
        Number of training rows.
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


def trial_name(family: str, parameters: Mapping[str, float] | pd.Series[Any]) -> str:
    """Return a trial's name for people: its family and strengths."""
    if family == "none":
        return "unregularised"
    return " ".join([family, *(f"{name}={parameters[name]:.4g}" for name in PARAMETERS[family])])  # type: ignore[index]
