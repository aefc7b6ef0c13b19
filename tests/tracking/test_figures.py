import struct

import matplotlib.pyplot as plt
import numpy as np

from tracking import figures


def stems(axes):
    """Return where stems stand, and the lower and the upper end of each."""
    ends = axes.lines[0].get_xydata().reshape(-1, 3, 2)
    assert np.isnan(ends[:, 2, 1]).all()
    return ends[:, 0, 0], ends[:, 0, 1], ends[:, 1, 1]


def test_a_stem_stands_at_every_weight_that_is_not_zero_and_nowhere_else():
    coef = np.zeros(500)
    coef[[3, 77, 499]] = [1.0, -2.0, 0.5]
    (axes,) = figures.weights(coef, "lasso").axes
    at, low, high = stems(axes)
    assert at.tolist() == [3, 77, 499]
    assert low.tolist() == [0, -2, 0]
    assert high.tolist() == [1, 0, 0.5]
    assert axes.get_title(loc="left") == "lasso: 3 of 500 weights are not zero"


def test_stems_that_share_a_pixel_are_drawn_as_the_one_bar_that_they_cover():
    coef = np.random.default_rng(0).standard_normal(12_000)
    coef[3000:6000] = 0
    (axes,) = figures.weights(coef, "ridge").axes
    at, low, high = stems(axes)
    shares = coef.reshape(800, 15)
    shares = shares[shares.any(axis=1)]
    assert len(at) == len(shares) == 600
    np.testing.assert_array_equal(low, np.minimum(shares.min(axis=1), 0))
    np.testing.assert_array_equal(high, np.maximum(shares.max(axis=1), 0))
    assert not ((at > 3000) & (at < 6000)).any()


def test_all_zero_weights_can_be_drawn():
    assert figures.to_png(figures.weights(np.zeros(10), "lasso"))[:4] == b"\x89PNG"


def test_scores_are_drawn_in_order_of_strength_beside_the_unregularised_levels():
    alpha, train, validation = np.array([10.0, 0.1, 1.0]), np.array([0.7, 0.9, 0.8]), np.array([0.3, 0.2, 0.4])
    (axes,) = figures.r2_against_alpha("ridge", alpha, train, validation, (0.99, 0.1), best=2).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["train"].get_xdata().tolist() == [0.1, 1, 10]
    assert lines["train"].get_ydata().tolist() == [0.9, 0.8, 0.7]
    assert set(lines["validation, unregularised"].get_ydata()) == {0.1}
    assert (lines["best: 1"].get_xdata(), lines["best: 1"].get_ydata()) == ([1.0], [0.4])
    assert axes.get_xscale() == "log"


def test_a_full_grid_of_mixes_is_drawn_as_cells_at_their_strengths():
    l1, l2 = (values.ravel() for values in np.meshgrid([0.1, 0.01], [1.0, 10.0, 100.0]))
    r2 = np.arange(6.0) / 10
    axes = figures.mix_heatmap(l1, l2, r2, best=5).axes[0]
    cells = axes.images[0].get_array()
    assert cells.shape == (3, 2)
    assert cells[2, 0] == r2[5]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.01", "0.1"]
    assert {text.get_text() for text in axes.texts} == {f"{value:.3f}" for value in r2}


def test_mixes_that_are_no_grid_are_drawn_as_points():
    axes = figures.mix_heatmap(np.array([0.1, 0.2]), np.array([1.0, 2.0]), np.array([0.1, 0.2]), best=1).axes[0]
    assert axes.collections[0].get_offsets().tolist() == [[0.1, 1.0], [0.2, 2.0]]


def test_predictions_are_titled_with_their_score():
    rows = np.arange(100, 110)
    true = np.arange(10.0)
    trace = figures.Trace(rows, true, true + 1)
    title = figures.predictions(trace, trace, "run", "lasso").axes[1].get_title(loc="left")
    assert title == f"lasso, validation: R² = {1 - 10 / 82.5:.3f}"


def test_compared_weights_are_both_drawn():
    above, below = figures.weights_compared(np.ones(5), np.array([0, 0, 3.0, 0, 0]), "lasso").axes
    assert (len(stems(above)[0]), len(stems(below)[0])) == (5, 1)


def test_a_stem_plot_is_a_wide_png_and_no_figure_stays_alive():
    png = figures.to_png(figures.weights(np.ones(50), "x"))
    width, height = struct.unpack(">II", png[16:24])
    assert width > 2 * height
    assert plt.get_fignums() == []
