"""Configurations as text: the presets that come with the package, and TOML files, read within bounds."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from regsearch.errors import ConfigError

PRESETS = ("default", "tutorial", "own-data")

_LARGEST, _DEEPEST = 2**22, 200
"""Bytes of a configuration's file, and dots in a line of it that are not of numbers."""
_NUMBER = re.compile(r"(?<![.\w])[+-]?[\d_]+\.[\d_]+(?:[eE][+-]?\d+)?(?![.\w])")


def preset(name: str) -> str:
    """Return the TOML of a configuration that comes with the package, comments included.

    Raises
    ------
    ConfigError
        If there is no preset of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"{name!r} is no preset; known are {', '.join(PRESETS)}")
    return (resources.files("regsearch.search.config") / "presets" / f"{name}.toml").read_text(encoding="utf-8")


def read_text(path: Path) -> str:
    """Return the text of a configuration's file.

    Raises
    ------
    ConfigError
        If it is too large to be one.
    OSError, UnicodeDecodeError
        If it cannot be read, or is not UTF-8.
    """
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ConfigError(f"{path.name}: expected a TOML file of at most {_LARGEST // 1024} kB, found a larger file")
    return content.decode("utf-8-sig")


def require_shallow(text: str) -> None:
    """Refuse a key of very many parts: the standard library's parser needs memory by the square of their number.

    Raises
    ------
    RecursionError
        As that parser raises it for tables and lists that are nested too deeply.
    """
    if any(_NUMBER.sub("", line).count(".") > _DEEPEST for line in text.splitlines() if line.count(".") > _DEEPEST):
        raise RecursionError
