"""Certificates and credentials of cloudy.toml and when they end: a part of the composition root."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bot.config import HypervisorSettings, Settings, TargetSettings, VMstoreSettings
from bot.errors import CloudyError, OperatorError
from bot.model import Expiry
from integrations import certificates

_TIMEOUT_S = 10.0
_AT_ONCE = 8
# Source: azure-storage-blob and boto3 dial these where the configuration names no endpoint; the clouds renew those
# certificates themselves, so that only the ones that somebody here must renew are looked at.
_TLS_PORTS = {"https": 443, "qemu+tls": 16514}
Look = tuple[str, str, Callable[[], datetime]]


def look(settings: Settings) -> tuple[Expiry, ...]:
    """Each with its end, or why it is not known; servers are asked, some at a time. Never raises."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="expiry") as pool:
        return tuple(pool.map(_looked, _looks(settings)))


def _looked(each: Look) -> Expiry:
    name, what, end = each
    try:
        return Expiry(name=name, what=what, ends=end())
    except CloudyError as error:
        return Expiry(name=name, what=what, why=error.message)


def _looks(settings: Settings) -> Iterator[Look]:
    systems: dict[str, VMstoreSettings | HypervisorSettings | TargetSettings] = {
        **{f"vmstores.{name}": each for name, each in settings.vmstores.items()},
        **{f"hypervisors.{name}": each for name, each in settings.hypervisors.items()},
        **{f"targets.{name}": each for name, each in settings.targets.items()},
    }
    for place, system in systems.items():
        for key in ("ca", "certificate"):
            file: Path | None = getattr(system, key, None)
            if file is not None:
                yield f"{place}.{key}", f"the certificates of {file.name}", partial(certificates.end_of_file, file)
        url = system.endpoint or "" if isinstance(system, TargetSettings) else system.url
        yield from _of_server(place, url)
        if isinstance(system, TargetSettings) and system.sas_token is not None:
            token = system.sas_token.get_secret_value()
            yield f"{place}.sas_token", f"the SAS token of {place}", partial(end_of_sas, token, place)


def _of_server(place: str, url: str) -> Iterator[Look]:
    parts = urlsplit(url)
    port = parts.port or _TLS_PORTS.get(parts.scheme)
    if parts.scheme in _TLS_PORTS and parts.hostname and port:
        seen = partial(certificates.end_of_server, parts.hostname, port, timeout_s=_TIMEOUT_S)
        yield f"{place}.url", f"the certificate of {parts.hostname}:{port}", seen


def end_of_sas(token: str, place: str) -> datetime:
    """When a SAS token ends. OperatorError: it does not say; one of a stored access policy ends as that says.

    Source: Azure's "Create a service SAS": `se` is the expiry, ISO 8601 in UTC, with or without a time.
    """
    told = parse_qs(token.removeprefix("?")).get("se", [""])[0]
    try:
        ends = datetime.fromisoformat(told)
        return ends.astimezone(UTC) if ends.tzinfo else ends.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        why = f"The SAS token of {place} does not say when it ends: look at its access policy."
        raise OperatorError(why) from None
