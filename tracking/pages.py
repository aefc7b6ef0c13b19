"""Pages of MLflow's UI: their addresses, relative to the UI itself, and views of the runs that are prepared for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

BEST_FIRST = "best-first"
"""Key of the view of all trials of an experiment."""

_TRAINING = "workflowType=machine_learning"  # without it the UI opens on its pages for language models
_VIEW_TAG = "mlflow.sharedViewState."
_SECTION = "charts"
_CHARTS_PER_ROW, _CHART_PIXELS = 2, 360
_NAME_PIXELS, _COLUMN_PIXELS = 290, 98


@dataclass(frozen=True)
class Chart:
    """A chart with one point per run.

    Parameters
    ----------
    x, y : str
        Names of metrics.
    z : str
        Of the metric whose level lines are drawn; without it the chart is a scatter plot.
    """

    x: str
    y: str
    z: str = ""


@dataclass(frozen=True)
class Parallel:
    """A chart with one line per run that crosses one axis per metric; MLflow leaves out runs that lack one of them.

    Parameters
    ----------
    metrics : tuple of str
        From left to right; the last one colours the lines.
    """

    metrics: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """Some of an experiment's runs, the best first, as a table and as charts.

    Parameters
    ----------
    condition : str
        Which runs, in MLflow's search syntax.
    best : str
        The metric that they are sorted by, from the highest to the lowest.
    columns : tuple of str
        ``params.name`` or ``metrics.name``, in order.
    charts : tuple of Chart or Parallel
    name : str
        In the UI's list of saved views; a view without a name is not listed, only opened by its address.
    """

    condition: str
    best: str
    columns: tuple[str, ...]
    charts: tuple[Chart | Parallel, ...] = ()
    name: str = ""


def experiments() -> str:
    """Return the address of the list of experiments."""
    return f"#/experiments?{_TRAINING}"


def run(experiment_id: str, run_id: str) -> str:
    """Return the address of a run."""
    return f"#/experiments/{experiment_id}/runs/{run_id}?{_TRAINING}"


def artifact(experiment_id: str, run_id: str, path: str) -> str:
    """Return the address of the page that shows an artifact of a run."""
    return f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/{quote(path)}?{_TRAINING}"


def content(run_id: str, path: str) -> str:
    """Return the address of an artifact itself, such as a picture to show."""
    return f"get-artifact?{urlencode({'path': path, 'run_uuid': run_id})}"


def version(model: str, number: str) -> str:
    """Return the address of a version of a registered model."""
    return f"#/models/{quote(model, safe='')}/versions/{number}?{_TRAINING}"


def view(experiment_id: str, key: str, *, charts: bool = False) -> str:
    """Return the address that opens a prepared view of an experiment's runs, as a table or as charts."""
    mode = "&compareRunsMode=CHART" if charts else ""
    return f"#/experiments/{experiment_id}/runs?{_TRAINING}&viewStateShareKey={key}{mode}"


def view_tags(views: Mapping[str, View]) -> dict[str, str]:
    """Return the experiment's tags that make MLflow know views by their keys.

    They are of the form in which its UI saves a view (MLflow 3.17, ``savedViewEnvelope.ts``).
    """
    tags = {}
    for place, (key, prepared) in enumerate(views.items()):
        state = json.dumps(_state(prepared))
        listed = {"name": prepared.name, "createdAt": -place, "state": state}  # listed from the latest to the oldest
        tags[_VIEW_TAG + key] = json.dumps(listed) if prepared.name else state
    return tags


def _state(prepared: View) -> dict[str, Any]:
    columns = [_canonical(column) for column in prepared.columns]
    name = "attributes.`Run Name`"
    state: dict[str, Any] = {
        "searchFilter": prepared.condition,
        "orderByKey": _canonical(f"metrics.{prepared.best}"),
        "orderByAsc": False,
        "selectedColumns": columns,
        "columnOrder": [name, *columns],
        "columnWidths": {name: _NAME_PIXELS, **dict.fromkeys(columns, _COLUMN_PIXELS)},
    }
    if prepared.charts:
        section = {"uuid": _SECTION, "name": "Charts", "columns": _CHARTS_PER_ROW, "cardHeight": _CHART_PIXELS}
        rest = {"uuid": "rest", "name": "Model metrics"}
        state |= {
            "runsHiddenMode": "SHOW_ALL",
            "isAccordionReordered": True,
            "compareRunSections": [
                {**section, "display": True, "isReordered": True},
                {**rest, "display": False, "isReordered": True, "isGenerated": True},
            ],
            "compareRunCharts": [_card(chart, number) for number, chart in enumerate(prepared.charts)],
        }
    return state


def _card(chart: Chart | Parallel, number: int) -> dict[str, Any]:
    if isinstance(chart, Parallel):
        return {
            "uuid": f"chart-{number}",
            "type": "PARALLEL",
            "metricSectionId": _SECTION,
            "selectedParams": [],
            "selectedMetrics": list(chart.metrics),
            "showAllRuns": True,
        }
    axes = {"xaxis": chart.x, "yaxis": chart.y} | ({"zaxis": chart.z} if chart.z else {})
    return {
        "uuid": f"chart-{number}",
        "type": "CONTOUR" if chart.z else "SCATTER",
        "metricSectionId": _SECTION,
        **{axis: {"key": metric, "type": "METRIC"} for axis, metric in axes.items()},
    }


def _canonical(column: str) -> str:
    kind, name = column.split(".", 1)
    return f"{kind}.`{name}`"
