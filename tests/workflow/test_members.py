"""What is known of Slack's user groups stays until something newer is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.store import Database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    Database.migrate(tmp_path / "cloudy.db")
    opened = Database.open(tmp_path / "cloudy.db", audit_key=None)
    yield opened
    opened.close()


def test_members_of_a_group_are_replaced_as_a_whole_and_others_stay(db: Database) -> None:
    with db.unit() as unit:
        unit.members.keep("S1", ["U1", "U2", "U2"])
        unit.members.keep("S2", ["U1"])
    with db.unit() as unit:
        unit.members.keep("S1", ["U3"])

    with db.read() as unit:
        assert unit.members.users_of("S1") == ("U3",)
        assert unit.members.groups_of("U1") == {"S2"}
        assert unit.members.groups_of("U3") == {"S1"}


def test_a_group_may_become_empty_and_one_that_is_not_asked_for_is_forgotten(db: Database) -> None:
    with db.unit() as unit:
        for group in ("S1", "S2", "S3"):
            unit.members.keep(group, ["U1"])
        unit.members.keep("S2", [])
        unit.members.keep_only({"S1", "S2"})

    with db.read() as unit:
        assert unit.members.groups_of("U1") == {"S1"}
        assert unit.members.users_of("S2") == ()
