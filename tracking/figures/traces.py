"""The target as it was and as it is predicted, over time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from regsearch.tracking.figures.style import (
    TEST,
    TRAIN,
    VALIDATION,
    Floats,
    house_style,
    legend_below,
    sheet,
    shortened,
)


class Trace(NamedTuple):
    """A target and its prediction over rows of a recording.

    Parameters
    ----------
    rows : ndarray of int, shape (n_rows,)
        Rows of the recording; the line is broken where some are left out.
    true, predicted : ndarray of float, shape (n_rows,)
        Target units.
    """

    rows: NDArray[np.int64]
    true: Floats
    predicted: Floats


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
        residual = trace.true - trace.predicted
        r2 = 1 - residual @ residual / np.square(trace.true - trace.true.mean()).sum()
        gaps = np.flatnonzero(np.diff(trace.rows) != 1) + 1
        rows, true, predicted = (np.insert(values.astype(float), gaps, np.nan) for values in trace)
        axes.plot(rows, true, color="black", linewidth=1, label="true")
        axes.plot(rows, predicted, color=colour, linewidth=1, alpha=0.9, label=f"predicted, {name}")
        axes.set_title(f"{title}, {name}: R² = {r2:.3f}")
        axes.set_ylabel(shortened(target))
        axes.margins(x=0.01)
        axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("row of the recording, counted from 0")
    legend_below(figure, 1 + len(parts))
    return figure
