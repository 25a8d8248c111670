"""Everything that went over the wire, kept for tests and for the demo's `--json`."""

import copy
import json
import threading
import time
from typing import Any

Json = dict[str, Any]


class Record:
    """A growing list of rows; safe from any thread. Tokens are masked before they are kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[Json] = []

    def __len__(self) -> int:
        with self._lock:
            return len(self._rows)

    def add(self, kind: str, method: str, *, args: Any = None, answer: Any = None, **more: Any) -> None:
        """Keep one row: {"type", "method", "args", "answer", "at": Unix seconds, ...}."""
        row = {"type": kind, "method": method, "args": args, "answer": answer, "at": time.time(), **more}
        kept = _masked(json.loads(json.dumps(row, default=str)))
        with self._lock:
            self._rows.append(kept)

    def since(self, start: int = 0, until: int | None = None) -> list[Json]:
        """A deep copy of the rows from number `start` (the first is 0) on, before `until`; costs what it gives."""
        with self._lock:
            rows = self._rows[max(start, 0) : until]
        return copy.deepcopy(rows)  # a row never changes once it is kept


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if isinstance(value, dict):
        return {key: _mask(item) if key == "token" else _masked(item) for key, item in value.items()}
    return value


def _mask(token: Any) -> str:
    return f"{str(token)[:5]}***"
