"""uvicorn in the way a simulator needs it: idle when nobody calls, and gone at once when it is stopped."""

import asyncio
import socket
import threading
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Scope

_KEEP_ALIVE_S = 60


def config(app: ASGIApp, cert: Path | None = None, key: Path | None = None) -> uvicorn.Config:
    """How either endpoint is served; with a certificate, by HTTPS."""
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
        ssl_certfile=cert,
        ssl_keyfile=str(key) if key else None,
    )


class Server(uvicorn.Server):
    """uvicorn without its clock that ticks ten times a second: an idle simulator sleeps."""

    def __init__(self, settings: uvicorn.Config) -> None:
        super().__init__(settings)
        self.ready = threading.Event()
        self._leave: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._leave, self._loop = asyncio.Event(), asyncio.get_running_loop()
        self.ready.set()
        await self._leave.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Pull the plug: a polite end would wait for every idle client."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # lets the connections notice
        for task in list(self.server_state.tasks):
            task.cancel()
        await super().shutdown(sockets)

    def cut(self, scope: Scope) -> None:
        """Close the connection of one request at once, whatever was sent on it."""
        for connection in list(self.server_state.connections):
            if getattr(connection, "client", None) == scope["client"]:
                connection.transport.abort()

    def leave(self) -> None:
        """End, from any thread."""
        if self._loop and self._leave:
            self._loop.call_soon_threadsafe(self._leave.set)


async def serve(*pairs: tuple[Server, socket.socket]) -> None:
    """Serve all of them in one loop until they leave."""
    await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in pairs))


def listen(host: str, port: int) -> socket.socket:
    """Take the port. OSError: somebody else has it."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
