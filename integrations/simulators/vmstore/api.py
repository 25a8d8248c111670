"""The HTTP face: decodes a request, records it, asks for a session, finds the handler, encodes the answer."""

import asyncio
import json
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl

from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from integrations.simulators.vmstore.calls import Call, Reply, Route
from integrations.simulators.vmstore.errors import ApiError
from integrations.simulators.vmstore.faults import Fault, Faults
from integrations.simulators.vmstore.record import Record
from integrations.simulators.vmstore.sessions import Sessions

_log = logging.getLogger(__name__)
Cut = Callable[[Scope], None]  # closes a request's connection at once
_SESSION_COOKIE = "JSESSIONID"


class Api:
    """An ASGI application over a table of routes; handlers do file work, so they run in threads."""

    def __init__(self, routes: Sequence[Route], sessions: Sessions, faults: Faults, record: Record) -> None:
        self._routes = [(_pattern(route.path), route) for route in routes]
        self._sessions = sessions
        self._faults = faults
        self._record = record
        self.cut: Cut = lambda _scope: None  # set by the server that carries it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            call, problem = _decode(request, await request.body())
        except ClientDisconnect:
            return
        row = self._record.begin(call)
        fault = self._faults.take(call.method, call.path)
        try:
            reply = await self._answer(call, problem, fault)
        except asyncio.CancelledError:  # the plug was pulled; nobody is there to be answered
            return
        except ApiError as error:
            reply = Reply(status=error.status, body=error.body())
        except Exception as error:  # noqa: BLE001 - the one place where our own fault becomes the answer a VMstore gives
            _log.exception("the VMstore simulator failed", extra={"path": call.path})
            reply = Reply(status=500, body=ApiError(500, "ERR-API-0007", "Internal server error.", repr(error)).body())
        if fault and fault.drop:
            await self._break_off(fault, reply, scope, receive, send)
            return
        row["status"] = reply.status
        await _encode(reply, secure=scope["scheme"] == "https")(scope, receive, send)

    async def _answer(self, call: Call, problem: ApiError | None, fault: Fault | None) -> Reply:
        await asyncio.sleep(self._sessions.options.latency_seconds)
        if fault and fault.expire:
            self._sessions.expire_all()
        if fault and not fault.after:
            await _suffer(fault)
            if fault.drop == "answer":
                return Reply()
        answer = await run_in_threadpool(self._handle, call, problem)
        if fault and fault.after:
            await _suffer(fault)
        return answer if isinstance(answer, Reply) else Reply(body=answer)

    async def _break_off(self, fault: Fault, reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.drop == "body":
            whole = _encode(reply, secure=scope["scheme"] == "https")
            await send({"type": "http.response.start", "status": reply.status, "headers": whole.raw_headers})
            half = bytes(whole.body)[: len(whole.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        self.cut(scope)
        await receive()  # the server notices that the connection is gone

    def _handle(self, call: Call, problem: ApiError | None) -> Any:
        matches = [(match, route) for pattern, route in self._routes if (match := pattern.fullmatch(call.path))]
        minor = int(self._sessions.options.api_version.rpartition(".")[2])
        matches = [(match, route) for match, route in matches if route.since <= minor]
        chosen = next(((match, route) for match, route in matches if route.method == call.method), None)
        if chosen is None or not chosen[1].public:
            self._sessions.admit(call)
        if problem:
            raise problem
        if chosen is None:
            status = 405 if matches else 404
            cause = f"There is no {call.method} {call.path}."
            raise ApiError(status, "ERR-API-0005", "Request not supported.", cause)
        call.params = chosen[0].groupdict()
        return chosen[1].handler(call)


def _pattern(path: str) -> re.Pattern[str]:
    """`{name}` is one segment of the path, `{name:rest}` all that is left of it."""
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", re.sub(r"\{(\w+):rest\}", r"(?P<\1>.+)", path)))


async def _suffer(fault: Fault) -> None:
    await asyncio.sleep(fault.seconds)
    if fault.status:
        raise ApiError(fault.status, fault.code, fault.message, fault.cause)


def _decode(request: Request, raw: bytes) -> tuple[Call, ApiError | None]:
    """The call, and what is wrong with its body; bodies of GET and DELETE are read like all others."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(request.url.query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    body, problem = None, None
    if raw.strip():
        try:
            body = json.loads(raw)
        except ValueError as error:
            problem = ApiError(400, "ERR-API-0020", "Invalid input data.", f"The body is not JSON: {error}.")
    call = Call(
        method=request.method,
        path=request.scope["path"].rstrip("/"),
        query=query,
        body=body,
        cookie=request.cookies.get(_SESSION_COOKIE, ""),
        client=request.headers.get("tintri-api-client", ""),
        address=request.client.host if request.client else "",
    )
    return call, problem


def _encode(reply: Reply, *, secure: bool) -> Response:
    if reply.status == 204:
        return Response(status_code=204)
    response = Response(to_json(reply.body), reply.status, media_type="application/json")
    if reply.cookie:
        response.set_cookie(_SESSION_COOKIE, reply.cookie, path="/api", secure=secure, httponly=True, samesite=None)
    return response
