"""A recording: the responses of many features and one target, identified by the SHA-256 of its values."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from regsearch.data.annotations import NOTHING, Annotations
from regsearch.data.blocks import Matrix, row_blocks
from regsearch.data.plausibility import Ranges
from regsearch.data.refusal import choice_where_it_lies, excluding, some, them
from regsearch.data.roles import chosen, matching
from regsearch.data.row_sums import row_sums
from regsearch.data.standard_error import redraws
from regsearch.errors import DataError

_SHOWN_AFTER_SECONDS = 2
_EXPLAINED = 1e-10
"""Share of a target's deviation up to which what covariates leave of it is rounding error."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Responses of many features and one target, row by row in time.

    `Recording.checked` makes one from values; the constructor itself reads and checks nothing.

    Parameters
    ----------
    X : Matrix of float32 or float64, shape (n_rows, n_features)
        Responses, in the recording's own units.
    y : ndarray of float64, shape (n_rows,)
        Target, in the recording's own units.
    sha256 : str
        SHA-256 of the values, types and shapes of `X` and `y`, as 64 hexadecimal digits.
    source : str
        Where the recording came from: ``"twin"``, ``"stringer"``, ``"memory"`` or a path.
    feature_names : tuple of str
        One name per column of `X`, or empty if the columns have no names.
    target : str
        Name of the target.
    column_types : tuple of str
        Types in which the source stores the features: one per column, or a single one for all.  Empty if unknown.
    notes : tuple of str
        What you should know about the values and how they were read: one sentence each.
    row_sums : ndarray of uint64, shape (n_rows,), or None
        If `X` stays in its files: sums that its rows must still have when they are copied; see `row_sums`.
    annotations : Annotations
        Group, weight, covariates and fold of each row.
    covariate_names : tuple of str
        One name per covariate, or empty if they have none.
    left_out : tuple of str, or None
        Names of the columns of the source that are not features; ``None`` if unknown, as for a file.
    """

    X: Matrix
    y: NDArray[np.float64]
    sha256: str
    source: str
    feature_names: tuple[str, ...] = ()
    target: str = "y"
    column_types: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    row_sums: NDArray[np.uint64] | None = None
    annotations: Annotations = NOTHING
    covariate_names: tuple[str, ...] = ()
    left_out: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        n_rows, n_features = self.X.shape
        return f"<Recording of {n_rows:,} rows × {n_features:,} features from {self.source}, target {self.target!r}>"

    @classmethod
    def checked(
        cls, X: Matrix, y: NDArray[np.float64], *, source: str, target: str = "y", **known: Unpack[Known]
    ) -> Recording:
        """Check values, read them once, and return them as a recording; see `several`."""
        (recording,) = cls.several(X, {target: y}, source=source, **known)
        return recording

    @classmethod
    def several(
        cls,
        X: Matrix,
        targets: Mapping[str, NDArray[np.float64]],
        *,
        source: str,
        feature_names: tuple[str, ...] = (),
        column_types: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
        annotations: Annotations = NOTHING,
        covariate_names: tuple[str, ...] = (),
        progress: bool = False,
    ) -> tuple[Recording, ...]:
        """Check values, read the features once, and return a recording for each target; all share the features.

        Parameters
        ----------
        X, source, feature_names, column_types, annotations, covariate_names
            Fields of the recordings.
        targets : mapping of str to ndarray of float64, shape (n_rows,)
            Targets by name.
        notes : tuple of str
            Notes on how the source was read; notes on its values are added.
        progress : bool
            Whether to draw a progress bar in a terminal if reading takes more than two seconds.

        Raises
        ------
        DataError
            If the shapes disagree, there are fewer than two rows, a value is not finite or is a fill value of masked
            arrays, squares of values leave double precision, a target is constant, or an annotation cannot be used.
        """
        for target, y in targets.items():
            _require_shapes(X, y, source, target)
        if feature_names and len(feature_names) != X.shape[1]:
            raise DataError(f"{source}: {len(feature_names)} feature names for {X.shape[1]} columns; give one each")
        try:
            annotations.check(X.shape[0], covariate_names)
        except DataError as error:
            raise DataError(f"{source}: {error}") from None
        digest = hashlib.sha256()
        with _bar(X.dtype.itemsize * math.prod(X.shape), progress) as advance:
            scan = _Scan.of(X, X.shape, digest, advance)
        scan.require_finite(f"{source}: X", feature_names, annotations.also_finite)
        scan.ranges.require_squares(f"{source}: X", feature_names)
        scan.ranges.require_no_fill(X, f"{source}: X", feature_names)
        counting = [str(feature_names[column] if feature_names else column) for column in scan.ranges.counting(X)]
        found = [f"feature {name} counts the rows; if it is an index, leave it out" for name in counting[:1]]
        return tuple(
            cls(
                X,
                y,
                _checked_target(y, f"{source}: {target}", target, digest.copy(), annotations, covariate_names),
                source,
                feature_names,
                target,
                column_types,
                (*notes, *found),
                None if isinstance(X, np.ndarray) else scan.row_sums,
                annotations,
                covariate_names,
            )
            for target, y in targets.items()
        )

    def differs_in_target_alone(self, other: Recording) -> bool:
        """Return whether another recording has the same features, and the same is known of its rows."""
        values = self.X is other.X or (
            isinstance(self.X, np.ndarray) and isinstance(other.X, np.ndarray) and np.array_equal(self.X, other.X)
        )
        return values and self.feature_names == other.feature_names and self.annotations.equals(other.annotations)

    def features_among(self, wanted: Sequence[str], exclude: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the features that are chosen by name; all of them if nothing is.

        Parameters
        ----------
        wanted : sequence of str
            Names or patterns of features; all if empty.
        exclude : sequence of str
            Names or patterns of columns that are no features.

        Raises
        ------
        DataError
            If a name matches no feature, or nothing that is known to be left out, or no feature is left.
        """
        names, left_out = self.feature_names, exclude if self.left_out is None else self.left_out
        try:
            return tuple(chosen(names, wanted, exclude, known=(*names, *left_out))) if names else ()
        except DataError as error:
            raise DataError(f"{self.source}: {error}") from None

    def with_features(self, wanted: Sequence[str], exclude: Sequence[str]) -> Recording:
        """Return the recording with the features that are chosen by name; the same one if those are all.

        Parameters
        ----------
        wanted, exclude : sequence of str
            Names or patterns of features, as `features_among` takes them, and of columns that are none, whether the
            recording has them or not: a search of one target of several excludes the others.

        Raises
        ------
        DataError
            If a name matches no feature, no feature is left, or the values lie in a file.
        """
        names = self.feature_names
        left = self.features_among(wanted, matching(exclude, names))
        if left == names:
            return self
        if not isinstance(self.X, np.ndarray):
            raise choice_where_it_lies()
        places = [place for place, name in enumerate(names) if name in {*left}]
        X = np.ascontiguousarray(self.X[:, places])
        X.flags.writeable = False
        types = self.column_types
        made = Recording.checked(
            X,
            self.y,
            source=self.source,
            target=self.target,
            feature_names=left,
            column_types=tuple(types[place] for place in places) if len(types) == len(names) else types,
            annotations=self.annotations,
            covariate_names=self.covariate_names,
        )
        dropped = tuple(name for name in names if name not in {*left})
        left_out = None if self.left_out is None else (*self.left_out, *dropped)
        return replace(made, notes=tuple(dict.fromkeys((*self.notes, *made.notes))), left_out=left_out)


class Known(TypedDict, total=False):
    """The keyword arguments of `Recording.several`, but for the source."""

    feature_names: tuple[str, ...]
    column_types: tuple[str, ...]
    notes: tuple[str, ...]
    annotations: Annotations
    covariate_names: tuple[str, ...]
    progress: bool


def _checked_target(
    y: NDArray[np.float64],
    what: str,
    target: str,
    digest: hashlib._Hash,
    annotations: Annotations,
    covariate_names: tuple[str, ...],
) -> str:
    """Check a target, which messages call `what`; return the recording's SHA-256, given the digest of its features."""
    scan = _Scan.of(y[:, None], y.shape, digest, lambda _: None)
    scan.require_finite(what, (), annotations.also_finite)
    if y.min() == y.max():
        raise DataError(f"{what} is {y[0]:g} in every row, so there is nothing to predict; choose another target")
    scan.ranges.require_squares(what, (target,))
    scan.ranges.require_no_fill(y[:, None], what, (target,))
    if annotations.covariates is not None:
        _require_unexplained(y, annotations.covariates, what, covariate_names)
    annotations.update(digest)
    return digest.hexdigest()


def _require_unexplained(
    y: NDArray[np.float64], covariates: NDArray[np.float64], what: str, names: tuple[str, ...]
) -> None:
    """Raise `DataError` if covariates and an intercept fit a target but for rounding error."""
    for place, column in enumerate(covariates.T):
        if _explains(column[:, None], y):
            found = "equals" if np.array_equal(column, y) else "is a linear function of"
            name = names[place] if names else place
            raise DataError(f"{what} {found} the covariate {name}, so nothing is left to predict; drop that one")
    if _explains(covariates, y):
        named = ", ".join(names or map(str, range(covariates.shape[1])))
        raise DataError(
            f"{what} is a linear function of the covariates {named}, so nothing is left to predict; drop some of them"
        )


def _explains(columns: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    if len(y) <= columns.shape[1] + 1:
        return False
    centred = columns - columns.mean(axis=0)
    norms, deviation = np.linalg.norm(centred, axis=0), y - y.mean()
    centred /= np.where(norms > 0, norms, 1.0)
    weights = np.linalg.lstsq(centred, deviation)[0]
    return bool(np.linalg.norm(deviation - centred @ weights) < _EXPLAINED * np.linalg.norm(deviation))


def _require_shapes(X: Matrix, y: NDArray[np.float64], source: str, target: str) -> None:
    if len(X.shape) != 2 or X.shape[1] == 0:
        raise DataError(
            f"{source}: X must be a table of rows and columns, found shape {X.shape}; "
            "give one row per frame and one column per feature"
        )
    if y.ndim != 1:
        raise DataError(
            f"{source}: {target} must hold one number per row, found shape {y.shape}; give a one-dimensional target"
        )
    if X.shape[0] != len(y):
        do = "give X transposed" if X.shape[1] == len(y) else "they must be of the same length"
        raise DataError(f"{source}: X has {X.shape[0]} rows and {target} has {len(y)}; {do}")
    if len(y) < 2:
        raise DataError(f"{source}: found {len(y)} row(s); a search needs at least 2")


@contextmanager
def _bar(total: int, progress: bool) -> Iterator[Callable[[int], object]]:
    """Draw a progress bar, and yield what tells it how many bytes have been read since."""
    with tqdm(
        total=total,
        unit="B",
        unit_scale=True,
        desc="reading",
        delay=_SHOWN_AFTER_SECONDS,
        leave=False,
        disable=not (progress and redraws()),
    ) as bar:
        yield bar.update


@dataclass(frozen=True, eq=False)
class _Scan:
    """What one pass over a matrix found."""

    ranges: Ranges
    bad: NDArray[np.int64]
    first_bad: tuple[int, int] | None
    row_sums: NDArray[np.uint64]

    @classmethod
    def of(
        cls, values: Matrix, shape: tuple[int, ...], digest: hashlib._Hash, advance: Callable[[int], object]
    ) -> _Scan:
        """Read a matrix by blocks of rows; the digest takes its type, its shape and its values."""
        digest.update(f"{values.dtype.newbyteorder('<').str}{shape}".encode())
        low = np.full(values.shape[1], np.inf, values.dtype)
        high = np.full(values.shape[1], -np.inf, values.dtype)
        bad, sums = np.zeros(values.shape[1], np.int64), np.zeros(values.shape[0], np.uint64)
        first_bad = None
        for rows in row_blocks(values):
            block = values[rows, :]
            digest.update(np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("<")).data)
            np.minimum(low, block.min(axis=0), out=low)
            np.maximum(high, block.max(axis=0), out=high)
            if not (np.isfinite(low).all() and np.isfinite(high).all()):
                wrong = ~np.isfinite(block)
                bad += wrong.sum(axis=0)
                if first_bad is None and wrong.any():
                    row, column = divmod(int(wrong.argmax()), wrong.shape[1])
                    first_bad = (rows.start + row, column)
            if not isinstance(values, np.ndarray):
                sums[rows] = row_sums(block)
            advance(block.nbytes)
        return cls(Ranges(low, high), bad, first_bad, sums)

    def require_finite(self, what: str, names: tuple[str, ...], also: str) -> None:
        """Raise `DataError` if any value is not finite; `also` names rows that are no exception."""
        if self.first_bad is not None:
            row, column = self.first_bad
            places = np.flatnonzero(self.bad).tolist()
            found = [names[place] if names else str(place) for place in places]
            is_one = len(self.bad) == 1
            where = "" if is_one and not names else f", column {names[column] if names else column}"
            where += "" if is_one else f" (in {len(found)} of {len(self.bad)} columns: {some(found)})"
            do = "drop or fill them first"
            if names and len(found) < len(self.bad):
                do = f"fill them, or leave {them(found)} out by {excluding(found)}"
            raise DataError(
                f"{what} has {self.bad.sum()} value(s) that are missing, NaN or infinite, the first at row {row} "
                f"(from 0){where}; every value must be finite{also}: {do}"
            )
