"""Groups of rows stay in one part of a split: what a model learns of a session must not help to score it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Split
from regsearch.data.split import Block, Index, count, rows_of
from regsearch.errors import DataError
from regsearch.search.config import SplitConfig
from regsearch.search.config.split import FoldsConfig

_FOLDS = 5
"""Number of folds of whole groups to advise, if the split says none."""


def require_whole_groups(labels: NDArray[np.str_], wanted: SplitConfig, split: Split) -> None:
    """Raise `DataError` if a group has rows in two parts that should tell different things.

    Parameters
    ----------
    labels : ndarray of str, shape (n_rows,)
        Group of each row of the recording.
    wanted : SplitConfig
    split : Split
        What it came to.
    """
    groups = _Groups.of(labels)
    compared = tuple(block for fold in split.folds for block in fold.validation)
    pairs = [("training", fold.train, "validation", fold.validation) for fold in split.folds]
    pairs += [("validation", compared, "test", split.test), ("training", split.model, "test", split.test)]
    number = wanted.validation.folds if isinstance(wanted.validation, FoldsConfig) else _FOLDS
    for one, some, other, others in pairs:
        if both := groups.in_both(some, others):
            raise DataError(
                f"split: expected every group in one part, found {both!r} among {one} and {other} rows; deal whole "
                f'groups by {{ groups = {number} }} or {{ groups = "each" }}, or allow it by share_groups = true'
            )


@dataclass(frozen=True, eq=False)
class _Groups:
    """The groups of rows.

    Attributes
    ----------
    names : ndarray of str, shape (n_groups,)
        Sorted.
    number : ndarray of int, shape (n_rows,)
        Place in `names` of each row's group.
    rows : list of ndarray of int
        Rows of each group.
    """

    names: NDArray[np.str_]
    number: Index
    rows: list[Index]

    @classmethod
    def of(cls, groups: NDArray[np.str_]) -> _Groups:
        names, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        return cls(names, number, np.split(np.argsort(number, kind="stable"), np.cumsum(sizes)[:-1]))

    def in_both(self, some: Sequence[Block], others: Sequence[Block]) -> str | None:
        """Return the first name of a group that has rows in both of two parts; it takes as long as the smaller part."""
        few, many = sorted((some, others), key=count)
        if not few:
            return None
        rows = np.concatenate([self.rows[group] for group in np.unique(self.number[rows_of(few)])])
        inside = np.searchsorted(np.array(sorted(many)).ravel(), rows, side="right") % 2 == 1
        return str(self.names[self.number[rows[inside]].min()]) if inside.any() else None
