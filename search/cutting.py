"""How a configuration cuts a recording: rows to fit on, rows to compare on, and rows to keep sealed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from regsearch.data import Annotations, Split
from regsearch.data.split import Block, Index, as_blocks, in_words, require_disjoint, require_embargo, rows_of
from regsearch.errors import DataError
from regsearch.search.config import SearchConfig, SplitConfig
from regsearch.search.config.split import (
    ColumnConfig,
    FoldsConfig,
    FractionConfig,
    GivenConfig,
    GroupsConfig,
    Masked,
    ranges,
)
from regsearch.search.usable_rows import Folds, UsableRows
from regsearch.search.whole_groups import require_whole_groups

_VALIDATION, _TEST = 0.15, 0.15
_FEWEST = 14
_MOST_EACH = 5
"""Number of groups up to which each validates in turn by default; more are dealt to so many folds."""
_LONGEST = 10
"""Number of ranges or groups that are listed."""


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
    usable = UsableRows.of(config, n_rows, known)
    if usable.past.kept.size == 0:
        raise DataError(f"split: lags {list(config.data.lags)} leave none of {n_rows} rows; give smaller lags")
    if wanted is None:
        wanted = _default(usable)
    test = _test(usable, wanted)
    if not test.size and wanted.test != "none" and not (wanted.is_in_turn and wanted.part is None):
        raise DataError(
            "split: expected rows for a test beside train and validation, found none left; leave some, or set "
            'test = "none"'
        )
    embargo = _embargo(wanted.validation)
    if isinstance(wanted.train, tuple) and embargo:
        require_embargo(rows_of(ranges(wanted.train)), test, embargo)
    rest = usable.without(test, max(embargo, _embargo(wanted.test)))
    split = _cut(usable, wanted, rest, test)
    if known.groups is not None and not wanted.share_groups:
        require_whole_groups(known.groups, wanted, split)
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
    return len(_parts(UsableRows.of(config, n_rows, known), config.data.split))


def _default(usable: UsableRows) -> SplitConfig:
    """Return the default split: by fractions, or by groups if there are any."""
    n_rows, n_groups = len(usable.rows), len(usable.groups_of(usable.rows))
    if usable.known.folds is not None:
        return SplitConfig(validation=ColumnConfig(column="folds"), test=FractionConfig(fraction=_TEST))
    if usable.known.groups is None:
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


def _parts(usable: UsableRows, wanted: SplitConfig | None) -> list[Index]:
    assert wanted is not None  # noqa: S101
    assert isinstance(wanted.test, FoldsConfig | GroupsConfig), "the split is nested"  # noqa: S101
    return [part for _, part in usable.folds(wanted.test)]


def _test(usable: UsableRows, wanted: SplitConfig) -> Index:
    if wanted.is_in_turn:
        parts = _parts(usable, wanted)
        if wanted.part is not None and wanted.part >= len(parts):
            raise DataError(f"split: expected part below {len(parts)}, found {wanted.part}; parts count from 0")
        return _NOTHING if wanted.part is None else parts[wanted.part]
    if wanted.test == "none":
        return _NOTHING
    if wanted.test is None and wanted.train is not None:
        return _beside(usable, wanted)
    fraction = _fraction_of_test(wanted)
    if fraction is None:
        return _rows(usable, wanted.test)
    left = replace(usable, rows=np.setdiff1d(usable.rows, _named(usable, wanted)))
    return _share(usable, left, fraction)


def _beside(usable: UsableRows, wanted: SplitConfig) -> Index:
    """Return the rows that are left beside given training and validation rows."""
    embargo = _embargo(wanted.validation)
    train = _trained(usable, usable, wanted.train)
    left = usable.without(train, embargo)
    if isinstance(wanted.validation, FractionConfig):
        compared = _share(usable, left, wanted.validation.fraction, last=False)
    else:
        compared = _named(usable, wanted)
    return left.without(compared).rows


def _fraction_of_test(wanted: SplitConfig) -> float | None:
    if wanted.test is None:
        return _TEST
    return wanted.test.fraction if isinstance(wanted.test, FractionConfig) else None


def _share(usable: UsableRows, left: UsableRows, fraction: float, *, last: bool = True) -> Index:
    """Return a share of all rows, from the end or the start of those that are left; all of these if they are fewer."""
    of_left = fraction * len(usable.rows) / max(1, len(left.rows))
    if left.has_whole_groups:
        return left.share_of_groups(of_left, last=last)
    return left.between(1 - of_left, 1) if last else left.between(0, of_left)


_NOTHING = np.empty(0, dtype=np.intp)


def _named(usable: UsableRows, wanted: SplitConfig) -> Index:
    """Return the rows that are named as training or validation rows."""
    named = [
        _rows(usable, rows)
        for rows in (wanted.train, wanted.validation)
        if isinstance(rows, tuple) or (isinstance(rows, GroupsConfig) and rows.names)
    ]
    folds = wanted.validation.given if isinstance(wanted.validation, GivenConfig) else ()
    named += [_rows(usable, rows) for fold in folds for rows in (fold.train, fold.validation)]
    return np.concatenate([_NOTHING, *named])


def _rows(usable: UsableRows, wanted: object) -> Index:
    """Return the rows of ranges or of groups by name, among those that can be used."""
    if isinstance(wanted, GroupsConfig):
        return usable.in_groups(wanted.names)
    rows: Index = rows_of(ranges(wanted))  # type: ignore[arg-type]
    return rows[np.isin(rows, usable.rows)]


def _cut(usable: UsableRows, wanted: SplitConfig, rest: UsableRows, test: Index) -> Split:
    """Cut the rows that are left beside the test rows."""
    validation, left = wanted.validation, rest.rows
    is_holdout = isinstance(validation, tuple | FractionConfig) or (
        isinstance(validation, GroupsConfig) and validation.names
    )
    if is_holdout:
        compared = _compared(usable, wanted, rest)
        beside = rest.without(compared)
        train = beside.rows if wanted.train is None else _trained(usable, beside, wanted.train)
        shown: dict[str, Index | str] = {"train": train, "validation": compared, "test": test}
        used = np.concatenate([train, compared, test])
        return Split.of([(train, compared)], train, test, _shown(usable, shown, used))
    if wanted.train is not None:
        left = _trained(usable, rest, wanted.train)
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
    return replace(split, shown=_shown(usable, shown, np.concatenate([left, test])))


def _given(wanted: GivenConfig, rest: UsableRows, left: Index, test: Index) -> Folds:
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


def _compared(usable: UsableRows, wanted: SplitConfig, rest: UsableRows) -> Index:
    """Return the validation rows of a holdout; a fraction is one of all rows, next to those of the test."""
    if not isinstance(wanted.validation, FractionConfig):
        return _rows(rest, wanted.validation)
    fraction, tested = wanted.validation.fraction, _fraction_of_test(wanted)
    if tested is None or wanted.train is not None or rest.has_whole_groups:
        return _share(usable, rest, fraction)
    rows = usable.between(round(1 - tested - fraction, 12), 1 - tested)
    return rows[np.isin(rows, rest.rows)]


def _trained(usable: UsableRows, left: UsableRows, wanted: object) -> Index:
    if not isinstance(wanted, FractionConfig):
        return _rows(left, wanted)
    return _share(usable, left, wanted.fraction, last=False)


def _folds_in_words(wanted: FoldsConfig | GroupsConfig, number: int, rows: UsableRows) -> str:
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


def _shown(usable: UsableRows, parts: dict[str, Index | str], used: Index) -> dict[str, str]:
    """Return the rows of each part in words, and how many could not be used and why."""
    said = {name: rows if isinstance(rows, str) else _in_words(usable, rows) for name, rows in parts.items()}
    past = usable.n_rows - len(usable.past.kept)
    unused = np.setdiff1d(usable.rows, used)
    seeing = 0 if usable.past.is_present else np.isin(usable.past.sources(unused), used).any(axis=0).sum()
    lost = {
        f"without a {' or a '.join(usable.past.ways)}": past,
        "of weight 0": usable.n_rows - len(usable.rows) - past,
        "that see rows of another part through lags": int(seeing),
    }
    if any(lost.values()):
        reasons = ", ".join(f"{count} {why}" for why, count in lost.items() if count)
        said["left_out"] = f"{sum(lost.values())} rows: {reasons}"
    return said


def _in_words(usable: UsableRows, rows: Index) -> str:
    if not rows.size:
        return "none"
    blocks = as_blocks(rows)
    words = in_words(blocks) if len(blocks) <= _LONGEST else f"{len(rows)} rows between {rows[0]} and {rows[-1]}"
    groups = usable.groups_of(rows)
    if not groups:
        return words
    listed = ", ".join(groups[:_LONGEST]) + (f" and {len(groups) - _LONGEST} more" if len(groups) > _LONGEST else "")
    return f"{words} ({listed})"
