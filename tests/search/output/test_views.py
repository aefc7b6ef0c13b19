from urllib.parse import parse_qs

from regsearch.search.output.views import view_addresses, views
from regsearch.tracking.pages import Parallel


def test_views_are_of_the_whole_experiment_with_names_and_of_one_search_without(small_config):
    prepared = views(small_config, "abc")
    assert [key for key in prepared if not key.endswith("-abc")] == [
        "best-first",
        "ridge",
        "lasso",
        "elasticnet",
        "searches",
    ]
    for key, view in prepared.items():
        assert bool(view.name) != key.endswith("-abc")
        assert ("tags.search_id = 'abc'" in view.condition) == key.endswith("-abc")
    assert [chart.y for chart in prepared["lasso"].charts[:-1]] == ["r2_validation", "r2_train", "n_nonzero"]
    assert prepared["elasticnet"].charts[-1] == Parallel(
        ("log10_l1_alpha", "log10_l2_alpha", "n_nonzero", "r2_validation")
    )
    assert {(chart.x, chart.y) for chart in prepared["elasticnet"].charts[:-1]} == {
        ("log10_l1_alpha", "log10_l2_alpha")
    }


def test_every_address_opens_a_view_that_is_prepared(small_config):
    addresses = view_addresses(small_config, "abc", "7").values()
    keys = [parse_qs(address.partition("?")[2])["viewStateShareKey"][0] for address in addresses]
    assert keys == ["best-first-abc", "ridge-abc", "lasso-abc", "elasticnet-abc"]
    assert {*keys} <= views(small_config, "abc").keys()
