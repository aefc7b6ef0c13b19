import logging
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from regsearch.errors import ConfigError
from regsearch.tracking.figures import unless_it_fails
from regsearch.tracking.figures.attempt import FIGURES, are_wanted


@pytest.mark.parametrize(("value", "wanted"), [(None, True), ("", True), ("1", True), ("0", False)])
def test_figures_are_wanted_unless_the_environment_says_otherwise(value, wanted, monkeypatch):
    monkeypatch.delenv(FIGURES, raising=False)
    if value is not None:
        monkeypatch.setenv(FIGURES, value)
    assert are_wanted() is wanted


def test_another_value_is_refused(monkeypatch):
    monkeypatch.setenv(FIGURES, "no")
    with pytest.raises(ConfigError, match=r"^REGSEARCH_FIGURES=no: expected 0 or 1; unset it to have"):
        are_wanted()


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request):
    """A signal whose handler interrupts, as `regsearch run` has them."""
    before = signal.getsignal(request.param)
    signal.signal(request.param, signal.default_int_handler)
    yield request.param
    signal.signal(request.param, before)


def swallowing(number, error=None):
    """Return a call that makes another error, or none, of an interruption, as compiled code may do it."""

    def make():
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            if error:
                raise error from None

    return make


@pytest.mark.parametrize("error", [None, TypeError("incompatible function arguments")])
def test_an_interruption_that_a_library_made_something_else_of_interrupts(number, error, caplog):
    with pytest.raises(KeyboardInterrupt):
        unless_it_fails("figure trade_off", swallowing(number, error))
    assert not caplog.records
    assert signal.getsignal(number) is signal.default_int_handler


def test_a_figure_that_cannot_be_drawn_is_told_of_once(caplog):
    def make():
        raise ValueError("no such font")

    with caplog.at_level(logging.WARNING):
        assert [unless_it_fails("figure of a test", make) for _ in range(2)] == [None, None]
    (said,) = caplog.messages
    assert said == "figure of a test cannot be drawn (ValueError: no such font); the search goes on without it"


def test_a_figure_is_drawn_in_any_thread_and_whatever_handles_signals(number):
    signal.signal(number, signal.SIG_IGN)
    assert unless_it_fails("figure", lambda: "drawn") == "drawn"
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(unless_it_fails, "figure", lambda: "drawn").result() == "drawn"
    assert signal.getsignal(number) is signal.SIG_IGN
