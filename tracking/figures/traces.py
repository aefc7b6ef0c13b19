"""The target as it was and as it is predicted, over time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from regsearch.tracking.figures.style import (
    QUIET,
    TEST,
    TRAIN,
    VALIDATION,
    Floats,
    house_style,
    legend_below,
    score,
    sheet,
    shortened,
)

_VECTORS = 2000
"""More points than these are pixels in SVG and PDF."""
_POINTS = 5000
"""The most points that are drawn of one part; of more, every so many-th."""
_STRETCHES = 2000
"""Number of pieces of a line, as wide as a pixel, of which no more than the lowest and the highest value is seen."""
_GROUPS = 10


class Trace(NamedTuple):
    """A target and its prediction over rows of a recording.

    Parameters
    ----------
    rows : ndarray of int, shape (n_rows,)
        Rows of the recording; the line is broken where some are left out.
    true, predicted : ndarray of float, shape (n_rows,)
        Target units.
    weights : ndarray of float, shape (n_rows,), or None
        ``None`` if all rows count the same.
    r2 : float or None
        R² as the search scored it (default: that of these rows).
    """

    rows: NDArray[np.int64]
    true: Floats
    predicted: Floats
    weights: Floats | None = None
    r2: float | None = None


@house_style
def predictions(train: Trace, validation: Trace, target: str, title: str, test: Trace | None = None) -> Figure:
    """Draw the true and the predicted target over the train and the validation rows, and the test rows if given.

    Parameters
    ----------
    train, validation : Trace
    target : str
        Name of the target, for the axes.
    title : str
    test : Trace or None
        ``None`` while the test rows are sealed.
    """
    parts = [("train", train, TRAIN), ("validation", validation, VALIDATION)]
    parts += [("test", test, TEST)] if test else []
    figure = sheet(15 + 51 * len(parts))
    for axes, (name, trace, colour) in zip(figure.subplots(len(parts), 1, sharey=True), parts, strict=True):
        axes.plot(*_line(trace.rows, trace.true), color="black", linewidth=1, label="true")
        line = _line(trace.rows, trace.predicted)
        axes.plot(*line, color=colour, linewidth=1, alpha=0.9, label=f"predicted, {name}")
        axes.set_title(f"{title}, {name}: R² = {_r2(trace):.3f}")
        axes.set_ylabel(shortened(target))
        axes.margins(x=0.01)
        axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("row of the recording, counted from 0")
    legend_below(figure, 1 + len(parts))
    return figure


@house_style
def residuals(validation: Trace, target: str, title: str, test: Trace | None = None) -> Figure:
    """Draw the true target against the predicted one, and what is left of it.

    The line through the residuals joins the means of ten groups of validation rows, alike in size, by their prediction.
    Where a linear model fits, it stays at zero.

    Parameters
    ----------
    validation : Trace
    target : str
        Name of the target, for the axes.
    title : str
    test : Trace or None
        ``None`` while the test rows are sealed.
    """
    parts = [("validation", validation, VALIDATION)] + ([("test", test, TEST)] if test else [])
    figure = sheet(98)
    against, left = figure.subplots(1, 2)
    for name, trace, colour in parts:
        look = {"color": colour, "markersize": 3, "alpha": 0.5, "mew": 0, "rasterized": len(trace.true) > _VECTORS}
        one_in = -(-len(trace.true) // _POINTS)
        some = "" if one_in == 1 else f", one in {one_in} drawn"
        true, predicted = trace.true[::one_in], trace.predicted[::one_in]
        against.plot(predicted, true, "o", label=f"{name} rows, R² = {score(_r2(trace))}{some}", **look)
        left.plot(predicted, true - predicted, "o", **look)
    every = np.concatenate([[*trace.true, *trace.predicted] for _, trace, _ in parts])
    ends = float(every.min()), float(every.max())
    against.plot(ends, ends, color=QUIET, linestyle="--", linewidth=1, label="where they are equal")
    left.axhline(0, color=QUIET, linestyle="--", linewidth=1)
    groups = [at for at in np.array_split(np.argsort(validation.predicted), _GROUPS) if len(at)]
    left.plot(
        [validation.predicted[at].mean() for at in groups],
        [(validation.true - validation.predicted)[at].mean() for at in groups],
        color="black",
        marker="s",
        label="mean residual of a tenth of the validation rows",
    )
    against.set_ylabel(f"true {shortened(target)}")
    left.set_ylabel("true − predicted")
    for axes in (against, left):
        axes.set_xlabel("predicted")
        axes.locator_params(nbins=5)
    figure.suptitle(title, x=0.01, ha="left", fontsize="medium")
    legend_below(figure, 2)
    return figure


def _line(rows: NDArray[np.int64], values: Floats) -> tuple[Floats, Floats]:
    """Return the points of a line over rows in order, broken where rows are left out and that can be seen."""
    order = np.argsort(rows, kind="stable")  # folds of interleaved groups come one after the other
    rows, values = rows[order], values[order]
    stretch, longest = -(-len(rows) // _STRETCHES), 1
    if stretch > 2:
        longest = 2 * stretch
        starts = np.arange(0, len(rows), stretch)
        rows = np.repeat(rows[starts], 2)
        values = np.column_stack([reduce.reduceat(values, starts) for reduce in (np.minimum, np.maximum)]).ravel()
    gaps = np.flatnonzero(np.diff(rows) > longest) + 1
    return np.insert(rows.astype(float), gaps, np.nan), np.insert(values, gaps, np.nan)


def _r2(trace: Trace) -> float:
    if trace.r2 is not None:
        return trace.r2
    left, deviations = trace.true - trace.predicted, trace.true - np.average(trace.true, weights=trace.weights)
    return float(1 - np.average(left**2, weights=trace.weights) / np.average(deviations**2, weights=trace.weights))
