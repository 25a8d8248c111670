"""A protect that reaches the export without a mount: read-only by NFS or SMB, cleaned up by a writable way likewise."""

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests import fileservers
from tests.e2e.test_cli import World
from tests.fileservers import FileServer
from tests.peers import moto

pytestmark = pytest.mark.slow


EACH = pytest.mark.parametrize("server", ["nfs4", "nfs3", "smb"], indirect=True)
LIBRARIES = pytest.mark.parametrize("server", ["nfs4", "smb"], indirect=True)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[FileServer]:
    make: Callable[[Path], FileServer] = getattr(fileservers, request.param)
    with fileservers.running(make) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, server: FileServer) -> Iterator[World]:
    sample_vms.create(server.folder, ["web01"])
    simulator = VmstoreSimulator(server.folder, clone_seconds=0.5)
    with moto() as shared:
        peer = replace(shared, bucket=f"bucket-{uuid.uuid4().hex}")  # moto's buckets outlive its servers
        peer.client.create_bucket(Bucket=peer.bucket)
        (tmp_path / "cloudy.toml").write_text(
            f"""
            [vmstores.vmstore]
            url = "{simulator.start()}"
            user = "admin"
            ca = "{simulator.ca}"
            share = "{server.readonly}"
            cleanup_share = "{server.url}"
            [targets.s3]
            url = "s3://{peer.bucket}"
            endpoint = "{peer.endpoint}"
            region = "{peer.region}"
            """
        )
        (tmp_path / "secrets.env").write_text(
            "CLOUDY_VMSTORES__VMSTORE__PASSWORD=secret\n"
            f"CLOUDY_VMSTORES__VMSTORE__SHARE_PASSWORD={server.password}\n"
            f"CLOUDY_TARGETS__S3__ACCESS_KEY={peer.access_key}\nCLOUDY_TARGETS__S3__SECRET_KEY={peer.secret_key}\n"
        )
        yield World(tmp_path, simulator, peer)
        simulator.stop()


@EACH
def test_a_vm_is_protected_and_its_clone_removed_without_any_mount(world: World, server: FileServer) -> None:
    done = world.run("protect", "web01", "--to", "s3", "--json")
    assert done.returncode == 0, done.stderr
    [transaction] = json.loads(done.stdout)["transactions"]
    assert transaction["state"] == "succeeded"
    assert transaction["left_behind"] == []
    for file in world.json("show", "last")["files"]:
        body = world.peer.client.get_object(Bucket=world.peer.bucket, Key=file["key"])["Body"].read()
        assert body == (server.folder / "web01" / Path(file["key"]).name).read_bytes()
    assert [one.name for one in server.folder.iterdir()] == ["web01"]
    assert fileservers.PASSWORD not in f"{done.stdout}{done.stderr}"


@LIBRARIES
def test_the_doctor_reads_a_disk_and_writes_a_folder_through_both_ways(world: World, server: FileServer) -> None:
    told = world.run("doctor").stdout
    assert "writable, and the same export as `share`" in told
    assert "1 entries in /tintri" in told


@LIBRARIES
def test_a_share_whose_library_is_missing_is_told_before_anything_is_made(world: World, server: FileServer) -> None:
    scheme = server.scheme
    library = {"nfs": "nfs_rs", "smb": "smbprotocol"}[scheme]
    code = f"import sys; sys.modules[{library!r}] = None; from bot.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "protect", "web01", "--to", "s3"],
        cwd=world.folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert f"pip install 'cloudy[{scheme}]'" in done.stdout + done.stderr
    assert world.objects() == []
    assert [one.name for one in server.folder.iterdir()] == ["web01"]
