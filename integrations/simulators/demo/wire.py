"""What passed to each target and back, kept in `wire.json` for anybody to read."""

import json
import threading
from pathlib import Path

Methods = dict[str, dict[str, int]]  # "requests", "up" and "down" by method


class Counts:
    """Requests and bytes of content by method, of one target."""

    def __init__(self, wire: "Wire | None" = None) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._methods: Methods = {}

    def add(self, method: str, field: str, amount: int) -> None:
        """Count amount of "requests", "up" or "down"."""
        with self._lock:
            row = self._methods.setdefault(method, {"requests": 0, "up": 0, "down": 0})
            row[field] += amount

    def snapshot(self) -> Methods:
        """Give what is counted so far."""
        with self._lock:
            return {method: dict(row) for method, row in self._methods.items()}

    def write(self) -> None:
        """Put it into the file, with that of the other targets."""
        if self._wire is not None:
            self._wire.write()


class Wire:
    """The file: by method the sum over all targets, and below "targets" the same of each."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._targets: dict[str, Counts] = {}
        self._written: dict[str, Methods] | None = None

    def of(self, target: str) -> Counts:
        """The counts of one target."""
        with self._lock:
            return self._targets.setdefault(target, Counts(self))

    def write(self) -> None:
        """Put it into the file at once and whole, if something changed."""
        with self._lock:
            targets = {name: counts.snapshot() for name, counts in self._targets.items()}
            if targets == self._written:
                return
            draft = self._file.with_suffix(".tmp")
            draft.write_text(json.dumps({**_sum(targets), "targets": targets}, indent=1, sort_keys=True) + "\n")
            draft.replace(self._file)
            self._written = targets


def _sum(targets: dict[str, Methods]) -> Methods:
    total: Methods = {}
    for methods in targets.values():
        for method, row in methods.items():
            known = total.setdefault(method, dict.fromkeys(row, 0))
            for field, amount in row.items():
                known[field] += amount
    return total
