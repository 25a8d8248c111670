"""User groups come into the database by a thread of their own, and stay there while Slack is out."""

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.clock import SystemClock
from bot.service import Service
from bot.store import Database
from handlers import membership
from handlers.membership import Roster
from integrations.simulators.slack import LocalSlack
from tests.slack.local import client_of, rows, until

EVERY = timedelta(seconds=0.05)


@pytest.fixture
def slack(tmp_path: Path) -> Iterator[LocalSlack]:
    with LocalSlack() as local:
        yield local


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    Database.migrate(tmp_path / "cloudy.db")
    opened = Database.open(tmp_path / "cloudy.db", audit_key=None)
    yield opened
    opened.close()


def roster(slack: LocalSlack, db: Database, *groups: str) -> Roster:
    service = Service(db, SystemClock(), vmstores=(), targets=())
    return Roster(client_of(slack), service, groups, EVERY)


def members(db: Database, group: str) -> tuple[str, ...]:
    with db.read() as unit:
        return unit.members.users_of(group)


def test_members_are_asked_for_again_and_again_and_old_groups_forgotten(
    slack: LocalSlack, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "PACE_S", 0.0)
    group = slack.add_group("approvers", ["bob"])
    bob = slack.user_id("bob")
    with db.unit() as unit:
        unit.members.keep("S0OLD00001", [bob])
    stop = threading.Event()
    thread = threading.Thread(target=roster(slack, db, group).run, args=(stop,))
    thread.start()
    try:
        until(lambda: members(db, group) == (bob,), "the members are kept")
        until(lambda: len(calls(slack)) >= 2, "asked again")
    finally:
        stop.set()
        thread.join()
    assert members(db, "S0OLD00001") == ()


def calls(slack: LocalSlack) -> list[dict[str, object]]:
    return [row for row in rows(slack, "call") if row["method"] == "usergroups.users.list"]


def test_while_slack_is_out_what_was_known_stays_and_it_is_told_once(
    slack: LocalSlack, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    group = slack.add_group("approvers", ["bob"])
    looker = roster(slack, db, group)
    assert looker.look(group) == 0
    slack.fail_next("usergroups.users.list", error="internal_error", count=2)

    with caplog.at_level(logging.WARNING, "handlers.membership"):
        assert looker.look(group) == 0
        assert looker.look(group) == 0

    assert members(db, group) == (slack.user_id("bob"),)
    assert len(caplog.records) == 1


def test_a_wait_that_slack_asks_for_is_kept(slack: LocalSlack, db: Database) -> None:
    group = slack.add_group("approvers", ["bob"])
    slack.fail_next("usergroups.users.list", status=429, retry_after_s=7)

    assert roster(slack, db, group).look(group) == 7


def test_a_missing_scope_is_told_once_for_all_groups_with_the_cure(
    slack: LocalSlack, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    slack.fail_next("usergroups.users.list", error="missing_scope", count=3)
    looker = roster(slack, db, "S0A", "S0B")

    with caplog.at_level(logging.WARNING, "handlers.membership"):
        for group in ("S0A", "S0B", "S0A"):
            looker.look(group)

    (record,) = caplog.records
    assert "usergroups:read" in record.getMessage()


def test_nobody_is_in_a_group_that_does_not_exist_any_more(slack: LocalSlack, db: Database) -> None:
    with db.unit() as unit:
        unit.members.keep("S0GONE0001", [slack.user_id("bob")])

    roster(slack, db, "S0GONE0001").look("S0GONE0001")

    assert members(db, "S0GONE0001") == ()
