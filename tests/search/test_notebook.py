from dataclasses import replace
from html.parser import HTMLParser

from regsearch import SearchConfig
from regsearch.tracking import pages


class Read(HTMLParser):
    """What a browser finds: the text, and tags with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags = "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_a_result_shows_its_best_trials_a_figure_and_links_to_the_runs(result):
    read = Read(result._repr_html_())
    best = result.trials.sort_values("r2_validation", ascending=False)
    shown = best.groupby("family").head(3)
    assert len(read.of("tr")) == 1 + len(shown)
    addresses = [link["href"] for link in read.of("a")]
    for run_id in (result.run_id, *shown["run_id"]):
        assert f"http://127.0.0.1:5000/{pages.run(result.experiment_id, run_id)}" in addresses
    assert f"{result.promotion.r2_test:.4f}" in read.text
    assert "regsearch ui --port 5000" in read.text
    (picture,) = read.of("img")
    assert picture["src"].startswith("data:image/png;base64,iVBOR")


def test_a_result_of_a_server_links_to_the_server(result):
    read = Read(replace(result, tracking_uri="https://mlflow.example.org/")._repr_html_())
    addresses = [link["href"] for link in read.of("a")]
    assert all(address.startswith("https://mlflow.example.org/#/") for address in addresses)
    assert "regsearch ui" not in read.text


def test_what_a_person_or_a_file_named_is_text_and_no_markup(result, small_config):
    evil = '<img src=x onerror="alert(1)">&amp;'
    config = SearchConfig.model_construct(**{**dict(small_config), "name": evil})
    promotion = replace(result.promotion, model=evil)
    read = Read(replace(result, config=config, promotion=promotion, notes=(evil,))._repr_html_())
    assert len(read.of("img")) == 1
    assert read.text.count(evil) == 3


def test_a_champion_that_no_rows_were_kept_for_is_said_not_to_be_tested(result):
    untested = replace(result.promotion, r2_test=None, r2_test_low=None, r2_test_high=None)
    assert "version 1 of small, not tested." in Read(replace(result, promotion=untested)._repr_html_()).text


def test_a_result_is_shown_where_its_figure_cannot_be_drawn(result, monkeypatch):
    from regsearch.tracking import figures

    monkeypatch.setattr(figures, "trade_off", lambda *_: 1 / 0)
    read = Read(result._repr_html_())
    assert (len(read.of("img")), len(read.of("table"))) == (0, 1)
