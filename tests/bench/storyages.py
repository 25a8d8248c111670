"""How old what Slack shows is: the outbox is looked at twice a second, from outside, while the bot works."""

import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOOK_S = 0.5
EDITED = ("root", "plan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A message as it stands in the outbox."""

    key: str
    version: int
    sent: int
    ts: str
    failed: bool

    @property
    def kind(self) -> str:
        """ "root", "plan", "receipt", "milestone" or what else there is."""
        return self.key.split(":")[1]


@dataclass(slots=True)
class Message:
    """When each version that is not shown yet was seen first; a version that nobody saw came with the next one."""

    sent: int = 0
    unshown: dict[int, float] = field(default_factory=dict)

    def look(self, row: Row, now: float) -> tuple[float | None, float]:
        """How long the state that is shown now had been waited for, None if none was sent since; and the age now."""
        if row.version > row.sent:
            self.unshown.setdefault(row.version, now)
        waited = None
        if row.sent > self.sent:
            # It may have come and been sent between two looks.
            waited = now - min((at for version, at in self.unshown.items() if version <= row.sent), default=now)
            self.sent = row.sent
            self.unshown = {version: at for version, at in self.unshown.items() if version > row.sent}
        return waited, now - min(self.unshown.values(), default=now)


class Ages:
    """By phase and kind of message: how long states waited, and how old the oldest one shown was at each look."""

    def __init__(self, database: Path) -> None:
        self.phase = "asked"
        self.waited: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.oldest: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._database = database
        self._messages: dict[str, Message] = defaultdict(Message)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ages", daemon=True)

    def __enter__(self) -> "Ages":
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def rows(self) -> list[Row]:
        """All messages of transactions, without waiting for the bot."""
        names = "key, version, sent_version, ts, failed"
        return [
            Row(key=key, version=version, sent=sent, ts=ts, failed=bool(failed))
            for key, version, sent, ts, failed in ask(self._database, f"SELECT {names} FROM outbox")
        ]

    def waiting(self) -> int:
        """How many messages do not stand in Slack as they should."""
        return sum(row.version > row.sent and not row.failed for row in self.rows())

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            now, phase = time.monotonic(), self.phase
            oldest = dict.fromkeys(EDITED, 0.0)
            for row in self.rows():
                waited, age = self._messages[row.key].look(row, now)
                if waited is not None:
                    self.waited[phase, row.kind].append(waited)
                if row.kind in oldest:
                    oldest[row.kind] = max(oldest[row.kind], age)
            for kind, age in oldest.items():
                self.oldest[phase, kind].append(age)


def ask(database: Path, query: str) -> list[tuple[Any, ...]]:
    """Give rows of the bot's database, read only. A moment in which it cannot be read is waited out."""
    why = ""
    for _ in range(100):
        connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            why = str(error)
            time.sleep(0.1)
        finally:
            connection.close()
    raise RuntimeError(f"{database} cannot be read: {why}")


def at(values: Sequence[float], share: float) -> float:
    """The value that this share does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


def table(ages: Ages, phases: Iterable[str]) -> str:
    """Both as Markdown, in seconds."""
    lines = [
        "| phase | message | states shown | waited p50 s | p99 s | worst s | oldest at a moment p50 s | worst s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for phase in phases:
        for kind in sorted({kind for known, kind in [*ages.waited, *ages.oldest] if known == phase}):
            waited, oldest = ages.waited[phase, kind], ages.oldest[phase, kind]
            told = [at(waited, 0.5), at(waited, 0.99), max(waited, default=0.0)]
            ends = [f"{value:.1f}" for value in (at(oldest, 0.5), max(oldest))] if oldest else ["", ""]
            figures = [f"{value:.1f}" for value in told] + ends
            lines.append(f"| {phase} | {kind} | {len(waited)} | {' | '.join(figures)} |")
    return "\n".join(lines)
