"""Azurite as a counterpart of the object store for Azure; without it the test is skipped, never in CI."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import AzureError
from azure.storage.blob import ContainerClient

from integrations.simulators.demo.azurite import StorageAccount, client_of, find, new_account
from tests.peers import _end, _free_ports

_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class AzurePeer:
    """A storage account, and a client of the tests' own to act behind Cloudy's back."""

    endpoint: str
    account: StorageAccount
    checks_crc: bool = True
    misses_uploads: bool = True

    def url(self, prefix: str) -> str:
        return f"azure://{self.account.name}/{self.account.container}/{prefix}"

    @property
    def options(self) -> dict[str, object]:
        """Settings of a target there."""
        return {"endpoint": self.endpoint, "account_key": self.account.key}

    @property
    def client(self) -> ContainerClient:
        return client_of(self.account, self.endpoint)

    def overwrite(self, key: str, body: bytes) -> Any:
        return self.client.upload_blob(key, body, overwrite=True)


@contextmanager
def azurite() -> Iterator[AzurePeer]:
    """Azurite, which checks signatures, SAS tokens and CRC-64; it knows neither versions nor locks."""
    found = find()
    if not found.command:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say(found.why)
    with tempfile.TemporaryDirectory(prefix="cloudy-azurite-", ignore_cleanup_errors=True) as folder:
        peer, process = _started(found.command, Path(folder))
        try:
            yield peer
        finally:
            _end(process)


def _started(command: tuple[str, ...], folder: Path) -> tuple[AzurePeer, subprocess.Popen[bytes]]:
    """Start it and wait until it works; once more where somebody took the port meanwhile."""
    for _ in range(_TRIES):
        (port,) = _free_ports(1)
        peer = AzurePeer(endpoint=f"http://127.0.0.1:{port}", account=new_account("peer", "peer-box"))
        process = _start(command, folder, port, peer.account)
        if _is_ready(peer, process, time.monotonic() + 60):
            return peer, process
        _end(process)
    tail = (folder / "log").read_bytes()[-2000:].decode(errors="replace")
    raise AssertionError(f"Azurite did not become ready:\n{tail}")


def _start(command: tuple[str, ...], folder: Path, port: int, account: StorageAccount) -> subprocess.Popen[bytes]:
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [
                *command,
                "--blobHost=127.0.0.1",
                f"--blobPort={port}",
                f"--location={folder}",
                "--skipApiVersionCheck",
                "--disableProductStyleUrl",
                "--disableTelemetry",
                "--silent",
            ],
            env={
                "HOME": str(folder),
                "PATH": os.environ["PATH"],
                "AZURITE_ACCOUNTS": f"{account.name}:{account.key}:{account.key2}",
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _is_ready(peer: AzurePeer, process: subprocess.Popen[bytes], deadline: float) -> bool:
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(AzureError):
            peer.client.create_container()
            return True
        time.sleep(0.1)
    return False
