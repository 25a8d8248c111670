"""A house whose time is set by hand: the real service, store and timekeeper; whatever is started ends when told to."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.model import (
    CLOUDY,
    Actor,
    Fire,
    FireState,
    Place,
    Schedule,
    ScheduleRequest,
    State,
    Transaction,
    Vm,
)
from bot.moments import ScheduleRules
from bot.ownschedules import BuiltIn
from bot.policy import Policy
from bot.service import Service
from bot.store import Database
from bot.timekeeper import Timekeeper

ALICE = Actor(id="U_ALICE", name="alice", source="slack")
BOB = Actor(id="U_BOB", name="bob", source="slack")
DAVE = Actor(id="U_DAVE", name="dave", source="slack")
OPS = Place(channel="C_OPS")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

__all__ = ["ALICE", "BOB", "CLOUDY", "DAVE", "DAY", "HOUR", "NOON", "OPS", "HandClock", "ScheduleWorld"]


class HandClock:
    """It stands still until it is set."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@cache
def migrated() -> bytes:
    """A new database, made once for all tests of a process."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cloudy.db"
        Database.migrate(path)
        return path.read_bytes()


class ScheduleWorld:
    """One database, and one process after the other over it."""

    def __init__(self, folder: Path, *, policy: Policy | None = None, at: datetime = NOON) -> None:
        path = folder / "cloudy.db"
        path.write_bytes(migrated())
        self.clock = HandClock(at)
        self.db = Database.open(path, audit_key=b"k" * 32, busy_timeout_s=5, clock=self.clock)
        self._keys = 0
        self.rules = ScheduleRules()
        self.under(policy)

    def under(self, policy: Policy | None) -> None:
        """A new process, under this policy."""
        self.service = Service(self.db, self.clock, vmstores=("vmstore",), targets=("s3", "azure"), policy=policy)
        self.rule(self.rules)
        self.keeper = Timekeeper(self.db, self.clock, self.service.schedules.accounts)

    def rule(self, rules: ScheduleRules) -> None:
        """What cloudy.toml says of schedules."""
        self.rules = self.service.schedules.accounts.firer.rules = rules

    def own(self, *built_in: BuiltIn) -> None:
        """A new process that has these of its own."""
        self.keeper = Timekeeper(self.db, self.clock, self.service.schedules.accounts, own=built_in)

    def key(self) -> str:
        self._keys += 1
        return f"key{self._keys}"

    def see(self, *names: str, vmstore: str = "vmstore") -> None:
        """The VMstore has these VMs now."""
        vms = [Vm(uuid=f"{vmstore}-{name}", name=name, vmstore=vmstore) for name in names]
        with self.db.unit() as unit:
            unit.inventory.refresh(vmstore, vms)

    def add(self, recurrence: str, *vms: str, by: Actor = ALICE, workflow: str = "protect", **more: object) -> Schedule:
        asked: dict[str, object] = {"workflow": workflow, "recurrence": recurrence, "vms": vms or ("vm01",)}
        if workflow == "protect":
            asked["targets"] = ("s3",)
        request = ScheduleRequest(**(asked | more))  # type: ignore[arg-type]
        return self.service.schedules.add(request, by, request_key=self.key(), place=OPS)

    def look(self, after: timedelta = timedelta()) -> None:
        """Let time pass, then look."""
        self.clock.at += after
        self.keeper.look()

    def fires(self, schedule: Schedule) -> dict[datetime, Fire]:
        with self.db.read() as unit:
            return {fire.at: fire for fire in reversed(unit.fires.of(schedule.id, limit=100_000))}

    def states(self, schedule: Schedule) -> list[FireState]:
        return [fire.state for fire in self.fires(schedule).values()]

    def now(self, schedule: Schedule) -> Schedule:
        with self.db.read() as unit:
            return unit.schedules.get(schedule.id)

    def started(self, schedule: Schedule) -> tuple[Transaction, ...]:
        with self.db.read() as unit:
            return unit.transactions.asked_under(f"schedule:{schedule.id}:")

    def end_all(self, state: State = State.SUCCEEDED) -> None:
        """Whatever runs or waits has ended."""
        with self.db.unit() as unit:
            for transaction in unit.transactions.active():
                unit.transactions.update(transaction.id, state=state, ended_at=self.clock.now())

    def waiting(self) -> tuple[str, ...]:
        """VMs of what a dispatcher would look at now."""
        with self.db.read() as unit:
            return tuple(each.vm for each in unit.transactions.active(at=self.clock.now()))

    def told(self, channel: str = "C_OPS") -> list[str]:
        with self.db.read() as unit:
            messages = [unit.outbox.get(key) for key in unit.outbox.keys_under("schedule:")]
        return [str(message.view["text"]) for message in messages if message and message.channel == channel]

    def audited(self, action: str = "fire") -> Iterator[dict[str, object]]:
        with self.db.read() as unit:
            return iter([row.body for row in unit.audit.list(limit=10_000_000) if row.action == action])
