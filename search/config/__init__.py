"""What is searched, and how: read from TOML, checked before anything is touched, and never changed."""

from regsearch.search.config.data import DataConfig
from regsearch.search.config.null import NullConfig
from regsearch.search.config.search import AtMost, Rule, SearchConfig
from regsearch.search.config.split import SplitConfig
from regsearch.search.config.text import PRESETS, preset

__all__ = ["PRESETS", "AtMost", "DataConfig", "NullConfig", "Rule", "SearchConfig", "SplitConfig", "preset"]
