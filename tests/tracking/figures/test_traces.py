import numpy as np
import pytest
from sklearn.metrics import r2_score

from regsearch.tracking import figures


def test_predictions_are_titled_with_their_score():
    rows = np.arange(100, 110)
    true = np.arange(10.0)
    trace = figures.Trace(rows, true, true + 1)
    title = figures.predictions(trace, trace, "run", "lasso").axes[1].get_title(loc="left")
    assert title == f"lasso, validation: R² = {1 - 10 / 82.5:.3f}"


def test_a_score_counts_rows_by_their_weights_and_that_of_the_search_is_shown_where_it_is_given():
    rng = np.random.default_rng(0)
    true, predicted, weights = rng.standard_normal(50), rng.standard_normal(50), rng.uniform(0, 3, 50)
    trace = figures.Trace(np.arange(50), true, predicted, weights)
    titles = [axes.get_title(loc="left") for axes in figures.predictions(trace, trace._replace(r2=0.5), "y", "x").axes]
    assert titles == [
        f"x, train: R² = {r2_score(true, predicted, sample_weight=weights):.3f}",
        "x, validation: R² = 0.500",
    ]
    _, labels = figures.residuals(trace._replace(r2=0.5), "y", "x").axes[0].get_legend_handles_labels()
    assert labels[0] == "validation rows, R² = 0.500"


def test_lines_are_broken_where_rows_are_left_out():
    trace = figures.Trace(np.array([0, 1, 5, 6]), np.arange(4.0), np.arange(4.0))
    for line in figures.predictions(trace, trace, "run", "lasso").axes[0].lines:
        np.testing.assert_array_equal(line.get_ydata(), [0, 1, np.nan, 2, 3])


def test_a_line_over_folds_of_interleaved_rows_never_goes_back():
    trace = figures.Trace(np.array([0, 2, 5, 1, 6]), np.arange(5.0), np.arange(5.0))
    for line in figures.predictions(trace, trace, "run", "lasso").axes[1].lines:
        np.testing.assert_array_equal(line.get_xdata(), [0, 1, 2, np.nan, 5, 6])
        np.testing.assert_array_equal(line.get_ydata(), [0, 3, 1, np.nan, 2, 4])


def test_a_long_line_keeps_its_extremes_and_its_gaps_in_few_points():
    rows = np.r_[0:60_000, 90_000:120_000]
    true = np.random.default_rng(0).standard_normal(len(rows))
    true[[7, 45_678]] = 9, -9
    trace = figures.Trace(rows, true, true)
    line = figures.predictions(trace, trace, "run", "lasso").axes[0].lines[0]
    x, y = line.get_data()
    assert len(x) < 5000
    assert (np.nanmin(y), np.nanmax(y)) == (-9, 9)
    (gap,) = np.flatnonzero(np.isnan(x))
    assert (x[gap - 1], x[gap + 1]) == (pytest.approx(60_000, abs=50), pytest.approx(90_000, abs=50))
    assert np.abs(x[np.nanargmin(y)] - 45_678) <= 45


def test_train_and_validation_share_a_scale():
    rows = np.arange(3)
    small, large = (figures.Trace(rows, values, values) for values in (np.arange(3.0), 9 * np.arange(3.0)))
    above, below = figures.predictions(small, large, "run", "lasso").axes
    assert above.get_ylim() == below.get_ylim()


def test_test_rows_are_drawn_below_the_others_if_they_are_given():
    rows = np.arange(3)
    seen, test = (figures.Trace(rows, values, values) for values in (np.arange(3.0), 9 * np.arange(3.0)))
    drawn = figures.predictions(seen, seen, "run", "lasso", test).axes
    assert [axes.get_title(loc="left") for axes in drawn] == [
        f"lasso, {part}: R² = 1.000" for part in ("train", "validation", "test")
    ]
    np.testing.assert_array_equal(drawn[2].lines[1].get_ydata(), test.predicted)
    assert len(figures.predictions(seen, seen, "run", "lasso").axes) == 2


def test_residuals_are_what_the_prediction_leaves_of_each_row_and_their_means_by_tenths():
    predicted = np.arange(40.0)[::-1]
    left = np.where(predicted < 20, 1.0, -3.0)
    figure = figures.residuals(figures.Trace(np.arange(40), predicted + left, predicted), "speed", "lasso")
    against, residual = figure.axes
    np.testing.assert_array_equal(against.lines[0].get_xydata(), np.column_stack([predicted, predicted + left]))
    np.testing.assert_array_equal(residual.lines[0].get_xydata(), np.column_stack([predicted, left]))
    means = residual.lines[-1].get_xydata()
    np.testing.assert_allclose(means, np.column_stack([np.arange(10) * 4 + 1.5, [1.0] * 5 + [-3.0] * 5]))


def test_residuals_of_fewer_rows_than_groups_are_drawn():
    rows = np.arange(3)
    figure = figures.residuals(figures.Trace(rows, rows + 1.0, rows * 1.0), "speed", "lasso")
    assert len(figure.axes[1].lines[-1].get_xydata()) == 3


def test_very_many_points_are_pixels_in_a_file_for_printing():
    sizes = {}
    for count in (2000, 20_000):
        values = np.random.default_rng(0).standard_normal((2, count))
        sizes[count] = len(figures.to_pdf(figures.residuals(figures.Trace(np.arange(count), *values), "y", "lasso")))
    assert sizes[20_000] < 5 * sizes[2000]


def test_of_too_many_points_every_so_many_th_is_drawn_and_the_score_is_of_all():
    true, predicted = np.random.default_rng(0).standard_normal((2, 12_000))
    against, _ = figures.residuals(figures.Trace(np.arange(12_000), true, predicted), "y", "lasso").axes
    drawn = against.lines[0]
    np.testing.assert_array_equal(drawn.get_xydata(), np.column_stack([predicted, true])[::3])
    r2 = 1 - np.sum((true - predicted) ** 2) / np.sum((true - true.mean()) ** 2)
    assert drawn.get_label() == f"validation rows, R² = {r2:.3f}, one in 3 drawn".replace("-", "−")
