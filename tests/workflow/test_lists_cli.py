"""`cloudy vms`, `cloudy points`, `cloudy audit list`: questions on the command line."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.clock import SystemClock
from bot.errors import NotFound, UsageError
from bot.model import Actor, AuditEvent, RecoveryPoint, Vm
from bot.store import Database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cloudy.toml").write_text('[protection]\nrpo = "1h"\n')
    Database.migrate(tmp_path / "cloudy.db")
    db = Database.open(tmp_path / "cloudy.db", audit_key=None)
    with db.unit() as unit:
        vms = [
            Vm(uuid=f"u{i}", name=name, vmstore="vmstore", used_bytes=i << 30)
            for i, name in enumerate(("web[red]", "db"))
        ]
        unit.inventory.refresh("vmstore", vms)
        point = RecoveryPoint(
            transaction_id="t1", target="s3", vm_uuid="u1", vm_name="db", manifest_key="t1/manifest.json",
            taken_at=SystemClock().now() - timedelta(hours=2), consistency="crash", size=1 << 30,
        )  # fmt: skip
        unit.points.put(point)
        for who in ("alice", "bob", "bob"):
            event = AuditEvent(
                key=f"{who}{unit.audit.head()[0]}", action="command", actor=Actor(id=who, name=who, source="cli")
            )
            unit.audit.append(event)
    db.close()
    return tmp_path


def run(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(app, [*args, "-c", str(folder / "cloudy.toml")])


def test_vms_are_listed_with_how_they_stand(folder: Path) -> None:
    told = json.loads(run(folder, "vms", "--json").stdout)
    assert [(vm["vm"], vm["state"], vm["targets"]) for vm in told["vms"]] == [
        ("db", "late", ["s3"]),
        ("web[red]", "never", []),
    ]
    assert "web[red]" in run(folder, "vms", "WEB*").stdout
    late = run(folder, "vms", "--kind", "late", "--limit", "1")
    assert "db" in late.stdout
    assert "web" not in late.stdout


def test_points_are_listed(folder: Path) -> None:
    told = json.loads(run(folder, "points", "db", "--json").stdout)
    assert (told["total"], told["recovery_points"][0]["transaction"]) == (1, "t1")
    assert "t1" in run(folder, "points", "u1").stdout
    assert isinstance(run(folder, "points", "nothing").exception, NotFound)


def test_the_audit_is_listed_by_user_and_time(folder: Path) -> None:
    told = json.loads(run(folder, "audit", "list", "bob", "--since", "1h", "--json").stdout)
    assert [row["seq"] for row in told["audit"]] == [2, 3]
    assert json.loads(run(folder, "audit", "list", "--json", "--limit", "1").stdout)["audit"][0]["seq"] == 3
    assert isinstance(run(folder, "audit", "list", "--since", "soon").exception, UsageError)


def test_points_are_listed_with_what_was_found_of_them(folder: Path) -> None:
    from bot.model import Proof, ProofKind, Rto

    db = Database.open(folder / "cloudy.db", audit_key=None)
    now = SystemClock().now()
    with db.unit() as unit:
        unit.proofs.append(
            Proof(
                point="t1", target="s3", run="d1", kind=ProofKind.DRILL, at=now, is_good=True, vm_uuid="u1",
                rto=Rto(seconds=41.04, parts={"boot": 41.04}), sign="console",
            )
        )  # fmt: skip
        unit.proofs.append(
            Proof(point="t1", target="s3", run="v1", kind=ProofKind.READ_BACK, at=now, is_good=True)
        )  # fmt: skip
    db.close()
    (point,) = json.loads(run(folder, "recovery-points", "db", "--json").stdout)["recovery_points"]
    assert (point["verified"]["how"], point["verified"]["good"]) == ("read back", True)
    assert (point["proven"]["rto_s"], point["proven"]["sign"], point["damaged"]) == (41.0, "console", None)
    assert "RTO 41 s" in " ".join(run(folder, "points", "db").stdout.split())
    assert run(folder, "drill").exit_code == 1
    assert isinstance(run(folder, "drill", "vm01", "--next").exception, UsageError)


SLAS = """
[groups]
data = ["d*"]

[[sla]]
name = "gold"
vms = ["@data"]
rpo = "4h"

[[sla]]
name = "none"
vms = ["web*"]
exempt = true
"""


def test_each_vm_goes_by_its_sla(folder: Path) -> None:
    with (folder / "cloudy.toml").open("a") as file:
        file.write(SLAS)
    told = json.loads(run(folder, "vms", "--json").stdout)
    assert [(vm["vm"], vm["state"]) for vm in told["vms"]] == [("db", "protected"), ("web[red]", "exempt")]
    slas = json.loads(run(folder, "sla", "--json").stdout)["slas"]
    assert [(each["sla"], each["counts"]["protected"], each["counts"]["exempt"]) for each in slas] == [
        ("gold", 1, 0), ("none", 0, 1), ("default", 0, 0),
    ]  # fmt: skip
    shown = run(folder, "sla").stdout
    assert "RPO 4h, a drill every 30d" in shown
    assert "exempt: no protection is needed" in shown


def test_one_vm_is_told_with_its_sla_and_why(folder: Path) -> None:
    with (folder / "cloudy.toml").open("a") as file:
        file.write(SLAS)
    (vm,) = json.loads(run(folder, "sla", "DB", "--json").stdout)["vms"]
    assert (vm["sla"], vm["pattern"], vm["group"], vm["state"], vm["next"]) == ("gold", "d*", "data", "protected", [])
    assert vm["troubles"] == ["no schedule", "never proven"]
    shown = run(folder, "sla", "db").stdout
    assert 'SLA gold (by "d*" of the group @data): RPO 4h' in shown
    assert "needs a look: db: no schedule protects it (RPO 4h)" in shown
    web = run(folder, "sla", "web[red]").stdout
    assert "web[red] on vmstore: exempt" in web
    assert "needs a look" not in web
    assert isinstance(run(folder, "sla", "nothing").exception, NotFound)
