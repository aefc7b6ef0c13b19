"""The rows of a search: those that it may read, and the sealed test rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from regsearch import data
from regsearch.data import Development, Recording, SealedTest
from regsearch.errors import ConfigError
from regsearch.search.config import SearchConfig
from regsearch.search.config.search import named_features
from regsearch.search.cutting import require_ranges, split_of

Given = Recording | Sequence[Recording] | None
"""A recording at hand, one for each target, or none, so that the configuration's source is read."""

_MANY = 20
"""Number of ranges from which their hash stands for the test rows."""


def read_rows(config: SearchConfig, given: Given = None, *, progress: bool = True) -> tuple[Development, SealedTest]:
    """Read a configuration's recording and cut it by its split; see `cut`."""
    recordings = recordings_of(config, given, progress=progress)
    if len(recordings) > 1:
        raise ConfigError(f"expected one target, found {', '.join(config.data.targets)}; use `run_targets` for several")
    (rows,) = cut(config, recordings)
    return rows


def recordings_of(config: SearchConfig, given: Given = None, *, progress: bool = True) -> tuple[Recording, ...]:
    """Return the recording of each target: those at hand, or those that the configuration's source holds.

    Parameters
    ----------
    config : SearchConfig
    given : Recording, sequence of Recording or None
    progress : bool
        Whether a download draws a progress bar in a terminal.

    Raises
    ------
    DataError
        If there is no such recording, or one at hand lacks the features that the configuration names.
    """
    if given is None:
        return data.load_targets(config.data.source, config.data.roles, progress=progress)
    recordings = (given,) if isinstance(given, Recording) else tuple(given)
    roles = config.data.roles
    return tuple(one.with_features(named_features(roles, one), roles.exclude) for one in recordings)


def cut(config: SearchConfig, recordings: Sequence[Recording]) -> list[tuple[Development, SealedTest]]:
    """Cut the recordings of each target by a configuration's split.

    Parameters
    ----------
    config : SearchConfig
    recordings : sequence of Recording
        With the same features.

    Raises
    ------
    DataError
        If the split does not fit them.
    """
    first = recordings[0]
    split = split_of(config, len(first.y), first.annotations)
    return data.seal_targets(recordings, split, config.data.preparation)


def require_cuttable(config: SearchConfig, recording: Recording) -> None:
    """Raise what `cut` would raise, without copying any row."""
    data.require_usable(recording, split_of(config, len(recording.y), recording.annotations))


def test_key(development: Development) -> str:
    """Return the identity of the test rows: the data's hash and the rows; empty if there are none."""
    ranges = [f"{start}-{stop}" for start, stop in development.split.test]
    text = ",".join(ranges)
    rows = text if len(ranges) <= _MANY else hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{development.data_sha256}:{rows}" if ranges else ""


def check_rows(config: SearchConfig) -> None:
    """Raise `DataError` if the ranges of rows are empty or overlap; only the recording tells whether they fit it."""
    if config.data.split is not None:
        require_ranges(config.data.split, 0)
