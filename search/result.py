"""What a search comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities.model_registry import ModelVersion

SCORES = ("r2_train", "r2_validation", "r2_test", "r2_test_low", "r2_test_high")
"""What is known of a champion, as tags of its version."""


@dataclass(frozen=True)
class Promotion:
    """A champion and how it came to be.

    Attributes
    ----------
    model : str
        Name of the registered model.
    version : str
    replaced : str or None
        The version that was champion before.
    trial : str
        The winning trial's name.
    r2_train, r2_validation, r2_test : float
    r2_test_low, r2_test_high : float
        95 % interval of the test score, by the block bootstrap.
    tracking_uri : str
        Where it is registered, without user and password.
    """

    model: str
    version: str
    replaced: str | None
    trial: str
    r2_train: float
    r2_validation: float
    r2_test: float
    r2_test_low: float
    r2_test_high: float
    tracking_uri: str

    @classmethod
    def of(cls, version: ModelVersion, trial: str, tracking_uri: str) -> Promotion:
        """Return the promotion that made a trial's registered version champion."""
        scores = {name: float(version.tags[name]) for name in SCORES}
        replaced = version.tags.get("replaced") or None
        return cls(version.name, str(version.version), replaced, trial, **scores, tracking_uri=tracking_uri)

    @property
    def uri(self) -> str:
        """What `mlflow.pyfunc.load_model` takes."""
        return f"models:/{self.model}@champion"


def invitation(search_id: str) -> str:
    """Say how to promote the winner of a search that was only run."""
    return f"not promoted; to do so: regsearch promote {search_id}"


@dataclass(frozen=True, eq=False)
class SearchResult:
    """A finished search.

    Attributes
    ----------
    search_id : str
        Identity of the search: what decides its trials, and its data.
    run_id : str
        Of the MLflow parent run.
    trials : DataFrame
        One row per trial: family, trial, strengths, metrics, run id.
    best : Series
        The winning row.
    new_trials : int
        How many of the trials this call solved; the others were there already.
    promotion : Promotion or None
        ``None`` where promotion was not wanted or was refused.
    notes : tuple of str
        What a person should know: a winner at the edge of its range, a refused promotion.
    """

    search_id: str
    run_id: str
    trials: pd.DataFrame
    best: pd.Series
    new_trials: int
    promotion: Promotion | None
    notes: tuple[str, ...]
