"""The views of a search's trials that are prepared for MLflow's UI: tables and charts."""

from __future__ import annotations

from regsearch.search.config import SearchConfig
from regsearch.search.penalty import PARAMETERS, Family
from regsearch.tracking import pages
from regsearch.tracking.pages import Chart, Parallel, View

_SCORES = ("metrics.r2_validation", "metrics.r2_train", "metrics.n_nonzero", "metrics.sparsity")
_COMMON_CHARTS = (
    Chart("log10_alpha", "r2_validation"),
    Chart("n_nonzero", "r2_validation"),
    Parallel(("r2_train", "n_nonzero", "r2_validation")),
)
"""Charts of all families; MLflow draws any others that it thinks of, such as of the duality gap, below and folded."""


def views(config: SearchConfig, search_id: str) -> dict[str, View]:
    """Return the prepared views by key: the named ones are of the whole experiment, the others of this search alone."""
    families: list[Family] = list(config.families.searched)
    strengths = dict.fromkeys(name for family in families for name in _logarithms(family))
    prepared = {}
    for suffix, condition in (("", ""), (_of(search_id), f" AND tags.search_id = '{search_id}'")):
        trials = f"tags.role = 'trial'{condition}"
        columns = ("params.family", *_SCORES, *(f"metrics.{name}" for name in strengths))
        table = View(trials, "r2_validation", columns, _COMMON_CHARTS, "" if suffix else "All trials, best first")
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


def view_addresses(config: SearchConfig, search_id: str, experiment_id: str) -> dict[str, str]:
    """Return the addresses of the views of this search alone, by what to call them; see `views`."""
    suffix = _of(search_id)
    table = {"all trials, best first": pages.view(experiment_id, pages.BEST_FIRST + suffix)}
    return table | {
        _chart_title(family): pages.view(experiment_id, family + suffix, charts=True)
        for family in config.families.searched
    }


def _charts(family: Family) -> tuple[Chart | Parallel, ...]:
    match _logarithms(family):
        case [alpha]:
            shrinks = "l2_norm" if family == "ridge" else "n_nonzero"
            scores = tuple(Chart(alpha, score) for score in ("r2_validation", "r2_train", shrinks))
            return (*scores, Parallel((alpha, shrinks, "r2_validation")))
        case [l1_alpha, l2_alpha]:
            levels = tuple(Chart(l1_alpha, l2_alpha, score) for score in ("r2_validation", "n_nonzero"))
            return (*levels, Parallel((l1_alpha, l2_alpha, "n_nonzero", "r2_validation")))
        case _:
            return ()


def _chart_title(family: Family) -> str:
    return f"{family}: R² against {' and '.join(PARAMETERS[family])}"


def _logarithms(family: Family) -> list[str]:
    return [f"log10_{name}" for name in PARAMETERS[family]]


def _of(search_id: str) -> str:
    return f"-{search_id}"
