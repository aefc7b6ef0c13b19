"""What the parent run of a search shows: the table of trials, the figures, the best scores and the description.

Each is written only if it is not yet there for these trials and this winner, so that resuming a search is cheap and
does not overwrite what a person wrote.
"""

from __future__ import annotations

from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from regsearch.search.notes import edges
from regsearch.search.output import mlflow_text
from regsearch.search.output.search_figures import figure_files
from regsearch.search.result import Search, table

_SCORES = ("r2_train", "r2_validation", "sparsity", "n_nonzero", "duality_gap")


def is_summarised(search: Search) -> bool:
    """Return whether the parent run already shows these trials and this winner."""
    run = search.run
    return run.run.data.tags.get("summary_of") == _state(search) and run.store.holds(run.run_id, "trials.csv")


def summarise(search: Search) -> None:
    """Write the table of trials, the figures and the best scores."""
    run, winner = search.run, search.winner
    run.write({"trials.csv": table(search.trials).to_csv(index=False).encode(), **figure_files(search)})
    ends = "; ".join(edges(winner, search.absolute))
    run.annotate(
        metrics={f"best_{score}": winner.metrics[score] for score in _SCORES},
        tags={"best": winner.name, "best_run_id": winner.run_id, "edges": ends},
    )
    run.annotate(tags={"summary_of": _state(search)})


def describe(search: Search, tested: mlflow_text.Tested | None = None, version: str = "") -> None:
    """Write the description, unless it already tells of these trials, this winner and this version.

    Parameters
    ----------
    search : Search
    tested : Tested or None
        The winner's test scores; ``None`` if the test rows have not been opened for it.
    version : str
        Version of the registered model that the winner became, or empty.
    """
    told_of = f"{_state(search)}, version {version or 'none'}"
    if search.run.run.data.tags.get("story_of") == told_of:
        return
    text = mlflow_text.story(search, tested, version)
    search.run.annotate(tags={MLFLOW_RUN_NOTE: text, "story_of": told_of})


def _state(search: Search) -> str:
    return f"{len(search.trials)} of {search.config.n_trials} trials, winner {search.winner.run_id}"
