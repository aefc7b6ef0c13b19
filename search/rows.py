"""The rows that a configuration names: what a search may read, and the sealed test rows."""

from __future__ import annotations

from regsearch import data
from regsearch.data import Development, Recording, SealedTest, Split
from regsearch.search.config import FoldsConfig, SearchConfig


def read_rows(
    config: SearchConfig, given: Recording | None = None, *, progress: bool = True
) -> tuple[Development, SealedTest]:
    """Read a configuration's recording and cut it by its split; the recording itself is let go of.

    Parameters
    ----------
    config : SearchConfig
    given : Recording or None
        What is at hand already, instead of the configuration's source.
    progress : bool
        Whether a download draws a progress bar in a terminal.

    Raises
    ------
    data.DataError
        If there is no such recording, or the split does not fit it.
    """
    recording = given or data.load(config.data.source, config.data.target, progress=progress)
    return data.seal(recording, split_of(config, len(recording.y)))


def split_of(config: SearchConfig, n_rows: int) -> Split:
    """Return the split that a configuration asks of a recording of `n_rows` rows."""
    rows = config.data.split
    if rows is None:
        return Split.by_fractions(n_rows)
    if isinstance(rows.validation, FoldsConfig):
        return Split.blocked(rows.train_blocks, rows.validation.folds, rows.validation.embargo, rows.test)
    return Split.holdout(rows.train_blocks, rows.validation, rows.test)


def test_key(development: Development) -> str:
    """Return the identity of the test rows: the data's hash and the range of rows."""
    start, stop = development.split.test
    return f"{development.data_sha256}:{start}-{stop}"


def check_rows(config: SearchConfig) -> None:
    """Raise `DataError` if the ranges of rows are empty or overlap; whether they fit, only the recording can tell."""
    if config.data.split is not None:
        split_of(config, 0)
