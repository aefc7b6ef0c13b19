"""The text that people read in MLflow about a search and its model: records in, Markdown out."""

from __future__ import annotations

from collections.abc import Iterable

from regsearch.data import MEMORY, Development, Scale
from regsearch.search.chance.distribution import NullDistribution, in_words
from regsearch.search.config import PRESETS, SearchConfig
from regsearch.search.config.families import Range
from regsearch.search.notes import early_stops, edges, promoting
from regsearch.search.output.nested_record import RESULT, TABLE
from regsearch.search.output.views import view_addresses
from regsearch.search.result import Search, Tested
from regsearch.search.trial import Trial, best_first, best_of_each_family
from regsearch.tracking import pages
from regsearch.tracking.limits import cut_all
from regsearch.tracking.records import STEMS, WEIGHTS, TrialRecord

_OBJECTIVE = (
    "Over the training rows, the columns are {scaled}. The weights w minimise "
    "‖y − Xw‖² / 2n + l1·‖w‖₁ + (l2/2)·‖w‖². The alpha of ridge is l2·n, the alpha of the lasso is l1."
)
_SCALED: dict[Scale, str] = {
    "unit-norm": "centred and scaled to unit Euclidean norm",
    "standard": "centred and scaled to unit standard deviation",
    "none": "centred and left in their own units",
}
UNITS = (
    "R² is the share of the target's variance that the predictions explain: 1 is perfect, 0 is as good as always "
    "predicting the mean. Sparsity is the share of weights that are exactly zero. `l1_norm` and `l2_norm` are norms of "
    "the weights, in target units per unit of a feature. `duality_gap` is an upper bound of the fit's relative error. "
    "`fit_seconds` is the time to solve the trial, without drawing and logging."
)
EXPERIMENT = (
    "Every search is a run, and its trials are the runs below it. The menu **Views**, at the top right, shows all "
    "trials, the trials of one family (choose the chart view), or all searches. The description of a search says "
    f"which trial won.\n\n{UNITS} MLflow stores parameters as text: to sort, filter or draw by `alpha`, use the metric "
    "`log10_alpha`."
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
_DIVISOR: dict[Scale, str] = {"unit-norm": "norm", "standard": "standard deviation"}
_LIMITS = (
    "Linear: the model does not see thresholds or products of features.",
    "Not causal: a weight says what a feature adds to the prediction, given all other features. It does not say what "
    "the feature causes.",
    "Same conditions: the model needs features in the units and the order of the training rows. Nothing is known of "
    "data that were recorded in another way.",
)
_SCALE_LIMIT = (
    "Scaling: each column was divided by its {divisor} over the training rows. A column that hardly varied there can "
    "have a large weight, and spoil the predictions where it varies more."
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
            f"They were opened for this winner, after it was chosen: R² {tested}, {_bootstrap(development)}. "
            f"{_opened(tested)}"
        )
        outcome += [str(tested), *([model] if model else [])]
    elif not development.split.test:
        test_rows = f"{_never_tested(search)}{f' It is version {version}.' if version else ''}"
    else:
        test_rows = f"They are sealed. This opens them, once: `{promoting(search.run.search_id, config)}`."
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
        *(
            _figures(search)
            if is_drawn
            else [f"No figures were drawn. `regsearch figures {search.run.search_id}` draws them."]
        ),
        "### How to run it again",
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
        f"{_purpose(development)} Each version is the winner of one search over penalties. The version's page shows "
        "its scores and its origin.",
        "`champion` is the version to use. A new winner replaces it if its validation R² is higher on the same data "
        "and split; otherwise only with `--force`. `regsearch models --rollback` restores the previous champion.",
        *_use(f"models:/{search.config.name}@champion", search),
    )


def version_card(search: Search, tested: Tested | None, *, is_drawn: bool = True) -> str:
    """Return the description of a version of a registered model; see `story`."""
    development, winner, experiment_id = search.development, search.winner, search.run.experiment_id
    rows = _rows(development)
    return _paragraphs(
        f"{_run(search, winner)}, the winner of a search. {_purpose(development)} Weights that are not zero: "
        f"{winner.n_nonzero:,}.",
        "### Scores",
        _list(
            [
                f"R² train {winner.r2_train:.4f}; training rows: {rows['train']}",
                f"R² validation {winner.r2_validation:.4f}, by which it won; validation rows: {rows['validation']}",
                *([f"R² {tested}, {_bootstrap(development)}; test rows: {rows['test']}"] if tested else []),
            ]
        ),
        _opened(tested) if tested else _never_tested(search),
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
            f"It was fitted on all rows. The same search was repeated without each part of the rows and tested on that "
            f"part: {nested}, {_link('the parts', pages.artifact(search.run.experiment_id, search.run.run_id, TABLE))}."
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
        "This needs MLflow, scikit-learn and skops, but not regsearch.",
        "### Intended use",
        f"To predict `{development.target}` in new rows that are recorded like the training rows, and to see which "
        "features the prediction uses.",
        "### Limits",
        _list(_limits(development)),
    ]


def _limits(development: Development) -> list[str]:
    divisor = _DIVISOR.get(development.preparation.scale)
    return [*_LIMITS, *([_SCALE_LIMIT.format(divisor=divisor)] if divisor else [])]


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
        f"The winner's {_figure(search, 'weights')}, below those of the unregularised model, and its "
        f"{_figure(search, 'predictions')}. The scores of each family:",
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
    return f"Download {_link('config.toml', pages.content(search.run.run_id, 'config.toml'))}, and run: `{run}`"


def _opened(tested: Tested) -> str:
    times = "once" if tested.openings == 1 else f"{tested.openings} times"
    return f"The test rows have been opened {times}, this time included."


def _run(search: Search, trial: Trial) -> str:
    return _link(trial.name, pages.run(search.run.experiment_id, trial.run_id))


def _link(text: str, address: str) -> str:
    return f"[{text}]({address})"


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(parts)
