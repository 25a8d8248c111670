"""`/retention` in the chat: what is in force, previews with their buttons and file, holds; by the local Slack."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.clock import SystemClock
from bot.model import Place, Price, RecoveryPoint, Retained, Retention, Sla, Slas, State
from bot.policy import Policy, Role
from bot.prices import Prices
from bot.service import Service
from bot.store import Database
from handlers.courier import Courier
from integrations.simulators.slack import LocalSlack
from tests.slack.local import bot_on, client_of, database, rows, until

NOW = datetime.now(UTC)


@dataclass
class World:
    """A bot without a worker: 30 daily recovery points of vm01, of which the SLA gold keeps 14."""

    db: Database
    slack: LocalSlack
    service: Service

    def typed(self, user: str, text: str) -> str:
        return self.slack.command(user, "ops", text).text or ""

    def rows_of_file(self) -> list[str]:
        courier = Courier(self.service, client_of(self.slack), SystemClock())
        until(courier.tick, "the file")
        shared = [row for row in rows(self.slack, "call") if row["method"] == "files.completeUploadExternal"]
        files = shared[-1]["args"]["files"]
        title = (json.loads(files) if isinstance(files, str) else files)[0]["title"]
        return self.slack.file(title).decode("utf-8-sig").splitlines()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with database(tmp_path) as db, LocalSlack() as slack:
        grants = {
            slack.user_id("alice"): Role.OPERATOR,
            slack.user_id("bob"): Role.APPROVER,
            slack.user_id("carol"): Role.VIEWER,
        }
        service = Service(db, SystemClock(), vmstores=("vmstore",), targets=("s3",), policy=Policy(grants=grants))
        gold = Retention(daily=14)
        service.questions.slas = Slas(listed=(Sla(name="gold", vms=("vm0*",), retention=gold),))
        service.retaining.prices = Prices({"s3": Price(storage=0.02, currency="USD")})
        service.retaining.place = Place(channel=slack.channel_id("ops"))
        service.retaining.adopt()
        with db.unit() as unit:
            for day in range(30):
                at = NOW - timedelta(days=day)
                unit.points.put(
                    RecoveryPoint(
                        transaction_id=f"{at:%Y%m%dT%H%M%SZ}-{day:06}", target="s3", vm_uuid="u1", vm_name="vm01",
                        manifest_key="m", taken_at=at, consistency="crash", size=100 << 30,
                    )
                )  # fmt: skip
            unit.retentions.retain({"u1": Retained(sla="gold", retention=gold)})
        with bot_on(slack, service):
            yield World(db, slack, service)


def test_retention_alone_tells_what_is_in_force_and_what_is_held(world: World) -> None:
    said = world.typed("carol", "/retention")
    assert "gold: keep 14 daily · 1 VM with recovery points · since" in said
    assert "default: keep everything · 0 VMs" in said
    assert "by cloudy.toml" in said


def test_a_preview_counts_names_the_first_and_says_what_it_saves(world: World) -> None:
    said = world.typed("carol", "/retention preview keep 3 last for gold")
    assert "27 recovery points of 1 VM would go (s3 27): 2.6 TiB freed" in said
    assert "Saves about 54.00 USD a month" in said
    assert "16 of them go in any case, by what is in force" in said
    assert "Of the others 3 are kept: last 3, the newest good one 1; they cost about 6.00 USD a month" in said
    assert "vm01: 30 recovery points, 2.9 TiB · about 60.00 USD a month, about 54.00 USD a month less by then" in said
    assert "and 17 more" in said
    assert "[Bring into force]" in said


def test_the_whole_list_comes_as_a_file_with_every_reason(world: World) -> None:
    world.typed("carol", "/cloudy retention preview keep 3 last for gold")
    lines = world.rows_of_file()
    assert len(lines) == 31
    assert lines[0].startswith("recovery point,target,VM")
    assert sum(",go," in line for line in lines) == 27
    assert "the newest good one; last (1 of 3)" in "\n".join(lines)


def test_what_is_too_much_to_wait_for_comes_as_a_file_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.retentions.MOST", 10)
    said = world.typed("carol", "/retention preview keep 3 last")
    assert "30 recovery points are too many to look at at once. All of them come as a CSV file" in said
    assert len(world.rows_of_file()) == 31


def test_a_shorter_one_waits_for_an_approval_and_a_longer_one_is_in_force_at_once(world: World) -> None:
    world.typed("alice", "/retention preview keep 3 last for gold")
    assert world.slack.click("alice", "Bring into force").ok
    (asked,) = world.service.runs()
    assert (asked.workflow, asked.request) == ("retention", {"sla": "gold", "rules": "keep 3 last"})
    assert asked.state is State.PLANNING
    assert "In force for gold: keep 30 daily" in world.typed("alice", "/retention set keep 30 daily for gold")


def test_a_viewer_reads_and_changes_nothing(world: World) -> None:
    assert "takes the role operator" in world.typed("carol", "/retention set keep 30 daily for gold")
    assert "takes the role operator" in world.typed("carol", "/retention hold vm01 because audit")
    assert "vm01" not in world.typed("carol", "/retention")


def test_a_hold_says_until_when_by_whom_and_why_and_has_a_button(world: World) -> None:
    said = world.typed("alice", '/retention hold vm01 until 2099-12-31 because "audit, 2026"')
    assert "Held: all recovery points of vm01" in said
    assert "until 2100-01-01 00:00 UTC, by alice" in said
    assert "audit, 2026" in said
    assert "Nothing would go." in world.typed("alice", "/retention preview")
    world.typed("alice", "/retention")
    assert world.slack.click("alice", "Release").ok
    (asked,) = world.service.runs()
    assert asked.request["of"] == "vm01"
    assert asked.vm == "vm01"


def test_what_is_not_understood_says_how_it_is_typed(world: World) -> None:
    assert "/retention [preview" in world.typed("alice", "/retention shrink")
    assert "no rule" in world.typed("alice", "/retention preview keep 7 bananas for gold")
    assert "No SLA is called nix" in world.typed("alice", "/retention preview for nix")
