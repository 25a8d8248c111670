"""A folder on an export: whether it is what a restore put there, and whether a VM lives in it."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Protocol

from bot.errors import PermanentError
from bot.model import Resource, Vm
from bot.ports import Share

_DESCRIPTOR = 64 << 10  # bytes: what of .vmdk is no larger may be a mere descriptor
_HOSTS = (".vmx", ".vmxf", ".vmsd", ".vmtx", ".nvram", ".log", ".vswp", ".hlog", ".xml")  # a hypervisor rewrites them


class Lister(Protocol):
    """What tells of living VMs; a session of a VMstore does."""

    def list_vms(self) -> Iterable[Vm]:
        """All of them."""


def content_of(files: Iterable[tuple[str, int]]) -> dict[str, str]:
    """Names and sizes of a folder's files, relative to it, as two digests: of all, and without what a host rewrites."""
    known = sorted(files)
    firm = [(name, size) for name, size in known if not _is_hosts(name, size)]
    return {"content": _digest(known), "firm": _digest(firm)}


def check_ours(share: Share, folder: str, resource: Resource, operation: str) -> None:
    """PermanentError: its files are not those that the ledger's entry of a restore tells of. It only looks.

    Where a hypervisor was asked to register it, what such a one writes there is not judged.
    """
    kind = "firm" if resource.detail.get("is_registered") else "content"
    inside = f"{folder}/"
    found = content_of((entry.path.removeprefix(inside), entry.size) for entry in share.walk(folder))
    if found[kind] != resource.detail.get(kind):
        raise PermanentError(
            f"the files in {folder} are not, or not only, those that were restored: they may be somebody else's."
            " Cloudy leaves them as they are.",
            system=resource.system,
            operation=operation,
        )


def check_place(made: object, now: str, setting: str, resource: Resource) -> None:
    """PermanentError: by the configuration it is elsewhere by now than when it was made. None: nobody noted it."""
    if made not in (None, now):
        raise PermanentError(
            f"it was made in {made}, and {setting} of {resource.system} is {now or 'not set'} by now. Put that back"
            " until it is removed.",
            system=resource.system,
            operation="check",
        )


def check_unused(session: Lister, system: str, folder: str, operation: str, *, gone: str = "") -> None:
    """PermanentError: a living VM has its files in it.

    gone: the name of one that was unregistered just now; a VMstore may go on listing it for a while.
    """
    if any(_home(vm) == folder and vm.name != gone for vm in session.list_vms()):
        raise PermanentError(
            f"a living VM has its files in {folder} by now, though Cloudy has not registered it: unregister it first.",
            system=system,
            operation=operation,
        )


def used(session: Lister) -> Iterator[str]:
    """The folders of living VMs, relative to the export."""
    return map(_home, session.list_vms())


def _home(vm: Vm) -> str:
    return vm.subdir.strip("/").partition("/")[0]


def _is_hosts(name: str, size: int) -> bool:
    lower = name.casefold().rpartition("/")[2]
    return lower.endswith(_HOSTS) or ".lck" in lower or (lower.endswith(".vmdk") and size <= _DESCRIPTOR)


def _digest(files: list[tuple[str, int]]) -> str:
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()
