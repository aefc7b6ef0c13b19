"""Null targets: like the real one in every respect, but unrelated to the features."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, permutations

import numpy as np
from numpy.typing import NDArray

from regsearch.data.lagged import lag_sources
from regsearch.errors import ConfigError, DataError

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Labels = NDArray[np.generic]

REAL = "the real target"
"""Name of the target that the search was run on."""

_LISTED = 5040
"""Largest number of arrangements of groups that are listed to draw from: seven groups have as many."""


@dataclass(frozen=True, eq=False)
class Targets:
    """The real target and null targets, on the same rows.

    Attributes
    ----------
    places : ndarray of intp, shape (n_kept,)
        Places of the rows they are of, among the rows that were given.
    values : ndarray of float64, shape (n_kept, 1 + n)
        The real target first.
    names : tuple of str, length 1 + n
        What each one is, for people.
    """

    places: Indices
    values: Floats
    names: tuple[str, ...]

    def beside(self, fit: Floats) -> Targets:
        """Return targets of what is left of a fit as targets that have the fit, which stays at its rows.

        The relation of the target to covariates is then the same in every null target (Freedman & Lane 1983, "A
        nonstochastic interpretation of reported significance levels", J. Bus. Econ. Stat. 1).

        Parameters
        ----------
        fit : ndarray of float64, shape (n_rows,)
            At all rows that were given.
        """
        return replace(self, values=self.values + fit[self.places, None])

    def require_scores(self, at: Indices, part: str) -> None:
        """Raise `DataError` if R² would mean nothing at some of the rows for any of the targets.

        Parameters
        ----------
        at : ndarray of intp
            Places of these rows in `values`.
        part : str
            What the rows are for.
        """
        constant = np.flatnonzero(np.ptp(self.values[at], axis=0) == 0)
        if constant.size:
            raise DataError(
                f"null: expected a target that varies in the {part} rows, found one value in all of them for "
                f"{self.names[constant[0]]}; use fewer or other null targets, or another split"
            )

    def require_others(self, level: float, do: str) -> None:
        """Raise `DataError` if so many null targets have the real one's values that no p could be at most `level`.

        Parameters
        ----------
        level : float
        do : str
            What to do, for people.
        """
        n = len(self.names) - 1
        same = int(np.sum(np.all(self.values[:, 1:] == self.values[:, :1], axis=0)))
        if same and (smallest := (1 + same) / (1 + n)) > level:
            raise DataError(
                f"null: expected null targets that differ from the real one, found {same} of {n} with the same values, "
                f"so that p is {smallest:.3g} at best; {do}"
            )

    def require_different(self, real: str) -> None:
        """Raise `DataError` if two targets have the same values, so that one recording would count as several.

        Parameters
        ----------
        real : str
            Where the real target comes from, for people.
        """
        known: dict[str, str] = {}
        for name, y in zip((real, *self.names[1:]), self.values.T, strict=True):
            sha256 = hashlib.sha256(np.ascontiguousarray(y, dtype="<f8").data).hexdigest()
            if sha256 in known:
                raise DataError(
                    f"null: expected targets of different recordings, found the same values in {name} as in "
                    f"{known[sha256]}; give each recording once, and not the searched one"
                )
            known[sha256] = name


def segments(rows: Indices, groups: Labels | None = None) -> Indices:
    """Return a label per row that is the same for neighbouring rows of one group, and for no others.

    Parameters
    ----------
    rows : ndarray of intp, shape (n_rows,)
        Places of the rows in the recording, ascending.
    groups : ndarray, shape (n_rows,), optional
        Label of each row's group (default: all rows are one group).
    """
    starts = np.diff(rows, prepend=rows[0] - 2) != 1
    if groups is not None:
        starts[1:] |= groups[1:] != groups[:-1]
    return np.cumsum(starts) - 1


def reach_of(labels: Labels) -> Indices:
    """Return how many neighbours of its own segment each row has on either side, at least.

    Parameters
    ----------
    labels : ndarray, shape (n_rows,)
        Segment of each row: `segments`.
    """
    _, first, of_row, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    within = np.arange(len(labels)) - first[of_row]
    return np.asarray(np.minimum(within, sizes[of_row] - 1 - within))


def shifted(y: Floats, labels: Labels, n: int, step: int = 1) -> Targets:
    """Shift the target by 1 to ``n / 2`` steps in either direction within each segment, without wrapping round.

    All of them, the real one included, are on the rows for which every shift finds a row of the same segment, so that
    the features are the same for all (Harris 2020, "A shift test for independence in generic time series",
    arXiv:2012.06862). His proof needs no more than that the target is stationary, and holds for every step.

    Parameters
    ----------
    y : ndarray of float64, shape (n_rows,)
    labels : ndarray, shape (n_rows,)
        Segment of each row: `segments`.
    n : int
        Number of null targets, even.
    step : int
        Number of rows between one shift and the next.
    """
    reach = n // 2
    shifts = [0, *(step * shift for shift in range(-reach, reach + 1) if shift)]
    places, sources = lag_sources(len(y), [-shift for shift in shifts], labels)
    names = [REAL, *(f"shifted by {shift:+d} rows" for shift in shifts[1:])]
    return Targets(places, y[sources.T], tuple(names))


def permuted(y: Floats, labels: Labels | None, n: int, seed: int) -> Targets:
    """Permute the target's rows at random, within each group; each null target depends on the seed and its number."""
    groups = np.zeros(len(y), dtype=np.intp) if labels is None else np.unique(labels, return_inverse=True)[1].ravel()
    in_order = np.argsort(groups, kind="stable")
    values = np.empty((len(y), 1 + n))
    values[:, 0] = y
    for number in range(1, 1 + n):
        drawn = np.random.default_rng([seed, number]).random(len(y))
        values[in_order, number] = y[np.lexsort((drawn, groups))]
    names = [REAL, *(f"permutation {number}" for number in range(1, 1 + n))]
    return Targets(np.arange(len(y)), values, tuple(names))


def exchangeable(labels: Labels, n: int, uses: Sequence[object] = ()) -> tuple[list[Indices], list[list[int]], int]:
    """Return the rows of each group, the groups of each use, and how many other arrangements they have.

    Raises
    ------
    ConfigError, DataError
        As `exchanged` raises them.
    """
    names, of_row = np.unique(labels, return_inverse=True)
    rows = [np.flatnonzero(of_row == number) for number in range(len(names))]
    use = [uses[places[0]] if len(uses) else None for places in rows]
    kinds = [[number for number, one in enumerate(use) if one == kind] for kind in dict.fromkeys(use)]
    for alike in kinds:
        for one, other in pairwise(alike):
            if len(rows[one]) != len(rows[other]):
                raise DataError(
                    f"null: targets are exchanged between groups of the same length, found {names[one]} with "
                    f"{len(rows[one])} rows and {names[other]} with {len(rows[other])}; exclude rows until they are "
                    "equal, or use another kind"
                )
    others = math.prod(math.factorial(len(alike)) for alike in kinds) - 1
    if others < n:
        fewer = f"use n = {others} or less, whose p is {1 / (others + 1):.3g} at best, or another kind"
        raise ConfigError(
            f"null: {len(names)} groups can be exchanged in {others} other way(s), found n = {n}; "
            + (fewer if others else "use another kind")
        )
    return rows, kinds, others


def exchanged(y: Floats, labels: Labels, n: int, seed: int, uses: Sequence[object] = ()) -> Targets:
    """Exchange the targets of whole groups between groups of equal use, by arrangements that are drawn once each.

    Parameters
    ----------
    y : ndarray of float64, shape (n_rows,)
    labels : ndarray, shape (n_rows,)
        Group of each row.
    n : int
        Number of null targets.
    seed : int
    uses : sequence, length n_rows
        What each row is used for; only groups of the same use are exchanged (default: all rows have the same).

    Raises
    ------
    ConfigError
        If the groups have fewer than `n` other arrangements.
    DataError
        If groups of the same use are not of the same length.
    """
    rows, kinds, others = exchangeable(labels, n, uses)
    values = np.empty((len(y), 1 + n))
    values[:, 0] = y
    for number, source in enumerate(_arrangements(kinds, n, others, np.random.default_rng(seed)), start=1):
        for place, taken in enumerate(source):
            values[rows[place], number] = y[rows[taken]]
    return Targets(np.arange(len(y)), values, (REAL, *(f"exchange {number}" for number in range(1, 1 + n))))


def _arrangements(
    kinds: Sequence[Sequence[int]], n: int, others: int, rng: np.random.Generator
) -> list[tuple[int, ...]]:
    """Return `n` different arrangements of the groups, none of which leaves every group where it is."""
    size = sum(map(len, kinds))
    if len(kinds) == 1 and others < _LISTED:
        every = list(permutations(range(size)))[1:]
        return [every[place] for place in rng.permutation(others)[:n].tolist()]
    found: dict[tuple[int, ...], None] = {}
    identity = tuple(range(size))
    while len(found) < n:
        source = np.arange(size)
        for alike in kinds:
            source[list(alike)] = rng.permutation(alike)
        found |= {one: None for one in (tuple(source.tolist()),) if one != identity}
    return list(found)


def impostors(y: Floats, rows: Indices, others: Sequence[tuple[str, Floats]]) -> Targets:
    """Take the targets of other recordings at the same rows, cut to the length of this one.

    Parameters
    ----------
    y : ndarray of float64, shape (n_rows,)
    rows : ndarray of intp, shape (n_rows,)
        Places of the rows in the recording, ascending.
    others : sequence of (str, ndarray of float64)
        Name and target of each other recording, which has all these rows.
    """
    values = np.column_stack([y, *(other[rows] for _, other in others)])
    return Targets(np.arange(len(y)), values, (REAL, *(name for name, _ in others)))
