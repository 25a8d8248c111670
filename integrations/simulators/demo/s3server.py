"""A real S3 server as a process of its own: SeaweedFS, or moto's where SeaweedFS cannot run."""

import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from integrations.simulators.demo import socketfiles
from integrations.simulators.demo.children import Child, environment
from integrations.simulators.demo.ports import free_ports

_VOLUMES = 100  # of _VOLUME_MB each, filled as needed: room for far more than 10 GiB
_VOLUME_MB = 1024
_TRIES = 3
_WEED_PARTS = ("s3", "master", "volume", "filer", "admin")
_WEED_PORTS = tuple(f"{part}.port{kind}" for part in _WEED_PARTS for kind in ("", ".grpc"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who may use which bucket."""

    access_key: str
    secret_key: str
    bucket: str
    region: str = "us-east-1"


class S3Server:
    """The server and its bucket; data and log lie in folder."""

    def __init__(self, folder: Path, account: Account) -> None:
        self._folder = folder
        self._account = account
        self._weed = find_command("weed")
        self._child: Child | None = None
        self._ports: list[int] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._ports[0]

    @property
    def name(self) -> str:
        """What runs, for people."""
        return "SeaweedFS" if self._weed else "moto (it checks no checksums, so Cloudy reads back)"

    @property
    def pid(self) -> int:
        """Process id of the one that runs now."""
        return self._started().pid

    def start(self) -> None:
        """Start the process; main thread only. `wait_ready` tells when it works."""
        for name in ("s3", "s3-tmp"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        socketfiles.remove(self._ports)  # of one that has ended as soon as it was started
        socketfiles.remove_dead()
        self._ports = free_ports(len(_WEED_PORTS) if self._weed else 1)
        extra = {
            "AWS_ACCESS_KEY_ID": self._account.access_key,
            "AWS_SECRET_ACCESS_KEY": self._account.secret_key,
            "TMPDIR": str(self._folder / "s3-tmp"),  # weed writes logs of its own there
        }
        command = self._weed_command() if self._weed else self._moto_command()
        self._child = Child(command, log=self._folder / "s3.log", env=environment(extra), cwd=self._folder)

    def wait_ready(self, seconds: float) -> None:
        """Wait until it takes an object into the bucket, which is made. Main thread only.

        One that has ended, because a port was taken meanwhile, is started again, with another `port`; a SeaweedFS that
        cannot run here gives way to moto. Raises TimeoutError or OSError with the end of the server's log.
        """
        for _ in range(_TRIES):
            if self._works(seconds):
                return
            self.start()
        if self._weed is None:
            raise OSError(f"{self.name} ended as soon as it was started:\n{self._started().tail()}")
        self._weed = None
        self.start()
        self.wait_ready(seconds)

    def _works(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        client, child = self._client(), self._started()
        while child.status is None:
            problem = _try_out(client, self._account.bucket)
            if not problem:
                return True
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not work after {seconds:g} s: {problem}\n{child.tail()}")
            time.sleep(0.05)
        return False

    def _started(self) -> Child:
        if self._child is None:
            raise RuntimeError("the S3 server was not started")
        return self._child

    def stop(self) -> None:
        """End the process; repeating is safe."""
        if self._child is None:
            return
        self._child.stop(5)
        socketfiles.remove(self._ports)

    def _client(self) -> Any:
        config = Config(
            s3={"addressing_style": "path"},
            retries={"max_attempts": 0},
            connect_timeout=2,
            read_timeout=10,
            proxies={},
        )
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=self._account.region,
            aws_access_key_id=self._account.access_key,
            aws_secret_access_key=self._account.secret_key,
            config=config,
        )

    def _weed_command(self) -> list[str]:
        """Give the quickest start of all its parts in one process, every port given and bound to loopback.

        Without the flags it listens on all addresses and reports statistics to its maker.
        Source: `weed mini -h` of 4.48.
        """
        return [
            str(self._weed),
            "mini",
            f"-dir={self._folder / 's3'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *(f"-{name}={port}" for name, port in zip(_WEED_PORTS, self._ports, strict=True)),
            "-admin.ui=false",
            "-webdav=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
            f"-volume.max={_VOLUMES}",
            f"-master.volumeSizeLimitMB={_VOLUME_MB}",
        ]

    def _moto_command(self) -> list[str]:
        return [find_command("moto_server") or "moto_server", "-H", "127.0.0.1", "-p", str(self.port)]


def find_command(name: str) -> str | None:
    """Find a console script beside this interpreter, else on the PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def _try_out(client: Any, bucket: str) -> str:
    """Use it as Cloudy would; why that does not work, or nothing."""
    try:
        if bucket not in [entry["Name"] for entry in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key=".ready", Body=b"ready")
        client.delete_object(Bucket=bucket, Key=".ready")
    except (BotoCoreError, ClientError) as error:
        return str(error)
    return ""
