"""`cloudy schedule` and `cloudy schedules`, in this process, on a database of its own."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.errors import NotFound, UsageError
from bot.store import Database

CONFIG = """
[vmstores.vmstore1]
url = "https://vmstore1.example.com"
user = "cloudy"
share = "/mnt/vmstore1"
cleanup = "manual"

[targets.s3]
url = "s3://bucket"

[groups]
web = ["web*"]

[schedules]
time_zone = "Europe/Berlin"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CLOUDY_AUDIT_KEY", "00" * 32)
    file = tmp_path / "cloudy.toml"
    file.write_text(f'{CONFIG}\n[database]\npath = "{tmp_path / "cloudy.db"}"\n')
    Database.migrate(tmp_path / "cloudy.db")
    return str(file)


def run(config: str, *words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--config", config], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_schedule_is_made_listed_changed_and_deleted(config: str) -> None:
    made = run(config, "schedule", "protect", "@web,", "app 03", "to", "s3", "every", "day", "at", "02:00", "--json")
    (told,) = json.loads(made)["schedules"]
    assert (told["vms"], told["targets"], told["state"]) == (["@web", "app 03"], ["s3"], "on")
    assert told["recurrence"] == "every day at 02:00 Europe/Berlin"
    which = told["id"]
    assert "is paused" in run(config, "schedule", "pause", which, "for", "3d")
    (listed,) = json.loads(run(config, "schedules", "web", "--json"))["schedules"]
    assert (listed["id"], listed["state"]) == (which, "paused")
    assert "goes on" in run(config, "schedule", f"resume {which}")
    assert "every day at 02:00" in run(config, "schedules")
    assert json.loads(run(config, "schedules", "nobody", "--json")) == {"total": 0, "schedules": []}
    run(config, "schedule", "delete", which)
    assert json.loads(run(config, "schedules", "--json"))["total"] == 0


def test_what_is_not_understood_is_told_with_the_nearest_that_is(config: str) -> None:
    with pytest.raises(UsageError, match="The nearest that I understand: every day at 02:00"):
        run(config, "schedule", "protect", "web*", "to", "s3", "evry", "day", "at", "02:00")
    with pytest.raises(NotFound, match="no schedule “zzzz”"):
        run(config, "schedule", "show", "zzzz")


def test_what_the_list_gives_makes_the_same_schedules_again_in_an_empty_database(config: str) -> None:
    said = (
        'protect @web, "app 03" to s3 keep for 30d note "before the night" catch up all every day at 02:00 within 2h',
        "drill next every sunday at 03:00 UTC",
    )
    for each in said:
        run(config, "schedule", each)
    kept = json.loads(run(config, "schedules", "--json"))["schedules"]
    for each in kept:
        run(config, "schedule", "delete", each["id"])
        run(config, "schedule", each["typed"])
    again = json.loads(run(config, "schedules", "--json"))["schedules"]
    same = ("typed", "starts", "vms", "targets", "options", "recurrence", "catch_up", "grace_s", "owner")
    assert [{name: each[name] for name in same} for each in again] == [
        {name: each[name] for name in same} for each in kept
    ]
