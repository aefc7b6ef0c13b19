"""What people read of a search and of its model in MLflow: records in, Markdown out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from regsearch.data import MEMORY, Development
from regsearch.search.config import PRESETS, Range, SearchConfig
from regsearch.search.penalty import PARAMETERS, Family
from regsearch.tracking import pages
from regsearch.tracking.pages import Chart, View

OBJECTIVE = (
    "Columns are centred and scaled to unit Euclidean norm over the training rows; the objective is "
    "‖y − Xw‖² / 2n + l1·‖w‖₁ + (l2/2)·‖w‖². A ridge alpha is l2·n, a lasso alpha is l1."
)
UNITS = (
    "R² has no unit (1 is perfect, 0 is the mean). Sparsity is the fraction of weights that are exactly zero. Norms "
    "are of the coefficients, in target units per unit of each feature. The duality gap is relative to the objective "
    "at zero weights. Seconds are of solving alone."
)
EXPERIMENT = (
    "Every search is a run, and its trials are the runs below it. **Views**, at the top right, lists the trials best "
    "first, or by family (there, choose the chart view), and the searches, whose descriptions tell who won and "
    f"why.\n\n{OBJECTIVE}\n\n{UNITS} `log10_alpha` is there to sort, filter "
    "and draw by, as MLflow takes parameters for text."
)
"""The description of an experiment."""

_SCORES = ("metrics.r2_validation", "metrics.r2_train", "metrics.n_nonzero", "metrics.sparsity")
_PROPOSED = {
    "tpe": "proposed by TPE",
    "random": "proposed at random",
    "grid": "on a grid",
    "gp": "proposed by a Gaussian process",
    "cmaes": "proposed by CMA-ES",
    "nsgaii": "proposed by NSGA-II",
}
_LIMITS = (
    "Linear: what the target owes to thresholds or products of features is out of reach.",
    "Not causal: a weight says what a feature adds to the prediction beside all the others, not what it does.",
    "Same recording conditions: features in the units and the order of the training rows, without drift; nothing is "
    "known of other recordings.",
    "Normalisation: columns were scaled by their norm over the training rows. One that hardly varied there can have a "
    "large weight, and spoil predictions where it does vary.",
)


@dataclass(frozen=True, eq=False)
class Subject:
    """A search and where it is in MLflow.

    Parameters
    ----------
    config : SearchConfig
    development : Development
    search_id : str
    experiment_id : str
    run_id : str
        Of the search's own run.
    tracking_uri : str
        Where that is, without user and password.
    """

    config: SearchConfig
    development: Development
    search_id: str
    experiment_id: str
    run_id: str
    tracking_uri: str


@dataclass(frozen=True)
class Told:
    """A trial as the story tells it.

    Parameters
    ----------
    name, run_id : str
    r2_train, r2_validation : float
    n_nonzero : int
    sparsity : float
    """

    name: str
    run_id: str
    r2_train: float
    r2_validation: float
    n_nonzero: int
    sparsity: float


@dataclass(frozen=True)
class Tested:
    """What the test rows said of the winner.

    Parameters
    ----------
    r2_test, r2_test_low, r2_test_high : float
        With the ends of its 95 % interval.
    openings : int
        How often these rows had been opened by then.
    """

    r2_test: float
    r2_test_low: float
    r2_test_high: float
    openings: int

    def __str__(self) -> str:
        return f"test {self.r2_test:.4f} (95 % interval {self.r2_test_low:.4f} to {self.r2_test_high:.4f})"


def views(config: SearchConfig, search_id: str) -> dict[str, View]:
    """Return the prepared views by their keys: those of the experiment, by name, and those of this search alone."""
    families: list[Family] = list(config.families.searched)
    strengths = dict.fromkeys(name for family in families for name in _logarithms(family))
    prepared = {}
    for suffix, condition in (("", ""), (_of(search_id), f" AND tags.search_id = '{search_id}'")):
        trials = f"tags.role = 'trial'{condition}"
        columns = ("params.family", *_SCORES, *(f"metrics.{name}" for name in strengths))
        table = View(trials, "r2_validation", columns, name="" if suffix else "All trials, best first")
        prepared[pages.BEST_FIRST + suffix] = table
        for family in families:
            columns = (*_SCORES, *(f"metrics.{name}" for name in _logarithms(family)))
            prepared[family + suffix] = View(
                f"{trials} AND params.family = '{family}'",
                "r2_validation",
                columns,
                _charts(family),
                "" if suffix else f"{_chart_title(family)} (choose the chart view)",
            )
    columns = tuple(f"metrics.best_{score}" for score in ("r2_validation", "r2_train", "n_nonzero", "r2_test"))
    prepared["searches"] = View("tags.role = 'search'", "best_r2_validation", columns, name="Searches, best first")
    return prepared


def opening(config: SearchConfig, development: Development) -> str:
    """Return the description of a search that has not finished."""
    return _paragraphs(f"**{config.name}**: {_trials(config)}.", _data(development), OBJECTIVE, UNITS)


def story(
    subject: Subject,
    winner: Told,
    best: Sequence[Told],
    notes: Iterable[str],
    tested: Tested | None = None,
    version: str = "",
) -> str:
    """Return the description of a finished search.

    MLflow shows its first four lines before "Show more", and only on the first two can links be clicked: they are one
    paragraph.

    Parameters
    ----------
    subject : Subject
    winner : Told
    best : sequence of Told
        The best trial of each family, in the order to be shown in.
    notes : iterable of str
        What a person should know of the winner.
    tested : Tested or None
        ``None`` while the test rows have not been opened for this winner.
    version : str
        Of the registered model that the winner became.
    """
    config, development = subject.config, subject.development
    outcome = [
        f"**Winner: {_run(subject, winner)}**, R² train {winner.r2_train:.4f}, validation {winner.r2_validation:.4f}"
    ]
    if tested:
        model = _link(f"version {version} of {config.name}", pages.version(config.name, version))
        test_rows = (
            f"Opened for this winner, after it was chosen: R² {tested}, by a bootstrap of contiguous blocks. With "
            f"this, they have been opened {_times(tested.openings)}."
        )
        outcome += [str(tested), model]
    else:
        promote = (
            f'promote("{subject.search_id}", data=…)' if _given(config) else f"regsearch promote {subject.search_id}"
        )
        test_rows = f"Nothing has read them. To open them, once: `{promote}`."
    return _paragraphs(
        f"{_look(subject)}<br>{', '.join(outcome)}.",
        *(f"Note: {note}." for note in notes),
        "### What was searched",
        f"{_trials(config)}.",
        _list(_strengths(config)),
        _data(development),
        "### The best of each family",
        _table(subject, winner, best),
        "### Test rows",
        test_rows,
        "### Figures",
        f"Of the winner: {_figure(subject, 'weights')}, below the unregularised ones, and "
        f"{_figure(subject, 'predictions')}. Of each family:",
        *(_picture(subject, family) for family in config.families.searched),
        "### To run it again",
        _again(subject),
        "### How to read the numbers",
        OBJECTIVE,
        UNITS,
    )


def model_card(config: SearchConfig, development: Development, tracking_uri: str) -> str:
    """Return the description of a registered model: what holds for every version of it."""
    return _paragraphs(
        f"{_purpose(development)} Each version is the winner of one search over the penalties of ridge, lasso and "
        "ElasticNet; its own page has the scores and where it comes from.",
        "`champion` is the version to use. A challenger replaces it only if it validates better on the same data and "
        "split, or by force; `regsearch models --rollback` restores the one before.",
        *_use(f"models:/{config.name}@champion", development, tracking_uri),
    )


def version_card(subject: Subject, winner: Told, tested: Tested) -> str:
    """Return the description of a version of a registered model."""
    development = subject.development
    rows = development.split.shown
    return _paragraphs(
        f"{_run(subject, winner)}, the winner of a search. {_purpose(development)} {winner.n_nonzero:,} of its weights "
        "are not zero.",
        "### Scores",
        _list(
            [
                f"R² train {winner.r2_train:.4f}: rows {rows['train']}",
                f"R² validation {winner.r2_validation:.4f}: rows {rows['validation']}, by which it was chosen",
                f"R² {tested}: rows {rows['test']}, by a bootstrap of contiguous blocks",
            ]
        ),
        f"With this, the test rows have been opened {_times(tested.openings)}.",
        *_use(f"runs:/{winner.run_id}/model", development, subject.tracking_uri),
        "### Where it comes from",
        _list(
            [
                f"Search {_link(subject.search_id, pages.run(subject.experiment_id, subject.run_id))}: "
                f"{_trials(subject.config)}",
                f"Trial {_run(subject, winner)} and "
                + _link("its weights", pages.artifact(subject.experiment_id, winner.run_id, "weights.png")),
                f"Data {development.source}, SHA-256 `{development.data_sha256}`",
            ]
        ),
    )


def _purpose(development: Development) -> str:
    return (
        f"Predicts `{development.target}` from {development.n_features:,} features of {development.source}, linearly."
    )


def _use(uri: str, development: Development, tracking_uri: str) -> list[str]:
    lines = (
        "import mlflow",
        "",
        f'mlflow.set_tracking_uri("{tracking_uri}")',
        f'model = mlflow.pyfunc.load_model("{uri}")',
        f"model.predict(X)  # {development.model.X.dtype}, rows × {development.n_features:,} features",
    )
    return [
        "### How to load it",
        "\n".join(("```python", *lines, "```")),
        "It is a plain scikit-learn estimator; regsearch need not be installed.",
        "### Intended use",
        f"To predict `{development.target}` at further time points of the recording that it was fitted on, and to see "
        "which features carry it.",
        "### Limits",
        _list(_LIMITS),
    ]


def _trials(config: SearchConfig) -> str:
    families = ", ".join(
        f"{family} ({'up to ' if settings.patience else ''}{settings.n_trials})"
        for family, settings in config.families.searched.items()
    )
    most = "up to " if config.may_stop_early else ""
    return f"{most}{config.n_trials} trials: the unregularised baseline, {families}"


def _strengths(config: SearchConfig) -> list[str]:
    lines = []
    for family, settings in config.families.searched.items():
        how = "exact grid" if settings.is_grid else _PROPOSED[config.sampler]
        spans = [
            f"{name} {strength.low:g} to {strength.high:g}"
            if isinstance(strength, Range)
            else f"{name} {', '.join(f'{value:g}' for value in strength)}"
            for name, strength in settings.strengths.items()
        ]
        lines.append(f"{family}: {'; '.join(spans)} ({how})")
    return lines


def _data(development: Development) -> str:
    rows = ", ".join(f"{name} {value}" for name, value in development.split.shown.items())
    return (
        f"Data: {development.source}, {development.n_features:,} features, target `{development.target}`; rows: {rows}."
    )


def _look(subject: Subject) -> str:
    experiment_id, suffix = subject.experiment_id, _of(subject.search_id)
    families = [
        _link(_chart_title(family), pages.view(experiment_id, family + suffix, charts=True))
        for family in subject.config.families.searched
    ]
    table = _link("all trials, best first", pages.view(experiment_id, pages.BEST_FIRST + suffix))
    return f"Look at: {' · '.join([table, *families])}"


def _table(subject: Subject, winner: Told, best: Sequence[Told]) -> str:
    rows = [
        ["trial", "R² validation", "R² train", "non-zero", "sparsity"],
        *(
            [
                f"{_run(subject, trial)}{' ★' if trial == winner else ''}",
                f"{trial.r2_validation:.4f}",
                f"{trial.r2_train:.4f}",
                f"{trial.n_nonzero:,}",
                f"{trial.sparsity:.1%}",
            ]
            for trial in best
        ),
    ]
    lines = ["".join(f"| {cell}&emsp; " for cell in row) + "|" for row in rows]  # MLflow leaves no space between cells
    return "\n".join([lines[0], "| --- " * len(rows[0]) + "|", *lines[1:]])


def _figure(subject: Subject, name: str) -> str:
    return _link(name, pages.artifact(subject.experiment_id, subject.run_id, f"figures/{name}.png"))


def _picture(subject: Subject, name: str) -> str:
    """Show a figure as SVG, which has the size of a page; as many pixels as a PNG has push MLflow's side bar away."""
    return f"![{name}]({pages.content(subject.run_id, f'figures/{name}.svg')})"


def _again(subject: Subject) -> str:
    config = subject.config
    preset = next((name for name in PRESETS if SearchConfig.from_preset(name) == config), None)
    if preset:
        return f"`regsearch run {preset}`"
    run = 'run_search(SearchConfig.load("config.toml"), data=…)' if _given(config) else "regsearch run config.toml"
    return f"With its {_link('config.toml', pages.content(subject.run_id, 'config.toml'))}: `{run}`"


def _given(config: SearchConfig) -> bool:
    """Return whether the data were given from Python, so that no command can read them."""
    return config.data.source == MEMORY


def _charts(family: Family) -> tuple[Chart, ...]:
    match _logarithms(family):
        case [alpha]:
            shrinks = "l2_norm" if family == "ridge" else "n_nonzero"
            return tuple(Chart(alpha, score) for score in ("r2_validation", "r2_train", shrinks))
        case [l1_alpha, l2_alpha]:
            return tuple(Chart(l1_alpha, l2_alpha, score) for score in ("r2_validation", "n_nonzero"))
        case _:
            return ()


def _chart_title(family: Family) -> str:
    return f"{family}: R² against {' and '.join(PARAMETERS[family])}"


def _logarithms(family: Family) -> list[str]:
    return [f"log10_{name}" for name in PARAMETERS[family]]


def _times(openings: int) -> str:
    return "once" if openings == 1 else f"{openings} times"


def _of(search_id: str) -> str:
    return f"-{search_id}"


def _run(subject: Subject, trial: Told) -> str:
    return _link(trial.name, pages.run(subject.experiment_id, trial.run_id))


def _link(text: str, address: str) -> str:
    return f"[{text}]({address})"


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(parts)
