"""The plan of a search, for --dry-run: it reads headers only, and opens and writes nothing."""

from __future__ import annotations

from typing import Any

from regsearch import data
from regsearch.data import Annotations
from regsearch.data.annotations import NOTHING
from regsearch.search.config import SearchConfig
from regsearch.search.cutting import fitted_rows, ranges_in_words, split_of
from regsearch.search.estimate import estimate
from regsearch.search.penalty import Family
from regsearch.search.proposals.samplers import require_sampler
from regsearch.tracking.errors import without_secrets
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
        As `regsearch.search.run_search` has them.

    Raises
    ------
    ConfigError
        If the sampler is not installed.
    data.DataError
        If there is no such recording, or the split does not fit it.
    """
    require_sampler(config)
    shape, known = _shape(config)
    n_rows, n_features = shape or (None, None)
    split = split_of(_first_part(config), n_rows, known) if n_rows else None
    if n_features:
        n_features *= len(config.data.lags)
    families = config.families.searched
    counts: dict[Family, int] = {"none": 1, **{family: settings.n_trials for family, settings in families.items()}}
    expected = estimate((n_rows, n_features), fitted_rows(split), counts) if split and n_rows and n_features else None
    return {
        "name": config.name,
        "source": config.data.source,
        "recording": {"rows": n_rows, "features": n_features},
        "rows": dict(split.shown) if split else ranges_in_words(config) or "known once the recording is read",
        "targets": list(config.data.targets),
        "seed": config.seed,
        "trials": config.n_trials,
        "families": {
            "none": {"trials": 1},
            **{
                family: {
                    "trials": settings.n_trials,
                    **({"patience": settings.patience} if settings.patience else {}),
                    **{
                        name: list(strength) if isinstance(strength, tuple) else strength.model_dump(exclude_none=True)
                        for name, strength in settings.strengths.items()
                    },
                    "proposed_by": "exact grid" if settings.is_grid else config.sampler,
                }
                for family, settings in families.items()
            },
        },
        "tracking_uri": without_secrets(uri_of(tracking_uri)),
        "storage": without_secrets(storage_url(storage) or str(home() / "optuna.journal")),
        "seconds": round(expected.seconds, 1) if expected else None,
        "peak_mb": round(expected.peak_bytes / 1e6) if expected else None,
    }


def _shape(config: SearchConfig) -> tuple[tuple[int, int] | None, Annotations]:
    """Return the size of the recording from its header, and what is known of its rows, for which it is read."""
    roles = config.data.roles
    if not (roles.labels or roles.weights or roles.covariates):
        return data.shape(config.data.source, roles), NOTHING
    recording = data.load(config.data.source, roles)
    return (recording.X.shape[0], recording.X.shape[1]), recording.annotations


def _first_part(config: SearchConfig) -> SearchConfig:
    """Return the search of the first part, where each part is tested in turn."""
    return config.for_parts(1)[0][0] if config.is_nested else config
