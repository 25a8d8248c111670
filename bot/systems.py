"""The systems of cloudy.toml: a part of the composition root, the one that knows the adapters."""

import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from bot import crossings
from bot.clock import SystemClock
from bot.config import Settings, TargetSettings, VMstoreSettings
from bot.errors import ConfigError, NotFound
from bot.hours import next_of_all
from bot.lines import Line
from bot.model import Price
from bot.ports import ObjectStore, Share, VMstore
from bot.prices import Prices, list_price, settled
from bot.rate_settings import hours_of, timetable
from bot.slots import Slots
from bot.throttle import Throttle
from integrations import objectstores, shares, vmstores

_OURS = {
    "url",
    "threads",
    "parallel_parts",
    "copies",
    "bandwidth",
    "upload_window",
    "time_zone",
    "part_mib",
    "price_gib_month",
    "prices",
}  # of a target; the rest is the adapter's
_SLOWEST_PART = 128 << 10  # bytes a second; a store takes a part of which nothing comes for long for a broken one


class ConfiguredSystems:
    """The systems of cloudy.toml (port: bot.ports.Systems); adapters are opened when they are first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._targets: dict[str, ObjectStore] = {}
        self._lock = threading.Lock()

    @property
    def vmstore_names(self) -> tuple[str, ...]:
        """See the port."""
        return tuple(self._settings.vmstores)

    @property
    def target_names(self) -> tuple[str, ...]:
        """See the port."""
        return tuple(self._settings.targets)

    def open_vmstore(self, name: str) -> VMstore:
        """See the port."""
        found = self._vmstore(name)
        if found.kind not in vmstores.OPENERS:
            raise ConfigError([f"vmstores.{name}.kind is {found.kind!r}; there are: {', '.join(vmstores.OPENERS)}"])
        opened = vmstores.OPENERS[found.kind](
            name,
            url=found.url,
            user=found.user,
            password=found.password.get_secret_value() if found.password else "",
            ca=found.ca,
            export=found.export,
            timeout_s=found.timeout_s,
        )
        return crossings.watched("vmstore", opened)

    def share(self, vmstore: str) -> Share:
        """See the port."""
        found = self._vmstore(vmstore)
        return _open_share(vmstore, found.share, found)

    def cleanup_share(self, vmstore: str) -> Share | None:
        """See the port."""
        found = self._vmstore(vmstore)
        return _open_share(vmstore, found.cleanup_share, found) if found.cleanup_share else None

    def target(self, name: str) -> ObjectStore:
        """See the port."""
        if name not in self._settings.targets:
            raise NotFound(f"There is no target called {name} in the configuration.", self.target_names)
        with self._lock:
            if name not in self._targets:
                self._targets[name] = _open_store(name, self._settings.targets[name])
            return self._targets[name]

    def may_send(self, targets: Sequence[str], at: datetime) -> datetime | None:
        """See the port. A target that is not configured has no hours: whoever asks it is told."""
        chosen = [self._settings.targets[name] for name in targets if name in self._settings.targets]
        limited = [hours_of(each.upload_window, each.time_zone) for each in chosen if each.upload_window]
        return next_of_all(limited, at) if limited else at

    def _vmstore(self, name: str) -> VMstoreSettings:
        if name not in self._settings.vmstores:
            raise NotFound(f"There is no VMstore called {name} in the configuration.", self.vmstore_names)
        return self._settings.vmstores[name]


def _open_share(vmstore: str, url: str, settings: VMstoreSettings) -> Share:
    scheme = url.partition(":")[0]
    if scheme not in shares.OPENERS:
        ways = ", ".join(shares.OPENERS)
        raise ConfigError([f"vmstores.{vmstore}.share is {url!r}; Cloudy reaches files by: {ways}"])
    share = shares.OPENERS[scheme](
        url,
        export=settings.export,
        uid=settings.share_uid,
        gid=settings.share_gid,
        timeout_s=settings.share_timeout_s,
    )
    return crossings.watched("share", share)


def _open_store(name: str, settings: TargetSettings) -> ObjectStore:
    scheme = settings.url.partition(":")[0]
    if scheme not in objectstores.OPENERS:
        raise ConfigError([f"targets.{name}.url is {settings.url!r}; there are: {', '.join(objectstores.OPENERS)}"])
    options = settings.model_dump(exclude=_OURS, exclude_unset=True)
    plain = {key: _plain(value) for key, value in options.items() if value is not None}
    rates = timetable(settings.bandwidth, settings.time_zone)
    pace = {"pace": Throttle(rates.rate, SystemClock())} if rates.entries else {}
    store = objectstores.OPENERS[scheme](name, settings.url, plain | pace)
    return _line(settings, rates.least).to(crossings.watched("target", store))


def _line(settings: TargetSettings, least: int | None) -> Line:
    """It begins with a quarter of what it may have. least: bytes a second at the slowest hour."""
    most = settings.parallel_parts if least is None else min(settings.parallel_parts, max(1, least // _SLOWEST_PART))
    return Line(uploads=Slots(most, -(-most // 4)), copies=Slots(settings.copies, -(-settings.copies // 4)))


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value


def prices_of(settings: Settings) -> Prices:
    """What the configuration says; for a cloud without an endpoint of its own, else its list price."""
    found = {name: _price(target) for name, target in settings.targets.items()}
    return Prices({name: price for name, price in found.items() if price is not None})


def _price(target: TargetSettings) -> Price | None:
    scheme, said = target.url.partition(":")[0], target.prices
    listed = list_price(scheme, target.storage_class or "", has_endpoint=bool(target.endpoint))
    storage = target.price_gib_month if said.storage is None else said.storage
    return settled(listed, storage=storage, write=said.write, read=said.read, currency=said.currency)
