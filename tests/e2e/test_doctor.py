"""`cloudy doctor` and `cloudy orphans` over real sockets: fine things, and each broken one with its cure."""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.config import load
from bot.main import _worker
from bot.model import Actor, AuditEvent, Resource, ResourceKind, State
from bot.store import Database
from integrations.simulators.vmstore import VmstoreSimulator
from integrations.simulators.vmstore.sample_vms import create_vm
from integrations.vmstores import OPENERS
from tests.peers import S3Peer, moto
from tests.workflow.stored import asked

pytestmark = pytest.mark.slow

Json = dict[str, Any]
ID = "20261123T142233Z-7f3k9q"


class World:
    """A VMstore, a bucket, a folder with cloudy.toml; commands run in this process."""

    def __init__(self, folder: Path, simulator: VmstoreSimulator, peer: S3Peer, url: str) -> None:
        self.folder, self.simulator, self.peer = folder, simulator, peer
        self.config = folder / "cloudy.toml"
        self.config.write_text(
            f"""
            [vmstores.vmstore]
            url = "{url}"
            user = "admin"
            ca = "{simulator.ca}"
            share = "path:export"
            cleanup_share = "path:export"
            [targets.s3]
            url = "{peer.url("cloudy")}"
            endpoint = "{peer.endpoint}"
            region = "{peer.region}"
            """
        )
        self.secrets = folder / "secrets.env"
        self.secrets.write_text(
            "CLOUDY_VMSTORES__VMSTORE__PASSWORD=secret\n"
            f"CLOUDY_TARGETS__S3__ACCESS_KEY={peer.access_key}\nCLOUDY_TARGETS__S3__SECRET_KEY={peer.secret_key}\n"
        )
        self.secrets.chmod(0o600)

    def change(self, before: str, after: str) -> None:
        for path in (self.config, self.secrets):
            path.write_text(path.read_text().replace(before, after))

    def run(self, *words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [*words, "--config", str(self.config)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout

    def doctor(self) -> tuple[int, dict[str, Json]]:
        status, text = self.run("doctor", "--json")
        checks = {f"{one['about']}: {one['title']}": one for one in json.loads(text)["checks"]}
        return status, checks

    def database(self) -> Database:
        path = self.folder / "cloudy.db"
        Database.migrate(path)
        (self.folder / "audit.key").write_text("6b" * 32 + "\n")
        (self.folder / "audit.key").chmod(0o600)
        return Database.open(path, audit_key=b"k" * 32)

    def keys(self) -> list[str]:
        client = self.peer.client
        found = [each["Key"] for each in client.list_objects_v2(Bucket=self.peer.bucket).get("Contents", [])]
        return found + [
            each["Key"] for each in client.list_multipart_uploads(Bucket=self.peer.bucket).get("Uploads", [])
        ]


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """The commands send the logs of this process to a stream that ends with them."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    create_vm(tmp_path / "export", "vm01", 1 << 20, 1 << 16)
    simulator = VmstoreSimulator(tmp_path / "export", clone_seconds=0.1)
    url = simulator.start()
    with moto() as shared:
        peer = replace(shared, bucket=f"bucket-{tmp_path.name.replace('_', '-')[:40].strip('-')}")
        peer.client.create_bucket(Bucket=peer.bucket)
        yield World(tmp_path, simulator, peer, url)
    simulator.stop()


def test_a_house_in_order_is_told_so_and_nothing_stays_of_what_was_tried(world: World) -> None:
    with world.database().unit() as unit:
        unit.settings.put("installation", "aaaa0000")
    before = sorted(path.name for path in (world.folder / "export").iterdir())
    status, checks = world.doctor()
    assert [name for name, one in checks.items() if one["health"] == "bad"] == []
    assert status == 0
    assert checks["Slack: tokens"]["words"].startswith("not configured")
    assert checks["share of vmstore: a VM's disk"]["words"] == "a byte of vm01/vm01-flat.vmdk was read"
    assert checks["share of vmstore: clean-up"]["health"] == "good"
    assert checks["target s3: clock"]["health"] == "good"
    assert checks["database: integrity"]["health"] == "good"
    assert world.keys() == []
    assert sorted(path.name for path in (world.folder / "export").iterdir()) == before


def test_a_house_that_never_ran_is_no_fault(world: World) -> None:
    status, checks = world.doctor()
    assert status == 0
    assert checks["database: version"]["health"] == "unjudged"
    assert not (world.folder / "cloudy.db").exists()


@pytest.mark.parametrize(
    ("before", "after", "check", "words"),
    [
        ("PASSWORD=secret", "PASSWORD=wrong", "VMstore vmstore: login", "refused the login"),
        ('ca = "', '# ca = "', "VMstore vmstore: API", "certificate"),
        ('share = "path:export"', 'share = "path:nowhere"', "share of vmstore: mounted", "not mounted"),
        ('cleanup_share = "path:export"', 'cleanup_share = "path:."', "share of vmstore: clean-up", "two different"),
        ('url = "s3://bucket', 'url = "s3://another', "target s3: objects", "NoSuchBucket"),
        ("PASSWORD=secret", "", "configuration: secrets", "CLOUDY_VMSTORES__VMSTORE__PASSWORD"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named_with_a_cure(world: World, before: str, after: str, check: str, words: str) -> None:
    world.change(before, after)
    status, checks = world.doctor()
    assert status == 1
    assert checks[check]["health"] == "bad", checks
    assert words in checks[check]["words"]
    assert checks[check]["cure"]


def test_the_page_for_people_shows_the_cure_under_what_is_bad_and_no_secret(world: World) -> None:
    world.change("PASSWORD=secret", "PASSWORD=hunter22")
    status, page = world.run("doctor")
    assert status == 1
    lines = page.splitlines()
    [at] = [number for number, line in enumerate(lines) if line.startswith("✗")]
    assert "login" in lines[at]
    assert "→ Correct `vmstores.vmstore.user`" in lines[at + 1]
    assert lines[-1].endswith("not judged")
    assert len(lines) < 50
    assert "hunter22" not in page


def test_mistakes_of_the_configuration_are_told_by_the_doctor_too(world: World) -> None:
    world.change("user =", "usr =")
    status, page = world.run("doctor")
    assert status == 1
    assert "usr" in page


def test_a_lost_audit_key_and_open_secrets_are_bad(world: World) -> None:
    world.database()
    with world.database().unit() as unit:
        unit.audit.append(_event())
    (world.folder / "audit.key").unlink()
    world.secrets.chmod(0o644)
    status, checks = world.doctor()
    assert status == 1
    assert "nothing can be judged" in checks["database: audit"]["words"]
    assert checks["configuration: their files"]["cure"].startswith("chmod 600")


def test_a_corrupt_database_is_bad_and_nothing_else_suffers(world: World) -> None:
    world.database().close()
    path = world.folder / "cloudy.db"
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 6] = b"\xff" * 4096 * 4
    path.write_bytes(content)
    status, checks = world.doctor()
    assert status == 1
    assert "bad" in {one["health"] for name, one in checks.items() if name.startswith("database")}
    assert checks["VMstore vmstore: login"]["health"] == "good"


def _event() -> AuditEvent:
    return AuditEvent(key="k", action="command", actor=Actor(id="a", name="a", source="cli"))


# --- cloudy orphans ---


def left_by(world: World, installation: str) -> None:
    """A snapshot, a clone directory and an object that a run left."""
    world.peer.client.put_object(
        Bucket=world.peer.bucket,
        Key=f"cloudy/{ID}/tintri/a",
        Body=b"a",
        Metadata={"cloudy-installation": installation},
    )
    (world.folder / "export" / ID / "vm01").mkdir(parents=True)
    (world.folder / "export" / ID / "vm01" / "vm01.nvram").write_bytes(b"half")
    session = _session(world)
    [vm] = session.list_vms()
    session.create_snapshot(vm.uuid, ID, consistency="crash", note=f"Cloudy {installation}", retention_minutes=60)
    session.logout()


def _session(world: World) -> Any:
    url = world.simulator.url
    session = OPENERS["tintri"]("vmstore", url=url, user="admin", password="secret", ca=world.simulator.ca)
    session.login()
    return session


def installed(world: World) -> Database:
    db = world.database()
    with db.unit() as unit:
        unit.settings.put("installation", "aaaa0000")
    return db


def orphans(world: World, *words: str) -> tuple[int, Json]:
    status, text = world.run("orphans", "--json", *words)
    return status, json.loads(text)


def test_orphans_of_ours_are_listed_first_and_removed_on_request(world: World) -> None:
    db = installed(world)
    left_by(world, "aaaa0000")
    status, listed = orphans(world, "--older-than", "0s")
    assert status == 0
    assert {(one["kind"], one["fate"]) for one in listed["orphans"]} == {
        ("snapshot", "ours"), ("clone", "ours"), ("objects without a manifest", "ours"),
    }  # fmt: skip
    assert all(one["installation"] == "aaaa0000" and one["age_s"] >= 0 for one in listed["orphans"])
    status, done = orphans(world, "--remove", "--older-than", "0s")
    assert (status, done["orphans"], done["not_removed"], len(done["removed"])) == (0, [], [], 3)
    assert world.keys() == []
    assert not (world.folder / "export" / ID).exists()
    assert _session(world).find_snapshots(ID) == ()
    with db.read() as unit:
        rows = [row for row in unit.audit.list(transaction_id=ID) if row.body["event"] == "removed"]
        assert len(rows) == 3
        assert unit.audit.verify().broken_at is None


def test_what_was_left_less_than_a_day_ago_stays(world: World) -> None:
    installed(world)
    left_by(world, "aaaa0000")
    status, done = orphans(world, "--remove")
    assert status == 0
    assert {one["fate"] for one in done["orphans"]} == {"too young"}
    assert len(_session(world).find_snapshots(ID)) == 1


def test_what_is_another_installations_stays_whatever_is_asked(world: World) -> None:
    installed(world)
    left_by(world, "bbbb1111")
    status, done = orphans(world, "--remove", "--older-than", "0s")
    assert status == 0
    assert {one["fate"] for one in done["orphans"]} == {"another installation's"}
    assert world.keys() == [f"cloudy/{ID}/tintri/a"]
    status, done = orphans(world, "--remove", "--older-than", "0s", "--installation", "bbbb1111")
    assert len(done["removed"]) == 3


def test_the_ledgers_open_rows_are_listed_and_removed_with_the_rest(world: World) -> None:
    db = installed(world)
    left_by(world, "aaaa0000")
    with db.unit() as unit:
        unit.transactions.insert(replace(asked(ID), state=State.FAILED))
        for kind, system in ((ResourceKind.CLONE, "vmstore"), (ResourceKind.SNAPSHOT, "vmstore")):
            unit.ledger.register(Resource(transaction_id=ID, kind=kind, system=system, name=ID))
    _, listed = orphans(world)
    assert [one["kind"] for one in listed["ledger"]] == ["clone", "snapshot"]
    assert [one["kind"] for one in listed["orphans"]] == ["objects without a manifest"]
    status, done = orphans(world, "--remove")
    assert (status, done["ledger"]) == (0, [])
    assert not (world.folder / "export" / ID).exists()


def test_the_page_for_people_tells_what_becomes_of_each(world: World) -> None:
    installed(world)
    (world.folder / "export" / ID).mkdir()
    status, page = world.run("orphans")
    assert status == 0
    assert f"rm -r '/tintri/{ID}'" in page


def test_a_system_that_is_away_is_named_with_status_1(world: World) -> None:
    installed(world)
    world.simulator.stop()
    status, done = orphans(world)
    assert status == 1
    assert [one["system"] for one in done["not_seen"]] == ["vmstore"]


def test_who_waits_for_a_system_or_a_full_disk_sees_what_is_waited_for(world: World) -> None:
    installed(world)
    world.simulator.stop()
    done = CliRunner().invoke(app, ["orphans", "--config", str(world.config)])
    assert "trying again" in done.stderr
    assert "trying again" not in done.stdout


def test_the_worker_clears_the_ledger_at_its_start(world: World) -> None:
    db = installed(world)
    left_by(world, "aaaa0000")
    with db.unit() as unit:
        unit.transactions.insert(replace(asked(ID), state=State.FAILED))
        unit.ledger.register(Resource(transaction_id=ID, kind=ResourceKind.SNAPSHOT, system="vmstore", name=ID))
    worker = _worker(load(world.config), db)
    worker.start()
    try:
        _until_cleared(db)
    finally:
        worker.close()
    assert _session(world).find_snapshots(ID) == ()


def _until_cleared(db: Database) -> None:
    deadline = time.monotonic() + 60
    while True:
        with db.read() as unit:
            if not unit.ledger.open():
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)
