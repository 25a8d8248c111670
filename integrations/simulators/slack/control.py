"""HTTP routes under /control/ for whoever drives the local Slack from another process."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from .acting import Ack
from .workspace import Change

Json = dict[str, Any]


class Stage(Protocol):
    """What can be done from outside."""

    @property
    def record(self) -> list[Json]:
        """All that went over the wire."""

    def command(self, user: str, channel: str, text: str) -> Ack:
        """Type a slash command."""

    def click(self, user: str, label: str, channel: str = "ops") -> Ack:
        """Click a button."""

    def mention(self, user: str, text: str, channel: str = "ops", thread_ts: str | None = None) -> Ack:
        """Write to the bot."""

    def conversation(self, channel: str = "ops") -> list[Change]:
        """What can be seen."""

    def ready(self, timeout_s: float) -> bool:
        """Wait for the bot."""

    def refresh_connections(self) -> None:
        """Ask the bot to connect anew."""

    def fail_next(
        self,
        method: str,
        count: int = 1,
        *,
        error: str = "",
        status: int = 200,
        retry_after_s: int = 1,
        lose_answer: bool = False,
    ) -> None:
        """Let calls fail."""


def routes(stage: Stage) -> list[BaseRoute]:
    """The routes; arguments and answers are JSON objects, what cannot be done is 400 or 404 with an `error`."""
    return [_route(stage, name, verb, act) for name, (verb, act) in _ACTS.items()]


def _command(stage: Stage, given: Json) -> Any:
    return asdict(stage.command(given["user"], given.get("channel", "ops"), given["text"]))


def _click(stage: Stage, given: Json) -> Any:
    return asdict(stage.click(given["user"], given["label"], given.get("channel", "ops")))


def _mention(stage: Stage, given: Json) -> Any:
    return asdict(stage.mention(given["user"], given["text"], given.get("channel", "ops"), given.get("thread_ts")))


def _refresh(stage: Stage, _given: Json) -> Any:
    stage.refresh_connections()
    return {"ok": True}


def _fail(stage: Stage, given: Json) -> Any:
    stage.fail_next(**given)
    return {"ok": True}


def _conversation(stage: Stage, given: Json) -> Any:
    return [asdict(change) for change in stage.conversation(given.get("channel", "ops"))]


def _record(stage: Stage, _given: Json) -> Any:
    return stage.record


def _ready(stage: Stage, given: Json) -> Any:
    return {"ok": stage.ready(float(given.get("timeout_s", 0)))}


_ACTS: dict[str, tuple[str, Callable[[Stage, Json], Any]]] = {
    "command": ("POST", _command),
    "click": ("POST", _click),
    "mention": ("POST", _mention),
    "refresh": ("POST", _refresh),
    "fail": ("POST", _fail),
    "conversation": ("GET", _conversation),
    "record": ("GET", _record),
    "ready": ("GET", _ready),
}


def _route(stage: Stage, name: str, verb: str, act: Callable[[Stage, Json], Any]) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            body = await request.body()
            given = dict(request.query_params) | (json.loads(body) if body else {})
            return JSONResponse(await run_in_threadpool(act, stage, given))
        except KeyError as error:
            return JSONResponse({"error": f"{name} needs {error}"}, status_code=400)
        except LookupError as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    return Route(f"/control/{name}", endpoint, methods=[verb])
