"""Experiment-tracked hyperparameter search for regularised linear models.

>>> from regsearch import SearchConfig
>>> SearchConfig.load("default").n_trials
86
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from regsearch.errors import (
    ConfigError,
    DataError,
    EngineLostError,
    HeldError,
    LostError,
    ModelRejectedError,
    NoWinnerError,
    PromotionRefusedError,
    RegistryError,
    RegsearchError,
    SearchBusyError,
    SearchNotFoundError,
    SearchStoppedError,
    StoreError,
    TrialError,
)

if TYPE_CHECKING:
    from regsearch.data import Recording, from_arrays, from_frame
    from regsearch.search.chance.distribution import NullDistribution
    from regsearch.search.config import SearchConfig
    from regsearch.search.lags import Lags
    from regsearch.search.launch import run_search, run_targets
    from regsearch.search.null import null_distribution
    from regsearch.search.penalty_search import PenaltySearchCV
    from regsearch.search.promotion import load_champion, promote, rollback
    from regsearch.search.result import Promotion, SearchResult
    from regsearch.search.solvers.penalized_path import PenalizedPath, penalized_path

__all__ = [
    "ConfigError",
    "DataError",
    "EngineLostError",
    "HeldError",
    "Lags",
    "LostError",
    "ModelRejectedError",
    "NoWinnerError",
    "NullDistribution",
    "PenalizedPath",
    "PenaltySearchCV",
    "Promotion",
    "PromotionRefusedError",
    "Recording",
    "RegistryError",
    "RegsearchError",
    "SearchBusyError",
    "SearchConfig",
    "SearchNotFoundError",
    "SearchResult",
    "SearchStoppedError",
    "StoreError",
    "TrialError",
    "from_arrays",
    "from_frame",
    "load_champion",
    "null_distribution",
    "penalized_path",
    "promote",
    "rollback",
    "run_search",
    "run_targets",
]

_HOMES = {
    "regsearch.data": ("Recording", "from_arrays", "from_frame"),
    "regsearch.search.chance.distribution": ("NullDistribution",),
    "regsearch.search.config": ("SearchConfig",),
    "regsearch.search.lags": ("Lags",),
    "regsearch.search.launch": ("run_search", "run_targets"),
    "regsearch.search.null": ("null_distribution",),
    "regsearch.search.penalty_search": ("PenaltySearchCV",),
    "regsearch.search.promotion": ("load_champion", "promote", "rollback"),
    "regsearch.search.result": ("Promotion", "SearchResult"),
    "regsearch.search.solvers.penalized_path": ("PenalizedPath", "penalized_path"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: MLflow, Optuna and matplotlib together take two seconds."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, imported or not, for completion."""
    return __all__
