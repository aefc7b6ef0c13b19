"""Recordings that are already in memory: a pandas table, or arrays as scikit-learn takes them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, Unpack, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regsearch.data.annotations import Annotations, Labels, labels_from
from regsearch.data.array_likes import require_dense
from regsearch.data.plausibility import gap_notes
from regsearch.data.recording import Recording
from regsearch.data.refusal import excluding, line, others, refusal, require_names, short, some, them
from regsearch.data.roles import Roles
from regsearch.data.sources import MEMORY
from regsearch.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_Targets = list[str] | tuple[str, ...]


class ToPandas(Protocol):
    """A table that can be one of pandas, such as a DataFrame of polars or a Table of Arrow."""

    def to_pandas(self) -> Any:
        """Return it as a table of pandas."""


_TO_PANDAS = ("to_pandas", "as_dataframe", "as_series")
"""Methods that make a table or a series of pandas: of polars, xarray and Arrow; of pynapple."""
_NUMBERS = {"boolean", "decimal", "floating", "integer", "mixed-integer-float"}
"""What pandas infers of objects that are all real numbers, or missing."""
_SMALL = {"float16", "float32", "halffloat[pyarrow]", "float[pyarrow]"}


@overload
def from_frame(frame: pd.DataFrame | ToPandas, target: str = "y", **columns: Unpack[Columns]) -> Recording: ...
@overload
def from_frame(
    frame: pd.DataFrame | ToPandas, target: list[str] | tuple[str, ...], **columns: Unpack[Columns]
) -> tuple[Recording, ...]: ...
def from_frame(
    frame: pd.DataFrame | ToPandas, target: str | _Targets = "y", **columns: Unpack[Columns]
) -> Recording | tuple[Recording, ...]:
    """Return a table as a recording, or with several targets as one for each; its values are copied.

    Parameters
    ----------
    frame : DataFrame of pandas or polars
        One row per moment, in time order. Every column without another role is a feature. The index is left out.
    target : str, or list of str
        The column to predict, or several.
    **columns
        `features`, `exclude`: names or patterns, such as ``"unit_*"``, of columns to use as features or to leave out;
        `covariates`: names of columns to fit without a penalty;
        `groups`, `weights`, `folds`: columns with the session and the weight of each row, and the fold it validates.

    Returns
    -------
    Recording
        `X` float32 if every feature has 32 bits or fewer of floating point, else float64.

    Raises
    ------
    DataError
        If a column is missing, has no name or another column's name, or holds anything but finite numbers.
    """
    _require_known(columns, Columns.__annotations__)
    for key, value in {"target": target, **columns}.items():
        _require_names(key, value, is_several=key in ("target", *_SEVERAL))
    roles = Roles(
        _listed(target),
        _listed(columns.get("features", ())),
        _listed(columns.get("exclude", ())),
        _listed(columns.get("covariates", ())),
        columns.get("groups"),
        columns.get("weights"),
        columns.get("folds"),
    )
    if "features" in columns and not roles.patterns:
        raise _refusal("the names of one or more columns as features", "none", "leave features out to use all columns")
    frame = _table_of(frame)
    names = _names(frame)
    for name in (*roles.numbers, *roles.labels):
        if name in frame.index.names and name not in names:
            do = "make it a column: from_frame(frame.reset_index(), …)"
            raise _refusal(f"the column {name!r}", "a level of the index of that name", do)
    for name in roles.targets:
        if name not in names:
            raise _refusal(f"the column {name!r}", others(str(name), names), "name the column to predict")
    try:
        features = roles.features_among(names)
    except DataError as error:
        raise DataError(f"{MEMORY}: {error}") from None

    def column(name: str | None) -> pd.Series[Any] | None:
        return None if name is None else frame[name]

    recordings = _recordings(
        frame[features],
        {name: frame[name] for name in roles.targets},
        covariates=frame[list(roles.covariates)] if roles.covariates else None,
        groups=column(roles.groups),
        weights=column(roles.weights),
        folds=column(roles.folds),
    )
    left_out = tuple(name for name in names if name not in {*features})
    recordings = tuple(replace(one, left_out=left_out) for one in recordings)
    return recordings[0] if isinstance(target, str) else recordings


class Columns(TypedDict, total=False):
    """What columns of a table are; see `from_frame`."""

    features: str | Sequence[str]
    exclude: str | Sequence[str]
    covariates: str | Sequence[str]
    groups: str | None
    weights: str | None
    folds: str | None


_SEVERAL = ("features", "exclude", "covariates")


def _listed(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _require_known(given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise `DataError` if a keyword argument is not known."""
    for key in given:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1)
            do = f"did you mean {nearest[0]}?" if nearest else "leave it out"
            raise _refusal(f"arguments among {', '.join(known)}", key, do)


def _require_names(key: str, value: Any, *, is_several: bool) -> None:
    """Raise `DataError` unless an argument that names columns is a name, several names, or nothing where it may be."""
    if isinstance(value, str) or (value is None and key not in ("target", *_SEVERAL)):
        return
    if is_several and np.iterable(value):
        other = next((name for name in value if not isinstance(name, str)), None)
        if other is None:
            return
        found = f"{other!r} of type {type(other).__name__}"
    else:
        found = f"an object of type {type(value).__name__}"
    do = "give a name as text (frame.columns = frame.columns.astype(str) makes text of numbers)"
    raise _refusal(f"the name{'s' * is_several} of columns of the table as {key}", found, do)


def from_arrays(X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series[Any], **known: Unpack[Known]) -> Recording:
    """Return features and target as a recording; their values are copied.

    Parameters
    ----------
    X : array-like, DataFrame, DataArray of xarray or TsdFrame of pynapple, shape (n_rows, n_features)
        The names of columns are kept.  A masked value counts as missing.
    y : array-like, Series, DataArray or Tsd, shape (n_rows,), (n_rows, 1) or (1, n_rows)
        The name of a Series is kept.
    **known
        `covariates`, array-like or DataFrame of shape (n_rows, n_covariates): fitted without a penalty;
        `groups`, `weights`, `folds`, array-like of shape (n_rows,): each row's session, its weight, and the fold it
        validates.

    Returns
    -------
    Recording
        `X` float32 if every feature has 32 bits or fewer of floating point, else float64.

    Raises
    ------
    DataError
        If a value is missing or not a finite number, or if X and the other arrays differ in length or in index.
    """
    import pandas as pd

    _require_known(known, Known.__annotations__)
    for what, values in {"X": X, "y": y, **known}.items():
        require_dense(values, what)
    X, y = as_pandas(X), _column(as_pandas(y))
    if np.ndim(y) > 1:
        do = "call from_arrays for each column, and run_targets for all of these recordings"
        raise _refusal("one target, one number per row", f"y of shape {np.shape(y)}", do)
    known = cast(Known, {name: as_pandas(values) for name, values in known.items()})
    target = str(y.name) if isinstance(y, pd.Series) and y.name not in (None, "") else "y"  # "" is polars' for none
    for name, values in {"y": y, **known}.items():
        if (
            isinstance(X, pd.DataFrame)
            and isinstance(values, pd.Series | pd.DataFrame)
            and len(X) == len(values)
            and not X.index.equals(values.index)
        ):
            do = f"align them, or give {name}.to_numpy()"
            raise _refusal(f"X and {name} with the same index", "two that differ", do)
    (recording,) = _recordings(X, {target: y}, **known)
    return replace(recording, left_out=(target, *recording.covariate_names))


class Known(TypedDict, total=False):
    """What is known of each row; see `from_arrays`."""

    covariates: ArrayLike | pd.DataFrame | None
    groups: ArrayLike | pd.Series[Any] | None
    weights: ArrayLike | pd.Series[Any] | None
    folds: ArrayLike | pd.Series[Any] | None


def _recordings(
    X: ArrayLike | pd.DataFrame, targets: Mapping[str, ArrayLike | pd.Series[Any]], **known: Unpack[Known]
) -> tuple[Recording, ...]:
    import pandas as pd

    covariates, weights = known.get("covariates"), known.get("weights")
    names, covariate_names = _names(X) if isinstance(X, pd.DataFrame) else (), _covariate_names(covariates)
    _require_apart((*names, *covariate_names))
    numbers, types = _numbers(X, "X")
    try:
        return Recording.several(
            numbers,
            {name: _numbers(y, name)[0].astype(np.float64) for name, y in targets.items()},
            source=MEMORY,
            feature_names=names,
            column_types=types,
            notes=_index_notes(X),
            annotations=Annotations(
                groups=labels_of(known.get("groups"), "groups"),
                weights=None if weights is None else _numbers(_column(weights), "weights")[0].astype(np.float64),
                covariates=_table(covariates),
                folds=labels_of(known.get("folds"), "folds"),
            ),
            covariate_names=covariate_names,
        )
    except DataError as error:
        raise DataError(f"{MEMORY}: {str(error).removeprefix(f'{MEMORY}: ')}") from None


def _table_of(frame: Any) -> pd.DataFrame:
    """Return a table of any library as one of pandas."""
    import pandas as pd

    table = as_pandas(frame)
    if not isinstance(table, pd.DataFrame):
        do = "collect a lazy one first, or give arrays to from_arrays"
        raise _refusal("a table of pandas or polars", f"an object of type {type(frame).__name__}", do)
    return table


def as_pandas(values: Any) -> Any:
    """Return a table or a series of another library as pandas has it, with columns named by text; else the same."""
    import pandas as pd

    if isinstance(values, pd.DataFrame | pd.Series) or getattr(values, "ndim", 0) > 2:
        return values
    method = next((name for name in _TO_PANDAS if hasattr(values, name)), None)
    if method is None:
        return values
    try:
        table = getattr(values, method)()
    except (ValueError, TypeError, NotImplementedError) as error:
        found = f"one of type {type(values).__name__} that is none ({line(error)[:100]})"
        do = "give one variable of it, or an array"
        if hasattr(values, "cast"):
            found = f"one of type {type(values).__name__} that pandas cannot hold ({line(error)[:100]})"
            do = "cast its columns to another type, such as Float64"
        raise _refusal("a table of rows and columns", found, do) from None
    return table.rename(columns=str) if isinstance(table, pd.DataFrame) else table


def _column(values: Any) -> Any:
    """Return a table of one column, or an array of one row or column, as a vector, and anything else as it is."""
    import pandas as pd

    if isinstance(values, pd.DataFrame):
        return values.iloc[:, 0] if values.shape[1] == 1 else values
    if isinstance(values, list | tuple):
        values = _array(values, "values")
    is_vector = isinstance(values, np.ndarray) and values.ndim == 2 and 1 in values.shape
    return values.reshape(-1) if is_vector else values


def _array(values: Any, what: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError:
        do = "give as many numbers in each row"
        raise _refusal(f"rows of the same length in {what}", "some that differ", do) from None


def _table(values: Any) -> NDArray[np.float64] | None:
    if values is None or np.shape(values)[1:] == (0,):
        return None
    numbers = _numbers(values, "covariates")[0].astype(np.float64)
    return numbers[:, None] if numbers.ndim == 1 else numbers


def _covariate_names(covariates: Any) -> tuple[str, ...]:
    import pandas as pd

    if covariates is None:
        return ()
    if isinstance(covariates, pd.DataFrame):
        return _names(covariates)
    if isinstance(covariates, pd.Series) and covariates.name not in (None, ""):
        return (str(covariates.name),)
    shape = np.shape(covariates)
    return tuple(f"covariate {number}" for number in range(shape[1] if len(shape) == 2 else 1))


def labels_of(values: Any, what: str) -> Labels | None:
    """Return the label of each row as text; raise `DataError` where one is missing or two are the same as text."""
    import pandas as pd

    if values is None:
        return None
    if np.ndim(values) == 0:
        do = "give an array, or the name of a column with from_frame"
        raise _refusal(f"one label for each row as {what}", repr(values), do)
    given = np.asarray(values, dtype=object).reshape(-1)
    is_missing = np.asarray(pd.isna(values)).reshape(-1) | pd.isna(given)
    try:
        as_array = np.asarray(values).reshape(-1)
        texts = (given if as_array.dtype.kind == "T" else as_array).astype(np.str_)
        text_of = dict(zip(given.tolist(), texts.tolist(), strict=True))
    except (TypeError, ValueError) as error:
        do = "give each row a text or a number"
        raise _refusal(f"texts or numbers as {what}", f"other objects ({line(error)[:100]})", do) from None
    try:
        labels = labels_from(np.where(is_missing, "", texts).tolist(), what)
    except DataError as error:
        raise DataError(f"{MEMORY}: {error}") from None
    label_of: dict[str, Any] = {}
    for label, text in text_of.items():
        bare = label.strip() if isinstance(label, str | bytes) else label
        if (other := label_of.setdefault(text.strip(), bare)) != bare:
            found = f"{short(other)} and {short(bare)}, which are the same as text"
            raise _refusal(f"labels in {what} that differ as text", found, "rename one of them")
    return labels


def _index_notes(X: Any) -> tuple[str, ...]:
    import pandas as pd

    if not isinstance(X, pd.DataFrame):
        return ()
    named = tuple(f"the index {name!r} is left out" for name in X.index.names if name is not None)
    return named + _gap_notes(X.index)


def _gap_notes(index: pd.Index[Any]) -> tuple[str, ...]:
    """Say where an index of times leaves some out, as between the epochs of a recording."""
    if index.dtype.kind not in "fmM" or len(index) < 3 or not index.is_monotonic_increasing:
        return ()
    return gap_notes(index.to_numpy().astype(np.float64))


def _names(frame: pd.DataFrame) -> tuple[str, ...]:
    if frame.columns.nlevels > 1:
        do = "join the levels: frame.columns = ['.'.join(map(str, levels)) for levels in frame.columns]"
        raise _refusal("one name for each column", f"{frame.columns.nlevels} levels of them", do)
    names = tuple("" if absent else name for name, absent in zip(frame.columns, frame.columns.isna(), strict=True))
    other = next((name for name in names if not isinstance(name, str)), None)
    if other is not None:
        found = f"{other!r} of type {type(other).__name__}"
        raise _refusal("names of columns that are text", found, "frame.columns = frame.columns.astype(str)")
    _require_apart(names)
    return names


def _require_apart(names: Sequence[str]) -> None:
    """Raise `DataError` unless every column has a name that no other column has; MLflow looks columns up by name."""
    try:
        require_names(names)
    except DataError as error:
        raise DataError(f"{MEMORY}: {error}") from None


def _numbers(values: Any, what: str) -> tuple[NDArray[np.floating], tuple[str, ...]]:
    """Return a copy of a table's or an array's values that nobody else can change, and the types that they had."""
    import pandas as pd

    if isinstance(values, pd.DataFrame):
        values = values.apply(_unwrapped) if not all(map(_is_real, values.dtypes)) else values
        kinds = {str(name): dtype for name, dtype in values.dtypes.items()}
    else:
        values = values if isinstance(values, pd.Series | np.ma.MaskedArray) else _array(values, what)
        values = _unwrapped(values)
        if not np.ndim(values):
            raise _refusal(f"one value or more for each row as {what}", "a single value", "give an array")
        kinds = {what: values.dtype}
    bad = [name for name, dtype in kinds.items() if not _is_real(dtype)]
    if bad and isinstance(values, pd.DataFrame):
        found = f"type {kinds[bad[0]]} in {len(bad)} of {len(kinds)} columns: {some(bad)}"
        if len({str(kinds[name]) for name in bad}) > 1:
            found = f"other types, the first {kinds[bad[0]]}, in {found.partition(' in ')[2]}"
        raise _refusal("real numbers", found, f"leave {them(bad)} out by {excluding(bad)}, or write numbers")
    if bad:
        raise _refusal("real numbers", f"{what} of type {kinds[what]}", "write it as numbers")
    wanted = np.float32 if all(str(dtype).lower() in _SMALL for dtype in kinds.values()) else np.float64
    if isinstance(values, np.ma.MaskedArray):
        values = np.where(np.ma.getmaskarray(values), np.nan, values.data)
    elif not isinstance(values, np.ndarray):
        values = values.to_numpy(wanted, na_value=np.nan)
    copied: NDArray[np.floating] = np.array(values, wanted, order="C")
    copied.flags.writeable = False
    return copied, tuple(str(dtype) for dtype in kinds.values())


def _unwrapped(values: Any) -> Any:
    """Return numbers that come as objects, such as Python's or decimal ones, or as categories in double precision.

    Anything else, such as text, is returned as it is.
    """
    import pandas as pd

    if isinstance(values, np.ma.MaskedArray) or values.dtype.kind != "O":
        return values
    flat = pd.Series(values.reshape(-1)) if isinstance(values, np.ndarray) else values
    if isinstance(flat.dtype, pd.CategoricalDtype):
        flat = flat.astype(flat.cat.categories.dtype if _is_real(flat.cat.categories.dtype) else object)
    if _is_real(flat.dtype) or pd.api.types.infer_dtype(flat, skipna=True) in _NUMBERS:
        numbers = flat.to_numpy(np.float64, na_value=np.nan)
        return numbers.reshape(values.shape) if isinstance(values, np.ndarray) else pd.Series(numbers, values.index)
    return values


def _is_real(dtype: Any) -> bool:
    import pandas as pd

    types = pd.api.types
    is_number = types.is_numeric_dtype(dtype) or types.is_bool_dtype(dtype)  # Arrow's truth values are not numeric
    return bool(is_number and not types.is_complex_dtype(dtype))


def _refusal(expected: str, found: str, do: str) -> DataError:
    return DataError(f"{MEMORY}: {refusal(expected, found, do)}")
