import itertools
import struct
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from regsearch.tracking import figures


def stems(axes):
    """Return where stems stand, and where each begins and ends."""
    ends = axes.lines[0].get_xydata().reshape(-1, 3, 2)
    assert np.isnan(ends[:, 2, 1]).all()
    return ends[:, 0, 0], ends[:, 0, 1], ends[:, 1, 1]


def test_a_stem_stands_at_every_weight_that_is_not_zero_and_nowhere_else():
    coef = np.zeros(500)
    coef[[3, 77, 499]] = [1.0, -2.0, 0.5]
    (axes,) = figures.weights(coef, "lasso").axes
    at, low, high = stems(axes)
    assert at.tolist() == [3, 77, 499]
    assert low.tolist() == [0, 0, 0]
    assert high.tolist() == [1, -2, 0.5]
    assert axes.get_title(loc="left") == "lasso: 3 of 500 weights are not zero"


def test_stems_that_share_a_pixel_are_drawn_as_the_one_bar_that_they_cover():
    coef = np.random.default_rng(0).standard_normal(12_800)
    coef[3200:6400] = 0
    (axes,) = figures.weights(coef, "ridge").axes
    assert not len(stems(axes)[0])
    upper, lower = np.split(axes.patches[0].get_xy()[:-1], 2)
    shares = coef.reshape(640, 20)
    np.testing.assert_array_equal(upper[:, 0], np.repeat(np.arange(0, 12_801, 20), 2)[1:-1] - 0.5)
    np.testing.assert_array_equal(upper[:, 1], np.repeat(np.maximum(shares.max(axis=1), 0), 2))
    np.testing.assert_array_equal(lower[::-1, 1], np.repeat(np.minimum(shares.min(axis=1), 0), 2))
    np.testing.assert_array_equal(lower[::-1, 0], upper[:, 0])


def test_all_zero_weights_can_be_drawn():
    assert figures.to_png(figures.weights(np.zeros(10), "lasso"))[:4] == b"\x89PNG"
    assert len(figures.weights_compared(np.zeros(10), np.zeros(10), "lasso", "speed").axes) == 2


def test_a_stem_plot_is_a_wide_png_and_no_figure_stays_alive():
    png = figures.to_png(figures.weights(np.ones(50), "x"))
    width, height = struct.unpack(">II", png[16:24])
    assert width > 2 * height
    assert plt.get_fignums() == []


FEW = np.where(np.arange(500) % 11 == 0, np.sin(np.arange(500)), 0)
MANY = 1e6 * np.sin(np.arange(12_000.0) ** 2)
PLOTS = ((FEW, "lasso"), (MANY, "ridge"), (FEW[::-1], "elasticnet"), (np.zeros(9), "lasso"), (FEW, "lasso"))


def test_a_trials_stem_plot_is_the_same_whatever_was_drawn_before_it_and_in_every_thread():
    together = [figures.weights_png(*plot) for plot in PLOTS]
    users = {"font.size": 20, "axes.grid": False, "figure.dpi": 50, "text.color": "red"}
    with mpl.rc_context(users), ThreadPoolExecutor(1) as other:
        assert [other.submit(figures.weights_png, *plot).result() for plot in PLOTS[::-1]] == together[::-1]
    assert together[0] == together[-1]
    assert len(set(together)) == len(PLOTS) - 1


@pytest.mark.parametrize(("coef", "title"), PLOTS[:4])
def test_a_trials_stem_plot_looks_like_the_figure_drawn_by_matplotlib_alone(coef, title):
    trial, whole = (
        np.asarray(Image.open(BytesIO(png)).convert("RGB"), float)
        for png in (figures.weights_png(coef, title), figures.to_png(figures.weights(coef, title)))
    )
    np.testing.assert_array_equal(trial[40:220, 92:745], whole[40:220, 92:745])  # inside of the axes
    seen, meant = (gaussian_filter(255 - picture, (3, 3, 0)) for picture in (trial, whole))
    assert np.abs(seen - meant).max() < 40  # words may lie a pixel off


@pytest.mark.parametrize(("largest", "unit", "tick"), [(3e5, "weight / 10⁵", "2"), (30, "weight", "20")])
def test_large_weights_are_in_units_of_a_power_of_ten(largest, unit, tick):
    figure = figures.weights(np.array([largest, -largest / 2]), "unregularised")
    figures.to_png(figure)
    (axes,) = figure.axes
    assert axes.get_ylabel() == unit
    assert tick in [label.get_text() for label in axes.get_yticklabels()]


def test_compared_weights_share_a_scale():
    above, below = figures.weights_compared(np.ones(5), np.array([0, 0, 3.0, 0, 0]), "lasso", "speed").axes
    assert (len(stems(above)[0]), len(stems(below)[0])) == (5, 1)
    assert above.get_ylim() == below.get_ylim()
    assert below.get_ylim()[1] > 3
    assert above.get_ylim()[1] < 4
    assert below.get_xlabel().startswith("feature, counted from 0 (both on the same vertical scale)")


@pytest.mark.parametrize(("small", "times"), [(0, 450), (1, 99), (1, 1e6)])
def test_weights_too_small_for_the_shared_scale_are_drawn_again_whole_and_as_magnified_as_said(small, times):
    models = [np.array([0.0, 5.0, -5.0]), np.array([0.0, 5.0, -5.0])]
    models[small] /= times
    first, second, magnified = figures.weights_compared(*models, "lasso", "speed").axes
    assert first.get_ylim() == second.get_ylim()
    name, said = magnified.get_title(loc="left").removesuffix(" times").split(", magnified ")
    said = float(said.replace(",", ""))
    assert name == ("unregularised", "lasso")[small]
    assert times / 2 < said <= times
    assert magnified.get_ylim()[1] * said == pytest.approx(first.get_ylim()[1])
    assert np.abs(magnified.get_ylim()).min() > np.abs(models[small]).max()
    assert magnified.get_xlabel().startswith("feature, counted from 0 (the upper two on the same vertical scale)")


def test_a_model_without_weights_leaves_the_scale_to_the_other():
    above, _ = figures.weights_compared(np.array([0.001, -0.002]), np.zeros(2), "lasso", "speed").axes
    assert 0.002 < above.get_ylim()[1] < 0.003


@pytest.mark.parametrize("limit", [2.6e-7, 0.0026, 0.026, 0.26, 26.0, 2600.0, 2.6e6])
def test_the_axis_of_weights_is_named_within_the_figure_whatever_their_size(limit):
    figure = figures.weights(np.linspace(-limit, limit, 50), "ridge alpha=1")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    name, ticks = axes.yaxis.label.get_window_extent(), [tick.get_window_extent() for tick in axes.get_yticklabels()]
    assert name.x0 >= 0
    assert all(name.x1 < tick.x0 for tick in ticks)


def test_the_largest_weights_of_the_winner_are_named_where_features_have_names():
    coef = np.zeros(100)
    coef[[3, 50, 97]] = [1.0, -2.0, 0.5]
    names = [f"unit {number}" for number in range(100)]
    above, below = figures.weights_compared(np.ones(100), coef, "lasso", "speed", names).axes
    assert not above.texts
    at = {text.get_text(): text.xy for text in below.texts}
    assert at.keys() == {"unit 3", "unit 50", "unit 97"}
    assert at["unit 50"] == (50, -2)
    assert "weights in units of speed per unit of the feature" in below.get_xlabel()


def test_names_of_neighbouring_weights_do_not_cover_each_other():
    coef = np.arange(50.0)
    figure = figures.weights_compared(coef, coef, "ridge", "speed", [f"a long name {number}" for number in range(50)])
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[1].texts]
    assert boxes
    assert figure.axes[1].texts[0].get_text() == "a long name 49"
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    frame = figure.axes[1].get_window_extent()
    assert all(frame.x0 - 1 <= box.x0 < box.x1 <= frame.x1 + 1 for box in boxes)
