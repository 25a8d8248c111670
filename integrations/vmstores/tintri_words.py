"""What the VMstore's JSON says, in our nouns: pure, and liberal where the documentation leaves a question."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.errors import PermanentError
from bot.model import Disk, Json, Snapshot, Task, TaskState, Vm
from integrations.http import Answer

CONSISTENCIES: Mapping[str, str] = {"crash": "CRASH_CONSISTENT", "vm": "VM_CONSISTENT"}
_OURS = {theirs: ours for ours, theirs in CONSISTENCIES.items()}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GIB = 1 << 30
_STATES: Mapping[str, TaskState] = {
    "QUEUED": TaskState.QUEUED,
    "RUNNING": TaskState.RUNNING,
    "CANCEL_PENDING": TaskState.RUNNING,
    "SUCCESS": TaskState.SUCCEEDED,
    "FAILED": TaskState.FAILED,
    "CANCELLED": TaskState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class ErrorWords:
    """A TintriError: its code, and all that it says."""

    code: str
    text: str

    @property
    def in_brackets(self) -> str:
        """For the end of a sentence: code and text, or nothing."""
        inside = ": ".join(part for part in (self.code, self.text) if part)
        return f" ({inside})" if inside else ""


def error(answer: Answer) -> ErrorWords:
    """What an answer with a bad status says; empty for a good one."""
    return ErrorWords("", "") if answer.ok else _error_words(answer.json)


def product(body: Json) -> str:
    """The product's name, as /api/info gives it."""
    return str(body.get("productName") or "")


def versions(body: Json) -> list[tuple[int, int]]:
    """Family and minor of every version that /api/info names, as (310, 191)."""
    supported = body.get("supportedVersionSet")
    named = [body.get("preferredVersion"), *(supported if isinstance(supported, list) else [])]
    found = (re.fullmatch(r"v([0-9]{1,6})\.([0-9]{1,6})", str(one)) for one in named)
    return sorted({(int(one[1]), int(one[2])) for one in found if one})


def session(answer: Answer) -> str:
    """The session's id, which is only in the cookie; empty when there is none."""
    found = re.search(r"JSESSIONID=([^;,\s]+)", answer.headers.get("Set-Cookie", ""))
    return found[1] if found else ""


def page(body: Any) -> tuple[list[Json] | None, str]:
    """The items and the query of the next page; a plain list is one page. None: it is neither."""
    items = body.get("items") if isinstance(body, dict) else body
    if not isinstance(items, list):
        return None, ""
    following = str(body.get("next") or "") if isinstance(body, dict) else ""
    return [item for item in items if isinstance(item, dict)], following.removeprefix("?")


def first_object(body: Any) -> Json:
    """One object, also when it comes in a list of one; empty when there is none."""
    one = body[0] if isinstance(body, list) and body else body
    return one if isinstance(one, dict) else {}


def first_uuid(body: Any) -> str:
    """The uuid in a reply that is a list of strings, or less than that."""
    one = body[0] if isinstance(body, list) and body else body
    return one if isinstance(one, str) else uuid_of({"uuid": one})


def uuid_of(item: Json, member: str = "uuid") -> str:
    """A Uuid object's own text ({"uuid": {"uuid": "..."}}); empty when it is not there."""
    value = item.get(member)
    while isinstance(value, dict):
        value = value.get("uuid")
    return value if isinstance(value, str) else ""


def is_live(item: Json) -> bool:
    """Whether a VM is there now; entries of vanished VMs stay in the list while they have snapshots."""
    return item.get("isLive") is not False and not item.get("isDeleted")


def name(item: Json) -> str:
    """A VM's name."""
    return str(_member(item, "vmware").get("name") or "")


def vm(item: Json, vmstore: str, disks: tuple[Disk, ...] = ()) -> Vm:
    """A VirtualMachine."""
    facts = _member(item, "vmware")  # named so for every hypervisor
    stat = first_object(_member(item, "stat").get("sortedStats"))
    supported = facts.get("supportedSnapshotConsistencyTypes")
    powered = facts.get("isPowered")
    kinds = tuple(_OURS[one] for one in (supported if isinstance(supported, list) else []) if one in _OURS)
    return Vm(
        uuid=uuid_of(item),
        name=name(item),
        vmstore=vmstore,
        hypervisor=str(facts.get("hypervisorType") or "UNKNOWN"),
        consistencies=kinds or ("crash",),
        disks=disks,
        subdir=str(facts.get("subdir") or ""),
        used_bytes=_bytes(stat.get("spaceUsedGiB")),
        provisioned_bytes=_bytes(stat.get("spaceProvisionedGiB")),
        powered=powered if isinstance(powered, bool) else None,
        origin=_origin(item),
    )


def _origin(item: Json) -> str:
    """Name of the VM that this one was cloned from (VirtualMachineSnapshotInfo.cloneFromSnapshots)."""
    sources = _member(item, "snapshot").get("cloneFromSnapshots")
    return str(first_object(sources).get("vmName") or "")


def whereabouts(item: Json) -> str:
    """Where a VM is, to tell it from another of its name."""
    facts = _member(item, "vmware")
    folder = facts.get("hypervisorPath") or facts.get("folderPath") or facts.get("subdir")
    return f"host {facts.get('host') or 'unknown'}, folder {folder or 'unknown'}"


def belongs_to(item: Json, vm_uuid: str) -> bool:
    """Whether a VirtualDisk is a disk of that VM, and no swap file. Unknown filters are ignored by the VMstore."""
    return item.get("isDiskDrive") is not False and uuid_of(item, "vmUuid") in ("", vm_uuid)


def disks(items: Iterable[Json], export: str) -> tuple[Disk, ...]:
    """VirtualDisks, in bus order."""
    found = (
        Disk(uuid=uuid_of(item), name=str(item.get("name") or ""), path=_below(str(item.get("path") or ""), export))
        for item in items
    )
    return tuple(sorted(found, key=lambda disk: (_bus_order(disk.name), disk.path)))


def used_percent(stat: Json) -> float | None:
    """How full a datastore is, by a DatastoreStat: of its physical space, since that is what runs out."""
    total, left = number(stat.get("spaceTotalGiB")), number(stat.get("spaceRemainingPhysicalGiB"))
    return None if not total or left is None else max(0.0, 100.0 * (1 - left / total))


def number(value: Any) -> float | None:
    """A number, also one that comes as text."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def snapshot(item: Json) -> Snapshot:
    """A Snapshot. Its times are milliseconds since 1970."""
    consistency = str(item.get("consistency") or "")
    taken_at = _time(item.get("createTime"))
    if taken_at is None or not uuid_of(item):
        raise PermanentError("The VMstore described a snapshot without its id or time.", operation="read a snapshot")
    return Snapshot(
        uuid=uuid_of(item),
        vm_uuid=uuid_of(item, "vmUuid"),
        vm_name=str(item.get("vmName") or ""),
        description=str(item.get("description") or ""),
        consistency=_OURS.get(consistency, consistency.lower()),
        taken_at=taken_at,
    )


def task(item: Json) -> Task:
    """A Task. A state that is not known ends with the task, and then counts as a failure."""
    word = str(item.get("state") or "")
    state = _STATES.get(word) or (TaskState.FAILED if item.get("jobDone") else TaskState.RUNNING)
    told = _error_words(item.get("error"))
    message = ": ".join(part for part in (told.code, told.text) if part) or str(item.get("progressDescription") or "")
    if state is TaskState.FAILED and not message:
        message = f"ended as {word or 'unknown'} without a reason"
    percent = item.get("progressPercent")
    return Task(
        id=uuid_of(item),
        state=state,
        percent=float(percent) if isinstance(percent, int | float) else 0.0,
        message=message,
    )


def is_clone(item: Json) -> bool:
    """Whether a task makes a clone, by its type or by its id ("cloneVM@...")."""
    return item.get("type") == "CLONE" or uuid_of(item).startswith("clone")


def is_sync(item: Json) -> bool:
    """Whether a task puts a VM back (SyncVM), by its type or by its id."""
    return item.get("type") == "SYNC_VM" or uuid_of(item).lower().startswith("sync")


def _error_words(body: Any) -> ErrorWords:
    body = body if isinstance(body, dict) else {}
    parts = (str(body.get(member) or "").strip() for member in ("message", "causeDetails"))
    return ErrorWords(str(body.get("code") or ""), "; ".join(dict.fromkeys(part for part in parts if part)))


def _member(item: Json, name: str) -> Json:
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def _bytes(gib: Any) -> int:
    return int(gib * _GIB) if isinstance(gib, int | float) and math.isfinite(gib) else 0


def _time(milliseconds: Any) -> datetime | None:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except (TypeError, ValueError, OverflowError):
        return None


def _below(path: str, export: str) -> str:
    r"""Relative to the export: whether paths of the API begin with it, the documentation leaves open.

    On SMB they look like \\host\share\vm\disk.vhdx.
    """
    if path.startswith("\\\\"):
        path = "/".join(path[2:].split("\\")[2:])
    return path.lstrip("/").removeprefix(export.strip("/") + "/")


def _bus_order(name: str) -> list[tuple[int, str]]:
    """scsi0:10 comes after scsi0:2."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]{1,9})", name)]
