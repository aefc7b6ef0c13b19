"""A trial: first proposed, then solved and logged.  It keeps its type from the solver to the table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from regsearch.search.penalty import PARAMETERS, Family, Penalty

if TYPE_CHECKING:
    from regsearch.tracking.records import TrialRecord
    from regsearch.tracking.runs import SearchRun


@dataclass(frozen=True)
class Candidate:
    """A point of the penalty plane, as a family proposes it.

    Attributes
    ----------
    family : {"none", "ridge", "lasso", "elasticnet"}
    number : int
        Number of the trial in its family's study.
    parameters : mapping of str to float
        The family's hyperparameters; see `penalty.PARAMETERS`.
    penalty : Penalty
        The penalty of the trial's own model, on the rows that the model is fitted on.
    """

    family: Family
    number: int
    parameters: Mapping[str, float]
    penalty: Penalty

    @property
    def name(self) -> str:
        """The trial's name for people: its family and strengths."""
        if self.family == "none":
            return "unregularised"
        return " ".join([self.family, *(f"{name}={self.parameters[name]:.4g}" for name in PARAMETERS[self.family])])


@dataclass(frozen=True)
class Proposal(Candidate):
    """A trial to be solved.

    Attributes
    ----------
    told : bool
        Whether Optuna already has the trial's value, so that only its run is missing.
    """

    told: bool = False


@dataclass(frozen=True)
class Trial(Candidate):
    """A finished trial.

    Attributes
    ----------
    metrics : mapping of str to float
        Everything measured; see `tracking.records.METRICS`.
    run_id : str
        Id of the trial's MLflow run.
    """

    metrics: Mapping[str, float]
    run_id: str

    @classmethod
    def of(cls, record: TrialRecord) -> Trial:
        """Return the trial that a run in MLflow recorded."""
        family = cast(Family, record.family)
        return cls(
            family,
            record.number,
            {name: record.params[name] for name in PARAMETERS[family]},
            Penalty.from_sklearn(record.params.get("sklearn_alpha", 0.0), record.params.get("l1_ratio", 0.0)),
            record.metrics,
            record.run_id,
        )

    @property
    def r2_train(self) -> float:
        """R² on the rows fitted on."""
        return self.metrics["r2_train"]

    @property
    def r2_validation(self) -> float:
        """R² on the rows that the trials are compared on."""
        return self.metrics["r2_validation"]

    @property
    def r2_validation_se(self) -> float:
        """Standard error of `r2_validation`."""
        return self.metrics["r2_validation_se"]

    @property
    def n_nonzero(self) -> int:
        """Number of weights that are not zero."""
        return int(self.metrics["n_nonzero"])

    @property
    def sparsity(self) -> float:
        """Fraction of weights that are exactly zero."""
        return self.metrics["sparsity"]

    @property
    def duality_gap(self) -> float:
        """The worst certificate among the trial's fits, relative to the objective at zero weights."""
        return self.metrics["duality_gap"]

    @property
    def cells(self) -> dict[str, str]:
        """What tables show people of the trial, by the headings of their columns."""
        return {
            "R² train": f"{self.r2_train:.4f}",
            "R² validation": f"{self.r2_validation:.4f}",
            "non-zero": f"{self.n_nonzero:,}",
            "sparsity": f"{self.sparsity:.1%}",
        }


def finished_trials(run: SearchRun) -> tuple[Trial, ...]:
    """Return the finished trials of a search, in order of family and number."""
    return tuple(map(Trial.of, run.finished()))


def best_first(trials: Iterable[Trial]) -> list[Trial]:
    """Return trials from the best validation R² to the worst."""
    return sorted(trials, key=lambda trial: -trial.r2_validation)


def best_of_each_family(trials: Iterable[Trial], most: int = 1) -> list[Trial]:
    """Return the best trials of each family, at most `most` of each; families and trials from the best to the worst."""
    ranked: dict[str, list[Trial]] = {}
    for trial in best_first(trials):
        ranked.setdefault(trial.family, []).append(trial)
    return [trial for family in ranked.values() for trial in family[:most]]


def best_and_winner(trials: Iterable[Trial], winner: Trial) -> list[Trial]:
    """Return the three best trials of each family, and the winner after its family's if it is not one of them."""
    shown = best_of_each_family(trials, 3)
    if winner in shown:
        return shown
    last = max((at for at, trial in enumerate(shown) if trial.family == winner.family), default=len(shown) - 1)
    return [*shown[: last + 1], winner, *shown[last + 1 :]]


def baseline(trials: Iterable[Trial]) -> Trial:
    """Return the unregularised trial, which every search has."""
    return next(trial for trial in trials if trial.family == "none")
