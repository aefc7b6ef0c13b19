import itertools

import numpy as np
import pytest

from regsearch.tracking import figures
from regsearch.tracking.figures import Choices, Curve

ALPHA, TRAIN, VALIDATION = np.array([10.0, 0.1, 1.0]), np.array([0.7, 0.9, 0.8]), np.array([0.3, 0.2, 0.4])
SE = np.array([0.1, 0.2, 0.05])
CURVE = Curve(ALPHA, TRAIN, VALIDATION, SE)


def labels(figure):
    """Return what a figure's legend names."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


def lines(axes):
    """Return an axes' lines by label, without its ticks."""
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_scores_are_drawn_in_order_of_strength_beside_the_unregularised_levels():
    figure = figures.r2_against_alpha("ridge", CURVE, (0.99, 0.1), Choices(2, 0))
    (axes,) = figure.axes
    drawn = lines(axes)
    assert drawn["train"].get_xdata().tolist() == [0.1, 1, 10]
    assert drawn["train"].get_ydata().tolist() == [0.9, 0.8, 0.7]
    assert set(drawn["validation, unregularised: 0.100"].get_ydata()) == {0.1}
    assert axes.get_xscale() == "log"
    low, high = axes.get_ylim()
    assert low < 0.1 < 0.99 < high
    assert set(labels(figure)) == {*drawn, "validation ± one standard error"}


def test_the_best_and_the_one_standard_error_choice_are_marked_with_their_scores():
    (axes,) = figures.r2_against_alpha("ridge", CURVE, (0.99, 0.1), Choices(2, 0)).axes
    best = lines(axes)["best: 1 (R² 0.400 ± 0.05)"]
    assert (best.get_xdata(), best.get_ydata(), best.get_marker()) == ([1.0], [0.4], "*")
    one_se = lines(axes)["within one standard error: 10 (R² 0.300 ± 0.1)"]
    assert (one_se.get_xdata(), one_se.get_ydata(), one_se.get_marker()) == ([10.0], [0.3], "D")


def test_nothing_is_marked_where_no_trial_may_be_chosen():
    figure = figures.r2_against_alpha("ridge", CURVE, (0.99, 0.1), None)
    assert not [label for label in labels(figure) if "best" in label or "within" in label]


def test_a_band_of_one_standard_error_surrounds_the_validation_scores():
    (axes,) = figures.r2_against_alpha("ridge", CURVE, (0.99, 0.1), None).axes
    corners = axes.collections[0].get_paths()[0].vertices
    for alpha, r2, se in zip(ALPHA, VALIDATION, SE, strict=True):
        at = corners[corners[:, 0] == alpha, 1]
        assert (at.min(), at.max()) == pytest.approx((r2 - se, r2 + se))


def test_scores_far_below_zero_leave_the_others_readable_and_are_named():
    validation = np.array([-1.56e7, 0.2, 0.4])
    figure = figures.r2_against_alpha("ridge", Curve(ALPHA, TRAIN, validation, SE), (0.99, -3e8), Choices(2, 2))
    (axes,) = figure.axes
    assert axes.get_ylim()[0] > 0
    caret = lines(axes)["below the axis (lowest: −1.56×10⁷)"]
    assert caret.get_xdata().tolist() == [10.0]
    assert caret.get_ydata().tolist() == [axes.get_ylim()[0]]
    assert "validation, unregularised: −3×10⁸ (below the axis)" in labels(figure)


def test_a_full_grid_of_mixes_is_drawn_as_cells_at_their_strengths():
    l1, l2 = (values.ravel() for values in np.meshgrid([0.1, 0.01], [1.0, 10.0, 100.0]))
    r2 = np.arange(6.0) / 10
    figure = figures.mix_heatmap(l1, l2, r2, Choices(best=5, one_se=4, chosen=0))
    axes = figure.axes[0]
    cells = axes.collections[0].get_array()
    assert cells.shape == (3, 2)
    assert cells[2, 0] == r2[5]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.01", "0.1"]
    assert {text.get_text() for text in axes.texts} == {f"{value:.3f}" for value in r2}
    best, one_se, chosen = (frame.get_center() for frame in axes.patches)
    assert best.tolist() == [0.5, 2.5]
    assert one_se.tolist() == [1.5, 2.5]
    assert chosen.tolist() == [1.5, 0.5]
    assert labels(figure) == [
        "best: L1 0.01, L2 100 (R² 0.500)",
        "within one standard error: L1 0.1, L2 100 (R² 0.400)",
        "chosen: L1 0.1, L2 1 (R² 0.000)",
    ]


def test_a_large_grid_of_mixes_has_few_ticks_and_no_values():
    l1, l2 = (values.ravel() for values in np.meshgrid(np.geomspace(1e-6, 1, 30), np.geomspace(1, 5, 30)))
    axes = figures.mix_heatmap(l1, l2, l1 * l2, None).axes[0]
    assert len(axes.get_xticks()) <= 6
    assert not axes.texts


def test_mixes_that_are_no_grid_are_drawn_as_points():
    strengths = np.array([0.1, 0.2]), np.array([1.0, 2.0])
    axes = figures.mix_heatmap(*strengths, np.array([0.1, 0.2]), Choices(1, 0)).axes[0]
    assert axes.collections[0].get_offsets().tolist() == [[0.1, 1.0], [0.2, 2.0]]
    assert lines(axes)["best: L1 0.2, L2 2 (R² 0.200)"].get_xydata().tolist() == [[0.2, 2.0]]


def test_each_strength_is_drawn_beside_its_share():
    strengths = {"l1_alpha": np.array([0.1, 0.2]), "l2_alpha": np.array([1.0, 2.0])}
    figure = figures.importance(strengths, np.array([0.5, 0.6]), {"l1_alpha": 0.7, "l2_alpha": 0.3}, Choices(1, 1))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["l1_alpha: 70 %", "l2_alpha: 30 %"]
    assert figure.axes[1].lines[0].get_xydata().tolist() == [[1.0, 0.5], [2.0, 0.6]]


@pytest.mark.parametrize("decades", [0.3, 0.8, 1.7, 4.0])
def test_the_labels_of_strengths_do_not_overlap_however_narrow_the_range(decades):
    strengths = {name: np.geomspace(0.0013, 0.0013 * 10**decades, 12) for name in ("l1_alpha", "l2_alpha")}
    shares = dict.fromkeys(strengths, 0.5)
    figure = figures.importance(strengths, np.linspace(0, 1, 12), shares, None)
    for axes in figure.axes:
        labels = [*axes.get_xticklabels(), *axes.get_xticklabels(minor=True)]
        low, high = axes.get_window_extent().intervalx
        boxes = [label.get_window_extent() for label in labels if label.get_text()]
        shown = sorted((box.x0, box.x1) for box in boxes if low <= (box.x0 + box.x1) / 2 <= high)
        assert len(shown) >= 2
        assert all(end < start for (_, end), (start, _) in itertools.pairwise(shown))


def test_each_fold_has_a_line_of_its_own_and_they_have_one_name():
    folds = np.array([[0.1, 0.5, 0.3], [0.2, 0.6, -4.0]])
    curve = figures.Curve(np.array([1.0, 0.1, 10.0]), np.ones(3), np.array([0.2, 0.5, 0.1]), np.zeros(3), folds)
    axes = figures.r2_against_alpha("ridge", curve, (1.0, 0.0), None).axes[0]
    thin = [line for line in axes.lines if line.get_linewidth() < 1 and len(line.get_xdata()) == 3]
    assert [line.get_xydata().tolist() for line in thin] == [
        [[0.1, one[1]], [1.0, one[0]], [10.0, one[2]]] for one in folds.tolist()
    ]
    assert axes.get_legend_handles_labels()[1].count("validation, each fold") == 1
    assert axes.get_ylim()[0] > -1
