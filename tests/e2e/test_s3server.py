"""The demo's S3 server is a real one on loopback, and another where that cannot run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from integrations.simulators.demo import s3server
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
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
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
