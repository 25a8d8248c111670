"""The demo's S3 server is a real one on loopback, and another where that cannot run."""

import contextlib
import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from integrations.simulators.demo import s3server, socketfiles
from integrations.simulators.demo.s3server import Account, S3Server

ACCOUNT = Account(access_key="key", secret_key="secret-of-key", bucket="cloudy-demo")


def client(server: S3Server, secret: str = ACCOUNT.secret_key) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server.port}",
        region_name=ACCOUNT.region,
        aws_access_key_id=ACCOUNT.access_key,
        aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}, proxies={}),
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    made = S3Server(tmp_path, ACCOUNT)
    made.start()
    yield made
    made.stop()


@pytest.mark.skipif(s3server.find_command("weed") is None, reason="SeaweedFS is not installed")
def test_seaweedfs_runs_with_an_empty_bucket_and_checks_keys(server: S3Server) -> None:
    server.wait_ready(60)
    assert server.name == "SeaweedFS"
    assert client(server).list_objects_v2(Bucket=ACCOUNT.bucket)["KeyCount"] == 0
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(server, "wrong").list_objects_v2(Bucket=ACCOUNT.bucket)


@pytest.mark.skipif(s3server.find_command("weed") is None, reason="SeaweedFS is not installed")
def test_seaweedfs_listens_on_loopback_only(server: S3Server) -> None:
    server.wait_ready(60)
    assert listening_addresses(server.pid) == {"0100007F"}, "127.0.0.1, as /proc writes it"


def listening_addresses(pid: int) -> set[str]:
    """Local addresses of a process's listening TCP sockets, as /proc/net/tcp and tcp6 have them."""
    links = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            links.append(str(link.readlink()))
    mine = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    tables = [Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and row[9] in mine}  # 0A: listening


def test_moto_takes_over_where_seaweedfs_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "weed"
    broken.write_text("#!/bin/sh\necho cannot run here; exit 126\n")
    broken.chmod(0o755)
    found = s3server.find_command
    monkeypatch.setattr(s3server, "find_command", lambda name: str(broken) if name == "weed" else found(name))
    made = S3Server(tmp_path, ACCOUNT)
    made.start()
    made.wait_ready(60)
    assert made.name.startswith("moto")
    assert client(made).list_objects_v2(Bucket=ACCOUNT.bucket)["KeyCount"] == 0
    made.stop()


def test_a_server_that_cannot_run_at_all_is_told_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such luck; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(s3server, "find_command", lambda _: str(broken))
    made = S3Server(tmp_path, ACCOUNT)
    made.start()
    with pytest.raises(OSError, match="no such luck"):
        made.wait_ready(60)


# --- socket files ---


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in /tmp's place, with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="cs-") as folder:
        monkeypatch.setattr(socketfiles, "_FOLDER", Path(folder))
        yield Path(folder)


def socket_file(path: Path, age_s: float) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(str(path))
    made.listen()
    os.utime(path, (time.time() - age_s,) * 2)
    return made


def test_only_the_files_of_its_own_ports_go_with_a_server_that_has_ended(sockets: Path) -> None:
    names = ("seaweedfs-s3-15001.sock", "seaweedfs-filer-grpc-15002.sock", "seaweedfs-s3-15003.sock", "x-15001.sock")
    for name in names:
        (sockets / name).touch()
    socketfiles.remove([15001, 15002, 15009])
    socketfiles.remove([15001])
    assert {path.name for path in sockets.iterdir()} == {"seaweedfs-s3-15003.sock", "x-15001.sock"}


def test_what_a_killed_server_left_goes_at_the_next_start_and_nothing_that_lives(sockets: Path) -> None:
    with socket_file(sockets / "seaweedfs-s3-15001.sock", 600):  # somebody listens
        for name, age_s in (
            ("seaweedfs-filer-15002.sock", 600),
            ("seaweedfs-s3-15003.sock", 5),
            ("else-15002.sock", 600),
        ):
            socket_file(sockets / name, age_s).close()
        (sockets / "seaweedfs-s3-15004.sock").touch()  # no socket
        os.utime(sockets / "seaweedfs-s3-15004.sock", (0, 0))
        socketfiles.remove_dead()
        assert {path.name for path in sockets.iterdir()} == {
            "seaweedfs-s3-15001.sock", "seaweedfs-s3-15003.sock", "seaweedfs-s3-15004.sock", "else-15002.sock"
        }  # fmt: skip


@pytest.mark.skipif(s3server.find_command("weed") is None, reason="SeaweedFS is not installed")
def test_a_server_that_is_stopped_or_killed_leaves_no_socket_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left(ports: list[int]) -> list[Path]:
        return [path for port in ports for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]

    killed, next_one = S3Server(tmp_path / "killed", ACCOUNT), S3Server(tmp_path / "next", ACCOUNT)
    killed.start()
    killed.wait_ready(60)
    ports = list(killed._ports)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed._child is not None
    killed._child.wait(60)
    assert left(ports)
    monkeypatch.setattr(socketfiles, "_QUIET_S", 0.0)
    next_one.start()
    assert left(ports) == []
    next_one.wait_ready(60)
    next_one.stop()
    assert left(next_one._ports) == []
