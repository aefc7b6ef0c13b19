"""The text that people read in MLflow about a search and its model: records in, Markdown out."""

from __future__ import annotations

from collections.abc import Iterable

from regsearch.data import MEMORY, Development, Scale
from regsearch.search.chance.distribution import NullDistribution, in_words
from regsearch.search.config import SearchConfig
from regsearch.search.config_text import PRESETS
from regsearch.search.families import Range
from regsearch.search.notes import early_stops, edges, promoting
from regsearch.search.output.nested_record import RESULT, TABLE
from regsearch.search.output.views import view_addresses
from regsearch.search.result import Search, Tested
from regsearch.search.trial import Trial, best_first, best_of_each_family
from regsearch.tracking import pages
from regsearch.tracking.limits import cut_all
from regsearch.tracking.records import STEMS, WEIGHTS, TrialRecord

_OBJECTIVE = (
    "Columns are {scaled} over the training rows; the objective is "
    "‖y − Xw‖² / 2n + l1·‖w‖₁ + (l2/2)·‖w‖². A ridge alpha is l2·n, a lasso alpha is l1."
)
_SCALED: dict[Scale, str] = {
    "unit-norm": "centred and scaled to unit Euclidean norm",
    "standard": "centred and scaled to unit standard deviation",
    "none": "centred and left in their own units",
}
UNITS = (
    "R² has no unit (1 is perfect, 0 is the mean). Sparsity is the fraction of weights that are exactly zero. Norms "
    "are of the coefficients, in target units per unit of each feature. The duality gap is relative to the objective "
    "at zero weights. Seconds are of solving alone."
)
EXPERIMENT = (
    "Every search is a run, and its trials are the runs below it. **Views**, at the top right, lists the trials best "
    "first, or by family (there, choose the chart view), and the searches, whose descriptions tell who won and "
    f"why.\n\n{UNITS} `log10_alpha` is there to sort, filter "
    "and draw by, as MLflow takes parameters for text."
)
"""The description of an experiment."""

_PROPOSED = {
    "tpe": "proposed by TPE",
    "random": "proposed at random",
    "grid": "on a grid",
    "gp": "proposed by a Gaussian process",
    "cmaes": "proposed by CMA-ES",
    "nsgaii": "proposed by NSGA-II",
}
_LONGEST_ROWS = 300
_CHANCE = "**Better than chance?** "
_LIMITS = (
    "Linear: what the target owes to thresholds or products of features is out of reach.",
    "Not causal: a weight says what a feature adds to the prediction beside all the others, not what it does.",
    "Same recording conditions: features in the units and the order of the training rows, without drift; nothing is "
    "known of other recordings.",
    "Normalisation: columns were scaled by their norm over the training rows. One that hardly varied there can have a "
    "large weight, and spoil predictions where it does vary.",
)


def opening(config: SearchConfig, development: Development) -> str:
    """Return the description of an unfinished search."""
    return _paragraphs(f"**{config.name}**: {_trials(config)}.", _data(development), _objective(development), UNITS)


def so_far(search_id: str, experiment_id: str, config: SearchConfig, done: int, best: TrialRecord | None) -> str:
    """Return what stands above the `opening` while a search runs; `best` is the best certified trial so far."""
    most = f"{'up to ' if config.may_stop_early else ''}{config.n_trials}"
    score = ""
    if best:
        trial = _link(best.name, pages.run(experiment_id, best.run_id))
        score = f" Best validation R² so far: {best.metrics['r2_validation']:.4f}, {trial}."
    return f"{_look(search_id, experiment_id, config)}<br>**{done} of {most} trials are done.**{score}"


def story(search: Search, tested: Tested | None = None, version: str = "", *, is_drawn: bool = True) -> str:
    """Return the description of a finished search.

    MLflow shows four lines before "Show more", and makes links of the first two lines only.  So these two lines are
    one paragraph.

    Parameters
    ----------
    search : Search
    tested : Tested or None
        The winner's test scores; ``None`` if the test rows have not been opened for it.
    version : str
        Version of the registered model that the winner became, or empty.
    is_drawn : bool
        Whether the search's figures were drawn.
    """
    config, development, winner = search.config, search.development, search.winner
    remarks = [*edges(winner, search.choice.absolute), *early_stops(search.trials, config)]
    outcome = [
        f"**Winner: {_run(search, winner)}**, R² train {winner.r2_train:.4f}, validation {winner.r2_validation:.4f}"
    ]
    if tested:
        model = _link(f"version {version} of {config.name}", pages.version(config.name, version)) if version else ""
        test_rows = (
            f"Opened for this winner, after it was chosen: R² {tested}, {_bootstrap(development)}. With "
            f"this, they have been opened {_times(tested.openings)}."
        )
        outcome += [str(tested), *([model] if model else [])]
    elif not development.split.test:
        test_rows = f"{_never_tested(search)}{f' It is version {version}.' if version else ''}"
    else:
        test_rows = f"Nothing has read them. To open them, once: `{promoting(search.run.search_id, config)}`."
    return _paragraphs(
        f"{_look(search.run.search_id, search.run.experiment_id, config)}<br>{', '.join(outcome)}.",
        *(f"Note: {remark}." for remark in remarks),
        "### What was searched",
        f"{_trials(config)}.",
        _list(_strengths(search)),
        _data(development),
        "### The best of each family",
        _table(search),
        "### Test rows",
        test_rows,
        "### Figures",
        *(_figures(search) if is_drawn else [f"None were drawn. `regsearch figures {search.run.search_id}` does."]),
        "### To run it again",
        _again(search),
        "### How to read the numbers",
        _objective(development),
        UNITS,
    )


def chance(search: Search) -> str:
    """Return what the null distributions of a search's choice came to; empty without any."""
    results = [said for tag in ("null_result", "null_test_result") if (said := search.said_of_choice(tag))]
    return f"{_CHANCE}{'. '.join(results)}." if results else ""


def with_chance(text: str, line: str) -> str:
    """Return a description with that line as its second paragraph, instead of an earlier such line."""
    paragraphs = [one for one in text.split("\n\n") if not one.startswith(_CHANCE)]
    return _paragraphs(*paragraphs[:1], *([line] if line else []), *paragraphs[1:])


def chance_title(found: NullDistribution) -> str:
    """Return the title of a null distribution's figure."""
    return f"p = {found.p:.3g}, by {in_words(found.kind, found.n)}; the smallest possible is {found.smallest_p:.3g}"


def model_card(search: Search) -> str:
    """Return the description of a registered model, which holds for every version of it."""
    development = search.development
    return _paragraphs(
        f"{_purpose(development)} Each version is the winner of one search over the penalties of ridge, lasso and "
        "ElasticNet; its own page has the scores and where it comes from.",
        "`champion` is the version to use. A challenger replaces it only if it validates better on the same data and "
        "split, or by force; `regsearch models --rollback` restores the one before.",
        *_use(f"models:/{search.config.name}@champion", search),
    )


def version_card(search: Search, tested: Tested | None, *, is_drawn: bool = True) -> str:
    """Return the description of a version of a registered model; see `story`."""
    development, winner, experiment_id = search.development, search.winner, search.run.experiment_id
    rows = _rows(development)
    return _paragraphs(
        f"{_run(search, winner)}, the winner of a search. {_purpose(development)} {winner.n_nonzero:,} of its weights "
        "are not zero.",
        "### Scores",
        _list(
            [
                f"R² train {winner.r2_train:.4f}: rows {rows['train']}",
                f"R² validation {winner.r2_validation:.4f}: rows {rows['validation']}, by which it was chosen",
                *([f"R² {tested}: rows {rows['test']}, {_bootstrap(development)}"] if tested else []),
            ]
        ),
        f"With this, the test rows have been opened {_times(tested.openings)}." if tested else _never_tested(search),
        *_use(f"runs:/{winner.run_id}/model", search),
        "### Where it comes from",
        _list(
            [
                f"Search {_link(search.run.search_id, pages.run(experiment_id, search.run.run_id))}: "
                f"{_trials(search.config)}",
                f"Trial {_run(search, winner)} and "
                + _link("its weights", pages.artifact(experiment_id, winner.run_id, STEMS if is_drawn else WEIGHTS)),
                f"Data {development.source}, SHA-256 `{development.data_sha256}`",
            ]
        ),
    )


def _never_tested(search: Search) -> str:
    if nested := search.said_of_choice(RESULT):
        return (
            f"It was fitted on all rows. Searches like it, each without one part of the rows, reach {nested}: "
            f"{_link('the parts', pages.artifact(search.run.experiment_id, search.run.run_id, TABLE))}."
        )
    return "It was never tested: no rows were kept for a test."


def _objective(development: Development) -> str:
    return _OBJECTIVE.format(scaled=_SCALED[development.preparation.scale])


def _bootstrap(development: Development) -> str:
    return f"by a bootstrap of {'single rows' if development.preparation.independent else 'contiguous blocks'}"


def _purpose(development: Development) -> str:
    return f"Predicts `{development.target}` from {_columns(development)} of {development.source}, linearly."


def _columns(development: Development) -> str:
    """Return what the target is predicted from, in words."""
    lags, covariates = development.preparation.lags, development.covariate_names
    columns = f"{development.n_features // len(lags):,} features"
    if lags != (0,):
        columns += f" at lags {', '.join(map(str, lags))}"
    return columns + (f" and {len(covariates)} covariates ({', '.join(covariates)})" if covariates else "")


def _taken(development: Development) -> str:
    """Return the columns that the model takes, in words."""
    covariates = len(development.covariate_names)
    columns = f"{development.n_features:,} {'features' if development.preparation.lags == (0,) else 'lagged features'}"
    return columns + (f", then {covariates} covariates" if covariates else "")


def _use(uri: str, search: Search) -> list[str]:
    development = search.development
    lines = (
        "import mlflow",
        "",
        f'mlflow.set_tracking_uri("{search.run.store.shown}")',
        f'model = mlflow.pyfunc.load_model("{uri}")',
        f"model.predict(X)  # {development.model.X.dtype}, rows × {_taken(development)}",
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


def _strengths(search: Search) -> list[str]:
    lines = []
    given = search.config.families.searched
    for family, settings in search.choice.absolute.families.searched.items():
        how = "exact grid" if settings.is_grid else _PROPOSED[search.config.sampler]
        spans = [
            f"{name} {strength.low:.4g} to {strength.high:.4g}"
            if isinstance(strength, Range)
            else f"{name} {', '.join(f'{value:.4g}' for value in strength)}"
            for name, strength in settings.strengths.items()
        ]
        relative = ", relative to the data" if given[family].is_relative else ""
        lines.append(f"{family}: {'; '.join(spans)} ({how}{relative})")
    return lines


def _data(development: Development) -> str:
    rows = ", ".join(f"{name} {value}" for name, value in _rows(development).items())
    return f"Data: {development.source}, {_columns(development)}, target `{development.target}`; rows: {rows}."


def _rows(development: Development) -> dict[str, str]:
    """Return the split in words; where it has very many ranges, the first of them: the parameters hold the rest."""
    return cut_all(development.split.shown, _LONGEST_ROWS)


def _look(search_id: str, experiment_id: str, config: SearchConfig) -> str:
    links = [_link(title, address) for title, address in view_addresses(config, search_id, experiment_id).items()]
    return f"Look at: {' · '.join(links)}"


def _table(search: Search) -> str:
    headings = ("R² validation", "R² train", "non-zero", "sparsity")
    rows = [
        ["trial", *headings],
        *(
            [f"{_run(search, trial)}{' ★' if trial == search.winner else ''}", *(trial.cells[one] for one in headings)]
            for trial in _shown_trials(search)
        ),
    ]
    lines = ["".join(f"| {cell}&emsp; " for cell in row) + "|" for row in rows]  # MLflow leaves no space between cells
    return "\n".join([lines[0], "| --- " * len(rows[0]) + "|", *lines[1:]])


def _shown_trials(search: Search) -> list[Trial]:
    """Return the best trial of each family and the winner, which need not be one of them."""
    best = best_of_each_family(search.trials)
    return best if search.winner in best else best_first([*best, search.winner])


def _figures(search: Search) -> list[str]:
    return [
        f"Of the winner: {_figure(search, 'weights')}, below the unregularised ones, and "
        f"{_figure(search, 'predictions')}. Of each family:",
        *(_picture(search, family) for family in search.config.families.searched),
    ]


def _figure(search: Search, name: str) -> str:
    return _link(name, pages.artifact(search.run.experiment_id, search.run.run_id, f"figures/{name}.png"))


def _picture(search: Search, name: str) -> str:
    """Show a figure as SVG, which is as large as a page; the pixels of a PNG push MLflow's side bar away."""
    return f"![{name}]({pages.content(search.run.run_id, f'figures/{name}.svg')})"


def _again(search: Search) -> str:
    config = search.config
    preset = next((name for name in PRESETS if SearchConfig.from_preset(name) == config), None)
    if preset:
        return f"`regsearch run {preset}`"
    is_given = config.data.source == MEMORY  # from Python, where no command reads them
    run = 'run_search(SearchConfig.load("config.toml"), data=…)' if is_given else "regsearch run config.toml"
    return f"With its {_link('config.toml', pages.content(search.run.run_id, 'config.toml'))}: `{run}`"


def _times(openings: int) -> str:
    return "once" if openings == 1 else f"{openings} times"


def _run(search: Search, trial: Trial) -> str:
    return _link(trial.name, pages.run(search.run.experiment_id, trial.run_id))


def _link(text: str, address: str) -> str:
    return f"[{text}]({address})"


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(parts)
