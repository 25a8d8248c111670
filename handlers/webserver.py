"""Signed HTTP: one production server in this process, with the gate before everything else.

waitress reads whole requests in one thread before any of its workers is busy with them, so that slow senders keep
nobody waiting. Source: docs.pylonsproject.org/projects/waitress, arguments and design.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from waitress import create_server

from bot.errors import OperatorError
from handlers.gate import MOST_BYTES, Gate

_log = logging.getLogger(__name__)

THREADS = 24  # fewer get too small a share beside threads that move bytes; all wait for the database 1.5 s at most
_CONNECTIONS = 500
_IDLE_S = 60  # longer than balancers keep a connection without a request
_ANSWER_WITHIN_S = 3.5  # Slack waits 3 s
_LOOK_S = 0.02


class WebDoor:
    """An address for Slack (port: handlers.door.Door)."""

    def __init__(self, gate: Gate, *, host: str, port: int) -> None:
        """Port 0: any free one. OperatorError: the address cannot be had."""
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise OperatorError(
                f"Cannot listen on {host}:{port}: {why}. Choose another with --host and --port."
            ) from error
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue is what there is for a burst
        self._server: Any = create_server(
            gate,
            sockets=[self._socket],
            threads=THREADS,
            connection_limit=_CONNECTIONS,
            channel_timeout=_IDLE_S,
            max_request_body_size=MOST_BYTES + 1,  # it refuses what is as large as this
            asyncore_use_poll=True,  # select() takes no file handle over 1023
            ident="cloudy",
        )
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    def open(self, on_ready: Callable[[], None]) -> None:
        """See the port."""
        self._thread.start()
        _log.info("listening", extra={"action": "listen", "port": self.port})
        on_ready()

    def close(self) -> None:
        """See the port; what was begun gets as long as Slack would wait for it."""
        self._server.trigger.pull_trigger(self._stop_accepting)
        deadline = time.monotonic() + _ANSWER_WITHIN_S
        while self._is_answering() and time.monotonic() < deadline:
            time.sleep(_LOOK_S)

    def _stop_accepting(self) -> None:
        """In the server's own thread, as nothing else may touch its sockets."""
        self._server.accepting = False
        self._server.del_channel()
        self._server.socket.close()

    def _is_answering(self) -> bool:
        channels = list(self._server.active_channels.values())
        return any(channel.requests or channel.total_outbufs_len for channel in channels)
