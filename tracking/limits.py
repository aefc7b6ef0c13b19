"""How long a text may be in MLflow's tables.  PostgreSQL refuses a longer one; SQLite would keep it."""

from __future__ import annotations

from collections.abc import Mapping

PARAM, TAG = 6000, 8000
"""Values of a run's parameters and tags, its description among them."""
REGISTERED = 5000
"""Description of a registered model or of one of its versions."""
RUN_NAME = 250
DATASET_NAME, DATASET_SOURCE = 500, 65_535


def cut(text: str, most: int) -> str:
    """Return a text, or its beginning with an ellipsis if it has more than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def cut_all(values: Mapping[str, str], most: int) -> dict[str, str]:
    """Return values with each of them cut."""
    return {key: cut(value, most) for key, value in values.items()}
