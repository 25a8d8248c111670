"""Days of many VMs by schedule, both changes of the clocks among them: every fire is accounted for exactly once."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.model import FireState
from tests.workflow.ninety_days import Days, missed, missed_as_audited, missed_as_told

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


def test_twelve_days_of_twenty_vms(tmp_path: Path) -> None:
    days = Days(tmp_path, days=12, vms=20)
    days.live()
    states = every_fire_is_accounted_for_once(days)
    assert states[FireState.STARTED] > 100
    assert min(states[FireState.CAUGHT_UP], states[FireState.MISSED]) > 0
    troubles = days.troubles
    assert min(troubles.downtimes, troubles.deaths, troubles.jumps, troubles.failures, troubles.vanished) > 0


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_ninety_days_of_three_hundred_vms(tmp_path: Path) -> None:
    days = Days(tmp_path, days=90, vms=300, begins=WINTER)
    days.live()
    states = every_fire_is_accounted_for_once(days)
    assert states[FireState.STARTED] > 1000
