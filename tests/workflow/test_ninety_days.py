"""Days of many VMs by schedule, both changes of the clocks among them: every fire is accounted for exactly once."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.model import FireState, Span, Topic
from tests.workflow.ninety_days import Days, missed, missed_as_audited, missed_as_told
from tests.workflow.ninety_kept import MOST, KeptDays
from tests.workflow.ninety_told import Told
from tests.workflow.schedule_world import DAY

WINTER = datetime(2027, 2, 15, 6, tzinfo=UTC)  # three places set their clocks in the ninety days from then


def every_fire_is_accounted_for_once(days: Days) -> Counter[FireState]:
    """By an oracle of its own for the times, by the transactions, by the audit."""
    states: Counter[FireState] = Counter()
    for daily in days.schedules:
        fires = days.account(daily)
        states.update(fire.state for fire in fires.values())
        runs = days.runs_by_fire(daily.schedule)
        for at, fire in fires.items():
            made = runs.get(f"{at:%Y%m%dT%H%M%SZ}", [])
            assert len(made) == fire.started == len({each.vm for each in made})
            assert fire.started or fire.why
            assert fire.state not in (FireState.MISSED, FireState.SKIPPED, FireState.NOTHING) or not made
    assert missed(days) == missed_as_audited(days)
    assert missed(days) <= missed_as_told(days)  # what was caught up with is told with them
    with days.world.db.read() as unit:
        assert unit.transactions.active() == ()
        assert unit.audit.verify().broken_at is None
    return states


def cloudys_own_fires_are_accounted_for_once(days: KeptDays) -> Counter[FireState]:
    """Rounds and summaries, likewise; those that began something have told it, which is looked at when it comes."""
    states: Counter[FireState] = Counter()
    for daily in days.own:
        states.update(fire.state for fire in days.account(daily).values())
    return states


def nothing_is_left(days: KeptDays) -> None:
    """When all runs are over and the janitor has had its days."""
    days.world.clock.at += 3 * DAY
    days.sweep()
    found = days.findings()
    assert (found.promised, found.judged, found.unseen) == ((), (), ())
    with days.world.db.read() as unit:
        assert unit.ledger.open() == ()
        files = {(point, key) for point, _target, key, _digests in unit.files.every()}
    days.check_shelves()
    assert {point for point, _key in files} == set(days.store.by_point)
    assert {key for _point, key in files} < set(days.store.objects)
    assert days.store.uploads == {}


def all_of_it_holds(days: KeptDays) -> Told:
    """Of the fires, of what is kept, of what is told."""
    told = Told(days)
    days.live()
    states = every_fire_is_accounted_for_once(days)
    assert states[FireState.STARTED] > 100
    assert min(states[FireState.CAUGHT_UP], states[FireState.MISSED]) > 0
    own = cloudys_own_fires_are_accounted_for_once(days)
    assert own[FireState.STARTED] > 10
    troubles = days.troubles
    assert min(troubles.downtimes, troubles.deaths, troubles.jumps, troubles.failures, troubles.vanished) > 0
    assert days.events == []
    assert min(days.books.removed, days.deaths_in_rounds, told.topics[Topic.FAILED]) > 0
    nothing_is_left(days)
    return told


@pytest.mark.slow
def test_twelve_days_of_twenty_vms(tmp_path: Path) -> None:
    all_of_it_holds(KeptDays(tmp_path, days=12, vms=20))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_ninety_days_of_three_hundred_vms(tmp_path: Path) -> None:
    days = KeptDays(tmp_path, days=90, vms=300, begins=WINTER)
    told = all_of_it_holds(days)
    assert len(days.books.ended) > 25_000
    assert days.books.removed > 20_000
    assert days.largest_round == MOST
    assert told.spans[Span.DAY] > 150
    assert told.spans[Span.WEEK] > 10
