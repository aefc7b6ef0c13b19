"""The search for the penalty: configuration, proposals, solvers, selection and promotion.

>>> from search import SearchConfig
>>> SearchConfig.load("default").n_trials
86
"""

from search.config import ConfigError, SearchConfig
from search.launch import run_search
from search.promote import PromotionRefusedError, load_champion, promote
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
