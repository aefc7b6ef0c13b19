import numpy as np
import pytest

from regsearch.tracking import figures
from regsearch.tracking.figures import Choices
from regsearch.tracking.figures.style import FAMILIES

FAMILY = ["none", "ridge", "lasso", "lasso", "lasso", "elasticnet"]
N_NONZERO = np.array([900.0, 900, 0, 40, 60, 40])
R2 = np.array([0.5, 0.6, 0.0, 0.7, 0.65, 0.8])


def line(axes, label):
    """Return the line of an axes that has a label."""
    return next(line for line in axes.lines if line.get_label() == label)


@pytest.fixture
def trade_off():
    """Return a search's trade-off, drawn."""
    return figures.trade_off(FAMILY, N_NONZERO, R2, Choices(best=5, one_se=3), lambda at: f"trial {at}")


def test_each_family_has_a_shape_and_a_colour_of_its_own(trade_off):
    (axes,) = trade_off.axes
    drawn = [line(axes, name) for name in ("unregularised", "ridge", "lasso", "elasticnet")]
    assert len({line.get_marker() for line in drawn}) == len({line.get_color() for line in drawn}) == 4
    assert drawn[2].get_xydata().tolist() == [[0, 0], [40, 0.7], [60, 0.65]]


def test_the_front_steps_to_the_best_score_of_so_many_weights_or_fewer(trade_off):
    (axes,) = trade_off.axes
    front = line(axes, "best with so many weights or fewer")
    assert front.get_drawstyle() == "steps-post"
    assert front.get_xydata()[:-1].tolist() == [[0, 0], [40, 0.8]]
    assert front.get_ydata()[-1] == 0.8
    assert front.get_xdata()[-1] == axes.get_xlim()[1] > 900


def test_a_model_without_weights_has_a_place_on_the_log_axis(trade_off):
    (axes,) = trade_off.axes
    figures.to_png(trade_off)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "10", "100", "1,000"]
    assert axes.get_xlim()[0] < 0


def test_choices_of_the_whole_search_are_marked_by_name(trade_off):
    (axes,) = trade_off.axes
    assert line(axes, "best: trial 5").get_xydata().tolist() == [[40, 0.8]]
    assert line(axes, "within one standard error: trial 3").get_xydata().tolist() == [[40, 0.7]]


def test_a_limit_of_weights_is_a_line_and_the_trial_that_it_chose_is_marked():
    choices = Choices(best=1, one_se=1, chosen=4)
    (axes,) = figures.trade_off(FAMILY, N_NONZERO, R2, choices, lambda at: f"trial {at}", at_most=70).axes
    assert line(axes, "chosen: trial 4").get_xydata().tolist() == [[60, 0.65]]
    assert set(line(axes, "at most 70 weights").get_xdata()) == {70}


def test_the_history_of_a_family_never_falls():
    trial, r2 = np.array([2.0, 0, 1, 3, 0]), np.array([0.3, 0.4, 0.6, 0.7, 0.1])
    (axes,) = figures.history(["lasso"] * 4 + ["ridge"], trial, r2, baseline=0.2).axes
    assert line(axes, "lasso: 0.700").get_xydata().tolist() == [[0, 0.4], [1, 0.6], [2, 0.3], [3, 0.7]]
    (best,) = (
        line
        for line in axes.lines
        if line.get_drawstyle() == "steps-post" and line.get_color() == FAMILIES["lasso"].colour
    )
    assert best.get_xydata().tolist() == [[0, 0.4], [1, 0.6], [2, 0.6], [3, 0.7]]
    assert set(line(axes, "unregularised: 0.200").get_ydata()) == {0.2}
