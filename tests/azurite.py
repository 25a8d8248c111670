"""Azurite as a counterpart of the object store for Azure; without it the test is skipped, never in CI."""

import base64
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import AzureError
from azure.storage.blob import ContainerClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integrations.simulators.demo.azurite import StorageAccount, client_of, find, new_account
from tests.peers import _end, _free_ports

_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class AzurePeer:
    """A storage account, and a client of the tests' own to act behind Cloudy's back."""

    endpoint: str
    account: StorageAccount
    ca: str = ""  # with TLS: the certificate of its authority
    checks_crc: bool = True
    misses_uploads: bool = True

    def url(self, prefix: str) -> str:
        return f"azure://{self.account.name}/{self.account.container}/{prefix}"

    @property
    def options(self) -> dict[str, object]:
        """Settings of a target there."""
        return {**self.place, "account_key": self.account.key}

    @property
    def place(self) -> dict[str, object]:
        """The same without a way in."""
        return {"endpoint": self.endpoint, **({"ca": self.ca} if self.ca else {})}

    @property
    def client(self) -> ContainerClient:
        return client_of(self.account, self.endpoint, self.ca)

    def overwrite(self, key: str, body: bytes) -> Any:
        return self.client.upload_blob(key, body, overwrite=True)


def require() -> tuple[str, ...]:
    """How Azurite is started; without it the test is skipped, never in CI."""
    found = find()
    if not found.command:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say(found.why)
    return found.command


@contextmanager
def azurite(*, tls: bool = False) -> Iterator[AzurePeer]:
    """Azurite, which checks signatures, SAS tokens and CRC-64; it knows neither versions nor locks.

    tls: then it also takes tokens of identities, and looks at all in them but the signature.
    """
    command = require()
    with tempfile.TemporaryDirectory(prefix="cloudy-azurite-", ignore_cleanup_errors=True) as folder:
        peer, process = _started(command, Path(folder), tls=tls)
        try:
            yield peer
        finally:
            _end(process)


def _started(command: tuple[str, ...], folder: Path, *, tls: bool) -> tuple[AzurePeer, subprocess.Popen[bytes]]:
    """Start it and wait until it works; once more where somebody took the port meanwhile."""
    account = new_account("peer", "peer-box")
    ca, key = _papers(folder) if tls else ("", "")
    extra = [f"--cert={ca}", f"--key={key}", "--oauth=basic"] if tls else []
    for _ in range(_TRIES):
        (port,) = _free_ports(1)
        peer = AzurePeer(endpoint=f"http{'s' if tls else ''}://127.0.0.1:{port}", account=account, ca=ca)
        process = _start([*command, f"--blobPort={port}", *extra], folder, account)
        if _is_ready(peer, process, time.monotonic() + 120):
            return peer, process
        _end(process)
    tail = (folder / "log").read_bytes()[-2000:].decode(errors="replace")
    raise AssertionError(f"Azurite did not become ready:\n{tail}")


def _start(command: list[str], folder: Path, account: StorageAccount) -> subprocess.Popen[bytes]:
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [
                *command,
                "--blobHost=127.0.0.1",
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


def _papers(folder: Path) -> tuple[str, str]:
    """A certificate that signs itself, as Azurite wants it for reading its own blobs, and its key.

    It writes the certificate down anew in lines of 64 letters, with an empty line at the end where they come out even;
    then OpenSSL reads none, and Azurite never gets its own blobs (3.37.0, getLoopbackHttpsAgent). So they must not.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    made = _certificate(key)
    while len(base64.b64encode(made.public_bytes(serialization.Encoding.DER))) % 64 == 0:
        made = _certificate(key)
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(plain)
    return str(folder / "cert.pem"), str(folder / "key.pem")


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "azurite")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _is_ready(peer: AzurePeer, process: subprocess.Popen[bytes], deadline: float) -> bool:
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(AzureError):
            peer.client.create_container()
            return True
        time.sleep(0.1)
    return False
