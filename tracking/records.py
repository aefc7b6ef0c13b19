"""What MLflow records of a search and of a trial, and by which names; nothing of MLflow is imported for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from regsearch.tracking.pages import View

METRICS = (
    "r2_train",
    "r2_validation",
    "r2_validation_se",
    "r_validation",
    "sparsity",
    "n_nonzero",
    "l1_norm",
    "l2_norm",
    "duality_gap",
    "fit_seconds",
)
"""Names of the metrics of every trial; cross-validation adds the scores of each fold."""

STRENGTHS = ("alpha", "l1_alpha", "l2_alpha", "l1_ratio", "sklearn_alpha")
"""Names of a trial's parameters that are numbers."""

WEIGHTS = "weights.npz"
"""Name of the artifact without which a trial has to be solved again."""

STEMS = "weights.png"
"""Name of the artifact that shows a trial's weights, if figures are drawn."""


@dataclass(frozen=True)
class TrialRecord:
    """A trial as MLflow records it.

    Parameters
    ----------
    family : str
    number : int
        Number of the trial in its family's study.
    params : mapping of str to float
        Those of `STRENGTHS` that the family has.
    metrics : mapping of str to float
        All of `METRICS`, and the scores of each fold; versions before 0.2 lack `r_validation`.
    name, description : str
        Name and description of the run, for people.
    certified : bool
        Whether every fit reached its tolerance.
    run_id : str
        Id of the run that records it; empty until there is one.
    """

    family: str
    number: int
    params: Mapping[str, float]
    metrics: Mapping[str, float]
    name: str
    description: str
    certified: bool
    run_id: str = ""


@dataclass(frozen=True)
class SearchRecord:
    """What is logged of a search when it starts.

    Parameters
    ----------
    search_id : str
    name : str
        Of the parent run.
    description, about : str
        Markdown: of this search, and of its experiment.
    data_sha256 : str
    source : str
        Where the recording came from.
    shape : tuple of int
        Rows and features that the search may read.
    params : mapping of str to str
    views : mapping of str to View
        Of the experiment's runs, by key.
    """

    search_id: str
    name: str
    description: str
    about: str
    data_sha256: str
    source: str
    shape: tuple[int, int]
    params: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, View] = field(default_factory=dict)
