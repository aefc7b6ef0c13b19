"""The rows of a search: those that it may read, and the sealed test rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from regsearch import data
from regsearch.data import Development, Recording, SealedTest, Split
from regsearch.data.split import Block
from regsearch.search.config import FoldsConfig, SearchConfig


def read_rows(
    config: SearchConfig, given: Recording | None = None, *, progress: bool = True
) -> tuple[Development, SealedTest]:
    """Read a configuration's recording and cut it by its split.

    Parameters
    ----------
    config : SearchConfig
    given : Recording or None
        A recording at hand, to be searched instead of the configuration's source.
    progress : bool
        Whether a download draws a progress bar in a terminal.

    Raises
    ------
    data.DataError
        If there is no such recording, or the split does not fit it.
    """
    recording = given or data.load(
        config.data.source, config.data.target, features=config.data.features, progress=progress
    )
    return data.seal(recording, split_of(config, len(recording.y)))


def read_target(config: SearchConfig, source: str) -> NDArray[np.float64]:
    """Return the target of another recording, by the name that it has in a configuration, shape (n_rows,).

    Raises
    ------
    data.DataError
        If there is no such recording, or it has no such target.
    """
    return data.load(source, config.data.target, features=config.data.features, progress=False).y


def split_of(config: SearchConfig, n_rows: int) -> Split:
    """Return the split of a recording with `n_rows` rows that a configuration asks for."""
    rows = config.data.split
    if rows is None:
        return Split.by_fractions(n_rows)
    if isinstance(rows.validation, FoldsConfig):
        folds, embargo = rows.validation.folds, rows.validation.embargo
        train, test = (rows.train_blocks, rows.test) if rows.test else _by_fractions(n_rows, embargo)
        return Split.blocked(train, folds, embargo, test)
    assert rows.test is not None  # noqa: S101  # the configuration has checked it
    return Split.holdout(rows.train_blocks, rows.validation, rows.test)


def _by_fractions(n_rows: int, embargo: int) -> tuple[tuple[Block, ...], Block]:
    """Return the first 85 % of the rows, less the embargo, and the last 15 %."""
    cut = round(0.85 * n_rows)
    return ((0, max(cut - embargo, 0)),), (cut, n_rows)


def test_key(development: Development) -> str:
    """Return the identity of the test rows: the data's hash and the range of rows."""
    start, stop = development.split.test
    return f"{development.data_sha256}:{start}-{stop}"


def check_rows(config: SearchConfig) -> None:
    """Raise `DataError` if the ranges of rows are empty or overlap; only the recording tells whether they fit it."""
    if config.data.split is not None and config.data.split.test is not None:
        split_of(config, 0)
