"""The systems of cloudy.toml: a part of the composition root, the one that knows the adapters."""

import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from bot import crossings
from bot.clock import SystemClock
from bot.config import HypervisorSettings, Settings, TargetSettings, VMstoreSettings
from bot.errors import ConfigError, NotFound
from bot.hours import next_of_all
from bot.lines import Line
from bot.ports import Hypervisor, ObjectStore, Share, VMstore
from bot.price_settings import prices_of as prices_of
from bot.rate_settings import hours_of, timetable
from bot.slots import Slots
from bot.throttle import Throttle
from integrations import hypervisors, objectstores, shares, vmstores

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
        self._shares: dict[tuple[str, str], Share] = {}  # by VMstore and URL
        self._hypervisors: dict[tuple[str, str], Hypervisor] = {}  # by name and VMstore; of no VMstore: ""
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
        return self._open_share(vmstore, "share", found.share)

    def cleanup_share(self, vmstore: str) -> Share | None:
        """See the port."""
        found = self._vmstore(vmstore)
        return self._open_share(vmstore, "cleanup_share", found.cleanup_share) if found.cleanup_share else None

    def restore_share(self, vmstore: str) -> Share | None:
        """See the port."""
        found = self._vmstore(vmstore)
        if not found.restore_share:
            return self.cleanup_share(vmstore)
        return self._open_share(vmstore, "restore_share", found.restore_share)

    def keep_snapshots(self, vmstore: str) -> int:
        """See the port."""
        return self._vmstore(vmstore).keep_snapshots

    def restore_address(self, vmstore: str) -> str:
        """See the port."""
        found = self._vmstore(vmstore)
        return found.restore_share or found.cleanup_share or ""

    def restore_setting(self, vmstore: str) -> str:
        """See the port."""
        found = self._vmstore(vmstore)
        return "cleanup_share" if found.cleanup_share and not found.restore_share else "restore_share"

    @property
    def hypervisor_names(self) -> tuple[str, ...]:
        """See the port."""
        return tuple(self._settings.hypervisors)

    def hypervisor(self, name: str) -> Hypervisor:
        """See the port."""
        return self._open_hypervisor(name, "", "")

    def hypervisor_of(self, vmstore: str) -> Hypervisor | None:
        """See the port."""
        found = self._vmstore(vmstore)
        return self._open_hypervisor(found.hypervisor, vmstore, found.datastore or "") if found.hypervisor else None

    def hypervisor_address(self, vmstore: str) -> str:
        """See the port."""
        found = self._vmstore(vmstore)
        known = self._settings.hypervisors.get(found.hypervisor) if found.hypervisor else None
        return f"{found.hypervisor} at {known.url}, which sees the export as {found.datastore}" if known else ""

    def _open_hypervisor(self, name: str, vmstore: str, datastore: str) -> Hypervisor:
        if name not in self._settings.hypervisors:
            raise NotFound(f"There is no hypervisor called {name} in the configuration.", self.hypervisor_names)
        with self._lock:
            if (name, vmstore) not in self._hypervisors:
                opened = _open_hypervisor(name, self._settings.hypervisors[name], datastore)
                self._hypervisors[name, vmstore] = opened
            return self._hypervisors[name, vmstore]

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

    def _open_share(self, vmstore: str, setting: str, url: str) -> Share:
        """The same each time: a share that dials a server keeps its one connection."""
        with self._lock:
            if (vmstore, url) not in self._shares:
                self._shares[vmstore, url] = _open_share(f"{vmstore}.{setting}", url, self._vmstore(vmstore))
            return self._shares[vmstore, url]

    def _vmstore(self, name: str) -> VMstoreSettings:
        if name not in self._settings.vmstores:
            raise NotFound(f"There is no VMstore called {name} in the configuration.", self.vmstore_names)
        return self._settings.vmstores[name]


def _open_share(setting: str, url: str, settings: VMstoreSettings) -> Share:
    scheme = url.partition(":")[0]
    if scheme not in shares.OPENERS:
        ways = ", ".join(shares.OPENERS)
        raise ConfigError([f"vmstores.{setting} begins with {scheme!r}; Cloudy reaches files by: {ways}"])
    share = shares.OPENERS[scheme](
        url,
        export=settings.export,
        uid=settings.share_uid,
        gid=settings.share_gid,
        timeout_s=settings.share_timeout_s,
        password=settings.share_password.get_secret_value() if settings.share_password else "",
    )
    return crossings.watched("share", share)


def _open_hypervisor(name: str, settings: HypervisorSettings, datastore: str) -> Hypervisor:
    if settings.kind not in hypervisors.OPENERS:
        kinds = ", ".join(hypervisors.OPENERS)
        raise ConfigError([f"hypervisors.{name}.kind is {settings.kind!r}; there are: {kinds}"])
    options = settings.model_dump(exclude={"kind", "url"})
    plain = {key: _plain(value) for key, value in options.items() if value is not None}
    return crossings.watched("hypervisor", hypervisors.OPENERS[settings.kind](name, settings.url, datastore, plain))


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
