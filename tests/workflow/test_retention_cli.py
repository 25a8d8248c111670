"""`cloudy retention` and `cloudy expire --dry-run`: questions, previews and holds on the command line."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.clock import SystemClock
from bot.errors import UsageError
from bot.model import InForce, RecoveryPoint, Retained, Retention
from bot.store import Database

CONFIG = """
[[sla]]
name = "gold"
vms = ["db*"]
[sla.retention]
daily = 14
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cloudy.toml").write_text(CONFIG)
    Database.migrate(tmp_path / "cloudy.db")
    db = Database.open(tmp_path / "cloudy.db", audit_key=None)
    now, gold = SystemClock().now(), Retention(daily=14)
    with db.unit() as unit:
        for day in range(20):
            point = RecoveryPoint(
                transaction_id=f"t{day:02}", target="s3", vm_uuid="u1", vm_name="db", manifest_key="m",
                taken_at=now - timedelta(days=day), consistency="crash", size=1 << 30,
            )  # fmt: skip
            unit.points.put(point)
        unit.retentions.put(InForce(sla="gold", retention=gold, since=now, by="alice", text="keep 14 daily"))
        unit.retentions.retain({"u1": Retained(sla="gold", retention=gold)})
    db.close()
    return tmp_path


def run(folder: Path, *args: str) -> Result:
    head = list(args[:1]) if args[0] == "expire" else list(args[:2])
    return CliRunner().invoke(app, [*head, "-c", str(folder / "cloudy.toml"), *args[len(head) :]])


def test_what_is_in_force_and_what_is_held_is_told(folder: Path) -> None:
    held = run(folder, "retention", "hold", "db", "--because", "audit", "--until", "2099-12-31")
    assert "Held: all of db, until 2100-01-01 00:00 UTC" in held.stdout
    told = json.loads(CliRunner().invoke(app, ["retention", "-c", str(folder / "cloudy.toml"), "--json"]).stdout)
    assert [(line["sla"], line["rules"], line["by"], line["vms"]) for line in told["slas"]] == [
        ("gold", "keep 14 daily", "alice", 1),
        ("default", "keep everything", "", 0),
    ]
    assert [(hold["vm"], hold["reason"]) for hold in told["holds"]] == [("db", "audit")]
    plain = CliRunner().invoke(app, ["retention", "-c", str(folder / "cloudy.toml")]).stdout
    assert "keep 14 daily" in plain
    assert "is held until 2100-01-01" in plain


def test_a_preview_and_a_dry_run_tell_what_would_go(folder: Path) -> None:
    told = json.loads(run(folder, "retention", "preview", "keep 3 last", "--for", "gold", "--json").stdout)
    assert (len(told["goes"]), told["go_in_any_case"], told["needs_approval"]) == (17, 6, True)
    assert told["bytes_freed"] == 17 << 30
    assert told["stays"][0]["why"] == ["the newest good one", "last (1 of 3)"]
    dry = run(folder, "expire", "--dry-run").stdout
    assert "6 recovery points of 1 VM would go (s3 6): 6.0 GiB freed" in dry
    assert "t19" in dry


def test_what_is_no_rule_or_no_day_is_refused_in_words(folder: Path) -> None:
    refused = run(folder, "retention", "preview", "keep 3 bananas")
    assert isinstance(refused.exception, UsageError)
    assert "is no rule" in refused.exception.message
    refused = run(folder, "retention", "hold", "db", "--because", "x", "--until", "soon")
    assert isinstance(refused.exception, UsageError)
    assert "no day like" in refused.exception.message
