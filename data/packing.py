"""Packed values of the climate and forecast (CF) conventions: scale, offset, and values that stand for missing ones.

https://cfconventions.org/cf-conventions/cf-conventions.html, sections 2.5.1 and 8.1.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regsearch.data.refusal import refusal, short

_DIMENSIONS = "_ARRAY_DIMENSIONS"
"""Attribute by which xarray marks its arrays of format 2, whose fill value then stands for missing values."""


@dataclass(frozen=True)
class Packing:
    """How stored values stand for numbers: ``stored * scale + offset``, and some for missing values.

    Parameters
    ----------
    scale, offset : float
    missing : tuple of float
        Stored values that stand for a missing value.
    low, high : float
        Stored values outside of this range stand for missing values, too.
    """

    scale: float = 1.0
    offset: float = 0.0
    missing: tuple[float, ...] = ()
    low: float = -np.inf
    high: float = np.inf

    @classmethod
    def of(cls, attributes: Mapping[str, object], fill_value: object) -> Packing | None:
        """Return the packing that an array's attributes describe, or ``None`` if there is none.

        Raises
        ------
        DataError
            If an attribute is no number, or the stored values are unsigned numbers in a signed type.
        """
        if str(attributes.get("_Unsigned", "false")).lower() == "true":
            raise refusal("numbers of their own type", "the attribute _Unsigned", "write it with an unsigned type")
        missing = (*_numbers(attributes, "_FillValue"), *_numbers(attributes, "missing_value"))
        if _DIMENSIONS in attributes and isinstance(fill_value, int | float) and fill_value:
            missing += (fill_value,)
        low, high = _numbers(attributes, "valid_range") or (-np.inf, np.inf)
        packing = cls(
            _number(attributes, "scale_factor", 1.0),
            _number(attributes, "add_offset", 0.0),
            tuple(value for value in missing if value == value),
            _number(attributes, "valid_min", low),
            _number(attributes, "valid_max", high),
        )
        return packing if packing != cls() else None

    @property
    def is_scaled(self) -> bool:
        """Whether stored values are not the numbers themselves."""
        return (self.scale, self.offset) != (1.0, 0.0)

    def unpack(self, stored: NDArray[Any], dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
        """Return the numbers that the stored values stand for, in a type, and NaN for missing ones."""
        absent = (stored < self.low) | (stored > self.high)
        for value in self.missing:
            absent |= stored == _as_stored(value, stored.dtype)
        numbers = np.array(stored * self.scale + self.offset if self.is_scaled else stored, dtype)
        numbers[absent] = np.nan
        return numbers


def _as_stored(value: float, dtype: np.dtype[Any]) -> Any:
    return dtype.type(value) if dtype.kind == "f" else value


def _number(attributes: Mapping[str, object], name: str, default: float) -> float:
    numbers = _numbers(attributes, name)
    return numbers[0] if numbers else default


def _numbers(attributes: Mapping[str, object], name: str) -> tuple[float, ...]:
    """Return the numbers of an attribute; xarray writes those of a `_FillValue` in base 64."""
    given = attributes.get(name, [])
    values = [_decoded(one) if isinstance(one, str) else one for one in (given if isinstance(given, list) else [given])]
    numbers = tuple(value for value in values if isinstance(value, int | float))
    if len(numbers) < len(values):
        raise refusal(f"numbers in the attribute {name}", short(given), "write the array again")
    return numbers


def _decoded(text: str) -> float | None:
    try:
        return float(struct.unpack("<d", base64.standard_b64decode(text))[0])
    except (ValueError, struct.error):
        return None
