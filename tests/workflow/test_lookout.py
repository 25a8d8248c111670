"""What begins and ends to be not well with VMs is told once; when each is protected next by a schedule."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import BusyError
from bot.lookout import Lookout
from bot.model import Actor, Bytes, Concern, ConcernKind, RecoveryPoint, SeenVm, Sla, Slas, State, Trouble
from bot.moments import NamedBlackout, ScheduleRules
from bot.recurrence import parse
from bot.store.outbox import Outbox
from bot.upcoming import Upcoming
from tests.workflow.schedule_world import DAY, HOUR, NOON, ScheduleWorld
from tests.workflow.stored import asked

GOLD = Sla(name="gold", vms=("db*",), rpo=4 * HOUR, drill_every=None, channel="C_GOLD")
NONE = Sla(name="none", vms=("tmp*",), is_exempt=True)
SLAS = Slas(listed=(GOLD, NONE))


class World(ScheduleWorld):
    """The same, with somebody who looks."""

    def lookout(self, slas: Slas = SLAS, *, knows: bool = False, channel: str = "C_ADMIN") -> Lookout:
        return Lookout(self.db, self.clock, slas, channel=channel, fires=self.upcoming if knows else None)

    @property
    def upcoming(self) -> Upcoming:
        return Upcoming(self.db, self.service.schedules.accounts.firer)

    def point(self, name: str, ago: timedelta = timedelta()) -> None:
        at = self.clock.now() - ago
        with self.db.unit() as unit:
            unit.points.put(
                RecoveryPoint(
                    transaction_id=f"{name}{at}",
                    target="s3",
                    vm_uuid=f"vmstore-{name}",
                    vm_name=name,
                    manifest_key="m",
                    taken_at=at,
                    consistency="crash",
                    size=1,
                )
            )

    def ran(self, name: str, sent: int) -> None:
        key, now = self.key(), self.clock.now()
        done = asked(
            key, vm=name, vm_uuid=f"vmstore-{name}", targets=("s3",), state=State.SUCCEEDED, started_at=now,
            ended_at=now, bytes=Bytes(sent=sent),
        )  # fmt: skip
        with self.db.unit() as unit:
            unit.transactions.insert(done)

    def fail(self, name: str, times: int = 1) -> None:
        for _ in range(times):
            key = self.key()
            with self.db.unit() as unit:
                unit.transactions.insert(
                    asked(
                        key,
                        vm=name,
                        vm_uuid=f"vmstore-{name}",
                        targets=("s3",),
                        state=State.FAILED,
                        started_at=self.clock.now(),
                        ended_at=self.clock.now(),
                    )
                )

    def said(self) -> list[tuple[str, str]]:
        with self.db.read() as unit:
            messages = [unit.outbox.get(key) for key in unit.outbox.keys_under("sla:")]
        return [(each.channel, str(each.view["text"])) for each in messages if each]

    def kept(self) -> dict[str, set[Trouble]]:
        with self.db.read() as unit:
            return {uuid: set(found) for uuid, found in unit.troubles.all().items()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.db.close()


def test_what_begins_is_told_once_and_once_when_it_is_well_whoever_looks(world: World) -> None:
    world.see("db1", "web")
    world.point("db1", 5 * HOUR)
    world.point("web", 500 * HOUR)  # of no SLA
    for _ in range(3):
        world.lookout().look()
        world.clock.sleep(300)
    late = "SLA gold: 1 VM needs a look.\n• db1: late by 1 h 0 min (RPO 4h); the newest one is of 25 Nov 07:00 UTC"
    assert world.said() == [("C_GOLD", late)]
    world.point("db1")
    world.lookout().look()
    world.lookout().look()
    assert world.said()[1:] == [("C_GOLD", "SLA gold: well again: db1.")]
    assert world.kept() == {}


def test_the_minutes_that_a_run_takes_are_no_news_where_it_comes_once_in_an_rpo(world: World) -> None:
    world.see("db1")
    world.point("db1", 4 * HOUR + HOUR / 12)
    world.lookout().look()
    assert (world.said(), world.kept()) == ([], {})
    world.clock.sleep(600)
    world.lookout().look()
    assert "db1: late by 15 min" in world.said()[0][1]


def test_it_is_well_again_when_nothing_of_it_is_left(world: World) -> None:
    world.see("db1")
    world.point("db1", 3 * HOUR)
    world.fail("db1", 2)
    world.lookout().look()
    world.clock.at += 2 * HOUR
    world.lookout().look()
    assert [text.splitlines()[1] for _, text in world.said()] == [
        "• db1: the last 2 protections failed",
        "• db1: late by 1 h 0 min (RPO 4h); the newest one is of 25 Nov 09:00 UTC",
    ]
    world.point("db1")
    world.lookout().look()
    assert world.said()[-1][1] == "SLA gold: well again: db1."


def test_who_will_be_late_is_told_before_and_not_as_well_again_when_it_is_late(world: World) -> None:
    world.see("db1")
    world.point("db1", HOUR)
    world.add("every day at 02:00", "db1")
    world.lookout(knows=True).look()
    assert "db1: late from 25 Nov 15:00 UTC, since the next run ends about 26 Nov 02:00 UTC" in world.said()[0][1]
    world.clock.at += 4 * HOUR
    world.lookout(knows=True).look()
    assert [text.splitlines()[0] for _, text in world.said()] == ["SLA gold: 1 VM needs a look."] * 2
    assert not any("well again" in text for _, text in world.said())
    assert world.kept() == {"vmstore-db1": {Trouble.LATE}}


def test_a_growth_is_told_and_its_end_is_not(world: World) -> None:
    world.see("db1")
    world.point("db1")
    for gib in (1, 1, 1, 1, 1, 9):
        world.ran("db1", gib << 30)
    world.lookout().look()
    world.ran("db1", 1 << 30)
    world.lookout().look()
    assert world.said() == [("C_GOLD", "SLA gold: 1 VM needs a look.\n• db1: sent 9.0 GiB, usually 1.0 GiB")]
    assert world.kept() == {}


def test_a_vm_that_no_schedule_protects_is_told_where_schedules_are_known(world: World) -> None:
    world.see("db1")
    world.point("db1")
    world.lookout().look()
    assert world.said() == []
    world.lookout(knows=True).look()
    assert "db1: no schedule protects it (RPO 4h)" in world.said()[0][1]


def test_many_at_once_are_one_message_with_ten_names(world: World) -> None:
    world.see(*(f"db{i:03}" for i in range(30)))
    for i in range(30):
        world.point(f"db{i:03}", 5 * HOUR)
    assert len(world.lookout().look()) == 30
    ((_, text),) = world.said()
    assert text.count("•") == 10
    assert "30 VMs need a look" in text
    assert "… and 20 more" in text


def test_without_a_channel_it_is_noted_and_without_slas_nothing_is(world: World) -> None:
    world.see("db1", "tmp1")
    world.point("db1", 5 * HOUR)
    assert world.lookout(Slas(), channel="C_ADMIN").look() == ()
    plain = Slas(listed=(replace(GOLD, channel=""), NONE))
    assert len(world.lookout(plain, channel="").look()) == 1
    assert world.said() == []
    assert world.kept() == {"vmstore-db1": {Trouble.LATE}}


def test_what_is_gone_or_exempt_now_is_forgotten_and_not_told(world: World) -> None:
    world.see("db1", "db2", "db3")
    for name in ("db1", "db2", "db3"):
        world.point(name, 5 * HOUR)
    world.lookout().look()
    world.see("db2", "db3")
    other = Slas(listed=(replace(NONE, vms=("db2",)), GOLD))
    world.lookout(other).look()
    assert world.kept() == {"vmstore-db3": {Trouble.LATE}}
    assert len(world.said()) == 1


def snoozed(world: World, name: str, until: datetime) -> None:
    with world.db.unit() as unit:
        by = Actor(id="U1", name="alice", source="slack")
        unit.concerns.put(Concern(kind=ConcernKind.RPO, id=f"vmstore-{name}", until=until, reason="x", by=by))


def test_what_is_snoozed_is_not_told_and_neither_is_that_it_is_well_again(world: World) -> None:
    world.see("db1")
    world.point("db1", 5 * HOUR)
    snoozed(world, "db1", NOON + DAY)
    for _ in range(2):
        world.lookout().look()
    assert world.kept() == {}
    world.point("db1")
    world.lookout().look()
    assert world.said() == []


def test_what_lasts_longer_than_its_snooze_is_told_when_that_is_over_and_its_end_too(world: World) -> None:
    world.see("db1")
    world.point("db1", 5 * HOUR)
    snoozed(world, "db1", NOON + HOUR)
    world.lookout().look()
    assert world.said() == []
    world.clock.at += HOUR
    world.lookout().look()
    assert "db1" in world.said()[0][1]
    snoozed(world, "db1", NOON + DAY)  # it was told before that
    world.point("db1")
    world.lookout().look()
    assert "well again: db1" in world.said()[-1][1]


def test_a_snoozed_missing_schedule_does_not_silence_that_the_vm_is_late(world: World) -> None:
    world.see("db1")
    world.point("db1", 5 * HOUR)
    with world.db.unit() as unit:
        by = Actor(id="U1", name="alice", source="slack")
        unit.concerns.put(Concern(kind=ConcernKind.COVER, id="vmstore-db1", until=NOON + DAY, reason="x", by=by))
    world.lookout().look()
    assert "db1" in str(world.said())


def test_what_could_not_be_told_is_not_noted_as_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.see("db1")
    world.point("db1", 5 * HOUR)

    def full(*_: object) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "put", full)
        with pytest.raises(OSError, match="no space"):
            world.lookout().look()
    assert world.kept() == {}
    world.lookout().look()
    assert len(world.said()) == 1


class Ending(threading.Event):
    """Is set when it was waited for so often."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self.left = waits
        self.waited: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("why", [BusyError(), OSError("whatever")])
def test_a_look_that_does_not_work_is_followed_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch, why: Exception
) -> None:
    def broken(_: Lookout) -> None:
        raise why

    monkeypatch.setattr(Lookout, "look", broken)
    ending = Ending(3)
    world.lookout().run(ending)
    assert ending.waited == [60, 300, 300, 300]


# --- when each VM is protected next ---


def seen(world: World) -> tuple[SeenVm, ...]:
    with world.db.read() as unit:
        return unit.inventory.meant(["*"])


def test_what_is_foreseen_is_what_happens(world: World) -> None:
    world.see("db1", "db2", "web")
    world.rule(ScheduleRules(groups={"dbs": ("db*",)}))
    schedule = world.add("every day at 13:00 within 2h", "@dbs", "vmstore/WEB")
    foreseen = world.upcoming(seen(world), NOON)
    world.look(HOUR)
    happened = {each.vm: each.not_before or NOON + HOUR for each in world.started(schedule)}
    assert {uuid: fires[0].at for uuid, fires in foreseen.items()} == {
        f"vmstore-{vm.rpartition('/')[2]}": at for vm, at in happened.items()
    }
    assert len(set(happened.values())) == 3
    assert {(fires[0].schedule, fires[0].targets) for fires in foreseen.values()} == {(schedule.id, ("s3",))}


def test_only_protections_that_come_are_foreseen(world: World) -> None:
    world.see("db1", "db2")
    world.add("every day at 13:00", "db1", workflow="verify")
    world.rule(ScheduleRules(groups={"dbs": ("db1",)}))
    world.add("every day at 14:00", "@dbs", "db2")
    world.rule(ScheduleRules())  # the group is gone from cloudy.toml
    paused = world.add("every day at 15:00", "db1")
    world.service.schedules.pause(paused.id, paused.owner, request_key=world.key())
    assert {uuid: len(fires) for uuid, fires in world.upcoming(seen(world), NOON).items()} == {"vmstore-db2": 1}


@pytest.mark.parametrize(
    ("words", "after"),
    [
        ("not between 12:30 and 13:30 on wednesdays", 25 * HOUR),
        ("not between 12:30 and 13:30 but after it", 1.5 * HOUR),
    ],
)
def test_a_fire_that_falls_into_a_blackout_comes_as_that_says(world: World, words: str, after: timedelta) -> None:
    world.see("db1")
    world.add("every day at 13:00", "db1")
    hours = parse(f"every 4 hours {words}").blackouts[0]
    world.rule(ScheduleRules(blackouts=(NamedBlackout(name="noon", blackout=hours, zone="UTC"),)))
    (only,) = world.upcoming(seen(world), NOON)["vmstore-db1"]
    assert only.at == NOON + after


def test_a_vm_whose_last_recovery_point_is_gone_is_not_well_again(world: World) -> None:
    world.see("db1", "db2")  # the other one never had any
    world.point("db1", 5 * HOUR)
    world.ran("db1", 1)
    world.clock.sleep(300)
    world.lookout().look()
    with world.db.unit() as unit:
        (known,) = unit.points.of_vm("vmstore-db1")
        unit.points.forget(known.transaction_id, "s3")
    world.clock.sleep(300)
    world.lookout().look()
    world.clock.sleep(300)
    world.lookout().look()
    assert world.said()[1:] == [("C_GOLD", "SLA gold: 1 VM needs a look.\n• db1: no recovery point at all")]
    world.point("db1")
    world.clock.sleep(300)
    world.lookout().look()
    assert [text for _, text in world.said()][2:] == ["SLA gold: well again: db1."]
