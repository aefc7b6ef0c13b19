"""Recordings that are already in memory: a pandas table, or arrays as scikit-learn takes them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regsearch.data.recording import Recording
from regsearch.data.refusal import refusal
from regsearch.data.sources import MEMORY
from regsearch.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_SMALL = {"float16", "float32", "halffloat[pyarrow]", "float[pyarrow]"}


def from_frame(frame: pd.DataFrame, target: str = "y") -> Recording:
    """Return a table as a recording; its values are copied.

    Parameters
    ----------
    frame : DataFrame
        One row per moment, in time order; every column but `target` is a feature.  The index is left out.
    target : str
        The column to predict.

    Returns
    -------
    Recording
        `X` float32 if every feature has 32 bits or fewer of floating point, else float64.

    Raises
    ------
    DataError
        If a column has no name of its own or holds anything but finite numbers, or there is no such target.
    """
    names = _names(frame)
    if target not in names:
        nearest = difflib.get_close_matches(str(target), names, n=1, cutoff=0)
        raise _refusal(f"the column {target!r}", f"{len(names)} other(s){_but(nearest)}", "name the column to predict")
    return from_arrays(frame.drop(columns=target), frame[target])


def from_arrays(X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series[Any]) -> Recording:
    """Return features and target as a recording; their values are copied.

    Parameters
    ----------
    X : array-like or DataFrame, shape (n_rows, n_features)
        The names of a DataFrame's columns are kept.  A masked value counts as missing.
    y : array-like or Series, shape (n_rows,)
        The name of a Series is kept.

    Returns
    -------
    Recording
        `X` float32 if every feature has 32 bits or fewer of floating point, else float64.

    Raises
    ------
    DataError
        If a value is missing or not a finite number, or X and y differ in length or, if both have one, in index.
    """
    import pandas as pd

    names: tuple[str, ...] = ()
    target = str(y.name) if isinstance(y, pd.Series) and y.name is not None else "y"
    if isinstance(X, pd.DataFrame):
        names = _names(X)
        if isinstance(y, pd.Series) and not X.index.equals(y.index):
            raise _refusal("X and y with the same index", "two that differ", "align them, or give y.to_numpy()")
    numbers, types = _numbers(X, "X")
    return Recording.checked(
        numbers,
        _numbers(y, target)[0].astype(np.float64),
        source=MEMORY,
        feature_names=names,
        target=target,
        column_types=types,
        notes=_index_notes(X),
    )


def _index_notes(X: Any) -> tuple[str, ...]:
    import pandas as pd

    if not isinstance(X, pd.DataFrame):
        return ()
    return tuple(f"the index {name!r} is left out" for name in X.index.names if name is not None)


def _names(frame: pd.DataFrame) -> tuple[str, ...]:
    if frame.columns.nlevels > 1:
        do = "join the levels: frame.columns = frame.columns.map('.'.join)"
        raise _refusal("one name for each column", f"{frame.columns.nlevels} levels of them", do)
    other = next((name for name in frame.columns if not isinstance(name, str)), None)
    if other is not None:
        found = f"{other!r} of type {type(other).__name__}"
        raise _refusal("names of columns that are text", found, "frame.columns = frame.columns.astype(str)")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise _refusal("names of columns that differ", f"{twice!r} more than once", "rename or drop one")
    return tuple(frame.columns)


def _numbers(values: Any, what: str) -> tuple[NDArray[np.floating], tuple[str, ...]]:
    """Return a copy of a table's or an array's values that nobody else can change, and the types that they had."""
    import pandas as pd

    if isinstance(values, pd.DataFrame):
        kinds = {f"column {name!r}": dtype for name, dtype in values.dtypes.items()}
    else:
        values = values if isinstance(values, pd.Series | np.ma.MaskedArray) else np.asarray(values)
        kinds = {what: values.dtype}
    for name, dtype in kinds.items():
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype):
            raise _refusal("real numbers", f"{name} of type {dtype}", "write it as numbers or drop it")
    wanted = np.float32 if all(str(dtype).lower() in _SMALL for dtype in kinds.values()) else np.float64
    if isinstance(values, np.ma.MaskedArray):
        values = np.where(np.ma.getmaskarray(values), np.nan, values.data)
    elif not isinstance(values, np.ndarray):
        values = values.to_numpy(wanted, na_value=np.nan)
    copied: NDArray[np.floating] = np.array(values, wanted, order="C")
    copied.flags.writeable = False
    return copied, tuple(str(dtype) for dtype in kinds.values())


def _but(nearest: list[str]) -> str:
    return f"; the nearest is {nearest[0]!r}" if nearest else ""


def _refusal(expected: str, found: str, do: str) -> DataError:
    return DataError(f"{MEMORY}: {refusal(expected, found, do)}")
