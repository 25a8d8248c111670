"""`cloudy tier` and what previews say of tiers, on the command line."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.clock import SystemClock
from bot.model import RecoveryPoint, Tier
from bot.store import Database

CONFIG = """
[targets.s3]
url = "s3://bucket/prefix"

[[sla]]
name = "gold"
vms = ["db*"]
cold_after = "30d"
archive_after = "180d"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cloudy.toml").write_text(CONFIG)
    Database.migrate(tmp_path / "cloudy.db")
    db = Database.open(tmp_path / "cloudy.db", audit_key=None)
    now = SystemClock().now()
    with db.unit() as unit:
        for name, day, tier in (("new", 40, None), ("colder", 50, None), ("cold", 60, Tier.COLD), ("old", 200, None)):
            point = RecoveryPoint(
                transaction_id=name, target="s3", vm_uuid="u1", vm_name="db", manifest_key="m",
                taken_at=now - timedelta(days=day), consistency="crash", size=1 << 40, tier=tier,
            )  # fmt: skip
            unit.points.put(point)
    db.close()
    return tmp_path


def run(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(app, [*args, "-c", str(folder / "cloudy.toml")])


def test_a_dry_run_tells_what_would_move_where_and_why_the_newest_stays(folder: Path) -> None:
    plain = run(folder, "tier", "--dry-run").stdout
    assert "Moves: 1 recovery point to cold, 1 recovery point to archive; saves about 39.32 USD a month" in plain
    assert "the newest good one" in plain
    told = json.loads(run(folder, "tier", "--dry-run", "--json").stdout)
    assert [(each["point"], each["tier"]) for each in told["moves"]] == [("old", "archive"), ("colder", "cold")]
    assert [(each["point"], each["why"]) for each in told["old_enough_and_stays"]] == [("new", ["the newest good one"])]
    assert told["moves_save"] == "about 39.32 USD a month"


def test_a_preview_of_rules_tells_what_moves_of_what_stays_by_them(folder: Path) -> None:
    told = run(folder, "retention", "preview", "keep 2 last").stdout
    assert "Moves: 1 recovery point to cold; saves about 19.46 USD a month" in told
    found = json.loads(run(folder, "retention", "preview", "keep 2 last", "--json").stdout)
    assert [each["point"] for each in found["moves"]] == ["colder"]


def test_the_list_of_recovery_points_has_the_tier_of_each(folder: Path) -> None:
    told = json.loads(run(folder, "recovery-points", "db", "--json").stdout)
    assert [point["tier"] for point in told["recovery_points"]] == [None, None, "cold", None]
    assert "cold" in run(folder, "recovery-points", "db").stdout


def test_without_an_age_in_any_sla_it_says_so_and_previews_say_nothing_of_tiers(folder: Path) -> None:
    (folder / "cloudy.toml").write_text(CONFIG.partition("cold_after")[0])
    assert "No SLA says from which age on" in run(folder, "tier").stdout.replace("\n", " ")
    assert "Moves" not in run(folder, "retention", "preview").stdout
    assert "moves" not in json.loads(run(folder, "retention", "preview", "--json").stdout)
