"""Every picture, each a pure function from arrays to a matplotlib `Figure`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from io import BytesIO
from typing import Any, NamedTuple, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TRAIN, _VALIDATION, _WINNER, _QUIET = "#0072B2", "#D55E00", "#009E73", "#7F7F7F"  # Okabe & Ito, safe for all eyes
_STYLE: dict[Any, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "figure.dpi": 110,
    "font.size": 9,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.markersize": 4,
}
_STEM_BINS = 800
_MARKED_STEMS = 400

P = ParamSpec("P")


class Trace(NamedTuple):
    """A target and its prediction over consecutive rows.

    Parameters
    ----------
    rows : ndarray of int, shape (n_rows,)
        Rows of the recording.
    true, predicted : ndarray of float, shape (n_rows,)
        Target units.
    """

    rows: NDArray[np.int64]
    true: Floats
    predicted: Floats


def _house_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return drawn


def to_png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    buffer = BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, pil_kwargs={"compress_level": 1})  # type: ignore[no-untyped-call]
    return buffer.getvalue()


@_house_style
def weights(coef: Floats, title: str) -> Figure:
    """Draw one stem per non-zero weight.

    Parameters
    ----------
    coef : ndarray of float, shape (n_features,)
        In target units per unit of each feature.
    title : str
    """
    figure = Figure(figsize=(8, 2.8))
    _stems(figure.add_axes((0.09, 0.17, 0.88, 0.73)), coef, title)  # drawn for every trial: a layout engine costs 10 ms
    return figure


@_house_style
def weights_compared(unregularised: Floats, winner: Floats, winner_title: str) -> Figure:
    """Draw the unregularised model's weights above the winner's, each on a scale of its own.

    Parameters
    ----------
    unregularised, winner : ndarray of float, shape (n_features,)
        In target units per unit of each feature.
    winner_title : str
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _stems(above, unregularised, "unregularised")
    _stems(below, winner, winner_title)
    above.set_xlabel("")
    return figure


@_house_style
def r2_against_alpha(
    family: str,
    alpha: Floats,
    r2_train: Floats,
    r2_validation: Floats,
    baseline: tuple[float, float],
    best: int,
) -> Figure:
    """Draw R² of a one-strength family against its strength, with the unregularised level as a line.

    Parameters
    ----------
    family : str
    alpha, r2_train, r2_validation : ndarray of float, shape (n_trials,)
    baseline : tuple of float
        R² of the unregularised model on the train and validation rows.
    best : int
        Position of the trial with the best validation R².
    """
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.add_subplot()
    order = np.argsort(alpha)
    for values, level, colour, marker, label in (
        (r2_train, baseline[0], _TRAIN, "o", "train"),
        (r2_validation, baseline[1], _VALIDATION, "s", "validation"),
    ):
        axes.plot(alpha[order], values[order], color=colour, marker=marker, label=label)
        axes.axhline(level, color=colour, linestyle="--", linewidth=1, label=f"{label}, unregularised")
    axes.plot(
        alpha[best], r2_validation[best], "*", color=_WINNER, markersize=13, zorder=3, label=f"best: {alpha[best]:.4g}"
    )
    axes.set_xscale("log")
    _bound_r2(axes, np.concatenate([r2_train, r2_validation, baseline]))
    axes.set_xlabel(f"{family} alpha")
    axes.set_ylabel("R²")
    axes.set_title(f"{family}: R² against alpha")
    axes.legend(loc="best", fontsize="small")
    return figure


@_house_style
def mix_heatmap(l1_alpha: Floats, l2_alpha: Floats, r2_validation: Floats, best: int) -> Figure:
    """Draw the validation R² of every mix of an L1 and an L2 strength.

    Parameters
    ----------
    l1_alpha, l2_alpha, r2_validation : ndarray of float, shape (n_trials,)
        A full grid is drawn as cells with their values, anything else as points.
    best : int
        Position of the trial with the best validation R².
    """
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.add_subplot()
    columns, column = np.unique(l1_alpha, return_inverse=True)
    rows, row = np.unique(l2_alpha, return_inverse=True)
    low, high = max(0.0, float(r2_validation.min())), max(0.01, float(r2_validation.max()))
    if len(columns) * len(rows) == len(r2_validation):
        values = np.empty((len(rows), len(columns)))
        values[row, column] = r2_validation
        shown = axes.imshow(values, origin="lower", aspect="auto", cmap="cividis", vmin=low, vmax=high)
        axes.grid(visible=False)
        axes.set_xticks(range(len(columns)), [f"{value:g}" for value in columns])
        axes.set_yticks(range(len(rows)), [f"{value:g}" for value in rows])
        if values.size <= 100:
            for (i, j), value in np.ndenumerate(values):
                colour = "black" if value > (low + high) / 2 else "white"
                axes.text(j, i, f"{value:.3f}", ha="center", va="center", color=colour)
        x, y = float(column[best]), float(row[best])
        axes.add_patch(mpl.patches.Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, fill=False, ec="white", lw=2.5))
        axes.add_patch(mpl.patches.Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, fill=False, ec=_WINNER, lw=1.5))
    else:
        points = axes.scatter(l1_alpha, l2_alpha, c=r2_validation, cmap="cividis", vmin=low, vmax=high, s=40)
        shown = points  # type: ignore[assignment]
        axes.plot(l1_alpha[best], l2_alpha[best], "*", color=_WINNER, markersize=14)
        axes.set_xscale("log")
        axes.set_yscale("log")
    figure.colorbar(shown, ax=axes, label="validation R²", extend="min" if r2_validation.min() < low else "neither")
    axes.set_xlabel("L1 strength (l1_alpha)")
    axes.set_ylabel("L2 strength (l2_alpha)")
    axes.set_title(f"elasticnet: best {r2_validation[best]:.4f} at l1 {l1_alpha[best]:.4g}, l2 {l2_alpha[best]:.4g}")
    return figure


@_house_style
def predictions(train: Trace, validation: Trace, target: str, title: str) -> Figure:
    """Draw the true and the predicted target over the train and the validation rows.

    Parameters
    ----------
    train, validation : Trace
    target : str
        Name of the target, for the axis.
    title : str
    """
    figure = Figure(figsize=(9, 5), layout="constrained")
    for axes, trace, name, colour in zip(
        figure.subplots(2, 1), (train, validation), ("train", "validation"), (_TRAIN, _VALIDATION), strict=True
    ):
        residual = trace.true - trace.predicted
        r2 = 1 - residual @ residual / np.square(trace.true - trace.true.mean()).sum()
        axes.plot(trace.rows, trace.true, color="black", linewidth=1, label="true")
        axes.plot(trace.rows, trace.predicted, color=colour, linewidth=1, alpha=0.85, label="predicted")
        axes.set_title(f"{title}, {name}: R² = {r2:.3f}")
        axes.set_ylabel(target)
        axes.margins(x=0.01)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.1, ncols=2, fontsize="small")
    axes.set_xlabel("row of the recording")
    return figure


def _stems(axes: Axes, coef: Floats, title: str) -> None:
    index = np.flatnonzero(coef)
    at, low, high = _bars(index, coef[index], len(coef))
    bars = np.stack([low, high, np.full(len(at), np.nan)], axis=1)
    axes.plot(np.repeat(at, 3), bars.ravel(), color=_TRAIN, linewidth=0.8)
    if len(index) <= _MARKED_STEMS:
        axes.plot(index, coef[index], ".", color=_TRAIN, markersize=4)
    axes.axhline(0, color=_QUIET, linewidth=0.6)
    largest = float(np.abs(coef).max(initial=0.0)) or 1.0
    axes.set_xlim(-0.01 * len(coef), 1.01 * len(coef))
    axes.set_ylim(-1.08 * largest, 1.08 * largest)
    axes.set_xlabel("feature")
    axes.set_ylabel("weight")
    axes.set_title(f"{title}: {len(index):,} of {len(coef):,} weights are not zero")


def _bars(index: NDArray[np.int64], values: Floats, n_features: int) -> tuple[Floats, Floats, Floats]:
    """Return where stems stand, and from where to where: those that share a pixel as the one bar that they cover."""
    if len(index) <= _STEM_BINS:
        return index.astype(float), np.minimum(values, 0.0), np.maximum(values, 0.0)
    bins = index * _STEM_BINS // n_features
    first = np.flatnonzero(np.diff(bins, prepend=-1))
    low, high = np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)
    return index[first].astype(float), np.minimum(low, 0.0), np.maximum(high, 0.0)


def _bound_r2(axes: Axes, values: Floats) -> None:
    """Keep the informative range of R² readable where some fits are far below zero."""
    low = max(float(values.min()), -0.5)
    axes.set_ylim(low - 0.05, 1.03)
    if values.min() < low:
        axes.annotate(
            f"lowest: {values.min():.3g}", (0.01, 0.01), xycoords="axes fraction", color=_QUIET, fontsize="small"
        )
