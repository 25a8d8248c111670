"""Ways into a storage account: one or two keys, a SAS token, or an identity; and the right to copy within it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential, TokenCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import (
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    UserDelegationKey,
    generate_container_sas,
)

from bot.errors import ConfigError
from integrations.objectstores.azure_blob.options import AzureOptions, Location, account_url

_CONNECT_S = 5
_READ_S = 30
_CONNECTIONS = 64
_SAS_FOR = timedelta(hours=8)
_SAS_LEFT = timedelta(hours=1)  # a copy that has begun ends with the SAS that it began with
_SKEW = timedelta(minutes=15)  # clocks may differ so much. Source: "Best practices when using SAS"
Credential = AzureNamedKeyCredential | AzureSasCredential | TokenCredential


class Access:
    """The clients of one container, one for each way in; the one that works is used by all threads."""

    def __init__(self, target: str, location: Location, options: AzureOptions) -> None:
        self.endpoint = account_url(location, options.endpoint)
        self._location = location
        self._sas_given = options.sas_token.lstrip("?")
        self._keys = options.keys
        self._identified: BlobServiceClient | None = None
        self._clients = [self._client(each, options) for each in self._credentials(target, options)]
        self._current = 0
        self._refused: set[int] = set()
        self._sas = ""
        self._sas_until = datetime.min.replace(tzinfo=UTC)
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"Access({self._location.url!r})"

    @property
    def client(self) -> ContainerClient:
        """The client that is to be used now."""
        return self._clients[self._current]

    def worked(self) -> None:
        """Forget what was refused: the way in that is used now was let in."""
        if self._refused:
            with self._lock:
                self._refused.clear()

    def go_on(self, refused: ContainerClient) -> bool:
        """Take the other key from now on; False: there is none that was not refused, too."""
        with self._lock:
            if self.client is not refused:  # another thread was faster
                return True
            self._refused.add(self._current)
            left = [number for number in range(len(self._clients)) if number not in self._refused]
            if not left:
                self._refused.clear()
                return False
            self._current, self._sas = left[0], ""
            return True

    def sas(self) -> str:
        """A token by which the service may read the container's blobs, to copy from them; made here, kept for hours."""
        if self._sas_given:
            return self._sas_given
        with self._lock:
            now = datetime.now(UTC)
            if not self._sas or self._sas_until - now < _SAS_LEFT:
                self._sas_until = now + _SAS_FOR
                self._sas = self._sign(now - _SKEW, self._sas_until)
            return self._sas

    def _sign(self, begin: datetime, end: datetime) -> str:
        delegated: UserDelegationKey | None = None
        if self._identified is not None:
            delegated = self._identified.get_user_delegation_key(begin, end)
        return generate_container_sas(
            self._location.account,
            self._location.container,
            account_key=None if delegated else self._keys[self._current],
            user_delegation_key=delegated,
            permission=ContainerSasPermissions(read=True),
            start=begin,
            expiry=end,
        )

    def _credentials(self, target: str, options: AzureOptions) -> Iterator[Credential]:
        if self._sas_given:
            yield AzureSasCredential(self._sas_given)
        for key in self._keys:
            yield AzureNamedKeyCredential(self._location.account, key)
        if not self._sas_given and not self._keys:
            credential = _identity(target, options)
            self._identified = BlobServiceClient(self.endpoint, credential, **_settings(options))
            yield credential

    def _client(self, credential: Credential, options: AzureOptions) -> ContainerClient:
        return ContainerClient(self.endpoint, self._location.container, credential=credential, **_settings(options))


def _settings(options: AzureOptions) -> dict[str, Any]:
    """What a client is made with: the SDK's own retries and redirects are off."""
    settings: dict[str, Any] = {
        "transport": _transport(options),
        "retry_total": 0,
        "retry_connect": 0,
        "retry_read": 0,
        "retry_status": 0,
        "permit_redirects": False,
        "max_single_get_size": 1 << 30,  # one request for each read
        "max_single_put_size": 1 << 30,
    }
    if options.proxy:
        settings["proxies"] = {"http": options.proxy, "https": options.proxy}
    return settings


def _transport(options: AzureOptions) -> RequestsTransport:
    transport = RequestsTransport(
        connection_timeout=_CONNECT_S, read_timeout=_READ_S, connection_verify=options.ca or True
    )
    transport.open()
    for adapter in transport.session.adapters.values() if transport.session else ():
        adapter.init_poolmanager(_CONNECTIONS, _CONNECTIONS)
    return transport


def _identity(target: str, options: AzureOptions) -> TokenCredential:
    """The machine's identity; its library is an extra, since most use keys."""
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError:
        raise ConfigError(
            [
                f"targets.{target}: neither account_key nor sas_token is set, so this machine's identity would be used;"
                " that needs pip install 'cloudy[azure]'."
            ]
        ) from None
    make: Callable[..., TokenCredential] = DefaultAzureCredential
    return make(managed_identity_client_id=options.identity or None, connection_verify=options.ca or True)
