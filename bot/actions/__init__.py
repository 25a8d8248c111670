"""The library of actions: one module per noun, one registry line per action."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.actions import (
    cleanup,
    drilling,
    files,
    hypervisor,
    instant,
    objects,
    originals,
    points,
    restoring,
    retention,
    tiering,
    vmstore,
)
from bot.actions.context import Action, Context

__all__ = ["ACTIONS", "Context", "Registered"]


@dataclass(frozen=True, slots=True)
class Registered:
    """An action with the kinds of its inputs and outputs by name."""

    run: Action
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


_POINT = {"point": "text", "target": "text", "manifest": "text"}
_ORIGINAL = {"vmstore": "text", "vm_uuid": "text"}

ACTIONS: Mapping[str, Registered] = {
    "vmstore.check": Registered(vmstore.check, {"vmstore": "text"}, {"product": "text", "api_version": "text"}),
    "vmstore.connect": Registered(vmstore.connect, {"vmstore": "text"}, {}),
    "vmstore.find": Registered(
        vmstore.find,
        {"vmstore": "text", "vm_uuid": "text"},
        {"vm": "record", "vm_uuid": "text", "disks": "list", "shape": "record", "missed": "text"},
    ),
    "vmstore.snapshot": Registered(
        vmstore.snapshot,
        {"vmstore": "text", "vm_uuid": "text", "consistency": "text"},
        {"snapshot": "record", "snapshot_uuid": "text", "instead": "text"},
    ),
    "vmstore.clone": Registered(
        vmstore.clone, {"vmstore": "text", "snapshot_uuid": "text"}, {"directory": "text", "task": "text"}
    ),
    "vmstore.disconnect": Registered(vmstore.disconnect, {"vmstore": "text"}, {}),
    "files.open": Registered(
        files.open_files,
        {"vmstore": "text", "directory": "text", "disks": "list"},
        {"files": "list", "skipped": "list", "size": "number"},
    ),
    "objects.upload": Registered(
        objects.upload,
        {"vmstore": "text", "files": "list", "targets": "list"},
        {"stored": "record", "failed": "record", "moved": "record"},
    ),
    "objects.verify": Registered(
        objects.verify,
        {"stored": "record", "vm": "record", "shape": "record", "snapshot": "record", "skipped": "list"},
        {"points": "list", "failed": "record", "proof": "record", "manifests": "record"},
    ),
    "points.check": Registered(
        points.check,
        {"point": "text", "targets": "list"},
        {"good": "list", "failed": "record", "manifests": "record"},
    ),
    "points.compare": Registered(
        points.compare, {"point": "text", "targets": "list"}, {"good": "list", "failed": "record", "proof": "record"}
    ),
    "points.removable": Registered(
        points.removable, {"point": "text", "targets": "list"}, {"good": "list", "failed": "record", "found": "record"}
    ),
    "points.withdraw": Registered(
        points.withdraw, {"point": "text", "targets": "list"}, {"good": "list", "failed": "record"}
    ),
    "points.read_back": Registered(
        points.read_back,
        {"point": "text", "targets": "list", "deep": "switch"},
        {"good": "list", "failed": "record", "read": "number", "notes": "list", "deep": "switch"},
    ),
    "restoring.check": Registered(
        restoring.check, {"vmstore": "text"}, {"product": "text", "api_version": "text", "hypervisor": "text"}
    ),
    "restoring.find_point": Registered(
        restoring.find_point,
        {"point": "text", "target": "text"},
        {"manifest": "text", "files": "number", "size": "number"},
    ),
    "restoring.bring_back": Registered(restoring.bring_back, _POINT, {"brought_back": "text"}),
    "restoring.prepare": Registered(
        restoring.prepare, {"vmstore": "text", "name": "text", "room": "number"}, {"free": "number"}
    ),
    "restoring.download": Registered(
        restoring.download,
        {"vmstore": "text", **_POINT},
        {"fetched": "number", "zero": "number", "local": "number", "notes": "list"},
    ),
    "restoring.verify": Registered(
        restoring.verify, {"vmstore": "text", **_POINT}, {"files": "number", "read_back": "number"}
    ),
    "restoring.place": Registered(
        restoring.place, {"vmstore": "text", "name": "text"}, {"directory": "text", "path": "text"}
    ),
    "restoring.record": Registered(
        restoring.record,
        {"vmstore": "text", "point": "text", "target": "text", "name": "text", "vm_id": "text"},
        {},
    ),
    "hypervisor.register": Registered(
        hypervisor.register,
        {"vmstore": "text", "name": "text", **_POINT},
        {"vm_id": "text", "by_hand": "text", "notes": "list"},
    ),
    "hypervisor.power_on": Registered(
        hypervisor.power_on, {"vmstore": "text", "vm_id": "text", "is_on": "switch"}, {"is_on": "switch"}
    ),
    "hypervisor.prove_alive": Registered(
        hypervisor.prove_alive,
        {"vmstore": "text", "vm_id": "text", "is_on": "switch", "pattern": "text", "alive_s": "number"},
        {"sign": "text", "text": "text"},
    ),
    "drilling.register": Registered(
        drilling.register,
        {"vmstore": "text", "name": "text", **_POINT},
        {"vm_id": "text", "by_hand": "text", "notes": "list"},
    ),
    "drilling.prove": Registered(
        drilling.prove,
        {"vmstore": "text", "vm_id": "text", "pattern": "text", "alive_s": "number"},
        {"sign": "text", "text": "text", "console": "text", "seconds": "number"},
    ),
    "instant.find_snapshot": Registered(
        instant.find_snapshot,
        {"vmstore": "text", "point": "text", "snapshot": "text"},
        {"snapshot_uuid": "text", "description": "text"},
    ),
    "instant.take": Registered(instant.take, {"vmstore": "text", "directory": "text", **_POINT}, {"files": "number"}),
    "originals.find": Registered(
        originals.find,
        {**_ORIGINAL, "folder": "text", "is_off_allowed": "switch"},
        {"vm_id": "text", "is_on": "switch"},
    ),
    "originals.power_off": Registered(
        originals.power_off, {**_ORIGINAL, "is_off_allowed": "switch"}, {"was_on": "switch"}
    ),
    "originals.secure": Registered(originals.secure, _ORIGINAL, {"snapshot": "text", "description": "text"}),
    "originals.exchange": Registered(
        originals.exchange,
        {**_ORIGINAL, "folder": "text", **_POINT},
        {"placed": "number", "aside": "number", "path": "text"},
    ),
    "originals.sync": Registered(
        originals.sync, {**_ORIGINAL, "snapshot": "text", "disks": "list", **_POINT}, {"task": "text"}
    ),
    "originals.verify": Registered(
        originals.verify, {"vmstore": "text", "folder": "text", **_POINT}, {"files": "number", "path": "text"}
    ),
    "originals.record": Registered(
        originals.record, {"vmstore": "text", "point": "text", "target": "text", "snapshot": "text"}, {}
    ),
    "retention.apply": Registered(retention.apply, {}, {"changed": "number"}),
    "retention.check": Registered(
        retention.check,
        {"points": "list", "targets": "list"},
        {"going": "list", "passed": "record", "passed_over": "number"},
    ),
    "retention.expire": Registered(
        retention.expire,
        {"going": "list", "targets": "list"},
        {"removed": "number", "passed": "record", "passed_over": "number", "failed": "record"},
    ),
    "tiering.check": Registered(
        tiering.check,
        {"points": "list", "targets": "list"},
        {"going": "list", "passed": "record", "passed_over": "number"},
    ),
    "tiering.move": Registered(
        tiering.move,
        {"going": "list", "targets": "list"},
        {"moved": "record", "passed": "record", "passed_over": "number", "failed": "record"},
    ),
    "cleanup.release": Registered(cleanup.release, {"vmstore": "text"}, {"removed": "list", "left": "list"}),
}
