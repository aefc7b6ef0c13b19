"""MLflow's server as `regsearch ui` runs it: its pages open on model training instead of on language models.

MLflow's UI keeps in the browser which of the two a person wants, and begins with language models and with its assistant
open (MLflow 3.17).  The page that loads the UI therefore notes other choices, unless the person has chosen, and goes to
the list of experiments if no page was asked for.  MLflow finds this server by the entry point ``mlflow.app``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mlflow.server.fastapi_app import app as mlflow_app

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_SCRIPT = b"""<script>
const choices = {
  "mlflow.workflowType_v1": '"machine_learning"',
  "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
};
for (const [key, choice] of Object.entries(choices)) localStorage.getItem(key) || localStorage.setItem(key, choice);
location.hash || location.replace("#/experiments");
</script>"""
_UNCHANGED = (b"if-none-match", b"if-modified-since")
_OF_THE_FILE = (b"content-length", b"etag", b"last-modified")


class Landing:
    """An ASGI application: another one, with a script in the page that loads its UI."""

    def __init__(self, behind: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self._behind = behind

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, and write the script into the answer if that is the page."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            await self._behind(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name not in _UNCHANGED]
        start: Message = {}
        body = bytearray()

        async def write(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            page = bytes(body).replace(b"<head>", b"<head>" + _SCRIPT, 1)
            kept = [(name, value) for name, value in start["headers"] if name.lower() not in _OF_THE_FILE]
            await send({**start, "headers": [*kept, (b"content-length", str(len(page)).encode())]})
            await send({"type": "http.response.body", "body": page})

        await self._behind({**scope, "headers": headers}, receive, write)


app = Landing(mlflow_app)
