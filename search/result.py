"""What a search comes to: all that is known once its trials are logged, its champion, and what a caller is given."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from typing import TYPE_CHECKING

from regsearch.search.penalty import Penalty, penalty_of
from regsearch.search.trial import Trial
from regsearch.search.weights import Weights, read_feature_names, read_weights
from regsearch.tracking.records import METRICS, STRENGTHS

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities.model_registry import ModelVersion

    from regsearch.data import Development
    from regsearch.search.chance.distribution import NullDistribution
    from regsearch.search.choice import Choice
    from regsearch.search.config import SearchConfig
    from regsearch.search.nested import Nested
    from regsearch.tracking.runs import SearchRun

TEST_SCORES = ("r2_test", "r2_test_low", "r2_test_high")
"""Metrics of a trial that was scored on the test rows; those of the search's run begin with ``best_``."""

SCORES = ("r2_train", "r2_validation", *TEST_SCORES)
"""Tags of a champion's version that hold its scores."""

PREDICTIONS = "predictions.csv"
"""Artifact of a search's run with its winner's predictions; its third column is the target, by its name."""


@dataclass(frozen=True, eq=False)
class Finished:
    """A search whose trials are all logged, as far as the store holds it.

    Attributes
    ----------
    run : SearchRun
        The search's parent run in MLflow.
    config : SearchConfig
        The configuration as it was given.
    choice : Choice
        Its trials and the winner.
    """

    run: SearchRun
    config: SearchConfig
    choice: Choice

    @cached_property
    def predictions(self) -> bytes:
        """The table of the winner's predictions, as CSV; empty if its run has none."""
        is_kept = self.run.store.holds(self.run.run_id, PREDICTIONS)
        return self.run.read(self.run.run_id, PREDICTIONS) if is_kept else b""

    @cached_property
    def target(self) -> str:
        """Name of the target: that of the recording, which a configuration need not name."""
        if not self.predictions:
            return self.config.data.targets[0]
        return next(csv.reader(StringIO(self.predictions.decode())))[2]

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features; empty if they have none."""
        return read_feature_names(self.run, self.winner.run_id)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All finished trials, in order of family and number."""
        return self.choice.trials

    @property
    def winner(self) -> Trial:
        """The trial that was chosen."""
        return self.choice.winner

    @cached_property
    def weights(self) -> Weights:
        """The winner's weights, as its run holds them; they are read once."""
        return read_weights(self.run, self.winner.run_id)

    @property
    def chosen(self) -> str:
        """The winner and the rule that chose it, in words."""
        return f"{self.winner.run_id} by {self.config.select}"

    def tags_of_choice(self, tag: str, text: str) -> dict[str, str]:
        """Return the tags that say something which holds for this winner and rule alone, for `said_of_choice`."""
        return {tag: text, f"{tag}_of": self.chosen}

    def said_of_choice(self, tag: str) -> str:
        """Return what a tag of the run says; empty if it says nothing, or of another winner or rule."""
        tags = self.run.run.data.tags
        return tags.get(tag, "") if tags.get(f"{tag}_of") == self.chosen else ""


@dataclass(frozen=True, eq=False)
class Search(Finished):
    """A finished search with its rows.  Its figures, its text and its promotion are made from it.

    Attributes
    ----------
    development : Development
        The rows that the search may read.
    """

    development: Development

    @cached_property
    def target(self) -> str:
        """Name of the target."""
        return self.development.target

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features; empty if they have none."""
        return self.development.feature_names

    @property
    def is_drawn(self) -> bool:
        """Whether its figures were drawn."""
        return self.run.store.holds(self.run.run_id, "figures/weights.svg")

    @property
    def penalty_of_the_winner(self) -> Penalty:
        """The winner's penalty, from its hyperparameters instead of from what was logged."""
        return penalty_of(self.winner.family, self.winner.parameters, self.development.model.total_weight)


@dataclass(frozen=True)
class Tested:
    """The winner's score on the test rows.

    Parameters
    ----------
    r2_test, r2_test_low, r2_test_high : float
        R² and the ends of its 95 % interval.
    openings : int
        How often these rows had been opened by then.
    """

    r2_test: float
    r2_test_low: float
    r2_test_high: float
    openings: int

    @property
    def scores(self) -> dict[str, float]:
        """The scores by the names of their metrics."""
        return {name: getattr(self, name) for name in TEST_SCORES}

    def __str__(self) -> str:
        return f"test {self.r2_test:.4f} (95 % interval {self.r2_test_low:.4f} to {self.r2_test_high:.4f})"


@dataclass(frozen=True)
class Promotion:
    """A promotion: the new champion and its scores.

    Attributes
    ----------
    model : str
        Name of the registered model.
    version : str
    replaced : str or None
        The version that was champion before.
    trial : str
        The winning trial's name.
    r2_train, r2_validation : float
    tracking_uri : str
        The tracking store that the model is registered in, without user and password.
    r2_test : float or None
        ``None`` if no rows were kept for a test.
    r2_test_low, r2_test_high : float or None
        95 % interval of the test score, by the bootstrap.
    nested : str
        Result of nested cross-validation, in words; empty if there was none.
    """

    model: str
    version: str
    replaced: str | None
    trial: str
    r2_train: float
    r2_validation: float
    tracking_uri: str
    r2_test: float | None = None
    r2_test_low: float | None = None
    r2_test_high: float | None = None
    nested: str = ""

    @classmethod
    def of(cls, version: ModelVersion, trial: str, tracking_uri: str) -> Promotion:
        """Return the promotion that made a trial's registered version champion."""
        scores = {name: float(version.tags[name]) for name in SCORES if name in version.tags}
        replaced = version.tags.get("replaced") or None
        return cls(
            version.name,
            str(version.version),
            replaced,
            trial,
            tracking_uri=tracking_uri,
            nested=version.tags.get("nested", ""),
            **scores,
        )

    @property
    def uri(self) -> str:
        """The URI that `mlflow.pyfunc.load_model` takes."""
        return f"models:/{self.model}@champion"


@dataclass(frozen=True, eq=False)
class SearchResult:
    """A finished search, as `run_search` returns it.

    Attributes
    ----------
    search_id : str
        Identity of the search: a hash of its data and of everything that decides its trials.
    run_id : str
        Id of the MLflow parent run.
    finished : tuple of Trial
        All trials.
    winner : Trial
        The trial that was chosen.
    new_trials : int
        Number of trials that this call solved; earlier calls solved the others.
    promotion : Promotion or None
        ``None`` if nothing was promoted; `notes` then says why.
    notes : tuple of str
        What you should know, such as a winner at the edge of its range or a refused promotion.
    config : SearchConfig
        The configuration that was searched.
    experiment_id : str
        Id of the MLflow experiment.
    tracking_uri : str
        The tracking store, without user and password.
    null : NullDistribution or None
        Comparison with null targets, if ``[null]`` or `null_distribution` asked for it.
    nested : Nested or None
        Test scores of nested cross-validation, if the configuration asks for it.
    """

    search_id: str
    run_id: str
    finished: tuple[Trial, ...]
    winner: Trial
    new_trials: int
    promotion: Promotion | None
    notes: tuple[str, ...]
    config: SearchConfig
    experiment_id: str
    tracking_uri: str
    null: NullDistribution | None = None
    nested: Nested | None = None

    @classmethod
    def of(
        cls,
        finished: Finished,
        new_trials: int,
        promotion: Promotion | None,
        *,
        notes: Sequence[str],
        null: NullDistribution | None,
    ) -> SearchResult:
        """Return what a caller is given of a finished search."""
        run = finished.run
        return cls(
            run.search_id,
            run.run_id,
            finished.trials,
            finished.winner,
            new_trials,
            promotion,
            tuple(notes),
            finished.config,
            run.experiment_id,
            run.store.shown,
            null,
        )

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial: family, trial number, strengths, metrics and run id."""
        return table(self.finished)

    @property
    def best(self) -> pd.Series:
        """The winner's row of `trials`."""
        return self.trials.iloc[self.finished.index(self.winner)]

    def __repr__(self) -> str:
        made = self.promotion
        promoted = f"promoted as version {made.version} of {made.model}" if made else "not promoted"
        score = f"R² validation {self.winner.r2_validation:.4f}"
        return (
            f"<SearchResult {self.search_id} of {len(self.finished)} trials: {self.winner.name}, {score}, {promoted}>"
        )

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from regsearch.search.notebook import as_html

        return as_html(self)


def table(trials: Sequence[Trial]) -> pd.DataFrame:
    """Return the table of trials: one row each, numbers as numbers.

    The columns are `family`, `trial`, those of `STRENGTHS` and `METRICS` in `tracking.records`, and `run_id`.
    """
    import pandas as pd

    rows = []
    for trial in trials:
        both = {"l1_ratio": trial.penalty.l1_ratio, "sklearn_alpha": trial.penalty.sklearn_alpha}
        strengths = {**trial.parameters, **(both if trial.family != "none" else {})}
        rows.append(
            {
                "family": trial.family,
                "trial": trial.number,
                **{name: strengths.get(name, float("nan")) for name in STRENGTHS},
                **{name: trial.metrics.get(name, float("nan")) for name in METRICS},
                "run_id": trial.run_id,
            }
        )
    made = pd.DataFrame(rows, columns=["family", "trial", *STRENGTHS, *METRICS, "run_id"])
    return made.astype({"n_nonzero": int}) if rows else made
