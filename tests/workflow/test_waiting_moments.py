"""What waits for its moment in a start window: shown as that, withdrawn with its schedule, and never as running."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.model import State
from bot.overview import View
from handlers import answers, home
from handlers.schedulelists import came
from tests.workflow.schedule_world import ALICE, HOUR, ScheduleWorld


@pytest.fixture
def world(tmp_path: Path) -> ScheduleWorld:
    """One o'clock: of three VMs one has begun, and two wait for their moments."""
    world = ScheduleWorld(tmp_path)
    world.see("web1", "web2", "web3")
    schedule = world.add("every day at 13:00 within 2h", "web*")
    world.look(HOUR)
    first = world.started(schedule)[0]
    with world.db.unit() as unit:
        unit.transactions.update(first.id, not_before=None)
        for each, minutes in zip(world.started(schedule)[1:], (17, 90), strict=True):
            unit.transactions.update(each.id, not_before=datetime(2026, 11, 25, 13, tzinfo=UTC) + minutes * MINUTE)
    return world


MINUTE = timedelta(minutes=1)
_CONFIG = """
[vmstores.vmstore]
url = "https://vmstore.example.com"
user = "cloudy"
share = "/mnt/vmstore"
cleanup = "manual"

[targets.s3]
url = "s3://bucket"
"""
WAITS = ["waits until 13:17 UTC", "waits until 14:30 UTC"]


def test_status_counts_what_waits_apart_from_what_is_active(world: ScheduleWorld) -> None:
    card = answers.status(world.service.status())
    assert card.title == "1 active, 2 waiting for their moment"
    active, waiting = (dict(card.lists)[heading] for heading in ("Active", "Waiting for their moment"))
    assert [line.split(", ")[1].split(" · ")[0] for line in active] == ["planning"]
    assert [line.split(", ")[1].split(" · ")[0] for line in waiting] == WAITS
    assert all(line.startswith("⏳ ") for line in waiting)


def test_what_waits_for_another_day_says_which(world: ScheduleWorld) -> None:
    schedule = world.add("every day at 23:00 within 4h", "web1")
    world.clock.at = datetime(2026, 11, 25, 23, tzinfo=UTC)
    world.keeper.look()
    (made,) = world.started(schedule)
    with world.db.unit() as unit:
        unit.transactions.update(made.id, not_before=datetime(2026, 11, 26, 2, 17, tzinfo=UTC))
    assert "waits until 02:17 UTC on 26 Nov" in str(answers.status(world.service.status()).lists)


def test_runs_say_until_when_one_waits(world: ScheduleWorld) -> None:
    ((_, rows),) = answers.runs(world.service.runs(), world.clock.now()).lists
    assert [line.split(", ")[1].split(" · ")[0] for line in rows] == [*reversed(WAITS), "planning"]
    ((_, rows),) = answers.runs(world.service.runs(), world.clock.now() + HOUR).lists
    assert [line.split(", ")[1].split(" · ")[0] for line in rows] == [WAITS[1], "planning", "planning"]


def test_one_that_is_to_be_stopped_waits_no_more(world: ScheduleWorld) -> None:
    last = world.service.runs()[0]
    world.service.stop(last.id, ALICE, request_key="stop")
    assert answers.status(world.service.status()).title == "2 active, 1 waiting for its moment"


def test_the_start_page_has_it_under_a_heading_of_its_own(world: ScheduleWorld) -> None:
    shared = world.service.shared_overview(View())
    drawn = json.dumps(home.draw(home.Home(running=world.service.running(ALICE), shared=shared)), ensure_ascii=False)
    running, _, waiting = drawn.partition("My transactions that wait for their moment")
    assert running.count("protect web") == 1
    assert [waiting.index(each) for each in WAITS] == sorted(waiting.index(each) for each in WAITS)
    assert "Planning" in running


def test_the_start_page_names_few_of_many_that_wait(world: ScheduleWorld) -> None:
    world.see(*(f"db{number:02}" for number in range(40)))
    world.add("every day at 14:00 within 2h", "db*")
    world.look(HOUR)
    shared = world.service.shared_overview(View())
    drawn = home.draw(home.Home(running=world.service.running(ALICE), shared=shared))
    said = json.dumps(drawn, ensure_ascii=False)
    assert 1 <= said.count("waits until") <= 5
    assert "more wait: /cloudy status" in said
    assert len(drawn["blocks"]) < 60


def test_the_command_line_says_it_too(world: ScheduleWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from bot.cli import app
    from bot.cli import runs as runs_module

    monkeypatch.setattr(runs_module, "_CLOCK", world.clock)
    config = tmp_path / "cloudy.toml"
    config.write_text(_CONFIG)
    monkeypatch.setenv("CLOUDY_AUDIT_KEY", b"k".hex() * 32)
    result = CliRunner().invoke(app, ["runs", "-c", str(config)])
    assert result.exit_code == 0, result.output
    assert all(each in result.output for each in WAITS)
    told = json.loads(CliRunner().invoke(app, ["runs", "-c", str(config), "--json"]).output)["transactions"]
    assert [each["not_before"] for each in told] == ["2026-11-25T14:30:00+00:00", "2026-11-25T13:17:00+00:00", None]


def test_a_schedules_last_time_counts_what_waits(world: ScheduleWorld) -> None:
    (line,) = world.service.schedules.list()
    assert (line.results, line.waiting) == ({State.PLANNING: 1}, 2)
    assert line.last is not None
    assert came(line.last, line) == "3 started; 1 planning, 2 waiting for their moment"
