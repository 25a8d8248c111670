"""Real processes that keep time on a real database, killed around fire times: nothing is lost, nothing is doubled."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.clock import SystemClock
from bot.model import CatchUp, Schedule, ScheduleRequest, State, Vm
from bot.service import Service
from bot.store import Database
from tests.workflow.schedule_world import ALICE, migrated
from tests.workflow.ticking import quick

REPOSITORY = Path(__file__).resolve().parents[2]
VMS = 3
DEATHS = ("database.commit:before=1", "database.commit:after=1", "")


class Life:
    """A database with a schedule for three VMs, and processes that keep its time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "cloudy.db"
        self._path.write_bytes(migrated())
        self.db = Database.open(self._path, audit_key=b"k" * 32)
        command = [sys.executable, "-m", "tests.workflow.ticking", str(self._path), str(folder / "lock")]
        pipe = subprocess.PIPE
        self._forker = subprocess.Popen(command, cwd=REPOSITORY, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self._living: set[int] = set()
        self.service = quick(Service(self.db, SystemClock(), vmstores=("vmstore",), targets=("s3",)))
        with self.db.unit() as unit:
            unit.inventory.refresh(
                "vmstore", [Vm(uuid=f"u{number}", name=f"vm{number}", vmstore="vmstore") for number in range(VMS)]
            )
        request = ScheduleRequest(
            workflow="protect", recurrence="every day at 02:00", vms=("vm*",), targets=("s3",), catch_up=CatchUp.LATEST
        )
        self.schedule = self.service.schedules.add(request, ALICE, request_key="k")

    def start(self, *, alone: bool = True, deaths: str = "") -> int:
        """One more process, which is keeping time by now; deaths: where it dies by itself."""
        assert self._forker.stdin is not None
        assert self._forker.stdout is not None
        self._forker.stdin.write(f"{'alone' if alone else 'beside'} {deaths}\n".encode())
        self._forker.stdin.flush()
        pid = int(self._forker.stdout.readline())
        self._living.add(pid)
        return pid

    def kill(self, pid: int) -> None:
        with suppress(ProcessLookupError):  # it has died by itself
            os.kill(pid, signal.SIGKILL)
        self._living.discard(pid)

    def end(self) -> None:
        for pid in tuple(self._living):
            self.kill(pid)
        self._forker.kill()
        self._forker.communicate()

    def end_runs(self) -> None:
        """What was started has ended, so that the next fire starts all of it again."""
        with self.db.unit() as unit:
            for transaction in unit.transactions.active():
                unit.transactions.update(transaction.id, state=State.SUCCEEDED)

    def await_fires(self, number: int) -> None:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            with self.db.read() as unit:
                if len(unit.fires.of(self.schedule.id, limit=number)) >= number:
                    return
            self.end_runs()
            time.sleep(0.05)
        raise AssertionError(f"there were never {number} fires")


def nothing_is_lost_or_doubled(life: Life) -> int:
    """Every second from the first to the last is accounted for, by what was started and by what is said of it."""
    with life.db.read() as unit:
        schedule: Schedule = unit.schedules.get(life.schedule.id)
        fires = {fire.at: fire for fire in unit.fires.of(schedule.id, limit=1_000_000)}
        made = unit.transactions.asked_under(f"schedule:{schedule.id}:")
    first = schedule.created_at.replace(microsecond=0) + timedelta(seconds=1)
    seconds = int((schedule.looked_until - first).total_seconds()) + 1
    assert sorted(fires) == [first + timedelta(seconds=number) for number in range(seconds)]
    started = Counter(each.request_key.split(":")[2] for each in made)
    assert {f"{at:%Y%m%dT%H%M%SZ}": fire.started for at, fire in fires.items() if fire.started} == started
    assert len({each.request_key for each in made}) == len(made)
    assert all(fire.why or fire.started for fire in fires.values())
    return sum(fire.started > 0 for fire in fires.values())


def killed(life: Life, kills: int, chance: random.Random) -> None:
    """One dies before it has committed a fire, the next one right after it, the third some time around a second."""
    for number in range(kills):
        pid = life.start(deaths=DEATHS[number % len(DEATHS)])
        life.end_runs()
        to_second = 1 - datetime.now(UTC).microsecond / 1e6
        time.sleep(max(0.0, to_second + chance.uniform(-0.02, 0.08)))
        life.kill(pid)


@pytest.mark.slow
def test_six_kills_around_fire_times_lose_and_double_nothing(tmp_path: Path) -> None:
    _survives(Life(tmp_path), 6)


@pytest.mark.slow
@pytest.mark.long
def test_fifty_kills_around_fire_times_lose_and_double_nothing(tmp_path: Path) -> None:
    _survives(Life(tmp_path), 50)


def _survives(life: Life, kills: int) -> None:
    try:
        killed(life, kills, random.Random(7))
        with life.db.read() as unit:
            before = len(unit.fires.of(life.schedule.id, limit=10_000))
        life.start()
        life.await_fires(before + 2)
    finally:
        life.end()
    assert nothing_is_lost_or_doubled(life)


@pytest.mark.slow
def test_two_processes_at_once_without_a_lock_double_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path)
    try:
        for _ in range(2):
            life.start(alone=False)
        life.await_fires(5)
    finally:
        life.end()
    assert nothing_is_lost_or_doubled(life)
