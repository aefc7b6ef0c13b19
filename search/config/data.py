"""The section ``[data]`` of a configuration: the recording, what its columns are, and how its rows are prepared."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, Tag, model_validator

from regsearch.data import Preparation, Roles, Scale
from regsearch.data.lagged import MOST_LAG
from regsearch.search.config.expectations import is_listed, one_of, several
from regsearch.search.config.families import Section
from regsearch.search.config.split import ColumnConfig, SplitConfig

_Name = Annotated[str, Field(min_length=1)]
_NAMES = "a name or a list of names"
_Names = Annotated[
    tuple[_Name, ...],
    several(_NAMES),
    BeforeValidator(
        lambda value: (value,) if isinstance(value, str) else value, json_schema_input_type=_Name | tuple[_Name, ...]
    ),
]
_ONE_OR_SEVERAL = one_of(
    _NAMES, lambda value: "as one" if isinstance(value, str) else "as several" if is_listed(value) else None
)


class DataConfig(Section):
    """The recording, what its columns are, and its rows."""

    source: Annotated[
        str,
        Field(
            min_length=1,
            description="twin, stringer, or the path of a .npz, .mat, .h5, .nwb, .csv, .parquet, .npy or Zarr",
        ),
    ] = "twin"
    target: Annotated[
        Annotated[_Name, Tag("as one")]
        | Annotated[tuple[_Name, ...], Tag("as several"), Field(min_length=1, json_schema_extra={"uniqueItems": True})],
        _ONE_OR_SEVERAL,
        Field(description="name of the array or column to predict; or several: each gets a search of its own"),
    ] = "y"
    features: Annotated[
        Annotated[
            Annotated[_Name, Tag("as one")] | Annotated[tuple[_Name, ...], Tag("as several"), Field(min_length=1)],
            _ONE_OR_SEVERAL,
        ]
        | None,
        Field(
            description="array of features in a .npz, a folder or a Zarr (default: X); or names or patterns "
            'of columns, such as ["unit_*"] (default: all columns without another role)'
        ),
    ] = None
    exclude: Annotated[_Names, Field(description="names or patterns of columns to leave out")] = ()
    covariates: Annotated[_Names, Field(description="names of columns to fit without a penalty")] = ()
    groups: Annotated[str | None, Field(min_length=1, description="column with the session or subject of each row")] = (
        None
    )
    weights: Annotated[str | None, Field(min_length=1, description="column with the weight of each row")] = None
    lags: Annotated[
        tuple[Annotated[int, Field(strict=True, gt=-MOST_LAG, lt=MOST_LAG)], ...],
        Field(min_length=1, json_schema_extra={"uniqueItems": True}),
        several("a list of numbers of rows, such as [0, 1]"),
        Field(
            description="delays in rows: [0, 1] takes each feature at the same row and one row earlier; a delay never "
            "reaches into another group",
        ),
    ] = (0,)
    scale: Annotated[
        Scale,
        Field(description="what a centred column is divided by: unit-norm (its Euclidean norm), standard, or none"),
    ] = "unit-norm"
    rows: Annotated[
        Literal["time", "independent"],
        Field(description="time: rows are split in contiguous pieces; independent: rows are shuffled first"),
    ] = "time"
    split: Annotated[
        SplitConfig | None,
        Field(
            description="which rows do what (default: the first 70 % train, the next 15 % validate, the last 15 % "
            "test; with groups, the last groups, 15 % of the rows or more, test, and the others validate: up to five "
            "each in turn, more in five folds)"
        ),
    ] = None

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for name, values in (("target", self.targets), ("lags", self.lags)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name}: expected values that differ, found {list(values)}")
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets, one or several."""
        return (self.target,) if isinstance(self.target, str) else self.target

    @property
    def roles(self) -> Roles:
        """The role of each array or column."""
        validation = self.split.validation if self.split else None
        folds = validation.column if isinstance(validation, ColumnConfig) else None
        return Roles(self.targets, self.features, self.exclude, self.covariates, self.groups, self.weights, folds)

    @property
    def preparation(self) -> Preparation:
        """How rows become the columns and the errors of a fit."""
        return Preparation(self.lags, self.scale, self.rows == "independent")
