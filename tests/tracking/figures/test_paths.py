import itertools

import numpy as np
import pytest
from matplotlib.text import Text

from regsearch.tracking import figures


def path(n_features, **named):
    """Return the figure of weights that shrink from 1, 2, … by ten times alpha, and their values."""
    alpha = np.array([0.1, 1.0, 0.01, 0.3])
    coef = np.maximum(np.arange(1.0, n_features + 1) - 10 * alpha[:, None], 0)
    (axes,) = figures.coefficient_path(alpha, coef, 2, "speed", **named).axes
    return axes, alpha, coef


def test_weak_penalties_are_on_the_right_and_a_line_goes_through_the_trials_in_their_order():
    axes, alpha, coef = path(3)
    left, right = axes.get_xlim()
    assert left > right
    largest = axes.lines[0]
    np.testing.assert_array_equal(largest.get_xdata(), [1.0, 0.3, 0.1, 0.01])
    np.testing.assert_array_equal(largest.get_ydata(), coef[np.argsort(-alpha), 2])
    assert axes.get_ylabel() == "weight (speed per unit of the feature)"


def test_the_twenty_largest_weights_of_the_chosen_trial_are_named_and_at_most_a_hundred_others_grey():
    names = [f"unit {number}" for number in range(150)]
    axes, _, _ = path(150, feature_names=names)
    assert {text.get_text() for text in axes.texts} == set(names[130:])
    assert axes.lines[0].get_label() == "100 other features"
    assert axes.get_title(loc="left").startswith("lasso: 150 of 150 features enter")


def test_features_without_names_are_numbered_and_a_path_without_weights_can_be_drawn():
    axes, _, _ = path(3)
    assert {text.get_text() for text in axes.texts} == {"0", "1", "2"}
    figure = figures.coefficient_path(np.array([1.0, 2.0]), np.zeros((2, 4)), 0, "speed")
    assert figures.to_png(figure)[:4] == b"\x89PNG"
    assert not figure.axes[0].texts


@pytest.mark.parametrize("ends", [np.full(20, 5.0), np.linspace(-1, 1, 20), np.r_[np.zeros(10), np.full(10, 9.0)]])
def test_names_beside_the_lines_do_not_cover_each_other(ends):
    figure = figures.coefficient_path(np.array([1.0, 0.1]), np.stack([0 * ends, ends + 1e-6]), 1, "speed")
    figure.draw_without_rendering()
    boxes = sorted((Text.get_window_extent(text) for text in figure.axes[0].texts), key=lambda box: box.y0)
    assert len(boxes) == 20
    assert all(below.y1 <= above.y0 + 1 for below, above in itertools.pairwise(boxes))
    assert figure.bbox.y0 <= boxes[0].y0
    assert boxes[-1].y1 <= figure.bbox.y1
