"""Features at several rows before: as many virtual columns as features times lags, without a copy for each lag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regsearch.data.blocks import Columnwise

Indices = NDArray[np.intp]

MOST_LAG = 2**31
"""Every lag is smaller than this, so that rows and lags can be added."""


def lag_sources(n_rows: int, lags: Sequence[int], groups: NDArray[np.generic] | None = None) -> tuple[Indices, Indices]:
    """Return the rows that have a past, and where each lag finds it.

    "Before" counts rows of the same group only, in their order, so that no lag crosses the start of a group; rows of
    one group need not be neighbours. A negative lag looks ahead.

    Parameters
    ----------
    n_rows : int
    lags : sequence of int
        Numbers of rows before.
    groups : ndarray, shape (n_rows,), optional
        Label of each row's group (default: all rows are one group).

    Returns
    -------
    ndarray of intp, shape (n_kept,)
        Rows whose every lag lies within their group, ascending.
    ndarray of intp, shape (n_lags, n_kept)
        Row from which each lag takes the features of each of them.
    """
    order, first, within, sizes = _places(n_rows, groups)
    kept = np.flatnonzero((within >= max(0, *lags)) & (within < sizes + min(0, *lags)))
    place = (first + within)[kept]
    return kept, np.array([order[place - lag] for lag in lags], dtype=np.intp).reshape(len(lags), len(kept))


def nearest_sources(n_rows: int, lags: Sequence[int], groups: NDArray[np.generic] | None = None) -> Indices:
    """Return from which row each lag takes the features of every row; see `lag_sources`.

    Returns
    -------
    ndarray of intp, shape (n_lags, n_rows)
        Where a lag would leave the row's group, the first or last row of the group.
    """
    order, first, within, sizes = _places(n_rows, groups)
    taken = [order[first + np.clip(within - lag, 0, sizes - 1)] for lag in lags]
    return np.array(taken, dtype=np.intp).reshape(len(lags), n_rows)


def lagged_names(features: Sequence[str], lags: Sequence[int]) -> tuple[str, ...]:
    """Return the names of lagged columns: all features at the first lag, all at the second, and so on."""
    return tuple(f"{name} @ lag {lag}" for lag in lags for name in features)


def _places(n_rows: int, groups: NDArray[np.generic] | None) -> tuple[Indices, Indices, Indices, Indices]:
    """Return the rows group by group; and for each row the place of its group's first row, its own and the size."""
    labels = np.zeros(n_rows, dtype=np.intp) if groups is None else np.unique(groups, return_inverse=True)[1].ravel()
    order = np.argsort(labels, kind="stable")
    place = np.empty(n_rows, dtype=np.intp)
    place[order] = np.arange(n_rows)
    sizes = np.bincount(labels)
    first = (np.cumsum(sizes) - sizes)[labels]
    return order, first, place - first, sizes[labels]


@dataclass(frozen=True, eq=False)
class Past:
    """Where each lag finds the features of a row.

    Attributes
    ----------
    lags : tuple of int
        Numbers of rows before.
    kept : ndarray of intp, shape (n_kept,)
        Rows whose every lag lies within their group, ascending.
    taken : ndarray of intp, shape (n_lags, n_kept)
        Row from which each lag takes the features of each of them.
    """

    lags: tuple[int, ...]
    kept: Indices
    taken: Indices

    @classmethod
    def of(cls, n_rows: int, lags: Sequence[int], groups: NDArray[np.generic] | None = None) -> Past:
        """Return where lags find the past of `n_rows` rows; see `lag_sources`."""
        return cls(tuple(lags), *lag_sources(n_rows, lags, groups))

    @property
    def is_present(self) -> bool:
        """Whether every row has its own features alone."""
        return self.lags == (0,)

    @property
    def ways(self) -> list[str]:
        """The ways in which lags look, of ``"past"`` and ``"future"``; ``["past"]`` without lags."""
        first, last = min(self.lags), max(self.lags)
        return [way for way, looks in (("past", last > 0 or first >= 0), ("future", first < 0)) if looks]

    def sources(self, rows: Indices) -> Indices:
        """Return from which row each lag takes the features of some kept rows, shape (n_lags, n_rows)."""
        return self.taken[:, np.searchsorted(self.kept, rows)]

    def names(self, features: tuple[str, ...], n_features: int) -> tuple[str, ...]:
        """Return the names of the columns: a feature and its lag; features without names have their number."""
        if self.is_present:
            return features
        known = features or tuple(f"feature {number}" for number in range(n_features))
        return lagged_names(known, self.lags)


class Lagged:
    """A matrix whose column ``l * n_features + f`` is feature `f` of `X` at the rows ``sources[l]``.

    It replaces an array of shape (n_rows, n_lags * n_features) wherever a `Columnwise` is read; only what is asked for
    is copied.

    Parameters
    ----------
    X : Columnwise
        The features without lags, shape (n_source_rows, n_features).
    sources : ndarray of intp, shape (n_lags, n_rows)
        Rows of `X`: `lag_sources`.
    """

    def __init__(self, X: Columnwise, sources: Indices) -> None:
        self._X = X
        self._runs = [_runs(rows) for rows in sources]
        self.shape = (sources.shape[1], len(sources) * X.shape[1])
        self.dtype: np.dtype[np.floating] = X.dtype

    def __getitem__(self, key: tuple[slice, slice | Indices]) -> NDArray[np.floating]:
        rows, columns = key
        first, last, _ = rows.indices(self.shape[0])
        wanted = np.arange(self.shape[1])[columns]
        lags, features = np.divmod(wanted, self._X.shape[1])
        values = np.empty((wanted.size, max(0, last - first)), self.dtype)
        for lag in np.unique(lags):
            here = np.flatnonzero(lags == lag)
            chosen = _as_slice(features[here])
            for source, place in self._pieces(lag, first, last):
                values[here, place] = self._X[source, chosen].T
        return values.T

    def _pieces(self, lag: int, first: int, last: int) -> Iterator[tuple[slice, slice]]:
        """Yield consecutive rows of `X` that a lag takes for some of the rows, and their places among these."""
        at = 0
        for start, stop in self._runs[lag]:
            lower, upper = max(first, at), min(last, at + stop - start)
            if lower < upper:
                yield slice(start + lower - at, start + upper - at), slice(lower - first, upper - first)
            at += stop - start


def _as_slice(indices: Indices) -> slice | Indices:
    """Return consecutive indices as a slice, which copies nothing, and others as they are."""
    consecutive = (np.diff(indices) == 1).all()
    return slice(int(indices[0]), int(indices[-1]) + 1) if consecutive else indices


def _runs(rows: Indices) -> list[tuple[int, int]]:
    """Return consecutive rows as ranges, in their order."""
    starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    stops = np.append(starts[1:], rows.size)[: starts.size]
    return [(int(rows[start]), int(rows[stop - 1]) + 1) for start, stop in zip(starts, stops, strict=True)]
