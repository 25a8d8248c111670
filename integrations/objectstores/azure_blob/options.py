"""What a target of scheme azure can be told in the configuration."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from bot.errors import ConfigError
from bot.model import LockMode, ObjectLock
from integrations.objectstores.body import Pace, at_once

TIERS = ("Hot", "Cool", "Cold")  # not Archive: a recovery point is read when it is proven, and copied from
COLDS, ARCHIVES = ("Cool", "Cold"), ("Archive",)  # of old recovery points
LOCKS = {"UNLOCKED": "Unlocked", "LOCKED": "Locked"}  # as Azure writes them
_MODES = {"UNLOCKED": LockMode.GOVERNANCE, "LOCKED": LockMode.COMPLIANCE}
_ACCOUNT = re.compile(r"[a-z0-9-]{1,63}")
_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}")
_KINDS: Mapping[str, tuple[type, str]] = {
    "pace": (object, "a function"),
    "legal_hold": (bool, "true or false"),
    "lock_for": (timedelta, "a duration"),
}
_LONGEST_LOCK = timedelta(days=146_000)  # 400 years. Source: "Time-based retention policies"


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureOptions:
    """Settings beside the url. Without key and SAS token the machine's identity is used."""

    endpoint: str = ""  # "https://account.blob.core.chinacloudapi.cn"; empty: Azure's public cloud
    account_key: str = field(default="", repr=False)
    account_key2: str = field(default="", repr=False)  # taken when the other one is refused
    sas_token: str = field(default="", repr=False)
    identity: str = ""  # client id of a user-assigned managed identity
    storage_class: str = ""  # the access tier
    cold_class: str = ""  # likewise, of old recovery points
    archive_class: str = ""
    lock: str = ""  # "UNLOCKED" | "LOCKED": of an immutability policy on each blob
    lock_for: timedelta | None = None
    legal_hold: bool = False
    ca: str = ""  # file with the certificates to trust
    proxy: str = ""
    pace: Pace = field(default=at_once, repr=False)  # of what is sent

    def locked(self, lock: ObjectLock) -> "AzureOptions":
        """The same, where blobs are also locked so: unlocked is what S3 calls GOVERNANCE, locked is COMPLIANCE."""
        own = ObjectLock(lasts=self.lock_for, mode=_MODES[self.lock]) if self.lock_for else None
        both = lock.joined(own)
        words = {mode: word for word, mode in _MODES.items()}
        return replace(self, lock=words[both.mode], lock_for=both.lasts)

    @property
    def keys(self) -> tuple[str, ...]:
        """The account's keys, in the order in which they are tried."""
        return tuple(filter(None, (self.account_key, self.account_key2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a target is; prefix without slashes at its ends."""

    account: str
    container: str
    prefix: str

    @property
    def url(self) -> str:
        """As a person writes it."""
        return "/".join(filter(None, (f"azure://{self.account}", self.container, self.prefix)))


def read_options(name: str, values: Mapping[str, object]) -> AzureOptions:
    """Check and type a target's settings. ConfigError lists all mistakes."""
    given = {key: value for key, value in values.items() if value is not None}
    problems = [f"targets.{name}{said}" for said in _untyped(given)]
    if not problems:
        options = AzureOptions(**given)  # type: ignore[arg-type] # as just found
        problems = [f"targets.{name}{said}" for look in (_keys, _ways, _choices) for said in look(options)]
    if problems:
        raise ConfigError(problems)
    return options


def read_url(name: str, url: str) -> Location:
    """Take "azure://account/container/prefix" apart. ConfigError: it is not of that form."""
    parts = urlsplit(url)
    container, _, prefix = parts.path.strip("/").partition("/")
    if (
        not _ACCOUNT.fullmatch(parts.netloc)
        or not _CONTAINER.fullmatch(container)
        or parts.scheme != "azure"
        or parts.query
        or parts.fragment
    ):
        raise ConfigError([f"targets.{name}.url must be of the form azure://account/container/prefix, without a key."])
    return Location(account=parts.netloc, container=container, prefix=prefix.strip("/"))


def account_url(location: Location, endpoint: str) -> str:
    """Where the account is reached. At an address without a name, as an emulator has it, the account is in the path."""
    if not endpoint:
        return f"https://{location.account}.blob.core.windows.net"
    plain = endpoint.rstrip("/")
    parts = urlsplit(plain)
    return f"{plain}/{location.account}" if not parts.path and _has_no_name(parts.hostname or "") else plain


def _has_no_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _untyped(given: Mapping[str, object]) -> Iterator[str]:
    known = {each.name for each in fields(AzureOptions)}
    for key, value in given.items():
        kind, said = _KINDS.get(key, (str, "a text"))
        if key not in known:
            yield f".{key} is not a setting of an azure target."
        elif not isinstance(value, kind):
            yield f".{key} must be {said}."


def _keys(options: AzureOptions) -> Iterator[str]:
    ways = [bool(options.keys), bool(options.sas_token), bool(options.identity)]
    if sum(ways) > 1:
        yield ": give one way in only: account_key (and account_key2), or sas_token, or identity."
    if options.account_key2 and not options.account_key:
        yield ".account_key2 is the second key: give account_key too."
    for key in ("account_key", "account_key2"):
        if not _is_base64(getattr(options, key)):
            yield f".{key} is not a key of a storage account: it must be base64, as the portal shows it."
    if options.sas_token and "sig=" not in options.sas_token:
        yield ".sas_token is not a SAS token: it holds no signature (sig=...)."


def _ways(options: AzureOptions) -> Iterator[str]:
    for key in ("endpoint", "proxy"):
        parts = urlsplit(getattr(options, key))
        if "@" in parts.netloc:
            yield f".{key} must not hold a login."
        elif getattr(options, key) and (parts.scheme not in ("http", "https") or not parts.netloc):
            yield f".{key} must be an address that begins with https:// or http://."
    if urlsplit(options.endpoint).query:
        yield ".endpoint must not hold a SAS token; use sas_token."
    if options.ca and not Path(options.ca).is_file():
        yield f".ca: there is no file {options.ca}."


def _choices(options: AzureOptions) -> Iterator[str]:
    if options.storage_class and options.storage_class not in TIERS:
        yield f".storage_class must be one of {', '.join(TIERS)}: what lies in an archive cannot be copied from."
    if options.cold_class and options.cold_class not in COLDS:
        yield f".cold_class must be one of {', '.join(COLDS)}."
    if options.archive_class and options.archive_class not in ARCHIVES:
        yield f".archive_class must be {', '.join(ARCHIVES)}."
    if options.lock and options.lock not in LOCKS:
        yield f".lock must be one of {', '.join(LOCKS)}."
    if bool(options.lock) != bool(options.lock_for):
        yield ": lock and lock_for belong together; give both, or none of them."
    if options.lock_for and not timedelta() < options.lock_for <= _LONGEST_LOCK:
        yield ".lock_for must be more than nothing and 400 years at most."


def _is_base64(key: str) -> bool:
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error:
        return False
    return True
