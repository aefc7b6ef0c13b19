"""What is known of each row beside its features and its target: group, weight, covariates, and fold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from regsearch.data.plausibility import Ranges, require_weighable
from regsearch.data.refusal import refusal
from regsearch.errors import DataError

Labels = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Annotations:
    """What is known of each row; each part is ``None`` where it was not given.

    Parameters
    ----------
    groups : ndarray of str, shape (n_rows,), or None
        Session or subject that each row belongs to.
    weights : ndarray of float64, shape (n_rows,), or None
        How much each row counts, at least 0.  Rows of weight 0 are left out.
    covariates : ndarray of float64, shape (n_rows, n_covariates), or None
        Columns that are fitted and never penalised.
    folds : ndarray of str, shape (n_rows,), or None
        The fold in which each row is a validation row.
    """

    groups: Labels | None = None
    weights: NDArray[np.float64] | None = None
    covariates: NDArray[np.float64] | None = None
    folds: Labels | None = None

    def equals(self, other: Annotations) -> bool:
        """Return whether the same is known of the rows."""
        mine, theirs = dict(self._given()), dict(other._given())
        return mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)

    def at(self, rows: NDArray[np.integer]) -> Self:
        """Return the annotations of some rows."""
        return replace(self, **{name: values[rows] for name, values in self._given()})

    def update(self, digest: hashlib._Hash) -> None:
        """Add what is given to a digest."""
        for name, values in self._given():
            digest.update(f"{name}{values.shape}".encode())
            if name in ("groups", "folds"):
                digest.update("\0".join(values.tolist()).encode())
            else:
                digest.update(np.ascontiguousarray(values, dtype="<f8").data)

    def check(self, n_rows: int, covariate_names: tuple[str, ...] = ()) -> None:
        """Raise `DataError` if an annotation is not of `n_rows` rows, or its values cannot be used."""
        for name, values in self._given():
            if len(values) != n_rows:
                raise DataError(f"{name}: expected one for each of {n_rows} rows, found {len(values)}; give as many")
            wanted = 2 if name == "covariates" else 1
            if values.ndim != wanted:
                raise DataError(f"{name}: expected {wanted} dimension(s), found shape {values.shape}; reshape them")
        if self.weights is not None:
            _require_weights(self.weights)
        if self.covariates is not None:
            _require_covariates(self.covariates, covariate_names, self.also_finite)

    @property
    def also_finite(self) -> str:
        """Where else values must be finite, for the message about one that is not."""
        return ", also in rows of weight 0" if self.weights is not None and not self.weights.all() else ""

    def _given(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        for field in fields(self):
            values = getattr(self, field.name)
            if values is not None:
                yield field.name, values


NOTHING = Annotations()
"""What is known of rows that have neither groups nor weights, covariates or folds."""


def labels_from(texts: Iterable[str | None], part: str, where: str = "") -> Labels:
    """Return the label of each row without blanks around it, which nobody sees in a table.

    If all labels are floating point as Python writes it, whole ones are written like integers: a column 0, 0.5, 1 has
    the same labels in every format, also where a CSV has 0.0, 0.5, 1.0.  Others, such as 1.10, are kept as they are.

    Parameters
    ----------
    texts : iterable of str or None
        The label of each row; ``None`` or blanks alone where it is missing.
    part : {"groups", "folds"}
        What the labels are.
    where : str
        Where the labels come from, for people, such as ``" in column 'session'"``.

    Raises
    ------
    DataError
        If a label is missing.
    """
    labels = [(text or "").strip() for text in texts]
    if "" in labels:
        found = f"{labels.count('')} missing{where}, the first at row {labels.index('')} (from 0)"
        raise refusal(f"a label in every row of {part}", found, f"name the {part.removesuffix('s')} of each row")
    if all(map(_is_float, different := set(labels))):
        written = {label: label.removesuffix(".0") for label in different}
        labels = [written[label] for label in labels]
    return np.array(labels, dtype=np.str_)


def _is_float(text: str) -> bool:
    """Return whether a text is a number in floating point as Python writes it, so that no other text is the same."""
    try:
        return str(float(text)) == text
    except ValueError:
        return False


def _require_weights(weights: NDArray[np.float64]) -> None:
    bad = ~np.isfinite(weights) | (weights < 0)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"weights: expected numbers of at least 0, found {weights[row]:g} at row {row} (from 0) and "
            f"{int(bad.sum())} such in all; give 0 to leave a row out"
        )
    if not weights.any():
        raise DataError("weights: expected some above 0, found all zero; give the rows that count a weight")
    require_weighable(weights, "weights")


def _require_covariates(values: NDArray[np.float64], names: tuple[str, ...], also: str) -> None:
    named = names or tuple(map(str, range(values.shape[1])))
    for place, name in enumerate(named):
        column = values[:, place]
        if not np.isfinite(column).all():
            row = int(np.argmin(np.isfinite(column)))
            found = f"found {column[row]} at row {row}"
            raise DataError(f"covariate {name}: expected finite numbers{also}, {found}; fill them")
        if column.min() == column.max():
            raise DataError(
                f"covariate {name}: expected a column that varies, found {column[0]:g} in every row; the intercept is "
                "fitted anyway, leave it out"
            )
        Ranges.of(column).require_squares(f"covariate {name}")
        for earlier in range(place):
            if np.array_equal(values[:, earlier], column):
                found = f"a copy of {named[earlier]}"
                raise DataError(f"covariate {name}: expected columns that differ, found {found}; drop one")
