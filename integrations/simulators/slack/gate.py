"""Who may talk to the local Slack: programs of this machine, and of all pages in a browser its own.

A foreign page in the same browser could else post acts here (no answer is needed for that), or read by a name of its
own that it lets point to 127.0.0.1 (DNS rebinding). Programs send no Origin and none of the Sec-Fetch headers.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PAGE_ALONE = ("/page/act/", "/page/events")


def refusal(path: str, headers: Mapping[str, str]) -> str:
    """Why a request is not answered; "" when it is."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if (urlsplit(f"//{host}").hostname or "") not in _LOOPBACK:
        return f"The local Slack is asked for by a name of this machine, not by {host!r}."
    if origin is not None and origin != f"http://{host}":
        return f"A page of {origin} may do nothing here."
    if path.startswith(_PAGE_ALONE) and origin is None:
        return "This is for the page alone; programs use /control/."
    if path != "/" and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return "Another site may load nothing from here."
    return ""


class Gate:
    """Stands before the whole server."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        why = refusal(scope["path"], Headers(scope=scope)) if scope["type"] in ("http", "websocket") else ""
        if not why:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await JSONResponse({"error": why}, status_code=403)(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": why})
