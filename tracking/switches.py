"""Environment variables that turn something on or off."""

from __future__ import annotations

import os

from regsearch.errors import ConfigError


def switch(variable: str, unset: str) -> bool | None:
    """Return whether a variable is 1, or ``None`` if it is not set or empty.

    Parameters
    ----------
    variable : str
    unset : str
        What the variable is unset for, such as "to have the figures drawn".

    Raises
    ------
    ConfigError
        If it is neither 0 nor 1.
    """
    wanted = os.environ.get(variable, "")
    if wanted not in ("", "0", "1"):
        raise ConfigError(f"{variable}={wanted}: expected 0 or 1; unset it {unset}")
    return wanted == "1" if wanted else None
