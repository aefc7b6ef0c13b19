"""The section ``[data.split]`` of a configuration: which rows to fit on, to compare on, and to keep sealed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from regsearch.data.refusal import short
from regsearch.data.split import as_blocks, row_numbers
from regsearch.search.config.expectations import is_listed, one_of, several
from regsearch.search.config.families import Section

_Row = Annotated[int, Field(strict=True)]


def _require_pair(value: Any) -> Any:
    if not is_listed(value) or len(tuple(value)) != 2:
        raise ValueError(f"expected a range of rows [start, stop), found {short(value)}")
    return value


Rows = Annotated[
    tuple[_Row, _Row], BeforeValidator(_require_pair), Field(description="half-open range of rows [start, stop)")
]


class Masked(tuple[tuple[int, int], ...]):
    """Ranges of the rows of a mask, which knows how many rows it has; equal to these ranges without a mask."""

    n_rows: int

    @classmethod
    def of(cls, blocks: Iterable[tuple[int, int]], n_rows: int) -> Self:
        """Return the ranges of a mask of `n_rows` rows."""
        made = cls(blocks)
        made.n_rows = n_rows
        return made


def _checked(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Return rows as ranges; those of a mask keep its length."""
    given = _as_ranges(value)
    rows = check(given)
    return Masked.of(rows, given.n_rows) if isinstance(given, Masked) else rows


def _as_ranges(value: Any) -> Any:
    """Return a boolean mask or an array of row numbers as ranges of rows; leave anything else."""
    if not hasattr(value, "__array__"):
        return value
    given = np.asarray(value)
    blocks = as_blocks(row_numbers(given))
    if not blocks:
        raise ValueError("expected some rows, found an array that names none")
    return Masked.of(blocks, len(given)) if given.dtype == bool else blocks


def _is_several(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], list | tuple)


_Ranges = Annotated[
    Annotated[Rows, Tag("as one")] | Annotated[tuple[Rows, ...], Tag("as several"), Field(min_length=1)],
    Discriminator(lambda value: "as several" if _is_several(value) else "as one"),
    WrapValidator(_checked),
]


def _label(name: Any) -> Any:
    """Return the name of a group as labels are read: a number as text, and no blanks around it."""
    if isinstance(name, Integral) and not isinstance(name, bool):
        return str(name)
    return name.strip() if isinstance(name, str) else name


_Name = Annotated[str, Field(min_length=1)]
_Group = Annotated[_Name, BeforeValidator(_label, json_schema_input_type=_Name | int)]


class FoldsConfig(Section):
    """Parts of the rows in turn: contiguous ones of rows in time, shuffled ones of independent rows."""

    folds: Annotated[int, Field(ge=2, strict=True, description="number of parts")]
    embargo: Annotated[
        int, Field(ge=0, strict=True, description="number of rows to leave out before and after each block")
    ] = 0


class FractionConfig(Section):
    """A share of the rows: of rows in time the last ones, of independent rows random ones, of groups whole ones."""

    fraction: Annotated[float, Field(gt=0, lt=1, strict=True, description="share of the rows")]


def _kind_of_groups(value: Any) -> str | None:
    if isinstance(value, list | tuple):
        return "as names"
    return "as number" if isinstance(value, int) else "in turn" if value == "each" else None


class GroupsConfig(Section):
    """Whole groups: some by name, or all of them in turn."""

    groups: Annotated[
        Annotated[tuple[_Group, ...], Tag("as names"), Field(min_length=1, json_schema_extra={"uniqueItems": True})]
        | Annotated[int, Tag("as number"), Field(ge=2, strict=True)]
        | Annotated[Literal["each"], Tag("in turn")],
        one_of('a list of names of groups, a number of parts or "each"', _kind_of_groups),
        Field(
            description="names of groups; for validation and test also the number of folds to deal groups to, or "
            '"each": every group in turn'
        ),
    ]

    @property
    def names(self) -> tuple[str, ...]:
        """The groups by name; empty for all in turn."""
        return self.groups if isinstance(self.groups, tuple) else ()


class ColumnConfig(Section):
    """Folds as supplied."""

    column: Annotated[str, Field(min_length=1, description="column or array with the fold that each row validates")]


class GivenFold(Section):
    """One fold, row by row."""

    train: Annotated[_Ranges, Field(description="rows to fit on")]
    validation: Annotated[_Ranges, Field(description="rows to compare on")]


class GivenConfig(Section):
    """Folds of any rows, such as those of a scikit-learn splitter."""

    given: Annotated[
        tuple[GivenFold, ...],
        Field(min_length=2),
        several("a list of folds, each { train = …, validation = … }"),
        Field(description="folds, each with train and validation"),
    ]


_KINDS = {
    "folds": FoldsConfig,
    "fraction": FractionConfig,
    "groups": GroupsConfig,
    "column": ColumnConfig,
    "given": GivenConfig,
}


def _kind(value: Any) -> str | None:
    """Return which kind of rows a value describes: a table by its key."""
    if isinstance(value, Mapping):
        return next((f"by {key}" for key in _KINDS if key in value), None)
    if isinstance(value, str):
        return "no rows" if value == "none" else None
    named = next((f"by {key}" for key, kind in _KINDS.items() if isinstance(value, kind)), None)
    return named or ("in ranges" if is_listed(value) else None)


def _rows_by(*keys: str, last: str = "") -> Discriminator:
    """Return what tells kinds of rows apart: ranges, tables with some keys, and a last one."""
    forms = ["ranges of rows", *(f"{{ {key} = … }}" for key in keys), *([last] if last else [])]
    return one_of(f"{', '.join(forms[:-1])} or {forms[-1]}", _kind)


_Folds = Annotated[FoldsConfig, Tag("by folds")]
_Fraction = Annotated[FractionConfig, Tag("by fraction")]
_Groups = Annotated[GroupsConfig, Tag("by groups")]
_Column = Annotated[ColumnConfig, Tag("by column")]
_Given = Annotated[GivenConfig, Tag("by given")]
_Tagged = Annotated[_Ranges, Tag("in ranges")]
_None = Annotated[Literal["none"], Tag("no rows")]


class SplitConfig(Section):
    """The rows to train on, to choose by, and to keep sealed; what is left out is the rest."""

    train: Annotated[
        Annotated[_Tagged | _Groups | _Fraction, _rows_by("groups", "fraction")] | None,
        Field(description="rows to fit on: one range or several, { groups = [...] } or { fraction = 0.7 }"),
    ] = None
    validation: Annotated[
        _Tagged | _Folds | _Groups | _Fraction | _Column | _Given,
        _rows_by("fraction", "groups", "folds", "column", "given"),
        Field(
            description="rows to compare trials on: ranges, { groups = [...] } or { fraction = 0.15 }; or to "
            'cross-validate over the train rows { folds = 5, embargo = 8 }, { groups = 5 }, { groups = "each" } or '
            '{ column = "fold" }'
        ),
    ]
    test: Annotated[
        Annotated[
            _Tagged | _Groups | _Fraction | _Folds | _None,
            _rows_by("fraction", "groups", "folds", last='"none"'),
        ]
        | None,
        Field(
            description="rows that stay sealed until a promotion: ranges, { groups = [...] } or { fraction = 0.15 } "
            '(default: the last 15 %; if train is given, all remaining rows); "none"; or to test on each part in turn '
            '{ folds = 5 }, { groups = 5 } or { groups = "each" }'
        ),
    ] = None
    part: Annotated[
        int | None,
        Field(
            ge=0,
            strict=True,
            description="with a test on each part in turn: run only the search that is tested on this part, counted "
            "from 0; usually set by regsearch itself",
        ),
    ] = None
    share_groups: Annotated[bool, Field(strict=True, description="whether parts may have rows of the same group")] = (
        False
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if isinstance(self.train, GroupsConfig) and not self.train.names:
            raise ValueError("train: groups must be names of groups; parts in turn are for validation and test")
        if self.part is not None and not self.is_in_turn:
            raise ValueError("part needs a test on each part in turn, such as test = { folds = 5 }")
        if self.is_in_turn and (self.train is not None or not self._is_cut_from_the_rest):
            raise ValueError(
                "test: parts in turn leave other rows to train and validate on each time; leave `train` out, and give "
                "`validation` as a fraction, folds, a column, or groups in turn"
            )
        given = {name: part for name in ("train", "validation", "test") if (part := getattr(self, name)) is not None}
        named: dict[str, str] = {}
        for name, part in given.items():
            for group in part.names if isinstance(part, GroupsConfig) else ():
                if group in named:
                    both = "twice" if named[group] == name else f"in {named[group]} and"
                    raise ValueError(f"group {group!r} is named {both} in {name}; name it once, in one part")
                named[group] = name
        shares = [part.fraction for part in given.values() if isinstance(part, FractionConfig)]
        if sum(shares) > 1 + 1e-9:
            raise ValueError(f"expected fractions of at most 1 in all, found {sum(shares):g}; give smaller ones")
        return self

    @property
    def _is_cut_from_the_rest(self) -> bool:
        """Whether the validation rows are no rows by name, so that any rows can be cut like that."""
        validation = self.validation
        return not isinstance(validation, tuple | GivenConfig) and not (
            isinstance(validation, GroupsConfig) and validation.names
        )

    @property
    def is_of_one_recording(self) -> bool:
        """Whether a part names rows by number, which fit no other recording."""
        return any(isinstance(part, tuple | GivenConfig) for part in (self.train, self.validation, self.test))

    @property
    def is_in_turn(self) -> bool:
        """Whether every row is a test row once, each part of a search of its own."""
        return isinstance(self.test, FoldsConfig) or (isinstance(self.test, GroupsConfig) and not self.test.names)


def kind_of_rows(place: Sequence[str | int]) -> str | None:
    """Return the kind of rows, such as ``"folds"``, of a table in which pydantic found a key too many."""
    tag = str(place[-2]) if len(place) > 1 else ""
    return tag.removeprefix("by ") if tag.startswith("by ") else None


def ranges(rows: tuple[int, int] | tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Return one range of rows or several as several."""
    return (rows,) if isinstance(rows[0], int) else rows
