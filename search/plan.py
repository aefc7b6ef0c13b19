"""The plan of a search, for --dry-run: it reads headers, and values only of a recording whose rows have roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from regsearch import data
from regsearch.data import Annotations, Split
from regsearch.data.annotations import NOTHING
from regsearch.data.split import count
from regsearch.search.chance.room import Room, require_room
from regsearch.search.config import SearchConfig
from regsearch.search.cutting import nested_parts, ranges_in_words, split_of
from regsearch.search.estimate import estimate, together
from regsearch.search.penalty import Family
from regsearch.search.proposals.samplers import require_sampler
from regsearch.tracking.addresses import without_secrets
from regsearch.tracking.sqlite_file import home
from regsearch.tracking.store import storage_url
from regsearch.tracking.store import tracking_uri as uri_of


def plan(config: SearchConfig, *, tracking_uri: str | None = None, storage: str | None = None) -> dict[str, Any]:
    """Return the plan of a search as plain values: its trials, rows, stores, and expected time and memory.

    A value is ``None`` if only reading the recording would tell it.

    Parameters
    ----------
    config : SearchConfig
    tracking_uri, storage : str or None
        As `regsearch.run_search` has them.

    Raises
    ------
    ConfigError
        If the sampler is not installed, or there are no groups for null targets.
    DataError
        If there is no such recording, the split does not fit it, or its rows do not suffice for the null targets.
    """
    require_sampler(config)
    shape, known, is_read = _shape(config)
    n_rows, n_features = shape or (None, None)
    if n_features:
        n_features *= len(config.data.lags)
    searches = _searches(config, n_rows, known)
    splits = [split_of(one, n_rows, known) for one in searches] if n_rows else []
    if splits and config.null:
        require_room(config, config.null, Room.of(splits[-1], known))
    n_targets = len(config.data.targets)
    counts: dict[Family, int] = {"none": n_targets}
    counts |= {family: n_targets * settings.n_trials for family, settings in config.families.searched.items()}
    expected = None
    if splits and n_rows and n_features:
        size = (n_rows, n_features)
        expected = together([estimate(size, _fitted_rows(split), counts, n_targets) for split in splits])
    n_searches = n_targets * len(searches) if n_rows or not config.is_nested else None
    return {
        "name": config.name,
        "source": config.data.source,
        "recording": {"rows": n_rows, "features": n_features},
        "values_checked": is_read,
        "rows": _rows(splits) if splits else ranges_in_words(config) or "not known before the recording is read",
        "targets": list(config.data.targets),
        "seed": config.seed,
        "trials": config.n_trials,
        "searches": n_searches,
        "trials_in_all": n_searches * config.n_trials if n_searches else None,
        "families": _families(config),
        "tracking_uri": without_secrets(uri_of(tracking_uri)),
        "storage": without_secrets(storage_url(storage) or str(home() / "optuna.journal")),
        "seconds": round(expected.seconds, 1) if expected else None,
        "peak_mb": round(expected.peak_bytes / 1e6) if expected else None,
    }


def _families(config: SearchConfig) -> dict[str, Any]:
    """Return what is tried of each family."""
    planned: dict[str, Any] = {"none": {"trials": 1}}
    for family, settings in config.families.searched.items():
        strengths = {
            name: list(strength) if isinstance(strength, tuple) else strength.model_dump(exclude_none=True)
            for name, strength in settings.strengths.items()
        }
        planned[family] = {
            "trials": settings.n_trials,
            **({"patience": settings.patience} if settings.patience else {}),
            **strengths,
            "proposed_by": "exact grid" if settings.is_grid else config.sampler,
        }
    return planned


def _shape(config: SearchConfig) -> tuple[tuple[int, int] | None, Annotations, bool]:
    """Return the size of the recording from its header, what is known of its rows, and if it was read to know that."""
    roles = config.data.roles
    if not (roles.labels or roles.weights or roles.covariates):
        return data.shape(config.data.source, roles), NOTHING, False
    recording = data.load(config.data.source, roles)
    return (recording.X.shape[0], recording.X.shape[1]), recording.annotations, True


def _searches(config: SearchConfig, n_rows: int | None, known: Annotations) -> tuple[SearchConfig, ...]:
    """Return the searches of one target: where each part is tested in turn one for each, and one on all rows."""
    if not config.is_nested:
        return (config,)
    parts, on_all = config.for_parts(nested_parts(config, n_rows, known) if n_rows else 0)
    return (*parts, on_all)


def _rows(splits: Sequence[Split]) -> dict[str, str]:
    """Return the rows of a search in words, and that each part is tested in turn where there are several."""
    *parts, last = splits
    if not parts:
        return dict(last.shown)
    return {**last.shown, "test": f"each of {len(parts)} parts of these in turn, by a search of the others"}


def _fitted_rows(split: Split) -> list[int]:
    """Return the number of rows that each model of a trial is fitted on: the folds' models, and with folds its own."""
    fitted = [fold.train for fold in split.folds]
    return [count(blocks) for blocks in (fitted if len(fitted) == 1 else [*fitted, split.model])]
