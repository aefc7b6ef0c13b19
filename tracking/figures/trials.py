"""All trials of a search together, by family."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from regsearch.tracking.figures.marks import Choices, mark_choices, r2_axis, r2_level
from regsearch.tracking.figures.style import CHOSEN, FAMILIES, QUIET, Floats, house_style, legend_below, score, sheet


@house_style
def trade_off(
    family: Sequence[str],
    n_nonzero: Floats,
    r2_validation: Floats,
    choices: Choices | None,
    name: Callable[[int], str],
    *,
    at_most: int | None = None,
) -> Figure:
    """Draw validation R² against the number of non-zero weights, with the Pareto front of the two.

    Parameters
    ----------
    family : sequence of str, length n_trials
    n_nonzero, r2_validation : ndarray of float, shape (n_trials,)
    choices : Choices or None
        None where no trial may be chosen.
    name : callable
        Names the trial at a position.
    at_most : int or None
        Number of non-zero weights to which the search limited its choice.
    """
    figure = sheet(117)
    axes = figure.add_subplot()
    for key, at in _by_family(family):
        _points(axes, key, n_nonzero[at], r2_validation[at], FAMILIES[key].name)
    front = _front(n_nonzero, r2_validation)
    right = 1.6 * max(float(n_nonzero.max()), 10.0)
    axes.step(
        [*n_nonzero[front], right],
        [*r2_validation[front], r2_validation[front[-1]]],
        where="post",
        color=QUIET,
        zorder=1.8,
        label="best with so many weights or fewer",
    )
    if at_most is not None:
        axes.axvline(at_most, color=CHOSEN, linestyle="--", linewidth=1, label=f"at most {at_most:,} weights")
    mark_choices(axes, n_nonzero, r2_validation, choices, name)
    axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_locator(FixedLocator([0, *10.0 ** np.arange(np.ceil(np.log10(right)))]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlim(-0.3, right)
    r2_axis(axes, n_nonzero, r2_validation)
    axes.set_xlabel("non-zero weights")
    axes.set_ylabel("validation R²")
    axes.set_title("R² and sparsity of every trial")
    legend_below(figure, 2)
    return figure


@house_style
def history(family: Sequence[str], trial: Floats, r2_validation: Floats, baseline: float) -> Figure:
    """Draw validation R² in the order in which trials were proposed, and each family's best so far.

    Parameters
    ----------
    family : sequence of str, length n_trials
    trial : ndarray of float, shape (n_trials,)
        Number of each trial in its family's study.
    r2_validation : ndarray of float, shape (n_trials,)
    baseline : float
        R² of the unregularised model on the validation rows.
    """
    figure = sheet(107)
    axes = figure.add_subplot()
    for key, at in _by_family(family):
        at = at[np.argsort(trial[at])]
        best = np.maximum.accumulate(r2_validation[at])
        _points(axes, key, trial[at], r2_validation[at], f"{FAMILIES[key].name}: {score(best[-1])}")
        axes.step(trial[at], best, where="post", color=FAMILIES[key].colour)
    r2_axis(axes, trial, r2_validation, [baseline])
    r2_level(axes, baseline, FAMILIES["none"].colour, FAMILIES["none"].name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial of the family's study")
    axes.set_ylabel("validation R²")
    axes.set_title("each trial (points), and its family's best so far (lines)")
    legend_below(figure, 3)
    return figure


def _points(axes: Axes, family: str, x: Floats, r2: Floats, label: str) -> None:
    _, colour, marker = FAMILIES[family]
    axes.plot(x, r2, marker, color=colour, mec="white", mew=0.4, markersize=6.5, label=label)


def _by_family(family: Sequence[str]) -> list[tuple[str, NDArray[np.int64]]]:
    """Return each family that has trials, with their positions."""
    names = np.asarray(family)
    return [(key, at) for key in FAMILIES if len(at := np.flatnonzero(names == key))]


def _front(n_nonzero: Floats, r2: Floats) -> NDArray[np.int64]:
    """Return the trials that none with as few weights or fewer beats, from the sparsest."""
    order = np.lexsort((-r2, n_nonzero))
    before = np.maximum.accumulate(np.concatenate([[-np.inf], r2[order][:-1]]))
    return order[r2[order] > before]
