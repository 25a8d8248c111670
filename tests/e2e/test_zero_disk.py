"""A VM whose disk is empty, by the real program to a real server: the disk is there, and nothing of it travelled."""

import json
from pathlib import Path

import pytest

from tests.e2e.test_cli import World, world  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(world: World) -> Path:  # noqa: F811
    """An empty one of 64 MiB."""
    [flat] = (world.folder / "export/web01").glob("*-flat.vmdk")
    size = flat.stat().st_size
    flat.write_bytes(b"")
    with flat.open("r+b") as file:
        file.truncate(size)
    return flat


def test_a_vm_with_an_empty_disk_is_protected_twice(world: World, disk: Path) -> None:  # noqa: F811
    for _ in range(2):
        done = world.run("protect", "web01", "--to", "s3", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        [transaction] = json.loads(done.stdout)["transactions"]
        assert transaction["state"] == "succeeded"
        assert transaction["bytes"]["zero"] + transaction["bytes"]["copied"] >= disk.stat().st_size
        [key] = [file["key"] for file in world.json("show", "last")["files"] if file["key"].endswith(disk.name)]
        held = world.peer.client.get_object(Bucket=world.peer.bucket, Key=key)["Body"].read()
        assert held == bytes(disk.stat().st_size)
