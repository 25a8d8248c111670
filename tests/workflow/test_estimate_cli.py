"""`cloudy estimate`: from the list of VMs and the runs before, without asking anybody."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.clock import SystemClock
from bot.errors import AmbiguousName, NotFound
from bot.model import Vm
from bot.store import Database

GIB = 1 << 30
VMS = [
    Vm(uuid="1", name="web01", vmstore="vmstore", used_bytes=40 * GIB, provisioned_bytes=100 * GIB),
    Vm(uuid="2", name="twin", vmstore="vmstore", used_bytes=GIB, provisioned_bytes=GIB),
    Vm(uuid="3", name="twin", vmstore="vmstore", used_bytes=GIB, provisioned_bytes=GIB),
]
CONFIG = """
[vmstores.vmstore]
url = "https://vmstore.example.com"
user = "cloudy"
share = "path:/mnt/tintri"
cleanup = "manual"

[targets.s3]
url = "s3://bucket/prefix"

[targets.own]
url = "s3://bucket"
endpoint = "https://s3.example.com"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cloudy.toml").write_text(CONFIG)
    Database.migrate(tmp_path / "cloudy.db")
    db = Database.open(tmp_path / "cloudy.db", audit_key=None, clock=SystemClock())
    with db.unit() as unit:
        unit.inventory.refresh("vmstore", VMS)
    db.close()
    return tmp_path


def run(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(app, ["estimate", *args, "-c", str(folder / "cloudy.toml")])


def test_it_tells_bytes_time_and_price_before_anything_is_begun(folder: Path) -> None:
    told = run(folder, "web01", "--to", "s3")
    assert told.exit_code == 0
    assert "about 40 GiB sent" in told.stdout
    assert "first run: allocated bytes of the disks" in told.stdout
    assert "Time: unknown" in told.stdout
    assert "about 2.30 USD more a month" in told.stdout
    assert "list price" in told.stdout


def test_json_has_each_number_and_what_is_unknown_as_null(folder: Path) -> None:
    told = json.loads(run(folder, "vmstore/web01", "--to", "s3", "--to", "own", "--json").stdout)
    assert told["targets"] == ["s3", "own"]
    assert told["sent"]["likely"] == 80 * GIB
    assert told["seconds"] is None
    assert told["unpriced"] == ["own"]
    assert told["month"]["USD"]["likely"] == pytest.approx(2.3)


def test_a_vm_or_target_that_is_not_known_is_told_with_what_there_is(folder: Path) -> None:
    for args, error, words in (
        (("web1", "--to", "s3"), NotFound, "Did you mean web01"),
        (("qqq", "--to", "s3"), NotFound, "keeps that list"),
        (("web01", "--to", "s4"), NotFound, "The targets are: s3, own"),
        (("twin", "--to", "s3"), AmbiguousName, "uuid"),
    ):
        found = run(folder, *args).exception
        assert isinstance(found, error)
        assert words in found.message
    assert run(folder, "3", "--to", "s3").exit_code == 0
