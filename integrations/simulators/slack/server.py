"""The HTTP side: routes, the server's thread, and connections that can be cut."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from uvicorn.protocols.http.h11_impl import H11Protocol

from .answers import Answers
from .call import Envelope
from .faults import Faults
from .files import Files
from .gate import Gate
from .socket_mode import SocketMode
from .webapi import Reply, WebApi

_HOST = "127.0.0.1"
_START_S = 20.0
# The SDK's built-in client cannot leave an old connection before something arrives there or 3 s are over.
_PING_S = 0.25
_LOOK_S = 0.05
_THREADS = 250


async def _nobody_waits(_request: Request, _error: Exception) -> Response:
    """Who called went away in the middle of the call, as a bot does that is killed."""
    return Response(status_code=400)


@dataclass(frozen=True, slots=True)
class Pieces:
    """What the server serves."""

    api: WebApi
    answers: Answers
    files: Files
    faults: Faults
    sockets: SocketMode


class Server:
    """One uvicorn in a daemon thread, on a port of its own."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((_HOST, port))
        self.url = f"http://{_HOST}:{self._socket.getsockname()[1]}/"
        self._lines: dict[tuple[str, int], asyncio.BaseTransport] = {}
        self._is_up = threading.Event()
        self._uvicorn: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self, pieces: "Pieces", more: list[BaseRoute]) -> None:
        """Serve; returns when requests are answered. RuntimeError: the server did not come up."""

        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            pieces.sockets.attach()
            # Acts and answers wait for the app in these threads; the default of 40 would stop a burst of commands.
            anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
            self._is_up.set()
            yield

        routes = [*self._routes(pieces), WebSocketRoute("/link/", pieces.sockets.serve), *more]
        app = Starlette(
            routes=routes,
            lifespan=lifespan,
            middleware=[Middleware(Gate)],
            exception_handlers={ClientDisconnect: _nobody_waits},
        )
        config = uvicorn.Config(
            app,
            http=_recording_protocol(self._lines),
            ws="websockets-sansio",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            ws_ping_interval=_PING_S,
            timeout_graceful_shutdown=1,
        )
        self._socket.listen(128)
        self._uvicorn = uvicorn.Server(config)
        run = self._uvicorn.run
        self._thread = threading.Thread(target=run, args=([self._socket],), name="local-slack", daemon=True)
        self._thread.start()
        if not self._is_up.wait(_START_S):
            raise RuntimeError("The local Slack did not start; the log above says why.")

    def stop(self) -> None:
        """End it; repeating is safe."""
        if self._uvicorn is not None and self._thread is not None:
            self._uvicorn.should_exit = True
            self._thread.join(_START_S)
        self._socket.close()

    def _routes(self, pieces: "Pieces") -> list[BaseRoute]:
        async def call(request: Request) -> Response:
            envelope = Envelope(
                method=request.path_params["method"],
                content_type=request.headers.get("content-type", ""),
                authorization=request.headers.get("authorization", ""),
                query=request.url.query,
                body=await request.body(),
            )
            reply = await run_in_threadpool(pieces.api.answer, envelope)
            await _held_back(reply, pieces.faults)
            if reply.is_lost:
                self._cut(request)
            return JSONResponse(reply.body, status_code=reply.status, headers=pieces.api.headers_of(reply))

        async def respond(request: Request) -> Response:
            if pieces.faults.outage:
                return PlainTextResponse("service_unavailable", status_code=503)
            payload = _json_of(await request.body(), request.headers)
            status, body = await run_in_threadpool(pieces.answers.take, request.path_params["key"], payload)
            return PlainTextResponse(body, status_code=status)

        async def upload(request: Request) -> Response:
            if pieces.faults.outage:
                return PlainTextResponse("service_unavailable", status_code=503)
            content = await request.body()
            status, body = await run_in_threadpool(pieces.files.take, request.path_params["key"], content)
            return PlainTextResponse(body, status_code=status)

        return [
            Route("/api/{method}", call, methods=["GET", "POST"]),
            Route("/hooks/response/{key}", respond, methods=["POST"]),
            Route("/upload/v1/{key}", upload, methods=["POST"]),
        ]

    def _cut(self, request: Request) -> None:
        line = self._lines.get((request.client.host, request.client.port)) if request.client else None
        if isinstance(line, asyncio.Transport):
            line.abort()


async def _held_back(reply: Reply, faults: Faults) -> None:
    """Wait as long as a slow answer, or an outage that lets calls hang, has it."""
    await asyncio.sleep(reply.delay_s)
    while reply.is_hung and faults.outage:
        await asyncio.sleep(_LOOK_S)


def _recording_protocol(lines: dict[tuple[str, int], asyncio.BaseTransport]) -> type[H11Protocol]:
    """HTTP as uvicorn speaks it, with every client's line kept, since ASGI has no way to cut one."""

    class Recording(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            host, port = transport.get_extra_info("peername")[:2]
            lines[host, port] = transport
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            lines.pop(self.client or ("", 0), None)
            super().connection_lost(exc)

    return Recording


def _json_of(body: bytes, headers: Mapping[str, str]) -> Any:
    try:
        text = body.decode()
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            text = dict(parse_qsl(text)).get("payload", "")
        return json.loads(text)
    except ValueError:
        return None
