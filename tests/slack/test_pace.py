"""The outbox under load, measured on a clock of its own: pace, order, the last state always, also over restarts."""

import bisect
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

import pytest
from slack_sdk import WebClient

from bot.model import Message
from bot.store import Database
from handlers.notifier import Sender
from handlers.pace import Pace
from integrations.simulators.slack.limits import Limits

Json = dict[str, Any]
STEPS = 10
OPS = "C0OPS"


@dataclass
class Clock:
    """Time that passes when the test says so."""

    time: datetime = datetime(2026, 11, 25, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class PlainSlack:
    """Takes every message and remembers when; only what the sender calls."""

    clock: Clock
    posts: list[tuple[datetime, str]] = field(default_factory=list)  # when, channel
    edits: list[datetime] = field(default_factory=list)
    stands: dict[str, Json] = field(default_factory=dict)  # ts -> message, in the order of posting
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def chat_postMessage(self, **message: Any) -> Any:  # noqa: N802 - Slack's name
        ts = f"{next(self._numbers)}.000000"
        self.posts.append((self.clock.now(), message["channel"]))
        self.stands[ts] = message
        return SimpleNamespace(data={"ok": True, "ts": ts})

    def chat_update(self, **message: Any) -> Any:
        self.edits.append(self.clock.now())
        self.stands[message["ts"]] |= message
        return SimpleNamespace(data={"ok": True, "ts": message["ts"]})

    def keys(self, thread_ts: str) -> list[str]:
        """Keys of the replies of a thread, as they were posted."""
        replies = [one for one in self.stands.values() if one.get("thread_ts") == thread_ts]
        return [str(one["metadata"]["event_payload"]["key"]) for one in replies]


@dataclass
class Load:
    """Transactions that all tell their story at once into one channel."""

    db: Database
    slack: PlainSlack
    clock: Clock
    count: int
    _told: dict[str, Json] = field(default_factory=dict)  # so that the test spends its time in the sender

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The bot is killed and started again: nothing in memory stays."""
        client = cast("WebClient", self.slack)
        self.sender = Sender(self.db, client, clock=self.clock, installation="here")

    def tell(self, second: int, seconds: int) -> None:
        """Where every transaction stands after so many seconds, in one unit as a busy second has it."""
        done = min(STEPS, second * STEPS // seconds)
        with self.db.unit() as unit:
            for number in range(self.count):
                for message in self._story(f"t{number:03}", done, percent=second % 100):
                    if self._told.get(message.key) != message.view:
                        self._told[message.key] = message.view
                        unit.outbox.put(message)

    def _story(self, tx: str, done: int, percent: int) -> Iterator[Message]:
        state = "succeeded" if done == STEPS else "running"
        yield self._message(tx, "root", {"kind": "root", "transaction": tx, "state": state, "line": f"step {done}"})
        tasks = [self._task(step, done, percent) for step in range(STEPS)]
        yield self._message(tx, "plan", {"kind": "plan", "transaction": tx, "tasks": tasks})
        for step in range(0, done, 3):
            yield self._message(tx, f"milestone:{step}", {"kind": "milestone", "text": f"step {step} done"})
        if done == STEPS:
            yield self._message(tx, "receipt", {"kind": "receipt", "transaction": tx, "headline": "done"})

    def _task(self, step: int, done: int, percent: int) -> Json:
        state = "complete" if step < done else "in_progress" if step == done else "pending"
        return {
            "id": str(step),
            "title": f"Step {step}",
            "state": state,
            "note": f"{percent} %" if step == done else "",
        }

    def _message(self, tx: str, name: str, view: Json) -> Message:
        return Message(key=f"{tx}:{name}", channel=OPS, view=view, thread_key="" if name == "root" else f"{tx}:root")

    def drain(self, seconds: float) -> None:
        """Let so much time pass, or less once everything is sent."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() < end:
            if not self.sender.tick():
                with self.db.read() as unit:
                    if not unit.outbox.pending():
                        return
                self.clock.sleep(0.5)

    def second(self) -> None:
        """A second in which the sender sends what it may."""
        for _ in range(2):
            while self.sender.tick():
                pass
            self.clock.sleep(0.5)


def most_in(times: list[datetime], window: timedelta) -> int:
    """The most that fall into any window of that length."""
    return max((bisect.bisect_left(times, at + window) - index for index, at in enumerate(times)), default=0)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is such: a thousand messages are thousands of writes that wait for the disk."""
    shared = Path("/dev/shm")
    with TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    Database.migrate(tmp_path / "cloudy.db")
    opened = Database.open(tmp_path / "cloudy.db", audit_key=None)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("count", "seconds", "restarts"),
    [
        (20, 40, ()),
        (20, 40, (10, 11, 12, 30)),
        pytest.param(40, 30, (10, 20), marks=pytest.mark.slow),
        pytest.param(100, 30, (10, 20), marks=[pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def test_many_transactions_at_once_are_told_within_slack_s_limits_and_to_their_end(
    memory: Path, count: int, seconds: int, restarts: tuple[int, ...]
) -> None:
    clock = Clock()
    Database.migrate(memory / "cloudy.db")
    db = Database.open(memory / "cloudy.db", audit_key=None, clock=clock)
    slack = PlainSlack(clock)
    load = Load(db, slack, clock, count)
    for second in range(seconds + 1):
        load.tell(second, seconds)
        if second in restarts:
            load.restart()
        load.second()
    load.drain(3600)
    _check(db, load)
    db.close()


def _check(db: Database, load: Load) -> None:
    slack, count = load.slack, load.count
    assert most_in(slack.edits, timedelta(seconds=60)) < 50
    posted = [at for at, _channel in slack.posts]
    assert most_in(posted, timedelta(seconds=60)) <= 65
    assert most_in(posted, timedelta(seconds=1)) <= 6
    with db.read() as unit:
        assert unit.outbox.pending() == ()
    keys = [one["metadata"]["event_payload"]["key"] for one in slack.stands.values()]
    assert len(keys) == len(set(keys)) == 7 * count  # nothing lost, nothing doubled
    order = ["plan", *(f"milestone:{step}" for step in range(0, STEPS, 3)), "receipt"]
    for ts, root in [(ts, one) for ts, one in slack.stands.items() if not one.get("thread_ts")]:
        tx = root["metadata"]["event_payload"]["key"].partition(":")[0]
        assert f"step {STEPS}" in root["text"]
        assert slack.keys(ts) == [f"{tx}:{name}" for name in order]
    plans = [one["text"] for one in slack.stands.values() if one["metadata"]["event_payload"]["key"].endswith(":plan")]
    assert all(text.count("✅") == STEPS for text in plans)  # the last state of each


@dataclass
class Arrivals:
    """Calls that are made as soon as the pace allows, and arrive later, some more than others."""

    sent: list[float] = field(default_factory=list)  # seconds
    refused: int = 0

    def run(self, way: str, method: str, seconds: int) -> "Arrivals":
        """Want to call all the time, as a hundred transactions do."""
        now, pace, arrived = datetime(2026, 11, 25, 12, tzinfo=UTC), Pace(), 0.0
        limits = Limits(lambda: arrived)
        limits.switch(is_on=True)
        for tick in range(seconds * 20):
            at = now + timedelta(seconds=tick / 20)
            may = pace.may_post(OPS, at) if way == "post" else pace.may_edit(None, at, final=len(self.sent) % 7 == 0)
            if may:
                pace.spend(way, OPS)
                self.sent.append(tick / 20)
                arrived = max(arrived, tick / 20 + (0.9 if len(self.sent) % 10 < 7 else 0.0))
                self.refused += limits.take(method, OPS) > 0
        return self


@pytest.mark.parametrize(("way", "method"), [("post", "chat.postMessage"), ("edit", "chat.update")])
def test_calls_that_are_late_on_their_way_do_not_exceed_slack_s_limits(way: str, method: str) -> None:
    assert Arrivals().run(way, method, 300).refused == 0


def test_what_slack_allows_is_used() -> None:
    posts, edits = Arrivals().run("post", "chat.postMessage", 600), Arrivals().run("edit", "chat.update", 600)
    assert len(posts.sent) >= 600
    assert len(edits.sent) >= 10 * 42  # of 50 a minute
    assert most_in([datetime.fromtimestamp(at, UTC) for at in edits.sent], timedelta(seconds=60)) < 50


def test_a_restart_gives_no_second_budget(db: Database) -> None:
    clock = Clock(datetime.now(UTC))
    load = Load(db, PlainSlack(clock), clock, 1)
    with db.unit() as unit:
        for number in range(40):
            unit.outbox.put(Message(key=f"t:{number}", channel=OPS, view={"kind": "notice", "text": str(number)}))
    for _ in range(8):  # killed again and again within one second
        load.restart()
        while load.sender.tick():
            pass
    assert len(load.slack.posts) <= 6
