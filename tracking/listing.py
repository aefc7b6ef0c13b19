"""Whole answers of MLflow, which lists what it finds by pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

PAGE = 1000
"""Entries that one request asks for; MLflow's registry refuses more."""


def listed(search: Callable[..., Any], *arguments: Any, **options: Any) -> Iterator[Any]:
    """Yield every entry of an answer, and ask for the next page once it is needed.

    Parameters
    ----------
    search : callable
        One of the ``search_…`` methods of `mlflow.MlflowClient`.
    *arguments, **options
        What it is called with.
    """
    token: str | None = None
    while True:
        page = search(*arguments, **options, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
