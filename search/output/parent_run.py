"""The parent run of a search: the tables of trials and of weights, the figures, the scores and the description.

Each is written only if it is not yet there for these trials and this winner, so that resuming a search is cheap and
does not overwrite what a person wrote.
"""

from __future__ import annotations

import math

from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from regsearch.data import Rows
from regsearch.search.notes import edges
from regsearch.search.output import mlflow_text, nested_record, null_record
from regsearch.search.output.group_scores import GROUPS, draw, group_scores
from regsearch.search.output.search_figures import Predicted, drawn, figure_files, predictions_files
from regsearch.search.result import PREDICTIONS, TEST_SCORES, Search, Tested, table

_SCORES = ("r2_train", "r2_validation", "sparsity", "n_nonzero", "duality_gap")
_PREDICTED, _TESTED = ", with the predictions", ", with the test rows"
STORY_OF = "story_of"
"""Tag of a search's run: which trials, winner, rule and version its description tells of; empty while it runs."""


def is_summarised(search: Search) -> bool:
    """Return whether the parent run already shows these trials and this winner."""
    run = search.run
    summary_of = run.run.data.tags.get("summary_of", "").removesuffix(_TESTED).removesuffix(_PREDICTED)
    return summary_of == _state(search) and run.store.holds(run.run_id, "trials.csv")


def summarise(search: Search) -> None:
    """Write the tables of trials and of the winner's weights and predictions, the figures and the best scores.

    What shows the predictions is drawn once it is known whether the test rows are among them, by `draw_tested` or
    `describe`.
    """
    run, winner = search.run, search.winner
    development = search.development
    lags, names = development.preparation.lags, development.feature_names
    lagged = "" if lags == (0,) else f" @ lag {lags[0]}"
    features = [name.removesuffix(lagged) for name in names[: len(names) // len(lags)]]
    weights = search.weights.table(features, lags, development.covariate_names)
    predicted = Predicted.of(search).table(search.target)
    tables = {"trials.csv": table(search.trials), "weights.csv": weights, PREDICTIONS: predicted}
    files = {name: rows.to_csv(index=False).encode() for name, rows in tables.items()}
    run.write(files | figure_files(search, None))
    ends = "; ".join(edges(winner, search.choice.absolute))
    run.annotate(
        metrics={f"best_{score}": winner.metrics[score] for score in _SCORES},
        tags={"best": winner.name, "best_run_id": winner.run_id, "edges": ends},
    )
    run.annotate(tags={"summary_of": _state(search)})


def draw_tested(search: Search, test: Rows) -> None:
    """Write and draw the winner's predictions, with those of the opened test rows."""
    predicted = Predicted.of(search, test)
    rows = {PREDICTIONS: predicted.table(search.target).to_csv(index=False).encode()}
    search.run.write(rows | predictions_files(search, predicted) | _group_files(search, predicted, test))
    search.run.annotate(tags={"summary_of": _state(search) + _TESTED})


def _draw_untested(search: Search) -> None:
    if search.run.run.data.tags.get("summary_of") == _state(search):
        predicted = Predicted.of(search)
        search.run.write(predictions_files(search, predicted) | _group_files(search, predicted))
        search.run.annotate(tags={"summary_of": _state(search) + _PREDICTED})


def _group_files(search: Search, predicted: Predicted, test: Rows | None = None) -> dict[str, bytes]:
    scores = group_scores([fold.validation for fold in search.development.folds], predicted, test)
    if scores is None:
        return {}
    table = scores.to_csv(index=False).encode()
    return {GROUPS: table} | drawn({"groups": lambda: draw(table, search.winner)})


def is_drawn_tested(search: Search) -> bool:
    """Return whether the figure of the predictions has the test rows."""
    return search.run.run.data.tags.get("summary_of") == _state(search) + _TESTED


def describe(search: Search, tested: Tested | None = None, version: str = "") -> None:
    """Write the description, unless it already tells of these trials, this winner by this rule, and this version.

    If the test rows have not been opened for the winner, its predictions are drawn without them.

    Parameters
    ----------
    search : Search
    tested : Tested or None
        The winner's test scores; ``None`` if the test rows have not been opened for it.
    version : str
        Version of the registered model that the winner became, or empty.
    """
    rule = "" if search.config.select == "best" else f" by {search.config.select}"
    told_of = f"{_state(search)}{rule}, version {version or 'none'}"
    if search.run.run.data.tags.get(STORY_OF) == told_of:
        return
    if tested is None:
        _draw_untested(search)
    told = mlflow_text.story(search, tested, version, is_drawn=search.is_drawn)
    text = mlflow_text.with_chance(told, mlflow_text.chance(search))
    search.run.annotate(metrics=_changed(search, tested), tags={MLFLOW_RUN_NOTE: text, STORY_OF: told_of})


def _changed(search: Search, tested: Tested | None) -> dict[str, float]:
    """Return metrics that the run has of another winner or rule: their values for this one, NaN if there are none."""
    known = search.run.run.data.metrics
    scores = tested.scores if tested else dict.fromkeys(TEST_SCORES, math.nan)
    now = {f"best_{name}": value for name, value in scores.items()}
    now |= null_record.metrics_of_choice(search, known) | nested_record.metrics_of_choice(search, known)
    return {name: value for name, value in now.items() if name in known and repr(known[name]) != repr(value)}


def _state(search: Search) -> str:
    return f"{len(search.trials)} of {search.config.n_trials} trials, winner {search.winner.run_id}"
