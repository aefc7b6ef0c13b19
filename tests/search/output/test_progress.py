import io
import math
import sys

import pytest

from regsearch.errors import ConfigError
from regsearch.search.output.progress import Bar, Progress, TrialLines, progress_of
from regsearch.tracking.records import METRICS, TrialRecord


def record(r2_validation, certified=True):
    metrics = dict.fromkeys(METRICS, 0.5) | {"r2_validation": r2_validation, "n_nonzero": 7.0, "duality_gap": 3e-15}
    return TrialRecord("lasso", 0, {}, metrics, f"lasso alpha={r2_validation:g}", "", certified)


@pytest.fixture
def said(monkeypatch):
    """Return what three trials of a search of five, one of them old, say on a standard error that is no terminal."""

    def run(progress):
        pipe = io.StringIO()
        monkeypatch.setattr(sys, "stderr", pipe)
        with progress.trials(5, 1):
            for score, certified in ((0.1, True), (0.3, False), (0.2, True)):
                progress.count(record(score, certified))
        return pipe.getvalue()

    return run


def test_in_a_pipe_it_is_plain_lines_without_control_characters(said):
    lines = said(Bar(every=0)).splitlines()
    assert [line.split(" trials")[0] for line in lines] == ["2 of 5", "3 of 5", "4 of 5"]
    assert lines[0].endswith("best validation R² 0.1000, lasso alpha=0.1")
    assert lines[2].endswith("best validation R² 0.2000, lasso alpha=0.2"), "0.3 is not certified and cannot win"
    assert all(line.isprintable() for line in lines)


def test_the_best_of_all_is_shown_beside_the_count_of_all_after_a_resume(monkeypatch):
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    progress = Bar(every=0)
    with progress.trials(5, 2, [record(0.4), record(0.2)]):
        progress.count(record(0.3))
    with progress.targets(4, [0.7, 0.6]):
        progress.score(0.5)
    trials, targets = pipe.getvalue().splitlines()
    assert trials.startswith("3 of 5 trials")
    assert trials.endswith("best validation R² 0.4000, lasso alpha=0.4")
    assert targets.startswith("3 of 4 targets")
    assert "highest score 0.7000" in targets


def test_a_trial_that_is_not_certified_is_the_best_of_nothing(monkeypatch):
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    progress = Bar(every=0)
    with progress.trials(3, 1, [record(0.4, certified=False)]):
        progress.count(record(0.3, certified=False))
        progress.count(record(-0.1))
    first, second = pipe.getvalue().splitlines()
    assert first.endswith("no trial is certified yet")
    assert second.endswith("best validation R² -0.1000, lasso alpha=-0.1")


def test_a_line_is_due_now_and_then_and_at_the_end(said):
    (line,) = said(Bar(every=math.inf)).splitlines()
    assert line.startswith("4 of 5 trials")


def test_on_a_screen_it_is_a_bar(monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = Bar()
    with progress.trials(5, 1):
        progress.count(record(0.1))
    assert "\r" in screen.getvalue()
    assert "2/5" in screen.getvalue()


def test_quiet_is_quiet(said):
    assert said(Progress()) == ""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (TrialLines, r"found its class; give TrialLines\(\)"),
        ("lines", "found 'lines'; derive it from Progress"),
        (None, "found None; derive it from Progress"),
    ],
)
def test_what_shows_no_progress_is_refused(given, says):
    with pytest.raises(ConfigError, match=f"progress: expected True, False or an object that .*, {says}"):
        progress_of(given)


def test_every_trial_is_a_line_with_its_certificate(said):
    lines = said(TrialLines()).splitlines()
    assert [line.split()[0] for line in lines] == ["2/5", "3/5", "4/5"]
    assert "duality gap 3e-15" in lines[0]
    assert [line.endswith("not certified") for line in lines] == [False, True, False]


def test_a_search_that_had_nothing_to_do_says_nothing(monkeypatch):
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with Bar(every=0).trials(5, 5):
        pass
    assert pipe.getvalue() == ""
