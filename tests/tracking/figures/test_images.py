"""Each figure looks as it did when somebody last looked at it, and its words have room.

The images are of what is drawn, without its words and where they put it, which depend on the machine's type.  Where a
figure is meant to look different, draw the images anew, look at them, and commit them:

    python tests/tracking/figures/test_images.py
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text

from regsearch.tracking import figures

IMAGES = Path(__file__).parent / "images"
LONG = "elasticnet l1_alpha=0.0005937 l2_alpha=0.01523"
TOLERANCE = 0.5  # root mean square over all pixels, of 255


def trials():
    """Return a search of every family: names, strengths and scores, on smooth curves."""
    step = np.arange(8.0)
    weights = np.concatenate([[200], [200] * 8, 4.0 ** np.arange(7, -1, -1) // 100, 150 - 10 * step])
    r2 = np.concatenate([[0.4], 0.7 - 0.02 * (step - 5) ** 2, 0.8 - 0.03 * (step - 3) ** 2, 0.75 - 0.01 * step])
    return ["none"] + ["ridge"] * 8 + ["lasso"] * 8 + ["elasticnet"] * 8, weights, r2


def r2_against_alpha():
    step = np.arange(8.0)
    validation = 0.8 - 0.03 * (step - 3) ** 2
    choices = figures.Choices(best=3, one_se=5)
    curve = figures.Curve(10 ** (step / 3 - 3), 0.95 - 0.08 * step, validation, 0.05 + 0.01 * step)
    return figures.r2_against_alpha("lasso", curve, (0.98, -2e6), choices)


def mix_heatmap():
    l1, l2 = (values.ravel() for values in np.meshgrid([0.001, 0.01, 0.1], [0.1, 1.0, 10.0, 100.0]))
    return figures.mix_heatmap(l1, l2, np.arange(12) / 12 - 0.1, figures.Choices(best=11, one_se=7))


def mix_points():
    step = np.arange(12.0)
    l1, l2 = 10 ** (step % 5 - 4), 10 ** (step % 7 - 3)
    return figures.mix_heatmap(l1, l2, step / 12, figures.Choices(best=11, one_se=8))


def importance():
    step = np.arange(12.0)
    strengths = {"l1_alpha": 10 ** (step % 5 - 4), "l2_alpha": 10 ** (step % 7 - 3)}
    return figures.importance(
        strengths, step / 12 - 0.6, {"l1_alpha": 0.6, "l2_alpha": 0.4}, figures.Choices(best=11, one_se=8)
    )


def trade_off():
    return figures.trade_off(*trials(), figures.Choices(best=12, one_se=14), lambda _: LONG)


def history():
    family, _, r2 = trials()
    return figures.history(family[1:], np.tile(np.arange(8.0), 3), r2[1:], baseline=r2[0])


def coefficient_path():
    alpha, feature = np.geomspace(0.001, 1, 12), np.arange(60.0)
    full = np.sin(feature) * 0.9**feature
    coef = np.sign(full) * np.maximum(np.abs(full) - alpha[:, None], 0)
    names = [f"unit_{number:.0f}_visual_cortex_left" for number in feature]
    return figures.coefficient_path(alpha, coef, 3, "speed", names)


def weights():
    coef = np.zeros(60)
    coef[::7] = np.arange(-4.0, 5.0)
    return figures.weights(coef, LONG)


def weights_compared():
    feature = np.arange(60.0)
    winner = np.where(feature % 7 == 0, 20 - feature, 0)
    names = [f"unit_{number:.0f}_visual_cortex_left" for number in feature]
    return figures.weights_compared(1e5 * np.sin(feature), winner, LONG, "speed", names)


def predictions():
    rows = np.r_[100:150, 160:220]
    trace = figures.Trace(rows, np.sin(rows / 9), 0.8 * np.sin(rows / 9) + 0.1)
    return figures.predictions(trace, trace, "speed", LONG)


def predictions_with_test():
    rows = np.r_[100:150, 160:220]
    trace = figures.Trace(rows, np.sin(rows / 9), 0.8 * np.sin(rows / 9) + 0.1)
    return figures.predictions(trace, trace, "speed", LONG, trace)


def residuals():
    predicted = np.linspace(0, 3, 200)
    trace = figures.Trace(np.arange(200), predicted + np.sin(3 * predicted) / 4 + np.sin(np.arange(200)) / 2, predicted)
    return figures.residuals(trace, "speed", LONG)


def residuals_with_test():
    predicted = np.linspace(0, 3, 200)
    trace = figures.Trace(np.arange(200), predicted + np.sin(np.arange(200)) / 2, predicted)
    test = figures.Trace(np.arange(50), 2 - np.arange(50) / 10, predicted[::4])
    return figures.residuals(trace, "a target with a very long name that is shortened", LONG, test)


def r2_of_folds_against_alpha():
    step = np.arange(8.0)
    validation = 0.8 - 0.03 * (step - 3) ** 2
    folds = validation + np.array([[-0.2], [0.0], [0.1], [-3.0]]) * (1 + step / 10)
    curve = figures.Curve(10 ** (step / 3 - 3), 0.95 - 0.08 * step, validation, 0.05 + 0.01 * step, folds)
    return figures.r2_against_alpha("lasso", curve, (0.98, 0.4), figures.Choices(best=3, one_se=5))


def group_scores():
    names = [f"animal_{number:.0f} a very long name of a session" for number in range(20)]
    r2 = np.append(0.8 - 0.9 * np.sin(np.arange(19.0)) ** 2, -7.0)
    return figures.group_scores(names, r2, 0.5, LONG, np.where(np.arange(20) % 3, r2 - 0.1, np.nan))


def many_group_scores():
    return figures.group_scores([*map(str, range(60))], np.sin(np.arange(60.0)) ** 2, 0.5, LONG)


def null_scores():
    scores = np.append(np.sin(np.arange(98.0)) / 5, [-1.2, 0.4])
    title = "p = 0.0196, by 100 shifts of the target; the smallest possible is 0.0196"
    return figures.null_scores(scores, 0.7, title, "validation")


DRAWN = (
    group_scores,
    many_group_scores,
    r2_against_alpha,
    r2_of_folds_against_alpha,
    mix_heatmap,
    mix_points,
    importance,
    trade_off,
    history,
    coefficient_path,
    weights,
    weights_compared,
    predictions,
    predictions_with_test,
    residuals,
    residuals_with_test,
    null_scores,
)


def write(draw, folder):
    """Draw a figure small and without words, into a folder, and return its file."""
    figure = draw()
    figure.draw_without_rendering()  # makes the ticks
    for words in (*figure.findobj(Text), *figure.legends):
        words.set_visible(False)
    for place, axes in enumerate(figure.axes):
        axes.set_position((0.04, 0.04 + 0.96 * place / len(figure.axes), 0.92, 0.88 / len(figure.axes)))
    figure.set_size_inches(4, 3)
    path = folder / f"{draw.__name__}.png"
    figure.savefig(path, dpi=60, metadata={"Software": None})
    return path


@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)
def test_a_figure_looks_as_it_did(draw, tmp_path):
    path = write(draw, tmp_path)
    difference = compare_images(IMAGES / path.name, path, tol=TOLERANCE)  # a text that names the three images
    assert difference is None, difference


@pytest.mark.parametrize("width", [figures.SINGLE, figures.DOUBLE])
@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)
def test_no_word_is_cut_off_or_covers_another(draw, width):
    with figures.column(width):
        figure = draw()
    assert draw is weights or figure.get_figwidth() * 25.4 == pytest.approx(width)
    figure.draw_without_rendering()
    beyond = [
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    ]
    boxes = [
        (text.get_text(), Text.get_window_extent(text))  # an annotation counts its line, too
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text() and text not in beyond
    ]
    assert len(boxes) > 8
    for word, box in boxes:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, word
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, word
    for (word, box), (other, beside) in combinations(boxes, 2):
        assert not box.overlaps(beside), (word, other)


if __name__ == "__main__":
    for draw in DRAWN:
        print(write(draw, IMAGES))
