"""The demo's place in Azure: Azurite behind a proxy that counts, where Azurite is installed."""

from pathlib import Path

from integrations.simulators.demo.azurite import AzuriteServer, StorageAccount, find, new_account
from integrations.simulators.demo.proxy import S3Proxy
from integrations.simulators.demo.wire import Counts, Wire


class AzurePlace:
    """A storage account on loopback; what passes is counted. Start it from the main thread."""

    def __init__(self, folder: Path, command: tuple[str, ...], counts: Counts) -> None:
        self.account: StorageAccount = new_account("demo", "cloudy-demo")
        self.server = AzuriteServer(folder, self.account, command)
        self.proxy = S3Proxy(("127.0.0.1", 0), counts=counts)

    @property
    def url(self) -> str:
        """The target's url."""
        return f"azure://{self.account.name}/{self.account.container}"

    def start(self) -> None:
        """Start both; `wait_ready` tells when they work."""
        self.server.start()
        self.proxy.start()

    def wait_ready(self, seconds: float) -> None:
        """Wait until the container is there. TimeoutError, OSError: it does not work."""
        self.server.wait_ready(seconds)
        self.proxy.upstream = ("127.0.0.1", self.server.port)

    def stop(self) -> None:
        """End both; repeating is safe."""
        self.server.stop()
        self.proxy.stop()


def open_place(folder: Path, wire: Wire) -> AzurePlace | None:
    """Give the place; None: Azurite is not installed, and nothing is said of Azure."""
    found = find()
    return AzurePlace(folder, found.command, wire.of("azure")) if found.command else None
