"""Addresses of servers and databases without their secrets, wherever they are shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://")
_BEGINNING = re.compile(rf"(?<![\w+.-])(?={_ADDRESS.pattern})")
_QUERY = re.compile(r"^([^\s?#]*)[?#]\S*")
_QUERY_OF_FILE = re.compile(r"[?]\S+")


def shown(address: str) -> str:
    """Return an address without user, password and query, fit for a log.

    The library that reads the address takes it apart: SQLAlchemy for databases, urllib for everything else.
    """
    scheme, slashes, rest = address.partition("://")
    if not slashes:
        return address
    if scheme.partition("+")[0] in ("http", "https", "ssh", "git", "tcp", "tls", "s3", "gs"):
        return _server(scheme, address)
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        return f"{scheme}://…" if "@" in rest else address
    server = (url.host or "").rpartition("@")[2]
    server = f"[{server}]" if ":" in server else server
    port = f":{url.port}" if url.port else ""
    if "@" in (url.database or "") and (url.host or url.username):  # the password may go on in what follows the host
        return f"{scheme}://…"
    path = address.partition("?")[0] if not (url.host or url.username) else ""
    return path or f"{scheme}://{server}{port}/{url.database or ''}"


def _server(scheme: str, address: str) -> str:
    try:
        parts = urlsplit(address)
        beyond = f"{parts.path}?{parts.query}#{parts.fragment}"
        parts.port  # noqa: B018  # raises where the password has a slash, so that what is read as the port is none
    except ValueError:
        return f"{scheme}://{address.rpartition('@')[2].partition('?')[0]}" if "@" in address else f"{scheme}://…"
    if "@" in beyond:
        return f"{scheme}://{address.rpartition('@')[2].partition('?')[0]}"
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def without_secrets(text: str) -> str:
    """Return a text with every address in it bare of user, password and query.

    `shown` takes apart an address that stands alone.  Where one ends within a sentence is not known, so that everything
    up to the last ``@`` before the next address or line counts as user and password.
    """
    option, equals, value = text.partition("=") if text.startswith("--") else ("", "", text)
    if _ADDRESS.match(value) and not re.search(r"\s", shown(value)):
        return f"{option}{equals}{shown(value)}"
    before, *addresses = _BEGINNING.split(text)
    return before + "".join(_without_secrets(address) for address in addresses)


def _without_secrets(text: str) -> str:
    """Do so with a text that begins with an address, and goes on to the next one at most."""
    scheme, rest = text.split("://", 1)
    line, end, more = rest.partition("\n")
    is_file = line.startswith("/")  # which has no user, and its name may hold a "#"
    shown_line = _QUERY_OF_FILE.sub("", line) if is_file else _QUERY.sub(r"\1", line.rpartition("@")[2])
    return f"{scheme}://{shown_line}{end}{more}"
