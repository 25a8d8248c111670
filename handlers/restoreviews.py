"""The form of a restore, drawn: which VM, which of its recovery points, where to and how. Pure.

Slack keeps what was filled in over an update of the view where block_id and action_id stay the same. So every field
keeps its own, but the menu of recovery points, which is another one for each VM: what was chosen of the VM before must
not stay.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.model import Json
from bot.recoverable import MOST_POINTS, KeptPoint, KeptVm
from bot.ways import SNAPSHOT
from bot.ways import TARGET as TARGET_WAY
from bot.words import size_text
from handlers import ids
from handlers.pointtables import ago
from handlers.views import input_block, modal, option, plain

TITLE = "Restore a VM"
VM, POINT, VMSTORE, NAME, TARGET = "vm", "point", "vmstore", "name", "target"  # blocks of the form
VIA, WISHES, CONFIRM, REASON = "via", "wishes", "confirm", "reason"  # likewise
ON, OVER, OFF = "on", "over", "off"  # entries of WISHES
_VALUE, _OPTIONS = 150, 100
_LONGEST_NAME, _LONGEST_TYPED = 80, 255


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreForm:
    """What is known when the form is drawn."""

    memo: str  # private_metadata; comes back with the submission
    where: str  # where the answers will be, in words
    vmstores: tuple[str, ...]
    targets: tuple[str, ...]
    now: datetime
    vm: KeptVm | None = None  # None: not chosen yet
    points: tuple[KeptPoint, ...] = ()  # of that VM, newest first
    point: str = ""  # the one that is chosen already; "": the newest good one
    notice: str = ""  # above all


def draw(form: RestoreForm) -> Json:
    """The form of `/restore`."""
    place = [*_vmstore(form), _name(form), *_target(form), _via()]
    fields = [_vm(form), *_points(form), *place, _wishes(), _confirm(form), _reason()]
    where: Json = {"type": "context", "elements": [plain(form.where)]}
    frame = modal(TITLE) | {"callback_id": ids.RESTORE_FORM, "submit": plain("Restore"), "close": plain("Cancel")}
    notice = [{"type": "section", "text": plain(f"⚠️ {form.notice}")}] if form.notice else []
    return {**frame, "private_metadata": form.memo, "blocks": [*notice, *fields, where]}


def vm_options(vms: Sequence[KeptVm]) -> list[Json]:
    """Entries of the menu of VMs; one that Slack would not give back whole is left out."""
    return [_vm_option(vm) for vm in vms if 0 < len(vm.uuid) <= _VALUE][:_OPTIONS]


def point_block(uuid: str) -> str:
    """The block of the menu of that VM's recovery points."""
    return f"{POINT}-{zlib.crc32(uuid.encode()):08x}"


def stale(values: Json) -> str:
    """The VM that is chosen, where the menu has the recovery points of another; "": they are its own, or none.

    Two choices shortly one after the other may be answered in the wrong order.
    """
    held: Json = next(iter((values.get(VM) or {}).values()), {})
    uuid = str((held.get("selected_option") or {}).get("value") or "")
    shown = [block for block in values if block.startswith(f"{POINT}-")]
    return uuid if shown and shown != [point_block(uuid)] else ""


def newest_good(points: Sequence[KeptPoint]) -> str:
    """Id of the newest one that is fit to be restored from; "": none is."""
    return next((point.id for point in points if not point.flaw), "")


def standing(point: KeptPoint, now: datetime) -> str:
    """What is known of a recovery point beside its time and size."""
    if point.flaw:
        return "❌ not good: it was found damaged, or is being deleted or moved"
    if point.proven_at:
        found = f"✅ proven {_day(point.proven_at)}"
    else:
        found = f"verified {_day(point.verified_at)}" if point.verified_at else "verified when it was made"
    is_locked = point.locked_until is not None and point.locked_until > now
    lock = (f"🔒 until {_day(point.locked_until)}",) if is_locked and point.locked_until else ()
    tier = (f"🧊 {point.tier}",) if point.tier else ()
    return " · ".join([found, *lock, *tier, ", ".join(point.targets)])


def _vm(form: RestoreForm) -> Json:
    menu: Json = {
        "type": "external_select",
        "action_id": ids.RESTORE_VM,
        "min_query_length": 0,
        "placeholder": plain("A part of its name, also of one that is gone"),
    }
    if form.vm is not None and len(form.vm.uuid) <= _VALUE:
        menu["initial_option"] = _vm_option(form.vm)
    hint = (
        "" if form.vm else "Its recovery points come here as soon as it is chosen; without a choice it is the newest."
    )
    return input_block(VM, "VM", menu, hint=hint) | {"dispatch_action": True}


def _vm_option(vm: KeptVm) -> Json:
    where = f"on {vm.vmstore}" if vm.vmstore else "of a VMstore that is not known here"
    gone = "gone, was " if vm.is_gone else ""
    newest = f"{gone}{where} · newest {_at(vm.newest)}"
    return option(vm.label or vm.name, vm.uuid, newest)


def _points(form: RestoreForm) -> Iterator[Json]:
    """Nothing before a VM is chosen."""
    if form.vm is None or not form.points:
        return
    shown = form.points[:_OPTIONS]
    offered = [_point_option(point, form) for point in shown]
    wanted = form.point or newest_good(shown)
    menu: Json = {"type": "static_select", "options": offered, "placeholder": plain("Which one")}
    if first := next((each for each in offered if each["value"] == wanted), None):
        menu["initial_option"] = first
    hint = f"The newest {MOST_POINTS}. An older one: /restore <vm> at <time>" if len(form.points) >= MOST_POINTS else ""
    yield input_block(point_block(form.vm.uuid), "Recovery point", menu, hint=hint)


def _point_option(point: KeptPoint, form: RestoreForm) -> Json:
    good = " · newest good" if point.id == newest_good(form.points) else ""
    said = f"{_at(point.taken_at)} · {ago(form.now, point.taken_at)} · {size_text(point.size)}{good}"
    return option(said, point.id, standing(point, form.now))


def _vmstore(form: RestoreForm) -> Iterator[Json]:
    """Slack takes no menu without an entry."""
    if not form.vmstores:
        return
    there = form.vm.vmstore if form.vm and form.vm.vmstore in form.vmstores else ""
    menu: Json = {
        "type": "static_select",
        "options": [option(name, name) for name in form.vmstores[:_OPTIONS]],
        "placeholder": plain(f"{there}, where it was" if there else "The one that it was on"),
    }
    yield input_block(VMSTORE, "To VMstore", menu, optional=True)


def _name(form: RestoreForm) -> Json:
    field: Json = {
        "type": "plain_text_input",
        "max_length": _LONGEST_NAME,
        "placeholder": plain(f"{form.vm.name}-restored" if form.vm else "<vm>-restored", 150),
    }
    hint = "The new VM and its folder are called so. What is there stays as it is."
    return input_block(NAME, "As name", field, hint=hint, optional=True)


def _target(form: RestoreForm) -> Iterator[Json]:
    """Likewise."""
    if not form.targets:
        return
    menu: Json = {
        "type": "static_select",
        "options": [option(name, name) for name in form.targets[:_OPTIONS]],
        "placeholder": plain("The first that has it whole"),
    }
    yield input_block(TARGET, "From target", menu, optional=True)


def _via() -> Json:
    menu: Json = {
        "type": "static_select",
        "options": [
            option(
                "The snapshot that the VMstore still has", SNAPSHOT, "nothing travels; on the VMstore that it was on"
            ),
            option("What lies in the target", TARGET_WAY, "all that is not there yet is fetched"),
        ],
        "placeholder": plain("What fits best; the plan says why"),
    }
    return input_block(VIA, "Way", menu, optional=True)


def _wishes() -> Json:
    entries = [
        option("Power it on at the end", ON, "and look whether it lives; beside the original it is not connected"),
        option("Over the original", OVER, "the VM itself is put back; a snapshot of it as it is now is taken first"),
        option("It may be powered off for that", OFF, "only over the original"),
    ]
    return input_block(WISHES, "How", {"type": "checkboxes", "options": entries}, optional=True)


def _confirm(form: RestoreForm) -> Json:
    field: Json = {
        "type": "plain_text_input",
        "max_length": _LONGEST_TYPED,
        "placeholder": plain("Only over the original"),
    }
    name = form.vm.name if form.vm else "the VM"
    hint = f"Over the original, {name} as it is now is overwritten. Type its name, if that is meant."
    return input_block(CONFIRM, "Name of the VM that is overwritten", field, hint=hint, optional=True)


def _reason() -> Json:
    field: Json = {"type": "plain_text_input", "max_length": _LONGEST_TYPED, "placeholder": plain("Why")}
    return input_block(REASON, "Reason", field, hint="Approvers see it.", optional=True)


def _day(time: datetime) -> str:
    return f"{time:%d %b %Y}"


def _at(time: datetime) -> str:
    return f"{time:%d %b %Y %H:%M} UTC"
