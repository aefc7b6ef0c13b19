"""The figures of a finished search, drawn again in another width from what the store holds, without its data."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

from regsearch.errors import ConfigError
from regsearch.search.choice import choose, config_of
from regsearch.search.output.group_scores import GROUPS, draw
from regsearch.search.output.progress import Progress, progress_of
from regsearch.search.output.search_figures import Predicted, drawn, figure_files
from regsearch.search.result import Finished
from regsearch.tracking import figures
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import existing_store

_KINDS = ("pdf", "png")


def redraw(
    search_id: str,
    folder: Path,
    *,
    width: float = figures.DOUBLE,
    tracking_uri: str | None = None,
    progress: bool | Progress = False,
) -> list[Path]:
    """Draw the figures of a search again, as PDF and as PNG at 300 dpi, and return the files.

    The figure of the predictions needs the artifact ``predictions.csv``, which versions before 0.2 did not write.

    Parameters
    ----------
    search_id : str
    folder : Path
        Where to write them; it is made if it does not exist.
    width : float
        Width in mm.
    tracking_uri : str or None
        MLflow tracking URI of the search.
    progress : bool or Progress
        Whether to say on standard error what happens.

    Raises
    ------
    ConfigError
        If the folder cannot be written.
    SearchNotFoundError
        If there is no such search.
    NoWinnerError
        If no trial can win.
    """
    store = existing_store(tracking_uri)
    run = SearchRun.get(store, search_id)
    _require_writable(folder)
    config = config_of(run)
    search = Finished(run, config, choose(run, config))
    predicted = Predicted.from_csv(search.predictions) if search.predictions else None
    groups = run.read(run.run_id, GROUPS) if store.holds(run.run_id, GROUPS) else None
    progress_of(progress).say("drawing the figures …")
    with figures.column(width):
        files = figure_files(search, predicted, _KINDS)
        if groups:
            files |= drawn({"groups": partial(draw, groups, search.winner)}, _KINDS)
    written = []
    for name, content in sorted(files.items()):
        written.append(folder / Path(name).name)
        written[-1].write_bytes(content)
    return written


def _require_writable(folder: Path) -> None:
    """Make a folder unless it is there, and raise `ConfigError` if no file can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        found = "a file" if folder.is_file() else (error.strerror or type(error).__name__).lower()
        raise ConfigError(
            f"--to {folder}: expected a folder that can be written, found {found}; name another folder"
        ) from error
