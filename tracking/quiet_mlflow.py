"""MLflow without its messages, telemetry and progress bars, while regsearch uses it and no longer."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, cast

from mlflow import MlflowClient

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # else it prints two lines per trial amid the output of --json
}
"""Environment variables that MLflow reads, unless the user has set them."""


@contextmanager
def settled() -> Iterator[None]:
    """Set what of `SETTINGS` is not set, and unset it again."""
    missing = {name: value for name, value in SETTINGS.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


def quiet_client(uri: str) -> MlflowClient:
    """Return a client whose calls are made with `SETTINGS`."""
    with settled():
        return cast(MlflowClient, _Quiet(MlflowClient(uri)))


class _Quiet:
    """Calls another object's methods with `SETTINGS`."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        @wraps(found)
        def call(*arguments: Any, **options: Any) -> Any:
            with settled():
                return found(*arguments, **options)

        return call


@contextmanager
def quiet(*names: str, level: int = logging.WARNING) -> Iterator[None]:
    """Let loggers say nothing below a level."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, before in zip(loggers, levels, strict=True):
            logger.setLevel(before)
