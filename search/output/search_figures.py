"""What people read of a search: names and descriptions of its runs, and the figures of the whole."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from regsearch.data import Development
from regsearch.errors import NoWinnerError
from regsearch.search.config import SearchConfig
from regsearch.search.output import mlflow_text
from regsearch.search.output.importance import strength_importance
from regsearch.search.output.trial_files import Weights, read_weights
from regsearch.search.penalty import PARAMETERS, Family, penalty_of, trial_name
from regsearch.search.proposals.studies import Proposal
from regsearch.search.solving.evaluate import Solved, predict
from regsearch.search.winner import edges, stops, winner
from regsearch.tracking import figures
from regsearch.tracking.runs import SearchRecord, SearchRun, TrialRecord


def search_record(config: SearchConfig, search_id: str, development: Development) -> SearchRecord:
    """Return what is logged of a search when it starts."""
    rows = development.split.shown
    return SearchRecord(
        search_id=search_id,
        name=f"search {search_id}",
        description=mlflow_text.opening(config, development),
        about=mlflow_text.EXPERIMENT,
        views=mlflow_text.views(config, search_id),
        data_sha256=development.data_sha256,
        source=development.source,
        shape=(len(development.model.y), development.n_features),
        params={"sampler": config.sampler, "seed": str(config.seed), **{f"rows_{k}": v for k, v in rows.items()}},
    )


def trial_record(
    family: Family, proposal: Proposal, n_rows: int, tolerance: float, solved: Solved | None = None
) -> TrialRecord:
    """Return what is logged of a trial, in both forms of its penalty."""
    parameters = proposal.parameters
    penalty = penalty_of(family, parameters, n_rows)
    both = {} if family == "none" else {"l1_ratio": penalty.l1_ratio, "sklearn_alpha": penalty.sklearn_alpha}
    logarithms = {f"log10_{name}": math.log10(value) for name, value in parameters.items()}
    return TrialRecord(
        family=family,
        trial=proposal.number,
        name=trial_name(family, parameters),
        description=f"{trial_name(family, parameters)}. {mlflow_text.UNITS}",
        params={**parameters, **both},
        metrics={**solved.evaluation.metrics(), **logarithms} if solved else {},
        certified=solved is not None and solved.evaluation.duality_gap <= tolerance,
    )


def is_current(run: SearchRun, config: SearchConfig, trials: pd.DataFrame, best: pd.Series) -> bool:
    """Return whether the parent run already shows these trials and this winner."""
    known = run.run.data.tags.get("summary_of")
    return known == _summary_of(config, trials, best) and run.store.holds(run.run_id, "trials.csv")


def summarise(
    run: SearchRun, config: SearchConfig, development: Development, trials: pd.DataFrame, best: pd.Series
) -> None:
    """Write the parent run's table, figures and best scores."""
    name = trial_name(best["family"], best)
    weights = read_weights(run, best["run_id"])
    unregularised = read_weights(run, _baseline(trials)["run_id"])
    model = development.model
    fitted = figures.Trace(model.index, model.y, predict(model, weights.coef, weights.intercept))
    drawn = {
        "weights": figures.weights_compared(unregularised.coef, weights.coef, name),
        "predictions": figures.predictions(fitted, _validated(development, weights), development.target, name),
        **_search_figures(config, trials),
        **_family_figures(config, trials),
    }
    files = {f"figures/{title}.png": figures.to_png(figure) for title, figure in drawn.items()}
    files |= {f"figures/{title}.svg": figures.to_svg(figure) for title, figure in drawn.items()}
    run.write({"trials.csv": trials.to_csv(index=False).encode(), **files})
    scores = ["r2_train", "r2_validation", "sparsity", "n_nonzero", "duality_gap"]
    run.annotate(
        metrics={f"best_{score}": float(best[score]) for score in scores},
        tags={"best": name, "best_run_id": best["run_id"], "edges": "; ".join(edges(best, config))},
    )
    tell(run, config, development, trials, best)
    run.annotate(tags={"summary_of": _summary_of(config, trials, best)})


def tell(
    run: SearchRun,
    config: SearchConfig,
    development: Development,
    trials: pd.DataFrame,
    best: pd.Series,
    tested: mlflow_text.Tested | None = None,
    version: str = "",
) -> None:
    """Write the parent run's description, unless it is already of these trials, this winner and this version."""
    told_of = f"{_summary_of(config, trials, best)}, version {version or 'none'}"
    if run.run.data.tags.get("story_of") == told_of:
        return
    ranked = trials.sort_values("r2_validation", ascending=False, kind="stable").drop_duplicates("family")
    families = [told(row) for _, row in ranked.iterrows()]
    notes = [*edges(best, config), *stops(trials, config)]
    text = mlflow_text.story(subject(run, config, development), told(best), families, notes, tested, version)
    run.annotate(tags={MLFLOW_RUN_NOTE: text, "story_of": told_of})


def subject(run: SearchRun, config: SearchConfig, development: Development) -> mlflow_text.Subject:
    """Return a search with its place in MLflow."""
    search_id = config.search_id(development.data_sha256)
    return mlflow_text.Subject(config, development, search_id, run.experiment_id, run.run_id, run.store.shown)


def told(row: pd.Series) -> mlflow_text.Told:
    """Return a row of the table of trials as the story tells it."""
    scores = (float(row["r2_train"]), float(row["r2_validation"]), int(row["n_nonzero"]), float(row["sparsity"]))
    return mlflow_text.Told(trial_name(row["family"], row), row["run_id"], *scores)


def _summary_of(config: SearchConfig, trials: pd.DataFrame, best: pd.Series) -> str:
    return f"{len(trials)} of {config.n_trials} trials, winner {best['run_id']}"


def _search_figures(config: SearchConfig, trials: pd.DataFrame) -> dict[str, Figure]:
    searched = trials[trials["family"] != "none"]
    return {
        "trade_off": figures.trade_off(
            trials["family"].tolist(),
            trials["n_nonzero"].to_numpy(float),
            trials["r2_validation"].to_numpy(),
            _choices(trials, config),
            lambda at: trial_name(trials["family"].iloc[at], trials.iloc[at]),
        ),
        "history": figures.history(
            searched["family"].tolist(),
            searched["trial"].to_numpy(float),
            searched["r2_validation"].to_numpy(),
            _baseline(trials)["r2_validation"],
        ),
    }


def _family_figures(config: SearchConfig, trials: pd.DataFrame) -> dict[str, Figure]:
    baseline = _baseline(trials)
    drawn: dict[str, Figure] = {}
    for family in config.families.searched:
        rows = trials[trials["family"] == family]
        choices = _choices(rows, config)
        strengths = {name: rows[name].to_numpy() for name in PARAMETERS[family]}
        r2_validation = rows["r2_validation"].to_numpy()
        if family == "elasticnet":
            drawn[family] = figures.mix_heatmap(**strengths, r2_validation=r2_validation, choices=choices)
            shares = strength_importance(strengths, r2_validation)
            if shares is not None:
                drawn["importance"] = figures.importance(strengths, r2_validation, shares, choices)
        else:
            drawn[family] = figures.r2_against_alpha(
                family,
                strengths["alpha"],
                rows["r2_train"].to_numpy(),
                r2_validation,
                rows["r2_validation_se"].to_numpy(),
                (baseline["r2_train"], baseline["r2_validation"]),
                choices,
            )
    return drawn


def _baseline(trials: pd.DataFrame) -> pd.Series:
    return trials[trials["family"] == "none"].iloc[0]


def _choices(trials: pd.DataFrame, config: SearchConfig) -> figures.Choices | None:
    """Return which of some trials the two rules choose, if any may be chosen."""
    position = trials["run_id"].tolist().index
    try:
        best, one_se = winner(trials, config.tolerance), winner(trials, config.tolerance, "one-se")
    except NoWinnerError:
        return None
    return figures.Choices(position(best["run_id"]), position(one_se["run_id"]))


def _validated(development: Development, weights: Weights) -> figures.Trace:
    rows = [fold.validation for fold in development.folds]
    return figures.Trace(
        np.concatenate([one.index for one in rows]),
        np.concatenate([one.y for one in rows]),
        np.concatenate(weights.predicted),
    )
