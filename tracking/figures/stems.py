"""Stem plots of weights: a weight that is zero has no stem."""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import local
from typing import cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.text import Text
from numpy.typing import NDArray

from regsearch.tracking.figures.attempt import unless_it_fails
from regsearch.tracking.figures.png import MM_PER_INCH
from regsearch.tracking.figures.raster import Raster
from regsearch.tracking.figures.style import (
    DOUBLE,
    QUIET,
    TRAIN,
    Floats,
    house_style,
    in_house,
    number,
    power_of_ten,
    sheet,
    shortened,
)

_BINS = 640
_MARKED = 400
_UNREADABLE = 10
_NAMED = 12
_PLAIN_EXPONENTS = range(-2, 4)
_kept = local()


@house_style
def weights(coef: Floats, title: str) -> Figure:
    """Draw one stem per non-zero weight.

    Parameters
    ----------
    coef : ndarray of float, shape (n_features,)
        In target units per unit of each feature.
    title : str
    """
    figure = _blank()
    _fill(figure, coef, title)
    return figure


def weights_png(coef: Floats, title: str) -> bytes:
    """Return `weights` as the bytes of a PNG file, or nothing if it cannot be drawn.

    It is drawn for every trial, so each thread keeps what is the same in the plots of as many features.
    """

    def draw() -> bytes:
        with in_house():
            if getattr(_kept, "n_features", None) != len(coef):
                _kept.plate, _kept.n_features = _Plate(len(coef)), len(coef)
            plate: _Plate = _kept.plate
            return plate.print(coef, title)

    return unless_it_fails("the stem plot of a trial's weights", draw) or b""


class _Plate:
    """What all stem plots of as many features share, drawn once: all but the stems, their axis and the title."""

    def __init__(self, n_features: int) -> None:
        self._figure = _blank()
        (axes,) = self._figure.axes
        title = _fill(self._figure, np.zeros(n_features), "")
        self._changing = [
            axes.yaxis,
            *axes.patches,
            *axes.lines,
            axes.spines["left"],
            title,
        ]  # the spine lies on the axis's lines
        for artist in self._changing:
            artist.set_animated(True)
        width, height = self._figure.canvas.get_width_height()
        self._raster = Raster(width, height, self._figure.dpi)  # type: ignore[no-untyped-call]
        self._figure.draw(self._raster)
        self._ground = self._raster.copy_from_bbox(self._figure.bbox)

    def print(self, coef: Floats, title: str) -> bytes:
        """Return the stem plot of weights as the bytes of a PNG file."""
        _fill(self._figure, coef, title)
        self._raster.restore_region(self._ground)  # type: ignore[no-untyped-call]
        for artist in self._changing:
            artist.draw(self._raster)
        return self._raster.to_png()


@house_style
def weights_compared(
    unregularised: Floats, winner: Floats, winner_title: str, target: str, names: Sequence[str] = ()
) -> Figure:
    """Draw the unregularised model's weights above the winner's, on one vertical scale.

    Where one model's weights are too small to be seen on that scale, they are drawn once more, magnified.  Where the
    features have names, the winner's largest weights are named.

    Parameters
    ----------
    unregularised, winner : ndarray of float, shape (n_features,)
        In target units per unit of each feature.
    winner_title, target : str
    names : sequence of str, length n_features
        Empty if the features have none.
    """
    models = (("unregularised", unregularised), (winner_title, winner))
    scale = _largest(np.concatenate([unregularised, winner]))
    panels = [(coef, scale, _count(coef, title)) for title, coef in models]
    for title, coef in models:
        times = scale / _largest(coef)
        if coef.any() and times > _UNREADABLE:
            power = 10 ** math.floor(math.log10(times))
            times = max(times // power, 1) * power
            panels.append((coef, scale / times, f"{title}, magnified {times:,.0f} times"))
    figure = sheet(18 + 48 * len(panels))
    grid = figure.subplots(len(panels), 1, sharex=True)
    for axes, (coef, limit, title) in zip(grid, panels, strict=True):
        _prepare(axes)
        _stems(axes, coef, limit)
        axes.set_title(title)
    if names:
        last = max(place for place, (coef, _, _) in enumerate(panels) if coef is winner)
        _name_largest(figure, grid[last], winner, names)
    same = "both" if len(panels) == len(models) else "the upper two"
    grid[-1].set_xlabel(
        f"feature, counted from 0 ({same} on the same vertical scale)\n"
        f"weights in units of {shortened(target)} per unit of the feature"
    )
    figure.align_ylabels()
    return figure


def _name_largest(figure: Figure, axes: Axes, coef: Floats, names: Sequence[str]) -> None:
    """Write the names of the largest weights at their stems, the largest first, where they cover no other's name."""
    low, high = axes.get_ylim()
    axes.set_ylim(1.25 * low, 1.25 * high)  # leaves room for a name beyond the longest stem
    left, right = axes.get_xlim()
    letter = (right - left) * 0.62 * mpl.rcParams["font.size"] / (72 * 0.85 * figure.get_figwidth())
    taken: list[tuple[float, float, bool]] = []
    for at in np.argsort(-np.abs(coef), kind="stable")[:_NAMED]:
        name, above = shortened(names[at]), bool(coef[at] > 0)
        half = letter * len(name) / 2
        middle = min(max(float(at), left + half), right - half)
        begin, end = middle - half, middle + half
        if coef[at] and not any(above == other and begin < stop and start < end for start, stop, other in taken):
            taken.append((begin, end, above))
            axes.annotate(
                name,
                (middle, coef[at]),
                xytext=(0, 3 if above else -3),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
                fontsize="small",
            )


def _blank() -> Figure:
    figure = Figure(figsize=(DOUBLE / MM_PER_INCH, 2.5), dpi=110)
    axes = figure.add_axes((0.115, 0.19, 0.845, 0.7))  # by hand: a layout engine costs 10 ms
    axes.set_xlabel("feature")
    axes.yaxis.set_label_coords(-0.11, 0.5)  # matplotlib would measure every tick to put it beside them
    _prepare(axes)
    return figure


def _fill(figure: Figure, coef: Floats, title: str) -> Text:
    (axes,) = figure.axes
    _stems(axes, coef, _largest(coef))
    return axes.set_title(_count(coef, title))


def _count(coef: Floats, title: str) -> str:
    return f"{title}: {np.count_nonzero(coef):,} of {len(coef):,} weights are not zero"


def _largest(coef: Floats) -> float:
    return float(np.abs(coef).max(initial=0.0)) or 1.0


def _prepare(axes: Axes) -> None:
    """Give axes the lines and the outline that `_stems` fills."""
    axes.add_patch(Polygon(np.zeros((1, 2)), facecolor=TRAIN, linewidth=0))
    axes.plot([], [], color=TRAIN, linewidth=0.8)
    axes.plot([], [], ".", color=TRAIN, markersize=4)
    axes.axhline(0, color=QUIET, linewidth=0.6)
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _stems(axes: Axes, coef: Floats, limit: float) -> None:
    (bars, marks, _), outline = axes.lines, cast(Polygon, axes.patches[0])
    index = np.flatnonzero(coef)
    is_dense = len(index) > _BINS
    stem, marked = (index[: 0 if hidden else None] for hidden in (is_dense, len(index) > _MARKED))
    bars.set_data(
        np.repeat(stem, 3), np.stack([0 * coef[stem], coef[stem], np.full(len(stem), np.nan)], axis=1).ravel()
    )
    marks.set_data(marked, coef[marked])
    outline.set_xy(_outline(index, coef) if is_dense else np.zeros((1, 2)))
    axes.set_xlim(-0.01 * len(coef), 1.01 * len(coef))
    axes.set_ylim(-1.08 * limit, 1.08 * limit)
    exponent = math.floor(math.log10(limit))
    exponent = 0 if exponent in _PLAIN_EXPONENTS else exponent
    axes.set_ylabel(f"weight / {power_of_ten(exponent)}" if exponent else "weight")
    axes.yaxis.set_major_formatter(lambda value, _: number(value / 10.0**exponent))


def _outline(index: NDArray[np.int64], coef: Floats) -> Floats:
    """Return the outline of more stems than a plot has pixels, those that share a pixel as the bar that they cover."""
    bins = index * _BINS // len(coef)
    first = np.flatnonzero(np.diff(bins, prepend=-1))
    low, high = np.zeros((2, _BINS))
    low[bins[first]] = np.minimum(np.minimum.reduceat(coef[index], first), 0)
    high[bins[first]] = np.maximum(np.maximum.reduceat(coef[index], first), 0)
    edges = np.repeat(np.arange(_BINS + 1) * (len(coef) / _BINS) - 0.5, 2)[1:-1]
    upper, lower = (np.stack([edges, np.repeat(ends, 2)], axis=1) for ends in (high, low))
    return np.concatenate([upper, lower[::-1]])
