"""`cloudy policy explain`: who may do what and why, told at the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.errors import NotFound, UsageError
from bot.model import Actor, ProtectRequest
from bot.opening import open_database, service_for
from bot.store import Database
from tests.unit.test_policy_settings import HOUSE

ROLES = """
[policy.roles]
operator = ["U1AA", "S9AA"]
approver = ["U2AA"]
[policy.channels.C1AA]
commands = ["status"]
[[policy.rules]]
operation = "protect"
vm = "prod-*"
need = "approval"
approvers = 1
lives = "2d"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "cloudy.toml"
    file.write_text(HOUSE + ROLES)
    Database.migrate(tmp_path / "cloudy.db")
    return file


def explained(config: Path, *words: str) -> str:
    done = CliRunner().invoke(app, ["policy", "explain", *words, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_yes_names_the_rule_and_the_terms(config: Path) -> None:
    told = explained(config, "U1AA", "/protect prod-db to s3")

    assert told.splitlines() == [
        "U1AA may: protect prod-db to s3",
        "  U1AA is operator: by name, in policy.roles.operator.",
        "  “protect” takes the role operator or a higher one (policy.rules, entry 1).",
        "  It needs the approval of one person (the requester does not count); the request lives 48 h, an approval is"
        " good for 1 h.",
    ]


def test_a_no_says_why_and_who_may(config: Path) -> None:
    told = explained(config, "U3AA", "protect vm01 to s3")

    assert told.startswith("U3AA may not: protect vm01 to s3\n")
    assert "not named in policy.roles, so the default role" in told
    assert told.endswith("Who may: U1AA, U2AA, S9AA\n")


def test_a_channel_is_judged_where_one_is_named(config: Path) -> None:
    assert "U1AA may not: protect" in explained(config, "U1AA", "protect vm01 to s3", "--channel", "C1AA")
    assert "cli may: protect" in explained(config, "cli", "protect vm01 to s3")


def test_without_roles_it_says_that_everyone_is_operator_and_nobody_approver(config: Path) -> None:
    config.write_text(HOUSE)

    assert "so everyone is operator and nobody is approver" in explained(config, "U3AA", "protect vm01 to s3")


def test_people_are_known_by_name_once_they_have_asked_and_transactions_by_id(config: Path) -> None:
    from bot.config import load

    db = open_database(load(config))
    alice = Actor(id="U1AA", name="alice", source="slack")
    request = ProtectRequest(vms=("vm01",), targets=("s3",))
    (made,) = service_for(load(config), db).protect(request, alice, request_key="k")
    db.close()

    assert explained(config, "alice", "stop last").startswith(f"alice (U1AA) may: stop {made.id}, vm01\n")
    assert "U2AA may not: stop" in explained(config, "U2AA", "/cloudy stop last")
    with pytest.raises(NotFound, match="Nobody called mallory"):
        explained(config, "mallory", "status")


def test_scripts_get_json(config: Path) -> None:
    told = json.loads(explained(config, "U1AA", "protect prod-1, lab to s3", "--json"))

    assert [(one["asked"], one["terms"]["need"]) for one in told["opinions"]] == [
        ("protect prod-1 to s3", "approval"),
        ("protect lab to s3", "nothing"),
    ]
    assert told["opinions"][0]["terms"]["lives_s"] == 172_800


def test_a_command_that_is_none_is_told_with_the_usage(config: Path) -> None:
    with pytest.raises(UsageError):
        explained(config, "U1AA", "dance")
