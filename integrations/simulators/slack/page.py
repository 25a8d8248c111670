"""The page's routes: its files, what a person does in it, the record, uploaded files."""

import importlib.resources
import json
import mimetypes
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from .acting import Acting
from .asking import Ack
from .disturbing import Disturbing
from .files import Files
from .pagefeed import Feed
from .pointing import Pointer, Pointing
from .record import Record
from .surfaces import Surfaces

Json = dict[str, Any]

# No script, style, picture or connection from anywhere else, none inside the text of the page, no frame around it.
# To some browsers a WebSocket is not 'self'.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self' ws://127.0.0.1:* ws://localhost:*; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-DNS-Prefetch-Control": "off",  # else a browser asks for the names in links before anybody clicks
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class Page:
    """What the page acts through; the same objects that tests and scripts act through."""

    acting: Acting
    surfaces: Surfaces
    pointing: Pointing
    disturbing: Disturbing
    files: Files
    record: Record
    feed: Feed

    def routes(self) -> list[BaseRoute]:
        """All of them; the gate before the server has judged who asks."""
        shown = [_file_route(name, content) for name, content in _static().items()]
        return [
            *shown,
            WebSocketRoute("/page/events", self.feed.serve),
            Route("/page/act/{name}", self._act, methods=["POST"]),
            Route("/page/record", self._rows),
            Route("/page/file/{id}", self._file),
        ]

    async def _act(self, request: Request) -> Response:
        act = _ACTS.get(request.path_params["name"])
        if act is None:
            return _told({"error": "The page can do no such thing."}, 404)
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _told({"error": "An act is JSON."}, 415)
        try:
            answer = await run_in_threadpool(act, self, json.loads(await request.body()))
        except LookupError as error:
            # A KeyError's text is the key alone.
            why = f"{error} is missing." if isinstance(error, KeyError) else str(error)
            return _told({"error": why}, 400 if isinstance(error, KeyError) else 404)
        except (TypeError, ValueError, AttributeError) as error:
            return _told({"error": str(error)}, 400)
        return _told(asdict(answer) if isinstance(answer, Ack) else answer, 200)

    async def _rows(self, request: Request) -> Response:
        """Rows of the record from `since` on, before `until`; without `since` the newest."""
        length, asked = len(self.record), request.query_params
        try:
            until = min(int(asked.get("until", length)), length)
            since = max(0, int(asked.get("since", until - _MOST_ROWS)), until - _MOST_ROWS)
        except ValueError:
            return _told({"error": "since and until are numbers of rows."}, 400)
        rows = await run_in_threadpool(self.record.since, since, until)
        return _told({"since": since, "until": until, "length": length, "rows": rows}, 200)

    async def _file(self, request: Request) -> Response:
        try:
            content, name = self.files.content(request.path_params["id"]), self.files.name(request.path_params["id"])
        except LookupError as error:
            return _told({"error": str(error)}, 404)
        kind = mimetypes.guess_type(name)[0] or ""
        if kind in _PICTURES:
            return Response(content, media_type=kind, headers=_HEADERS)
        more = {"Content-Disposition": "attachment"}
        return Response(content, media_type="application/octet-stream", headers={**_HEADERS, **more})


def _static() -> dict[str, bytes]:
    """The page's files by name, as they were when the server began."""
    folder = importlib.resources.files(__package__) / "page"
    return {one.name: one.read_bytes() for one in folder.iterdir() if "." + one.name.rpartition(".")[2] in _KINDS}


def _file_route(name: str, content: bytes) -> Route:
    kind = _KINDS["." + name.rpartition(".")[2]]

    async def serve(_request: Request) -> Response:
        return Response(content, media_type=kind, headers=_HEADERS)

    return Route("/" if name == "index.html" else f"/page/{name}", serve)


def _told(answer: Any, status: int) -> Response:
    return JSONResponse(answer, status_code=status, headers=_HEADERS)


# --- what a person does ---


def _pointer(given: Json) -> Pointer:
    where = {name: str(given.get(name) or "") for name in ("channel", "ts", "view")}
    return Pointer(block_id=given["block_id"], action_id=given["action_id"], **where)


def _submit(page: Page, given: Json) -> Ack:
    entered = [(_pointer(one), one["value"]) for one in given["entered"]]
    return page.pointing.submit(given["user"], given["view"], entered)


def _shortcut(page: Page, given: Json) -> Ack:
    where = (given.get("channel", ""), given.get("ts", ""))
    return page.surfaces.shortcut(given["user"], given["callback_id"], *where)


def _home(page: Page, given: Json) -> Ack:
    return page.surfaces.open_home(given["user"])


def _say(page: Page, given: Json) -> Ack:
    return page.acting.say(given["user"], given["text"], given["channel"], given.get("thread") or None)


def _options(page: Page, given: Json) -> Json:
    return {"options": page.pointing.options(given["user"], _pointer(given), given["text"])}


def _switch(page: Page, given: Json) -> Json:
    """One switch of the drawer, or a burst of calls that fail."""
    name, value, slack = given["name"], given.get("value"), page.disturbing
    switches: dict[str, Callable[[], None]] = {
        "rates": lambda: slack.limit_rates(bool(value)),
        "outage": lambda: slack.begin_outage(str(value)) if value else slack.end_outage(),
        "slow_s": lambda: slack.slow(float(value or 0)),
        "duplicate": lambda: slack.duplicate(bool(value)),
        "burst": lambda: slack.fail_next("*", 5, status=429, retry_after_s=2),
    }
    switches[name]()
    page.feed.tell_switches()
    return {"ok": True}


_ACTS: dict[str, Callable[[Page, Json], Any]] = {
    "command": lambda page, given: page.acting.command(given["user"], given["channel"], given["text"]),
    "say": _say,
    "use": lambda page, given: page.pointing.use(given["user"], _pointer(given), given.get("value")),
    "options": _options,
    "submit": _submit,
    "close": lambda page, given: page.pointing.close(given["user"], given["view"]),
    "home": _home,
    "shortcut": _shortcut,
    "switch": _switch,
}
