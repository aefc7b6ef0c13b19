"""R² against the strengths of the penalties of one family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from regsearch.tracking.figures.marks import Choices, mark_choices, r2_axis, r2_level
from regsearch.tracking.figures.style import (
    CHOSEN,
    QUIET,
    TRAIN,
    VALIDATION,
    Floats,
    house_style,
    legend_below,
    number,
    score,
    sheet,
)

_LABELLED_TICKS = 6
_LABELLED_CELLS = 64


@dataclass(frozen=True, eq=False)
class Curve:
    """The scores of a family with one strength, in any order.

    Parameters
    ----------
    alpha, r2_train, r2_validation, r2_validation_se : ndarray of float, shape (n_trials,)
        Strengths, scores, and the standard errors of the validation scores.
    folds : ndarray of float, shape (n_folds, n_trials), or None
        The validation score of each fold; ``None`` without folds.
    """

    alpha: Floats
    r2_train: Floats
    r2_validation: Floats
    r2_validation_se: Floats
    folds: Floats | None = None


@house_style
def r2_against_alpha(family: str, curve: Curve, baseline: tuple[float, float], choices: Choices | None) -> Figure:
    """Draw R² of a one-strength family against its strength, with the unregularised level as a line.

    Parameters
    ----------
    family : str
    curve : Curve
    baseline : tuple of float
        R² of the unregularised model on the train and validation rows.
    choices : Choices or None
        None where no trial may be chosen.
    """
    figure = sheet(112)
    axes = figure.add_subplot()
    alpha = curve.alpha
    order = np.argsort(alpha)
    rows = (("train", curve.r2_train, TRAIN, "o"), ("validation", curve.r2_validation, VALIDATION, "s"))
    for label, r2, colour, marker in rows:
        axes.plot(alpha[order], r2[order], color=colour, marker=marker, label=label)
    axes.fill_between(
        alpha[order],
        (curve.r2_validation - curve.r2_validation_se)[order],
        (curve.r2_validation + curve.r2_validation_se)[order],
        color=VALIDATION,
        alpha=0.15,
        linewidth=0,
        label="validation ± one standard error",
    )
    if curve.folds is not None:
        lines = axes.plot(alpha[order], curve.folds[:, order].T, color=VALIDATION, linewidth=0.6, alpha=0.6, zorder=1.9)
        lines[0].set_label("validation, each fold")
    axes.set_xscale("log")
    label_strengths(axes.xaxis)
    r2_axis(axes, np.tile(alpha, 2), np.concatenate([curve.r2_train, curve.r2_validation]), baseline)
    for (label, _, colour, _), level in zip(rows, baseline, strict=True):
        r2_level(axes, level, colour, f"{label}, unregularised")

    def name(at: int) -> str:
        return f"{number(alpha[at])} (R² {score(curve.r2_validation[at])} ± {number(curve.r2_validation_se[at], 2)})"

    mark_choices(axes, alpha, curve.r2_validation, choices, name)
    axes.set_xlabel(f"{family} alpha")
    axes.set_title(f"{family}: R² against alpha")
    legend_below(figure, 2)
    return figure


@house_style
def mix_heatmap(l1_alpha: Floats, l2_alpha: Floats, r2_validation: Floats, choices: Choices | None) -> Figure:
    """Draw the validation R² of every mix of an L1 and an L2 strength.

    Parameters
    ----------
    l1_alpha, l2_alpha, r2_validation : ndarray of float, shape (n_trials,)
        A full grid is drawn as cells with their values, anything else as points.
    choices : Choices or None
        None where no trial may be chosen.
    """
    figure = sheet(122)
    axes = figure.add_subplot()
    columns, rows = np.unique(l1_alpha), np.unique(l2_alpha)
    norm = mpl.colors.Normalize(max(0.0, float(r2_validation.min())), max(0.01, float(r2_validation.max())))

    def name(at: int) -> str:
        return f"L1 {number(l1_alpha[at])}, L2 {number(l2_alpha[at])} (R² {score(r2_validation[at])})"

    shown: Collection
    if len(columns) * len(rows) == len(r2_validation):
        column, row = np.searchsorted(columns, l1_alpha), np.searchsorted(rows, l2_alpha)
        values = np.empty((len(rows), len(columns)))
        values[row, column] = r2_validation
        shown = axes.pcolormesh(values, cmap="cividis", norm=norm)
        axes.grid(visible=False)
        _label_cells(axes, columns, rows, values, norm)
        if choices is not None:
            for (at, label), line in zip(choices.named(name), ("-", "--", ":"), strict=False):
                axes.add_patch(_frame(column[at], row[at], line, label))
    else:
        axes.set_xscale("log")
        axes.set_yscale("log")
        shown = axes.scatter(
            l1_alpha, l2_alpha, c=r2_validation, cmap="cividis", norm=norm, s=45, edgecolors=QUIET, linewidths=0.5
        )
        label_strengths(axes.xaxis)
        label_strengths(axes.yaxis)
        mark_choices(axes, l1_alpha, l2_alpha, choices, name)
    below = bool(r2_validation.min() < norm.vmin)
    figure.colorbar(shown, ax=axes, label="validation R²", extend="min" if below else "neither")
    axes.set_xlabel("L1 strength (l1_alpha)")
    axes.set_ylabel("L2 strength (l2_alpha)")
    axes.set_title("elasticnet: validation R² of every mix")
    legend_below(figure, 1)
    return figure


@house_style
def importance(
    strengths: Mapping[str, Floats], r2_validation: Floats, shares: Mapping[str, float], choices: Choices | None
) -> Figure:
    """Draw the validation R² against each strength in turn, titled with how much that strength decides what is best.

    Parameters
    ----------
    strengths : mapping of str to ndarray of float, shape (n_trials,)
        Strengths by name.
    r2_validation : ndarray of float, shape (n_trials,)
    shares : mapping of str to float
        Importance of each strength; they sum to one.
    choices : Choices or None
        None where no trial may be chosen.
    """
    figure = sheet(86)
    grid = figure.subplots(1, len(strengths), sharey=True)
    for axes, (name, strength) in zip(grid, strengths.items(), strict=True):
        axes.plot(strength, r2_validation, "o", color=VALIDATION, alpha=0.6, mec="white", mew=0.4, markersize=6)
        mark_choices(axes, strength, r2_validation, choices, lambda at: f"R² {score(r2_validation[at])}")
        axes.set_xscale("log")
        label_strengths(axes.xaxis)
        r2_axis(axes, strength, r2_validation)
        axes.set_xlabel(name)
        axes.set_ylabel("")
        axes.set_title(f"{name}: {100 * shares[name]:.0f} %")
    grid[0].set_ylabel("validation R²")
    title = "which strength decides whether a mix is among the best tenth (PED-ANOVA)"
    figure.suptitle(title, x=0.01, ha="left", fontsize="medium")
    legend_below(figure, 3)
    return figure


def label_strengths(axis: Axis) -> None:
    """Label the powers of ten of a logarithmic axis, where there are few 2 and 5 as well, and else four values."""
    low, high = sorted(axis.get_view_interval())
    if high < 100 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high > 6 * low else MaxNLocator(4))
    axis.set_major_formatter(lambda value, _: number(value))
    axis.set_minor_formatter(NullFormatter())


def _label_cells(axes: Axes, columns: Floats, rows: Floats, values: Floats, norm: mpl.colors.Normalize) -> None:
    for axis, strengths in ((axes.xaxis, columns), (axes.yaxis, rows)):
        labelled = range(0, len(strengths), -(-len(strengths) // _LABELLED_TICKS))
        axis.set_ticks([at + 0.5 for at in labelled], [number(strengths[at]) for at in labelled])
    if values.size > _LABELLED_CELLS:
        return
    for (i, j), value in np.ndenumerate(values):
        axes.text(
            j + 0.5, i + 0.5, score(value), ha="center", va="center", color="black" if norm(value) > 0.5 else "white"
        )


def _frame(column: int, row: int, line: str, label: str) -> mpl.patches.Rectangle:
    halo = withStroke(linewidth=4, foreground="white")
    return mpl.patches.Rectangle(
        (column + 0.04, row + 0.04), 0.92, 0.92, fill=False, ec=CHOSEN, lw=2, ls=line, path_effects=[halo], label=label
    )
