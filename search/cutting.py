"""How a configuration cuts a recording: rows to fit on, rows to compare on, and rows to keep sealed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heapreplace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Annotations, Split
from regsearch.data.lagged import Past
from regsearch.data.split import (
    Block,
    Index,
    as_blocks,
    blocked_folds,
    count,
    distances,
    in_words,
    require_disjoint,
    require_embargo,
    rows_of,
)
from regsearch.errors import DataError
from regsearch.search.config import SearchConfig
from regsearch.search.data_config import (
    ColumnConfig,
    FoldsConfig,
    FractionConfig,
    GivenConfig,
    GroupsConfig,
    Masked,
    SplitConfig,
    ranges,
)

_VALIDATION, _TEST = 0.15, 0.15
_FEWEST = 14
_MOST_EACH = 5
"""Number of groups up to which each validates in turn by default; more are dealt to so many folds."""
_LONGEST = 10
"""Number of ranges or groups that are listed."""

Folds = Iterable[tuple[Index, Index]]
"""Made one by one: the rows of thousands of folds do not fit in memory together."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """What is known of the rows that are to be cut.

    Attributes
    ----------
    rows : ndarray of int
        Places of the rows that can be used, ascending.
    past : Past
        Where lags find the past of each row.
    known : Annotations
        Of all rows of the recording.
    config : SearchConfig
    n_rows : int
        Number of rows of the recording.
    """

    rows: Index
    past: Past
    known: Annotations
    config: SearchConfig
    n_rows: int

    @classmethod
    def of(cls, config: SearchConfig, n_rows: int, known: Annotations) -> Recorded:
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

    def without(self, taken: Index, embargo: int = 0) -> Recorded:
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
        assert self.known.groups is not None, "`_require_known` has checked it"  # noqa: S101
        found = self._sizes(self.rows)
        missing = [name for name in names if name not in found]
        if missing:
            listed = f"groups {', '.join(map(repr, list(found)[:_LONGEST]))}" if found else "no rows left"
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
        number = len(sizes) if wanted.groups == "each" else int(wanted.groups)  # type: ignore[arg-type]
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
        assert self.known.folds is not None, "`_require_known` has checked it"  # noqa: S101
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


def split_of(config: SearchConfig, n_rows: int, known: Annotations) -> Split:
    """Return the split of a recording that a configuration asks for.

    Parameters
    ----------
    config : SearchConfig
    n_rows : int
        Number of rows of the recording.
    known : Annotations
        Groups, weights and folds of its rows.

    Raises
    ------
    DataError
        If the rows cannot be cut like that.
    """
    wanted = config.data.split
    if wanted is not None:
        require_ranges(wanted, n_rows)
    _require_known(config, known)
    recorded = Recorded.of(config, n_rows, known)
    if recorded.past.kept.size == 0:
        raise DataError(f"split: lags {list(config.data.lags)} leave none of {n_rows} rows; give smaller lags")
    if wanted is None:
        wanted = _default(recorded)
    test = _test(recorded, wanted)
    if not test.size and wanted.test != "none" and not (wanted.is_in_turn and wanted.part is None):
        raise DataError(
            "split: expected rows for a test beside train and validation, found none left; leave some, or set "
            'test = "none"'
        )
    embargo = _embargo(wanted.validation)
    if isinstance(wanted.train, tuple) and embargo:
        require_embargo(rows_of(ranges(wanted.train)), test, embargo)
    rest = recorded.without(test, max(embargo, _embargo(wanted.test)))
    split = _cut(recorded, wanted, rest, test)
    _require_whole_groups(recorded, wanted, split)
    split.check(n_rows)
    return split


def _embargo(wanted: object) -> int:
    """Return the number of rows that are left out beside each block; 0 unless rows are cut into folds."""
    return wanted.embargo if isinstance(wanted, FoldsConfig) else 0


def _require_known(config: SearchConfig, known: Annotations) -> None:
    """Raise `DataError` if the recording lacks what the configuration says of its rows."""
    data, split = config.data, config.data.split
    parts = [getattr(split, name) for name in _PARTS] if split else []
    by_groups = any(isinstance(part, GroupsConfig) for part in parts)
    by_column = any(isinstance(part, ColumnConfig) for part in parts)
    for name, wanted in (
        ("groups", data.groups or by_groups),
        ("weights", data.weights),
        ("covariates", data.covariates),
        ("folds", by_column),
    ):
        if wanted and getattr(known, name) is None:
            do = (
                f"give {name} to from_frame or from_arrays"
                if name == "folds"
                else f"set data.{name} to the column that holds them, or give {name} to from_frame or from_arrays"
            )
            raise DataError(f"split: expected a recording with {name}, found none; {do}")


def ranges_in_words(config: SearchConfig) -> dict[str, str]:
    """Return the parts that a configuration gives as ranges in words, before the recording is known."""
    split = config.data.split
    if split is None:
        return {}
    require_ranges(split, 0)
    return {name: in_words(ranges(rows)) for name in _PARTS if isinstance(rows := getattr(split, name), tuple)}


def nested_parts(config: SearchConfig, n_rows: int, known: Annotations) -> int:
    """Return the number of parts that are tested in turn."""
    return len(_parts(Recorded.of(config, n_rows, known), config.data.split))


def _default(recorded: Recorded) -> SplitConfig:
    """Return the default split: by fractions, or by groups if there are any."""
    n_rows, n_groups = len(recorded.rows), len(recorded.groups_of(recorded.rows))
    if recorded.known.folds is not None:
        return SplitConfig(validation=ColumnConfig(column="folds"), test=FractionConfig(fraction=_TEST))
    if recorded.known.groups is None:
        if n_rows < _FEWEST:
            raise DataError(
                f"split: {n_rows} rows are too few to cut into train, validation and test; give at least {_FEWEST}"
            )
        return SplitConfig(validation=FractionConfig(fraction=_VALIDATION), test=FractionConfig(fraction=_TEST))
    if n_groups < 3:
        raise DataError(
            f"split: expected at least 3 groups to train, validate and test on, found {n_groups}; say in [data.split] "
            "which rows do what, with share_groups = true to cut through groups"
        )
    groups = GroupsConfig(groups="each" if n_groups <= _MOST_EACH + 1 else _MOST_EACH)
    return SplitConfig(validation=groups, test=FractionConfig(fraction=_TEST))


def require_ranges(wanted: SplitConfig, n_rows: int) -> None:
    """Raise `DataError` if ranges are not ranges, overlap, or reach past the recording; before any array is made."""
    for parts in _in_ranges(wanted):
        require_disjoint(*parts)
        for name, rows in parts:
            start, stop = max(rows, key=lambda block: block[1])
            if n_rows and stop > n_rows:
                raise DataError(
                    f"split: {name} rows [{start}, {stop}) reach past the recording's {n_rows} rows; "
                    "change [data.split]"
                )
            if n_rows and isinstance(rows, Masked) and rows.n_rows != n_rows:
                raise DataError(
                    f"split: expected a mask of the recording's {n_rows} rows as {name} rows, found one of "
                    f"{rows.n_rows}; give a value for each row"
                )


def _in_ranges(wanted: SplitConfig) -> list[list[tuple[str, tuple[Block, ...]]]]:
    """Return the parts that are given as ranges, and those of each fold, which may be in other folds too."""
    parts = {name: rows for name in _PARTS if isinstance(rows := getattr(wanted, name), tuple)}
    folds = wanted.validation.given if isinstance(wanted.validation, GivenConfig) else ()
    every = [parts] + [
        {f"fold {number}: train": fold.train, f"fold {number}: validation": fold.validation}
        for number, fold in enumerate(folds)
    ]
    return [[(name, ranges(rows)) for name, rows in one.items()] for one in every]


_PARTS = ("train", "validation", "test")


def _parts(recorded: Recorded, wanted: SplitConfig | None) -> list[Index]:
    assert wanted is not None  # noqa: S101
    assert isinstance(wanted.test, FoldsConfig | GroupsConfig), "the split is nested"  # noqa: S101
    return [part for _, part in recorded.folds(wanted.test)]


def _test(recorded: Recorded, wanted: SplitConfig) -> Index:
    if wanted.is_in_turn:
        parts = _parts(recorded, wanted)
        if wanted.part is not None and wanted.part >= len(parts):
            raise DataError(f"split: expected part below {len(parts)}, found {wanted.part}; parts count from 0")
        return _NOTHING if wanted.part is None else parts[wanted.part]
    if wanted.test == "none":
        return _NOTHING
    if wanted.test is None and wanted.train is not None:
        return _beside(recorded, wanted)
    fraction = _fraction_of_test(wanted)
    if fraction is None:
        return _rows(recorded, wanted.test)
    left = replace(recorded, rows=np.setdiff1d(recorded.rows, _named(recorded, wanted)))
    return _share(recorded, left, fraction)


def _beside(recorded: Recorded, wanted: SplitConfig) -> Index:
    """Return the rows that are left beside given training and validation rows."""
    embargo = _embargo(wanted.validation)
    train = _trained(recorded, recorded, wanted.train)
    left = recorded.without(train, embargo)
    if isinstance(wanted.validation, FractionConfig):
        compared = _share(recorded, left, wanted.validation.fraction, last=False)
    else:
        compared = _named(recorded, wanted)
    return left.without(compared).rows


def _fraction_of_test(wanted: SplitConfig) -> float | None:
    if wanted.test is None:
        return _TEST
    return wanted.test.fraction if isinstance(wanted.test, FractionConfig) else None


def _share(recorded: Recorded, left: Recorded, fraction: float, *, last: bool = True) -> Index:
    """Return a share of all rows, from the end or the start of those that are left; all of these if they are fewer."""
    of_left = fraction * len(recorded.rows) / max(1, len(left.rows))
    if left.has_whole_groups:
        return left.share_of_groups(of_left, last=last)
    return left.between(1 - of_left, 1) if last else left.between(0, of_left)


_NOTHING = np.empty(0, dtype=np.intp)


def _named(recorded: Recorded, wanted: SplitConfig) -> Index:
    """Return the rows that are named as training or validation rows."""
    named = [
        _rows(recorded, rows)
        for rows in (wanted.train, wanted.validation)
        if isinstance(rows, tuple) or (isinstance(rows, GroupsConfig) and rows.names)
    ]
    folds = wanted.validation.given if isinstance(wanted.validation, GivenConfig) else ()
    named += [_rows(recorded, rows) for fold in folds for rows in (fold.train, fold.validation)]
    return np.concatenate([_NOTHING, *named])


def _rows(recorded: Recorded, wanted: object) -> Index:
    """Return the rows of ranges or of groups by name, among those that can be used."""
    if isinstance(wanted, GroupsConfig):
        return recorded.in_groups(wanted.names)
    rows: Index = rows_of(ranges(wanted))  # type: ignore[arg-type]
    return rows[np.isin(rows, recorded.rows)]


def _cut(recorded: Recorded, wanted: SplitConfig, rest: Recorded, test: Index) -> Split:
    """Cut the rows that are left beside the test rows."""
    validation, left = wanted.validation, rest.rows
    is_holdout = isinstance(validation, tuple | FractionConfig) or (
        isinstance(validation, GroupsConfig) and validation.names
    )
    if is_holdout:
        compared = _compared(recorded, wanted, rest)
        beside = rest.without(compared)
        train = beside.rows if wanted.train is None else _trained(recorded, beside, wanted.train)
        shown: dict[str, Index | str] = {"train": train, "validation": compared, "test": test}
        used = np.concatenate([train, compared, test])
        return Split.of([(train, compared)], train, test, _shown(recorded, shown, used))
    if wanted.train is not None:
        left = _trained(recorded, rest, wanted.train)
    rows = replace(rest, rows=left)
    if isinstance(validation, GivenConfig):
        split = Split.of(rows.apart(_given(validation, rest, left, test)), left, test)
        said = f"{len(split.folds)} folds as given"
    elif isinstance(validation, ColumnConfig):
        split = Split.of(rows.folds_as_supplied(), left, test)
        said = f"{len(split.folds)} folds as {validation.column!r} names them"
    else:
        assert isinstance(validation, FoldsConfig | GroupsConfig)  # noqa: S101
        split = Split.of(rows.folds(validation), left, test)
        said = _folds_in_words(validation, len(split.folds), rows)
    shown = {"train": left, "validation": said, "test": test}
    return replace(split, shown=_shown(recorded, shown, np.concatenate([left, test])))


def _given(wanted: GivenConfig, rest: Recorded, left: Index, test: Index) -> Folds:
    """Return folds as given, without the rows that cannot be used; `rest` are the rows beside the test rows.

    Raises
    ------
    DataError
        If a fold has rows that test, or that are not among the rows to train on, `left`.
    """
    beyond = np.setdiff1d(rest.rows, left)
    folds = [(rows_of(ranges(fold.train)), rows_of(ranges(fold.validation))) for fold in wanted.given]
    for number, fold in enumerate(folds):
        for part, rows in zip(("train", "validation"), fold, strict=True):
            for others, where in ((test, "among the test rows"), (beyond, "beside the split's train rows")):
                wrong = rows[np.isin(rows, others)]
                if wrong.size:
                    raise DataError(
                        f"split: fold {number}: expected {part} rows among the rows to train on, found row {wrong[0]} "
                        f"{where}; leave it out of the fold, or change train or test"
                    )
    return [(train[np.isin(train, left)], part[np.isin(part, left)]) for train, part in folds]


def _compared(recorded: Recorded, wanted: SplitConfig, rest: Recorded) -> Index:
    """Return the validation rows of a holdout; a fraction is one of all rows, next to those of the test."""
    if not isinstance(wanted.validation, FractionConfig):
        return _rows(rest, wanted.validation)
    fraction, tested = wanted.validation.fraction, _fraction_of_test(wanted)
    if tested is None or wanted.train is not None or rest.has_whole_groups:
        return _share(recorded, rest, fraction)
    rows = recorded.between(round(1 - tested - fraction, 12), 1 - tested)
    return rows[np.isin(rows, rest.rows)]


def _trained(recorded: Recorded, left: Recorded, wanted: object) -> Index:
    if not isinstance(wanted, FractionConfig):
        return _rows(left, wanted)
    return _share(recorded, left, wanted.fraction, last=False)


def _folds_in_words(wanted: FoldsConfig | GroupsConfig, number: int, rows: Recorded) -> str:
    if isinstance(wanted, GroupsConfig):
        groups = len(rows.groups_of(rows.rows))
        return (
            f"each of {groups} groups of these in turn"
            if wanted.groups == "each"
            else (f"{number} folds of these, with whole groups of {groups}")
        )
    return (
        f"{number} shuffled folds of these"
        if rows.is_independent
        else (f"{number} blocked folds of these, embargo {wanted.embargo}")
    )


def _shown(recorded: Recorded, parts: dict[str, Index | str], used: Index) -> dict[str, str]:
    """Return the rows of each part in words, and how many could not be used and why."""
    said = {name: rows if isinstance(rows, str) else _in_words(recorded, rows) for name, rows in parts.items()}
    past = recorded.n_rows - len(recorded.past.kept)
    unused = np.setdiff1d(recorded.rows, used)
    seeing = 0 if recorded.past.is_present else np.isin(recorded.past.sources(unused), used).any(axis=0).sum()
    lost = {
        f"without a {' or a '.join(recorded.past.ways)}": past,
        "of weight 0": recorded.n_rows - len(recorded.rows) - past,
        "that see rows of another part through lags": int(seeing),
    }
    if any(lost.values()):
        reasons = ", ".join(f"{count} {why}" for why, count in lost.items() if count)
        said["left_out"] = f"{sum(lost.values())} rows: {reasons}"
    return said


def _in_words(recorded: Recorded, rows: Index) -> str:
    if not rows.size:
        return "none"
    blocks = as_blocks(rows)
    words = in_words(blocks) if len(blocks) <= _LONGEST else f"{len(rows)} rows between {rows[0]} and {rows[-1]}"
    groups = recorded.groups_of(rows)
    if not groups:
        return words
    listed = ", ".join(groups[:_LONGEST]) + (f" and {len(groups) - _LONGEST} more" if len(groups) > _LONGEST else "")
    return f"{words} ({listed})"


def _require_whole_groups(recorded: Recorded, wanted: SplitConfig, split: Split) -> None:
    """Raise `DataError` if a group has rows in two parts that should tell different things."""
    if recorded.known.groups is None or wanted.share_groups:
        return
    groups = _Groups.of(recorded.known.groups)
    compared = tuple(block for fold in split.folds for block in fold.validation)
    pairs = [("training", fold.train, "validation", fold.validation) for fold in split.folds]
    pairs += [("validation", compared, "test", split.test), ("training", split.model, "test", split.test)]
    number = wanted.validation.folds if isinstance(wanted.validation, FoldsConfig) else _MOST_EACH
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


def fitted_rows(split: Split) -> list[int]:
    """Return the number of rows that each model of a trial is fitted on: the folds' models, and with folds its own."""
    fitted = [fold.train for fold in split.folds]
    return [count(blocks) for blocks in (fitted if len(fitted) == 1 else [*fitted, split.model])]
