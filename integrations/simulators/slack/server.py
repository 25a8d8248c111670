"""The HTTP side: routes, the server's thread, and connections that can be cut."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from uvicorn.protocols.http.h11_impl import H11Protocol

from .answers import Answers
from .call import Envelope
from .socket_mode import SocketMode
from .webapi import WebApi, headers_of

_HOST = "127.0.0.1"
_START_S = 20.0
# The SDK's built-in client cannot leave an old connection before something arrives there or 3 s are over.
_PING_S = 0.25


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

    def start(self, api: WebApi, answers: Answers, sockets: SocketMode, more: list[BaseRoute]) -> None:
        """Serve; returns when requests are answered. RuntimeError: the server did not come up."""

        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            sockets.attach()
            self._is_up.set()
            yield

        routes = [*self._routes(api, answers), WebSocketRoute("/link/", sockets.serve), *more]
        app = Starlette(routes=routes, lifespan=lifespan)
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

    def _routes(self, api: WebApi, answers: Answers) -> list[BaseRoute]:
        async def call(request: Request) -> Response:
            envelope = Envelope(
                method=request.path_params["method"],
                content_type=request.headers.get("content-type", ""),
                authorization=request.headers.get("authorization", ""),
                query=request.url.query,
                body=await request.body(),
            )
            reply = await run_in_threadpool(api.answer, envelope)
            if reply.is_lost:
                self._cut(request)
            return JSONResponse(reply.body, status_code=reply.status, headers=headers_of(reply))

        async def respond(request: Request) -> Response:
            payload = _json_of(await request.body(), request.headers)
            status, body = await run_in_threadpool(answers.take, request.path_params["key"], payload)
            return PlainTextResponse(body, status_code=status)

        return [
            Route("/api/{method}", call, methods=["GET", "POST"]),
            Route("/hooks/response/{key}", respond, methods=["POST"]),
        ]

    def _cut(self, request: Request) -> None:
        line = self._lines.get((request.client.host, request.client.port)) if request.client else None
        if isinstance(line, asyncio.Transport):
            line.abort()


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
