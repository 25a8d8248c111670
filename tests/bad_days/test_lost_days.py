"""docs/when-the-database-is-lost.md, done."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_days.conftest import BadDay
from tests.bad_days.processes import Processes
from tests.e2e.waiting import until
from tests.peers import S3Peer

pytestmark = pytest.mark.slow


@pytest.fixture
def house(tmp_path: Path, bucket_server: S3Peer) -> Iterator[Processes]:
    made = Processes(tmp_path, bucket_server)
    yield made
    made.close()


def test_both_databases_are_lost_in_the_middle_of_a_run(house: Processes, bad_day: BadDay) -> None:
    assert house.run("protect", "web01", "--to", "s3").returncode == 0
    [kept] = house.points()
    house.simulator.options.clone_seconds = 5.0
    house.serve()
    house.command("/protect vm02 to s3")
    until(lambda: len(house.asked("POST", "/vm")) == 2, "a second clone is asked for", 60)
    house.end(signal.SIGKILL)
    for file in [*house.data.glob("cloudy.db*"), *house.data.glob("engine.db*")]:
        file.unlink()

    asked = house.run("runs")
    assert (asked.returncode, "Traceback" in asked.stderr) == (1, False)
    as_any_tool_sees_it(house, kept)

    house.simulator.options.clone_seconds = 0.2
    house.serve()
    house.command("/protect vm02 to s3")
    house.thread_says("vm02 is protected")
    assert [run["state"] for run in house.until_ended()] == ["succeeded"]
    assert kept in house.points()
    assert len(house.points()) == 2
    assert house.run("audit", "verify").returncode == 0
    left = house.left()  # of the run that nobody knows any more: it is not taken for ours
    assert {thing.split()[0] for thing in left} == {"file", "snapshot"}
    house.end()
    with_the_old_installations_id_it_is_removed(house)
    assert (len(house.points()), house.left()) == (2, [])
    bad_day.row(
        area="Own house",
        day="both databases lost in the middle of a run",
        message=asked.stderr,
        left="of the run under way: its snapshot and its clone",
        cure="docs/when-the-database-is-lost.md: the bucket tells the recovery points, `cloudy orphans` the rest",
    )


def with_the_old_installations_id_it_is_removed(house: Processes) -> None:
    """`cloudy orphans` says whose each thing is; whoever says that this one is no more may remove what it left."""
    listed = json.loads(house.run("orphans", "--json").stdout)["orphans"]
    assert {thing["kind"] for thing in listed} == {"snapshot", "clone"}
    assert {thing["fate"] for thing in listed} == {"another installation's"}
    [lost] = {thing["installation"] for thing in listed}
    done = house.run("orphans", "--remove", "--older-than", "0s", "--installation", lost)
    assert done.returncode == 0, done.stdout + done.stderr


def as_any_tool_sees_it(house: Processes, transaction_id: str) -> None:
    """The manifest names every file of the VM, and each object is that file byte for byte."""
    client, bucket = house.peer.client, house.peer.bucket
    body = client.get_object(Bucket=bucket, Key=f"{transaction_id}/manifest.json")["Body"].read()
    manifest = json.loads(body)
    assert "web01" in body.decode()
    keys = [file["key"] for file in manifest["files"]]
    assert {Path(key).name for key in keys} >= {"web01.vmx", "web01.vmdk", "web01-flat.vmdk"}
    for key in keys:
        stored = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert stored == (house.export / "web01" / Path(key).name).read_bytes()
