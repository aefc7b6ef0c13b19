"""Targets, covariates, weights and labels from arrays: whole ones, and columns of tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from regsearch.data.annotations import Annotations, Labels, labels_from
from regsearch.data.array_headers import require_shapes
from regsearch.data.refusal import choice_where_it_lies, line, refusal, require_names, require_present, short
from regsearch.data.roles import Roles, chosen
from regsearch.errors import DataError

_NAMES = "_names"
_NAN = "nan"  # what a missing label becomes as text, also where an array was made of a table


class Arrays(Protocol):
    """Named arrays in a file or a folder."""

    def names(self) -> Sequence[str]:
        """Names of the arrays."""

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Shape of an array, from its header."""

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return all values of an array of numbers."""

    def labels(self, name: str) -> NDArray[np.str_]:
        """Return all values of an array of text or of numbers, as text."""


def shape_by_rows(arrays: Arrays, name: str) -> tuple[int, ...]:
    """Return the shape of an array that has something for each row.

    No recording has a single row, so an array of shape (1, n), as MATLAB and others save a vector, has n of them.
    """
    shape = arrays.shape_of(name)
    return shape[1:] if len(shape) == 2 and shape[0] == 1 else shape


@dataclass(frozen=True)
class Column:
    """An array of one value per row, or one column of an array.

    Parameters
    ----------
    array : str
    place : int or None
        Number of the column; ``None`` for an array of one dimension or one column.
    """

    array: str
    place: int | None

    def of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return its values, of all values of the array."""
        return np.array(values.reshape(-1) if self.place is None else values[:, self.place])


def column_of(arrays: Arrays, text: str, do: str) -> Column:
    """Return what a text names: an array, or a column as ``"behaviour:3"`` or ``"behaviour:speed"``.

    The names of the columns of ``behaviour`` are in the array ``behaviour_names``.

    Parameters
    ----------
    arrays : Arrays
    text : str
    do : str
        What to do if there is no such array.
    """
    names = arrays.names()
    if text in names or ":" not in text:
        require_present(text, names, "array", do)
        shape = shape_by_rows(arrays, text)
        if len(shape) == 2 and shape[1] > 1:
            known = f"{text}:0 to {text}:{shape[1] - 1}"
            raise refusal(f"one number per row in {short(text)}", f"shape {shape}", f"name one of its columns, {known}")
        return Column(text, None)
    array, _, name = text.rpartition(":")
    require_present(array, names, "array", do)
    shape = shape_by_rows(arrays, array)
    columns = arrays.labels(array + _NAMES).tolist() if array + _NAMES in names else []
    width = shape[1] if len(shape) == 2 else 0
    if name in columns:
        return Column(array, columns.index(name))
    if name.isdigit() and int(name) < width:
        return Column(array, int(name))
    if not width:
        raise refusal(f"a column {short(name)} of {short(array)}", f"shape {shape}", f"name {short(array)} alone")
    known = ", ".join(map(short, columns[:5])) if columns else f"columns 0 to {width - 1}"
    raise refusal(f"a column {short(name)} of {short(array)}", known, "name one of them")


def arrays_of(texts: Iterable[str], names: Sequence[str]) -> list[str]:
    """Return the arrays that texts name, as arrays or as columns of them, each once."""
    return [*dict.fromkeys(text if text in names else text.rpartition(":")[0] or text for text in texts)]


def require_parts(arrays: Arrays, features: str, roles: Roles) -> None:
    """Raise `DataError` unless every part is there, has no other role and, by its header, has a value for each row.

    Parameters
    ----------
    arrays : Arrays
    features : str
        Name of the array of features.
    roles : Roles
    """
    roles.require_distinct()
    X = arrays.shape_of(features)
    taken: dict[Column, str] = {}
    for text in roles.numbers:
        column = _numbers_column(arrays, text, roles)
        shape = shape_by_rows(arrays, column.array)
        require_shapes(X, shape if column.place is None else shape[:1], text)
        if column.array == features:
            found = f"{short(text)} among the features {short(features)}"
            raise refusal(
                "one part for each array", found, "save it as an array of its own, without it in the features"
            )
        if column in taken:
            found = f"the same for {short(taken[column])} and {short(text)}"
            raise refusal("another column for each part", found, "name it once")
        taken[column] = text
    for text in roles.labels:
        require_present(text, arrays.names(), "array", "name an array of labels, one per row")
        if (shape := shape_by_rows(arrays, text)) not in ((X[0],), (X[0], 1)):
            found = f"shape {short(shape)} beside {X[0]} rows of {short(features)}"
            raise refusal(f"one label of {short(text)} per row", found, "name an array of labels, one per row")


@dataclass(frozen=True, eq=False)
class Parts:
    """What arrays hold beside the features.

    Attributes
    ----------
    targets : dict of str to ndarray of float64, shape (n_rows,)
    annotations : Annotations
    """

    targets: dict[str, NDArray[np.float64]]
    annotations: Annotations


def read_parts(arrays: Arrays, roles: Roles) -> Parts:
    """Read targets, covariates, weights and labels."""
    read = cache(arrays.numbers)

    def numbers(text: str) -> NDArray[np.float64]:
        column = _numbers_column(arrays, text, roles)
        return column.of(read(column.array))

    def labels(name: str | None) -> Labels | None:
        if name is None:
            return None
        texts = (None if text == _NAN else text for text in arrays.labels(name).reshape(-1).tolist())
        return labels_from(texts, roles.role_of(name), f" in {short(name)}")

    targets = {line(name): numbers(name) for name in roles.targets}
    covariates = np.column_stack([numbers(name) for name in roles.covariates]) if roles.covariates else None
    weights = numbers(roles.weights) if roles.weights else None
    return Parts(targets, Annotations(labels(roles.groups), weights, covariates, labels(roles.folds)))


def read_target(arrays: Arrays, roles: Roles) -> NDArray[np.float64]:
    """Read the first target, beside which nothing need be there."""
    column = _numbers_column(arrays, roles.target, roles)
    shape = shape_by_rows(arrays, column.array)
    if column.place is None and (not shape or math.prod(shape[1:]) != 1):
        raise refusal(f"one number per row in {short(roles.target)}", f"shape {shape}", "name another array")
    return column.of(arrays.numbers(column.array))


def feature_names(arrays: Arrays, features: str, n_features: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names in the array ``X_names`` beside the features ``X``, or in ``feature_names``; else none.

    Returns
    -------
    names : tuple of str
    notes : tuple of str
        A note about each array that is not used: it has another number of names, or a name is empty or there twice.
    """
    notes: list[str] = []
    for name in (features + _NAMES, "feature_names"):
        if name not in arrays.names():
            continue
        shape = shape_by_rows(arrays, name)
        if shape in ((n_features,), (n_features, 1)):
            names = tuple(arrays.labels(name).reshape(-1).tolist())
            try:
                require_names(names)
                return names, ()
            except DataError as error:
                notes.append(f"{line(name)} is not used: {error}")
                continue
        found = f"shape {shape} beside {n_features} features"
        notes.append(f"{line(name)} is not used: {refusal('one name for each feature', found, 'save as many')}")
    return (), tuple(notes)


def label(value: object) -> str:
    """Return one label as text; a whole number in floating point is written like an integer."""
    return str(value).removesuffix(".0") if isinstance(value, float | np.floating) else str(value)


def _excluded(roles: Roles, arrays: Sequence[str]) -> tuple[str, ...]:
    """Return the exclusions among the features; other arrays, such as those of other targets, are no features."""
    return tuple(name for name in roles.exclude if arrays_of([name], arrays)[0] not in arrays)


def chosen_columns(
    names: tuple[str, ...], notes: tuple[str, ...], roles: Roles, arrays: Sequence[str]
) -> NDArray[np.intp] | None:
    """Return the places of the features that a configuration names, or ``None`` for all.

    Parameters
    ----------
    names, notes : tuple of str
        `feature_names`.
    roles : Roles
    arrays : sequence of str
        Names of the arrays beside each other.

    Raises
    ------
    DataError
        If they are named, but the columns have no names.
    """
    exclude = _excluded(roles, arrays)
    if not roles.patterns and not exclude:
        return None
    if not names:
        do = "save an array feature_names beside them, of one name for each feature"
        raise refusal("names of the features, to choose among them", "; ".join(notes) or "none", do)
    left = set(chosen(names, roles.patterns, exclude))
    return np.array([place for place, name in enumerate(names) if name in left], dtype=np.intp)


def require_all_features(roles: Roles, arrays: Sequence[str]) -> None:
    """Raise `DataError` if a configuration chooses among the columns of features that are read where they lie."""
    if roles.patterns or _excluded(roles, arrays):
        raise choice_where_it_lies()


def _numbers_column(arrays: Arrays, text: str, roles: Roles) -> Column:
    return column_of(arrays, text, roles.advice(text, "array"))
