"""The rows of a recording that a search can use: their order, their groups, and how they are dealt to folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heapreplace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Annotations
from regsearch.data.lagged import Past
from regsearch.data.split import Index, blocked_folds, distances
from regsearch.errors import DataError
from regsearch.search.config import SearchConfig
from regsearch.search.config.split import FoldsConfig, GroupsConfig

_LISTED = 10
"""Number of groups that a message lists."""

Folds = Iterable[tuple[Index, Index]]
"""Made one by one: the rows of thousands of folds do not fit in memory together."""


@dataclass(frozen=True, eq=False)
class UsableRows:
    """Rows of a recording, and what tells how they can be cut.

    Attributes
    ----------
    rows : ndarray of int
        Places of the rows that can be used, ascending.
    past : Past
        Where lags find the past of each row.
    known : Annotations
        Of all rows of the recording.
    config : SearchConfig
        Its lags, its order of rows, its seed, and whether parts may share groups.
    n_rows : int
        Number of rows of the recording.
    """

    rows: Index
    past: Past
    known: Annotations
    config: SearchConfig
    n_rows: int

    @classmethod
    def of(cls, config: SearchConfig, n_rows: int, known: Annotations) -> UsableRows:
        """Return the rows of a recording that have a past, if lags need one, and a weight above 0."""
        past = Past.of(n_rows, config.data.lags, known.groups)
        rows = past.kept
        if known.weights is not None:
            rows = rows[known.weights[rows] > 0]
        return cls(rows, past, known, config, n_rows)

    @property
    def is_independent(self) -> bool:
        """Whether the order of rows means nothing."""
        return self.config.data.rows == "independent"

    @cached_property
    def order(self) -> Index:
        """The rows in the order in which they are dealt out: as they lie, or shuffled by the seed."""
        if not self.is_independent:
            return self.rows
        return np.random.default_rng(self.config.seed).permutation(self.rows)

    def without(self, taken: Index, embargo: int = 0) -> UsableRows:
        """Return the rows that are left, none of which sees the features of those that are taken."""
        left = self.rows[~np.isin(self.rows, taken)]
        if not self.past.is_present:
            left = left[~np.isin(self.past.sources(left), taken).any(axis=0)]
        if embargo and taken.size and left.size:
            left = left[distances(left, taken) > embargo]
        return replace(self, rows=left)

    def groups_of(self, rows: Index) -> list[str]:
        """Return the groups of some rows, in the order in which they first appear."""
        return list(self._sizes(rows))

    def _sizes(self, rows: Index) -> Counter[str]:
        """Return how many of some rows each group has, in the order in which the groups first appear."""
        return Counter(self.known.groups[rows].tolist() if self.known.groups is not None else ())

    def in_groups(self, names: Sequence[str]) -> Index:
        """Return the rows of some groups."""
        assert self.known.groups is not None, "`split_of` has checked it"  # noqa: S101
        found = self._sizes(self.rows)
        missing = [name for name in names if name not in found]
        if missing:
            listed = f"groups {', '.join(map(repr, list(found)[:_LISTED]))}" if found else "no rows left"
            raise DataError(f"split: expected rows of the group {missing[0]!r}, found {listed}; name other groups")
        return self.rows[np.isin(self.known.groups[self.rows], names)]

    def between(self, first: float, last: float) -> Index:
        """Return the rows between two shares of the order; one below 0 is its start, and one above 1 its end."""
        first, last = (round(min(max(share, 0.0), 1.0) * len(self.order)) for share in (first, last))
        return np.sort(self.order[first:last])

    def share_of_groups(self, fraction: float, *, last: bool) -> Index:
        """Return whole groups, the last or the first ones of the order, that make up a share of the rows."""
        sizes = list(self._sizes(self.order).items())[:: -1 if last else 1]
        before = accumulate((size for _, size in sizes), initial=0)
        wanted = fraction * len(self.rows)
        return self.in_groups([name for (name, _), n_rows in zip(sizes, before, strict=False) if n_rows < wanted])

    @property
    def has_whole_groups(self) -> bool:
        """Whether there are groups, and no part may have only some of a group's rows."""
        split = self.config.data.split
        return self.known.groups is not None and not (split and split.share_groups)

    def folds(self, wanted: FoldsConfig | GroupsConfig) -> Folds:
        """Deal the rows to folds."""
        if isinstance(wanted, GroupsConfig):
            return self._folds_of_groups(wanted)
        if not self.is_independent:
            return self.apart(blocked_folds(self.rows, wanted.folds, wanted.embargo))
        if wanted.embargo:
            raise DataError(
                f'split: expected no embargo beside rows = "independent", found {wanted.embargo}; leave it out'
            )
        parts = blocked_folds(np.arange(len(self.order)), wanted.folds)
        return self.apart([(np.sort(self.order[train]), np.sort(self.order[part])) for train, part in parts])

    def _folds_of_groups(self, wanted: GroupsConfig) -> Folds:
        sizes = self._sizes(self.order)
        number = wanted.groups if isinstance(wanted.groups, int) else len(sizes)
        if not 2 <= number <= len(sizes):
            raise DataError(
                f"split: expected at least {max(2, number)} groups to deal to folds, found {len(sizes)}; "
                "give fewer folds, or other rows to them"
            )
        filled = [(0, fold) for fold in range(number)]
        fold_of: dict[str, int] = {}
        for name, size in sizes.items() if wanted.groups == "each" else sizes.most_common():
            n_rows, fold_of[name] = filled[0]
            heapreplace(filled, (n_rows + size, fold_of[name]))
        assert self.known.groups is not None, "there are at least two"  # noqa: S101
        folds = np.array([fold_of[name] for name in self.known.groups[self.rows].tolist()])
        return self._folds_by(folds, range(number))

    def folds_as_supplied(self) -> Folds:
        """Return the folds that a column names."""
        assert self.known.folds is not None, "`split_of` has checked it"  # noqa: S101
        labels = self.known.folds[self.rows]
        names = sorted(set(labels.tolist()), key=_counted)
        if len(names) < 2:
            raise DataError(
                f"split: expected a column of at least two folds, found {names[0]!r} alone; name another column"
            )
        return self._folds_by(labels, names)

    def _folds_by(self, labels: NDArray[np.generic], names: Iterable[object]) -> Folds:
        return self.apart((self.rows, self.rows[labels == name]) for name in names)

    def apart(self, folds: Folds) -> Folds:
        """Leave out the training rows that are validation rows or, by their lags, see some; one fold at a time."""
        return ((replace(self, rows=train).without(part).rows, part) for train, part in folds)


def _counted(name: str) -> tuple[bool, int, str]:
    """Return what sorts names as people count: numbers by their size, before words."""
    return not name.isdecimal(), int(name) if name.isdecimal() else 0, name
