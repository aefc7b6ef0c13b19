import json
from urllib.parse import parse_qs, urlsplit

import pytest

from regsearch.tracking import pages
from regsearch.tracking.pages import Chart, Parallel, View


def test_addresses_are_relative_to_the_ui_and_survive_any_name():
    for address in (
        pages.experiments(),
        pages.run("1", "abc"),
        pages.artifact("1", "abc", "figures/a b.png"),
        pages.version("it's (naïve) & 100 %", "2"),
        pages.view("1", "best-first", charts=True),
    ):
        assert address.startswith("#/")
        assert not set(address) & set(" ()<>")
    query = parse_qs(urlsplit(pages.content("abc", "figures/a b.png")).query)
    assert query == {"path": ["figures/a b.png"], "run_uuid": ["abc"]}


@pytest.mark.parametrize("name", ["", "All trials"])
def test_a_view_with_a_name_is_listed_and_one_without_is_not(name):
    charts = (Chart("x", "y"), Chart("x", "y", "z"), Parallel(("x", "y")))
    view = View("params.family = 'ridge'", "r2", ("params.a", "metrics.r2"), charts, name)
    ((key, value),) = pages.view_tags({"mine": view}).items()
    assert key == "mlflow.sharedViewState.mine"
    state = json.loads(value)
    assert ("name" in state) == bool(name)
    if name:
        assert (state["name"], type(state["createdAt"])) == (name, int)
        state = json.loads(state["state"])
    assert state["selectedColumns"] == ["params.`a`", "metrics.`r2`"]
    assert [chart["type"] for chart in state["compareRunCharts"]] == ["SCATTER", "CONTOUR", "PARALLEL"]
    assert state["compareRunCharts"][2]["selectedMetrics"] == ["x", "y"]


def test_a_view_fits_into_a_tag_of_an_experiment():
    columns = tuple(f"metrics.{name * 8}" for name in "abcdefgh")
    (value,) = pages.view_tags(
        {"k": View("c" * 200, "r2", columns, (*(Chart("x", "y"),) * 3, Parallel(tuple("abcd"))), "n" * 40)}
    ).values()
    assert len(value) <= 5000  # MLflow's limit
