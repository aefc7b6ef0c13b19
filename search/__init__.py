"""The search for the penalty: configuration, proposals, solvers, selection and promotion.

>>> from search import SearchConfig
>>> SearchConfig.load("default").n_trials
86
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.config import ConfigError, SearchConfig
    from search.launch import run_search
    from search.promotion import PromotionRefusedError, load_champion, promote
    from search.result import Promotion, SearchResult

__all__ = [
    "ConfigError",
    "Promotion",
    "PromotionRefusedError",
    "SearchConfig",
    "SearchResult",
    "load_champion",
    "promote",
    "run_search",
]

_HOMES = {
    "search.config": ("ConfigError", "SearchConfig"),
    "search.launch": ("run_search",),
    "search.promotion": ("PromotionRefusedError", "load_champion", "promote"),
    "search.result": ("Promotion", "SearchResult"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: MLflow, Optuna and matplotlib together take two seconds."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return what is public, imported or not, for whoever completes names."""
    return __all__
