"""The search for the penalty: configuration, proposals, solvers, selection and promotion.

>>> from search import SearchConfig
>>> SearchConfig.load("default").n_trials
86
"""

from search.config import ConfigError, SearchConfig
from search.launch import SearchResult, run_search
from search.promote import Promotion, PromotionRefusedError, promote

__all__ = [
    "ConfigError",
    "Promotion",
    "PromotionRefusedError",
    "SearchConfig",
    "SearchResult",
    "promote",
    "run_search",
]
