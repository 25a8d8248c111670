"""Bad days of Slack: nothing of them stops a run, loses a message or doubles one, and somebody hears of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from slack_sdk import WebClient

from bot.model import Actor, AuditRow, Message, Place, ProtectRequest, State, Transaction
from handlers.notifier import Sender
from integrations.simulators.slack import LocalSlack
from tests.bad_days.conftest import BadDay
from tests.bad_days.world import QuickClock, World
from tests.e2e.demo import Demo

REPLIES = ("plan", "milestone:snapshot", "milestone:clone", "milestone:upload", "milestone:verify", "receipt")


class SkippingClock(QuickClock):
    """Moves on when told, without anybody waiting."""

    def skip(self, seconds: float) -> None:
        with self._lock:
            self._skipped += timedelta(seconds=seconds)


@dataclass
class Channel:
    """A world whose outbox goes to a local Slack, by a sender on the world's clock."""

    world: World
    slack: LocalSlack
    clock: SkippingClock
    admins: str = ""
    ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        client = WebClient(token=self.slack.bot_token, base_url=self.slack.url, retry_handlers=[], timeout=10)
        self.sender = Sender(self.world.db, client, clock=self.clock, installation="here", admin_channel=self.admins)

    def ask(self) -> None:
        """`/protect web01 to s3`, as alice in #ops, planned."""
        alice = Actor(id=self.slack.user_id("alice"), name="alice", source="slack")
        place = Place(channel=self.slack.channel_id("ops"))
        request = ProtectRequest(vms=("web01",), targets=("s3",))
        self.ids.append(self.world.service.protect(request, alice, request_key="r", place=place)[0].id)
        self.world.dispatch()

    def run(self) -> Transaction:
        self.world.engine.run_all()
        with self.world.db.read() as unit:
            return unit.transactions.get(self.ids[0])

    def deliver(self, seconds: float = 1200) -> None:
        """Let the sender work until nothing waits, or so much time has passed."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() < end and self.waiting():
            if not self.sender.tick():
                self.clock.skip(0.5)

    def waiting(self) -> list[str]:
        with self.world.db.read() as unit:
            return [message.key for message in unit.outbox.pending()]

    def messages(self) -> dict[str, Message]:
        with self.world.db.read() as unit:
            keys = [f"{self.ids[0]}:{name}" for name in ("root", *REPLIES)]
            return {key: found for key in keys if (found := unit.outbox.get(key))}

    def audit(self, action: str = "undelivered") -> list[AuditRow]:
        with self.world.db.read() as unit:
            return [row for row in unit.audit.list(limit=1000) if row.action == action]

    def shown(self, where: str = "ops") -> list[str]:
        """First lines of what stands there."""
        return [change.text.splitlines()[0] for change in self.slack.conversation(where) if not change.only_for]

    def direct(self, to: str = "alice") -> list[str]:
        """What was sent to a user or channel directly, as it was sent."""
        wanted = self.slack.user_id(to) if to == "alice" else self.slack.channel_id(to)
        calls = [row for row in self.slack.record if row["type"] == "call" and row["method"] == "chat.postMessage"]
        return [row["args"]["text"] for row in calls if row["args"]["channel"] == wanted and row["answer"]["ok"]]

    def assert_whole_thread(self) -> None:
        """Root and replies stand there once, in their order, in their last state."""
        shown = self.shown()
        assert len(shown) == 1 + len(REPLIES)
        assert shown[0].startswith("✅")
        assert "is protected" in shown[-1]
        assert self.waiting() == []


@pytest.fixture
def channel(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "")  # the SDK reads these and ignores NO_PROXY
    clock = SkippingClock()
    world.clock = clock
    world.open()
    with LocalSlack() as slack:
        yield Channel(world, slack, clock)


PASSING: list[tuple[str, Callable[[LocalSlack], None]]] = [
    ("429 for a while", lambda slack: slack.fail_next("chat.postMessage", 3, status=429, retry_after_s=30)),
    ("500 for a while", lambda slack: slack.fail_next("*", 6, status=500)),
    ("a message posted though the answer was lost", lambda s: s.fail_next("chat.postMessage", 2, lose_answer=True)),
]


@pytest.mark.parametrize(("day", "trouble"), PASSING, ids=[row[0] for row in PASSING])
def test_what_passes_by_itself_is_waited_out_and_nothing_is_lost_or_doubled(
    channel: Channel, bad_day: BadDay, day: str, trouble: Callable[[LocalSlack], None]
) -> None:
    trouble(channel.slack)
    channel.ask()
    channel.deliver(5)
    assert channel.run().state is State.SUCCEEDED
    channel.deliver()
    channel.assert_whole_thread()
    bad_day.row(area="Slack", day=day, message=channel.shown()[-1], cure="nothing: it is waited out")


def test_an_outage_of_ten_minutes_in_the_middle_of_a_run(channel: Channel, bad_day: BadDay) -> None:
    channel.ask()
    channel.deliver(10)
    assert len(channel.shown()) == 2
    channel.slack.begin_outage("cut")
    assert channel.run().state is State.SUCCEEDED
    begun = channel.clock.now()
    channel.deliver(600)
    assert channel.clock.now() - begun >= timedelta(minutes=10)
    assert len(channel.waiting()) >= 5
    tries = len([row for row in channel.slack.record if row["type"] == "call"])
    assert tries < 120  # it does not hammer
    channel.slack.end_outage()
    channel.deliver(120)
    channel.assert_whole_thread()
    bad_day.row(
        area="Slack",
        day="out of reach for 10 minutes in the middle of a run",
        message=channel.shown()[-1],
        cure="nothing: the thread is told to its end afterwards",
    )


def test_the_token_is_revoked_in_the_middle_and_renewed(
    channel: Channel, bad_day: BadDay, caplog: pytest.LogCaptureFixture
) -> None:
    channel.ask()
    channel.deliver(10)
    channel.slack.revoke_token()
    assert channel.run().state is State.SUCCEEDED
    channel.deliver(300)
    assert channel.waiting()
    assert "token_revoked" in {getattr(record, "error", "") for record in caplog.records}
    channel.slack.restore_tokens()
    channel.deliver()
    channel.assert_whole_thread()
    bad_day.row(
        area="Slack",
        day="token revoked",
        message="log: Slack takes none now, token_revoked; cloudy show <id> tells the run meanwhile",
        cure="install the app again, put the new token into the configuration and start Cloudy: all that waits is sent",
    )


UNREACHABLE: list[tuple[str, Callable[[LocalSlack], None], str]] = [
    ("channel archived", lambda slack: slack.archive("ops"), "is_archived"),
    ("bot removed from the channel", lambda slack: slack.remove_bot("ops"), "not_in_channel"),
    ("channel deleted", lambda slack: slack.delete_channel("ops"), "channel_not_found"),
]


@pytest.mark.parametrize(("day", "trouble", "code"), UNREACHABLE, ids=[row[0] for row in UNREACHABLE])
def test_where_no_thread_can_be_opened_the_asker_hears_so_and_hears_the_end(
    channel: Channel, bad_day: BadDay, day: str, trouble: Callable[[LocalSlack], None], code: str
) -> None:
    channel.ask()
    trouble(channel.slack)
    channel.deliver(60)
    assert channel.run().state is State.SUCCEEDED
    channel.deliver()
    assert channel.waiting() == []
    first, last = channel.direct()
    assert code in first
    assert f"/cloudy show {channel.ids[0]}" in first
    assert "web01 is protected in s3" in last
    assert next((row.body["why"], row.transaction_id) for row in channel.audit()) == (code, channel.ids[0])
    bad_day.row(area="Slack", day=f"{day} before the run", message=f"directly: {first}", cure="in the message")


@pytest.mark.parametrize(("day", "trouble", "code"), UNREACHABLE, ids=[row[0] for row in UNREACHABLE])
def test_a_thread_that_cannot_be_told_on_ends_in_a_direct_message(
    channel: Channel, bad_day: BadDay, day: str, trouble: Callable[[LocalSlack], None], code: str
) -> None:
    channel.ask()
    channel.deliver(10)
    trouble(channel.slack)
    assert channel.run().state is State.SUCCEEDED
    channel.deliver()
    assert channel.waiting() == []
    (told,) = channel.direct()
    assert "web01 is protected in s3" in told
    assert code in told
    (kept,) = channel.audit()
    assert (kept.body["why"], kept.body["instead"]) == (code, channel.slack.user_id("alice"))
    bad_day.row(
        area="Slack", day=f"{day} in the middle of a run", message=f"directly: {told}", cure="/cloudy show <id>"
    )


def test_whom_nobody_can_write_to_the_admins_hear_of(world: World, channel: Channel, bad_day: BadDay) -> None:
    admins = channel.slack.add_channel("cloudy-admins")
    reached = Channel(world, channel.slack, channel.clock, admins=admins)
    reached.ask()
    reached.deliver(10)
    channel.slack.archive("ops")
    reached.run()
    while not any(key.endswith(":direct") for key in reached.waiting()):
        reached.sender.tick()
        reached.clock.skip(0.5)
    channel.slack.fail_next("chat.postMessage", error="user_not_found")
    reached.deliver()
    assert reached.waiting() == []
    (told,) = reached.direct("cloudy-admins")
    assert "web01 is protected in s3" in told
    assert [row.body["instead"] for row in reached.audit()] == [channel.slack.user_id("alice"), admins]
    bad_day.row(area="Slack", day="the asker cannot be written to either", message=f"in the admin channel: {told}")


def test_without_an_admin_channel_the_audit_and_the_command_line_still_know(
    channel: Channel, bad_day: BadDay, caplog: pytest.LogCaptureFixture
) -> None:
    channel.ask()
    channel.slack.fail_next("chat.postMessage", 50, error="is_archived")
    done = channel.run()
    channel.deliver()
    assert channel.waiting() == []
    assert done.state is State.SUCCEEDED
    assert [row.body["instead"] for row in channel.audit()].count("") == 2
    assert any("given up" in record.message for record in caplog.records)
    assert "is protected" in channel.world.told(channel.ids[0]).cli
    bad_day.row(
        area="Slack",
        day="nobody can be written to and there is no admin channel",
        message="log: a message is given up; audit: undelivered, with the reason",
        cure="cloudy show <id>; set slack.admin_channel",
    )


OUTAGE = """
world slow s3 20MiB/s
alice> /protect vm01 to s3
wait step upload 60
world slack outage cut
world slow s3 off
wait step cleanup 120
world slack outage off
restart kill
wait done 120
expect "is protected"
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_real_bot_tells_a_run_to_its_end_after_an_outage_and_a_kill(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", OUTAGE)
    try:
        demo.wait(300)
        keys = [post["metadata"]["event_payload"]["key"] for post in demo.calls("chat.postMessage")]
        assert len(keys) == len(set(keys))
        assert {key.partition(":")[2] for key in keys} >= {"root", *REPLIES}
    finally:
        demo.end()
