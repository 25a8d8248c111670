"""What was asked: every request, with its answer's status, and without passwords."""

import threading
import time
from collections import deque
from typing import Any

from integrations.simulators.vmstore.calls import Call

_MOST = 100_000  # a simulator that runs for days forgets the oldest
_SECRET = frozenset({"password", "newPassword", "destinationPassphrase"})


class Record:
    """The requests in order of arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: deque[dict[str, Any]] = deque(maxlen=_MOST)

    def begin(self, call: Call) -> dict[str, Any]:
        """Note a request that has arrived; its status is 0 until `status` is set in what this gives."""
        row = {
            "method": call.method,
            "path": call.path,
            "query": dict(call.query),
            "body": _masked(call.body),
            "status": 0,
            "at": time.time(),
        }
        with self._lock:
            self._rows.append(row)
        return row

    def rows(self) -> list[dict[str, Any]]:
        """All so far."""
        with self._lock:
            return list(self._rows)


def _masked(body: Any) -> Any:
    if isinstance(body, dict):
        return {key: "***" if key in _SECRET and value else _masked(value) for key, value in body.items()}
    if isinstance(body, list):
        return [_masked(item) for item in body]
    return body
