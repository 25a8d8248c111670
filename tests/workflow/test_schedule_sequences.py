"""Whatever happens in whatever order, looks, deaths, clocks that jump: each time is accounted for exactly once."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot import crossings
from bot.errors import RequesterError
from bot.model import CatchUp, FireState, Schedule
from tests.memory import Crash
from tests.workflow.schedule_world import ALICE, ScheduleWorld

MINUTE = timedelta(minutes=1)
DEATHS = ("database.commit:before", "database.commit:after", "database.unit:before")
STEPS = st.one_of(
    st.tuples(st.just("pass"), st.integers(0, 300)),
    st.tuples(st.just("set"), st.integers(-2000, 2000)),
    st.tuples(st.just("die"), st.sampled_from(range(len(DEATHS)))),
    st.tuples(st.sampled_from(["end", "pause", "resume", "skip", "unskip", "hand", "restart"]), st.just(0)),
)


@contextmanager
def dying_at(monkeypatch: pytest.MonkeyPatch, point: str) -> Iterator[None]:
    def cross(crossed: str) -> None:
        if crossed == point:
            raise Crash

    with monkeypatch.context() as patch, suppress(Crash):
        patch.setattr(crossings, "cross", cross)
        yield


def happens(world: ScheduleWorld, schedule: Schedule, what: str, number: int) -> None:
    schedules, key = world.service.schedules, world.key()
    if what == "pass":
        world.look(number * MINUTE)
    elif what == "set":
        world.clock.at = max(world.clock.at + number * MINUTE, schedule.created_at)
    elif what == "end":
        world.end_all()
    elif what == "restart":
        world.under(None)
    else:
        deeds: dict[str, Callable[..., object]] = {
            "pause": schedules.pause,
            "resume": schedules.resume,
            "skip": schedules.skip_next,
            "unskip": schedules.unskip,
            "hand": schedules.run_now,
        }
        with suppress(RequesterError):
            deeds[what](schedule.id, ALICE, request_key=key)


def each_time_is_accounted_for_once(world: ScheduleWorld, schedule: Schedule) -> None:
    fires, now = world.fires(schedule), world.clock.at
    first = schedule.created_at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    hours = int((now - first).total_seconds() // 3600) + 1
    due = [first + timedelta(hours=hour) for hour in range(hours)]
    of_its_own = {at: fire for at, fire in fires.items() if fire.state is not FireState.BY_HAND}
    waits = [at for at in due if at > world.now(schedule).looked_until]  # one after another, if all are caught up with
    assert waits == [] or schedule.asked.catch_up is CatchUp.ALL
    assert [at for at in of_its_own if at <= now] == [at for at in due if at not in waits or at in fires]
    assert all(fire.started or fire.by for at, fire in of_its_own.items() if at > now)
    keys = [each.request_key for each in world.started(schedule)]
    started = Counter(key.rsplit(":", 1)[0] for key in keys)
    assert len(set(keys)) == len(keys)
    assert started == {_key(schedule, at): fire.started for at, fire in fires.items() if fire.started}


def _key(schedule: Schedule, at: datetime) -> str:
    form = "%Y%m%dT%H%M%S.%fZ" if at.microsecond else "%Y%m%dT%H%M%SZ"
    return f"schedule:{schedule.id}:{at.strftime(form)}"


CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=12, suppress_health_check=CHECKS)
@given(steps=st.lists(STEPS, min_size=3, max_size=12), catch_up=st.sampled_from(CatchUp))
def test_any_sequence_of_looks_deaths_and_jumps_accounts_for_each_time_once(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int]], catch_up: CatchUp
) -> None:
    lives(monkeypatch, steps, catch_up)


@pytest.mark.long
@settings(max_examples=400, suppress_health_check=CHECKS)
@given(steps=st.lists(STEPS, min_size=3, max_size=30), catch_up=st.sampled_from(CatchUp))
def test_any_long_sequence_of_looks_deaths_and_jumps_accounts_for_each_time_once(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int]], catch_up: CatchUp
) -> None:
    lives(monkeypatch, steps, catch_up)


def lives(monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int]], catch_up: CatchUp) -> None:
    """All of it, and then one look more."""
    with TemporaryDirectory() as folder:
        world = ScheduleWorld(Path(folder))
        world.see("vm01", "vm02")
        schedule = world.add("every hour", "vm*", catch_up=catch_up)
        for what, number in steps:
            if what == "die":
                with dying_at(monkeypatch, DEATHS[number]):
                    world.look(61 * MINUTE)
                world.under(None)
            else:
                happens(world, schedule, what, number)
        world.keeper.look()
        each_time_is_accounted_for_once(world, schedule)
        world.db.close()
