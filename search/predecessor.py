"""What came before: whether a search is another one than the latest of its name, and by what."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow.exceptions import MlflowException

from search.config import ConfigError, SearchConfig
from tracking.runs import SearchRun, searches
from tracking.store import Store

_SHOWN = 2


@dataclass(frozen=True)
class Predecessor:
    """The latest search of the same name, which is another one.

    Attributes
    ----------
    search_id : str
    changes : tuple of str
        What has changed since, at least one.
    """

    search_id: str
    changes: tuple[str, ...]

    def __str__(self) -> str:
        more = f"; and {len(self.changes) - _SHOWN} more" if len(self.changes) > _SHOWN else ""
        return (
            f"this is another search than {self.search_id} of the same name: {'; '.join(self.changes[:_SHOWN])}{more}"
        )


def predecessor(store: Store, config: SearchConfig, data_sha256: str) -> Predecessor | None:
    """Return the latest search of the same name, or ``None`` if there is none or this search has been started before.

    Parameters
    ----------
    store : Store
    config : SearchConfig
    data_sha256 : str
        Identity of the recording that is to be searched.
    """
    if SearchRun.find(store, config.search_id(data_sha256)) is not None:
        return None
    for run in searches(store, config.name):
        tags = run.data.tags
        try:
            earlier = SearchConfig.from_toml(SearchRun.of(store, run).read(run.info.run_id, "config.toml").decode())
        except (ConfigError, MlflowException, OSError):  # it was killed before it wrote one, or wrote what is not known
            continue
        changes = config.differences(earlier)
        if tags["data_sha256"] != data_sha256:
            changes.insert(0, f"the data's values ({_sources(earlier.data.source, config.data.source)})")
        return Predecessor(tags["search_id"], tuple(changes)) if changes else None
    return None


def _sources(was: str, now: str) -> str:
    return f"of {now}" if was == now else f"was {was}, now {now}"
