"""Connections to PostgreSQL that notice within a minute when the other side has gone."""

from __future__ import annotations

import os
import socket
from typing import Any

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.pool import NullPool

_IDLE_SECONDS = 30
_CONNECT_SECONDS = 10


def is_postgresql(url: str) -> bool:
    """Return whether an address names a PostgreSQL database, with any driver."""
    return url.partition(":")[0].partition("+")[0] == "postgresql"


def process() -> str:
    """Return the name under which others see this process."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def arguments() -> dict[str, Any]:
    """Return the driver's arguments: the name of this process, and how long to wait for a silent server."""
    return {
        "application_name": process()[:63],  # PostgreSQL cuts it there, and says so
        "connect_timeout": _CONNECT_SECONDS,
        "keepalives_idle": _IDLE_SECONDS,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": _IDLE_SECONDS * 1000,
    }


def engine(url: str) -> Engine:
    """Return an engine without a pool: every connection is a new one, and closing it ends it."""
    return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments())


def shown(url: str) -> str:
    """Return the server and the database of an address, without user, password, driver or options."""
    parts = make_url(url)
    return f"postgresql://{parts.host or ''}{f':{parts.port}' if parts.port else ''}/{parts.database or ''}"
