"""Socket Mode: tickets, connections, envelopes, acknowledgements.

Source: https://docs.slack.dev/apis/events-api/using-socket-mode. All state belongs to the server's event loop; only
`send`, `ready`, `open_ticket`, `refresh` and `drop` may be called from elsewhere.
"""

import asyncio
import contextlib
import json
import secrets
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from .delivery import COMMAND, INTERACTION, Outcome, Request
from .people import APP_ID
from .record import Record

Json = dict[str, Any]

MOST_CONNECTIONS = 10
# A client that was asked to refresh acknowledges on its new connection what it took from the old one.
_CLOSE_GRACE_S = 0.5
_LEAVE_WITHIN_S = 10.0
_CLOSE: None = None


@dataclass(eq=False)
class _Connection:
    number: int
    outbox: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    is_draining: bool = False
    sent: int = 0


class SocketMode:
    """The server's side of Socket Mode; each envelope goes to one connection, acknowledgements come from any."""

    def __init__(self, record: Record, event_retry_s: tuple[float, ...]) -> None:
        self._record = record
        self._event_retry_s = event_retry_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tickets: set[str] = set()
        self._connections: list[_Connection] = []
        self._numbers = 0
        self._sent: dict[str, tuple[Request, _Connection]] = {}
        self._doubled: dict[str, Request] = {}  # acknowledged, and sent once more
        self._waiting: list[Request] = []
        self._is_reachable = threading.Event()

    # --- from any thread ---

    def open_ticket(self) -> str:
        """A ticket that lets one connection in, once."""
        ticket = secrets.token_hex(16)
        self._tickets.add(ticket)
        return ticket

    def send(self, request: Request) -> None:
        """Send to one connection. With none there: events wait for the next one, all else fails at once."""
        self._on_loop(lambda: self._place(request))

    @property
    def is_reachable(self) -> bool:
        """Whether a client is connected."""
        return self._is_reachable.is_set()

    def ready(self, timeout_s: float) -> bool:
        """Wait until a client is connected."""
        return self._is_reachable.wait(timeout_s)

    def refresh(self) -> None:
        """Ask every client to connect anew, as Slack does about hourly."""
        self._on_loop(self._ask_to_refresh)

    def drop(self) -> None:
        """Close every connection without notice."""
        self._on_loop(self._close_all)

    # --- on the loop ---

    def attach(self) -> None:
        """Take the running loop as the one that connections live on."""
        self._loop = asyncio.get_running_loop()

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one client until it leaves."""
        ticket = websocket.query_params.get("ticket", "")
        if ticket not in self._tickets:
            await websocket.close(code=1008)
            return
        self._tickets.discard(ticket)
        await websocket.accept()
        connection = self._join()
        sender = asyncio.create_task(_send_all(connection, websocket))
        try:
            while True:
                self._take(connection, await websocket.receive_text())
        except (WebSocketDisconnect, RuntimeError):
            # Starlette raises RuntimeError when we closed the socket ourselves.
            pass
        finally:
            sender.cancel()
            self._leave(connection)

    def _on_loop(self, act: Callable[[], Any]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act)

    def _join(self) -> _Connection:
        self._numbers += 1
        connection = _Connection(self._numbers)
        if len(self._connections) >= MOST_CONNECTIONS:
            self._say(connection, {"type": "disconnect", "reason": "too_many_websockets"})
            connection.outbox.put_nowait(_CLOSE)
            return connection
        self._connections.append(connection)
        hello = {
            "type": "hello",
            "num_connections": len(self._connections),
            "connection_info": {"app_id": APP_ID},
            "debug_info": {"host": "local", "approximate_connection_time": 18060},
        }
        self._say(connection, hello)
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self._place(request)
        self._is_reachable.set()
        return connection

    def _leave(self, connection: _Connection) -> None:
        self._record.add("connection", "closed", connection=connection.number)
        if connection in self._connections:
            self._connections.remove(connection)
        if not self._connections:
            self._is_reachable.clear()
        for request, holder in list(self._sent.values()):
            if holder is connection and request.is_event and self._loop is not None:
                self._loop.call_later(_CLOSE_GRACE_S, self._again, request, request.attempt)

    def _place(self, request: Request) -> None:
        if request.is_settled:
            return
        fresh = [connection for connection in self._connections if not connection.is_draining]
        if fresh:
            self._deliver(min(fresh, key=lambda connection: connection.sent), request)
        elif request.is_event or self._connections:
            self._waiting.append(request)
        else:
            request.settle(Outcome(error="dispatch_failed"))

    def _deliver(self, connection: _Connection, request: Request) -> None:
        envelope: Json = {
            "envelope_id": str(uuid.uuid4()),
            "type": request.kind,
            "payload": request.payload,
            "accepts_response_payload": request.kind in (COMMAND, INTERACTION),
        }
        if request.attempt:
            envelope |= {"retry_attempt": request.attempt, "retry_reason": request.reason}
        connection.sent += 1
        self._sent[envelope["envelope_id"]] = (request, connection)
        others = [one for one in self._connections if one is not connection and not one.is_draining]
        # A copy takes another way where there is one, so that an app may hear of both at the same moment.
        for way in [connection, *(others or [connection]) * request.copies][: request.copies]:
            self._record.add("envelope", request.kind, args=envelope, connection=way.number)
            way.outbox.put_nowait(json.dumps(envelope))
        if request.is_event and self._loop is not None and request.attempt < len(self._event_retry_s):
            wait_s = self._event_retry_s[request.attempt]
            self._loop.call_later(wait_s, self._again, request, request.attempt)

    def _again(self, request: Request, attempt: int) -> None:
        if not request.is_settled and request.attempt == attempt and request not in self._waiting:
            request.attempt += 1
            self._place(request)

    def _take(self, connection: _Connection, text: str) -> None:
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        envelope_id = str(message.get("envelope_id")) if isinstance(message, dict) else ""
        request, _ = self._sent.pop(envelope_id, (None, None))
        if request is None:
            request = self._doubled.pop(envelope_id, None)
        elif request.copies > 1:
            self._doubled[envelope_id] = request
        payload = message.get("payload") if isinstance(message, dict) else None
        if request is None:
            self._record.add("ack", "unknown", args={"received": text[:1000]}, connection=connection.number)
            return
        about = {"args": {"envelope_id": envelope_id}, "answer": payload, "connection": connection.number}
        request.settle(
            Outcome(payload=payload if isinstance(payload, dict) else None),
            lambda in_time: self._record.add("ack", request.kind, in_time=in_time, **about),
        )

    def _close_all(self) -> None:
        for connection in self._connections:
            connection.outbox.put_nowait(_CLOSE)

    def _ask_to_refresh(self) -> None:
        for connection in self._connections:
            connection.is_draining = True
            self._say(
                connection, {"type": "disconnect", "reason": "refresh_requested", "debug_info": {"host": "local"}}
            )
            if self._loop is not None:
                self._loop.call_later(_LEAVE_WITHIN_S, connection.outbox.put_nowait, _CLOSE)

    def _say(self, connection: _Connection, message: Json) -> None:
        self._record.add("connection", str(message["type"]), args=message, connection=connection.number)
        connection.outbox.put_nowait(json.dumps(message))


async def _send_all(connection: _Connection, websocket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while (text := await connection.outbox.get()) is not _CLOSE:
            await websocket.send_text(text)
        await websocket.close()
