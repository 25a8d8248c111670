"""A VM is overwritten in place: off, a snapshot of it that stays, then new files in their place, or SyncVM.

From `power_off` until `record` the clean-up ledger has it: unless the restore comes to its end, it is put back as it
was.
"""

from collections.abc import Sequence

from bot.actions.context import Context
from bot.actions.hypervisor import host_of
from bot.actions.restoring import folder_of, manifest_of, same_share, share_of
from bot.actions.vmstore import LEAST, POLL_S, SETTLE_S, follow
from bot.errors import CloudyError, IntegrityError, MissingError, PermanentError, TransientError
from bot.exchange import Exchange
from bot.folders import check_place, content_of
from bot.manifest import Manifest
from bot.model import Json, Resource, ResourceKind, Task, TaskState
from bot.mounted import check_mounted
from bot.original import Original, look, misfit, objection, paired
from bot.ports import Share, VMstore

TRIES = 5  # to have SyncVM begun
_PUT_BACK = "put back"


def find(context: Context, inputs: Json) -> Json:
    """Look the VM up again. PermanentError: it is gone, was moved, or is on and may not be powered off."""
    original = _look(context, inputs["vmstore"], inputs["vm_uuid"])
    _demand_same(context, inputs, original)
    if original.folder != inputs["folder"]:
        raise _elsewhere(inputs, original)
    if why := objection(original, is_off_allowed=bool(inputs["is_off_allowed"])):
        raise _no(inputs, why)
    return {"vm_id": original.vm_id, "is_on": bool(original.is_on)}


def power_off(context: Context, inputs: Json) -> Json:
    """Power it off, where it is on and that was allowed; promise to put all of it back. Repeat: safe."""
    store, uuid = inputs["vmstore"], inputs["vm_uuid"]
    context.check()
    original = _look(context, store, uuid)
    _demand_same(context, inputs, original)
    if why := objection(original, is_off_allowed=bool(inputs["is_off_allowed"])):
        raise _no(inputs, why)
    context.ledger.register(
        ResourceKind.ORIGINAL,
        store,
        uuid,
        vm=original.vm.name,
        vm_id=original.vm_id,
        was_on=bool(original.is_on),
        host=context.hypervisor_address(store),
        address=context.restore_address(store),
    )
    if original.is_on:
        host_of(context, store).power_off(original.vm_id)
        _demand_off(context, inputs)
    return {"was_on": bool(_entry(context, store, uuid).detail["was_on"])}


def secure(context: Context, inputs: Json) -> Json:
    """Take a snapshot of the VM as it is, which stays: the way back. Repeat: safe, its label is the transaction."""
    store, uuid = inputs["vmstore"], inputs["vm_uuid"]
    context.check()
    context.ledger.register(ResourceKind.SNAPSHOT, store, context.id)
    taken = context.session(store).create_snapshot(
        uuid,
        context.id,
        consistency=LEAST,
        note=f"before it was overwritten, Cloudy {context.installation}",
        retention_minutes=0,
    )
    context.ledger.describe(ResourceKind.SNAPSHOT, store, context.id, uuid=taken.uuid)
    context.ledger.describe(ResourceKind.ORIGINAL, store, uuid, snapshot=taken.uuid)
    return {"snapshot": taken.uuid, "description": taken.description}


def exchange(context: Context, inputs: Json) -> Json:
    """Move the VM's own files aside, and the new ones into their place. Repeat: safe.

    PermanentError: it is on again, or a file is not where it was. IntegrityError: not all are as they must be.
    """
    store, uuid, folder = inputs["vmstore"], inputs["vm_uuid"], inputs["folder"]
    share, written = same_share(context, store), manifest_of(context, inputs)
    if "names" in _entry(context, store, uuid).detail:
        _demand_off_still(context, _entry(context, store, uuid))
    else:
        original = _demand_off(context, inputs)
        if original.folder and original.folder != folder:
            raise _elsewhere(inputs, original)
        if why := misfit(original, written):
            raise _no(inputs, why)
        names = [file.name for file in written.files]
        _demand_fetched(context, share, names)
        there = {entry.path.removeprefix(f"{folder}/") for entry in share.walk(folder)}
        were = [name for name in names if name in there]
        context.ledger.describe(ResourceKind.ORIGINAL, store, uuid, folder=folder, names=names, were=were)
    detail = _entry(context, store, uuid).detail
    _exchange(context, share, detail).forward()
    _demand_whole(share, folder, written, store)
    path = f"{share.export.rstrip('/')}/{folder}"
    return {"placed": len(detail["names"]), "aside": len(detail["were"]), "path": path}


def sync(context: Context, inputs: Json) -> Json:
    """Let the VMstore put the VM back to the recovery point's snapshot. Repeat: safe.

    disks: pairs of their names, of those alone that are put back; none: all of the VM.
    """
    store, uuid = inputs["vmstore"], inputs["vm_uuid"]
    disks = tuple((str(theirs), str(ours)) for theirs, ours in inputs["disks"] or ())
    if not _entry(context, store, uuid).detail.get("is_touched"):
        if paired(_demand_off(context, inputs), manifest_of(context, inputs)) != disks:
            raise _no(inputs, f"{context.transaction.vm} has other disks than when this was planned: ask again.")
        context.ledger.describe(ResourceKind.ORIGINAL, store, uuid, is_touched=True)
    task = _synced(context, store, uuid, str(inputs["snapshot"]), disks, "task")
    if task.state is not TaskState.SUCCEEDED:
        raise _no(inputs, f"{store} did not put {context.transaction.vm} back: {_why(task)}")
    return {"task": task.id}


def verify(context: Context, inputs: Json) -> Json:
    """Look whether the VM's disks are there as the recovery point has them, by their sizes. IntegrityError: not so."""
    written, store = manifest_of(context, inputs), inputs["vmstore"]
    share = same_share(context, store)
    _demand_whole(share, inputs["folder"], written, store)
    return {"files": len(written.files), "path": f"{share.export.rstrip('/')}/{inputs['folder']}"}


def record(context: Context, inputs: Json) -> Json:
    """The VM is the new one: it is not put back any more, and the snapshot of the old one stays. Repeat: safe."""
    kinds = (ResourceKind.ORIGINAL, ResourceKind.SNAPSHOT)
    what: Json = {
        "vm": context.transaction.vm,
        "point": inputs["point"],
        "from": inputs["target"],
        "vmstore": inputs["vmstore"],
        "over_original": True,
        "snapshot_before": inputs["snapshot"],
    }
    context.ledger.keep([each for each in context.ledger.open() if each.kind in kinds], what)
    return {}


def put_back(context: Context, resource: Resource) -> bool:
    """Have the VM as it was: its own files in place, on if it was on. Repeat: safe.

    PermanentError: something is in the way, the share or the hypervisor is another one by now.
    """
    store, uuid, detail = resource.system, resource.name, resource.detail
    if (detail.get("names") or detail.get("is_touched")) and not detail.get("back"):
        _leave_alone(context, resource)
    if detail.get("names"):
        setting = f"`{context.restore_setting(store)}`"
        check_place(detail.get("address"), context.restore_address(store), setting, resource)
        check_mounted(share_of(context, store), store, context.restore_setting(store))
        _exchange(context, same_share(context, store), detail).back()
    if detail.get("is_touched"):
        task = _synced(context, store, uuid, str(detail["snapshot"]), (), "back")
        if task.state is not TaskState.SUCCEEDED:
            context.ledger.describe(resource.kind, store, uuid, back="")
            words = f"{store} did not put it back to its snapshot {detail['snapshot']}: {_why(task)}"
            raise PermanentError(words, system=store, operation=_PUT_BACK)
    context.ledger.describe(resource.kind, store, uuid, names=[], is_touched=False)
    _power_on_again(context, resource)
    return True


def _leave_alone(context: Context, resource: Resource) -> None:
    """PermanentError: somebody has started it since, so what it is now is theirs, and stays so when it is off again.

    They may have put it back by hand, as they were told to, and have worked in it for weeks.
    """
    if not resource.detail.get("is_theirs") and not _is_on(context, resource):
        return
    context.ledger.describe(resource.kind, resource.system, resource.name, is_theirs=True)
    raise PermanentError(
        f"{resource.detail.get('vm')} was started by somebody before it was put back, so Cloudy leaves it as it is now:"
        f" its snapshot {resource.detail.get('snapshot')} has it as it was. If it is to stay so:"
        f" `cloudy orphans --let-go {context.id}`.",
        system=resource.system,
        operation=_PUT_BACK,
    )


def _power_on_again(context: Context, resource: Resource) -> None:
    """One that refuses is not asked again: hours later somebody may have powered it off on purpose."""
    if not resource.detail.get("was_on"):
        return
    store = resource.system
    check_place(resource.detail.get("host"), context.hypervisor_address(store), "the hypervisor", resource)
    try:
        host_of(context, store).power_on(str(resource.detail["vm_id"]))
    except CloudyError as error:
        context.ledger.describe(resource.kind, store, resource.name, was_on=False)
        words = f"its files are as they were, and it did not start again: {error.message} Start it by hand."
        raise PermanentError(words, system=store, operation=_PUT_BACK) from error


# --- small things ---


def _look(context: Context, store: str, uuid: str) -> Original:
    try:
        return look(context.session(store), context.hypervisor(store), uuid)
    except MissingError as error:
        raise MissingError(
            f"{context.transaction.vm} ({uuid}) is not on {store} any more: there is nothing to overwrite."
            " Restore it without “over original”.",
            system=store,
            operation="find the original",
            code=error.code,
        ) from error


def _demand_off(context: Context, inputs: Json) -> Original:
    original = _look(context, inputs["vmstore"], inputs["vm_uuid"])
    if original.is_on is not False:
        raise _no(inputs, f"{original.vm.name} is not off, and is not overwritten while it runs: was it started?")
    return original


def _demand_same(context: Context, inputs: Json, original: Original) -> None:
    """PermanentError: it has not the name any more that somebody typed: that may be another VM's by now."""
    if context.transaction.request.get("confirmed") != original.vm.name:
        raise _no(inputs, f"The VM is called {original.vm.name} by now: ask again, and type that name if it is meant.")


def _elsewhere(inputs: Json, original: Original) -> PermanentError:
    return _no(inputs, f"{original.vm.name} lies in {original.folder or 'several folders'} by now: ask again.")


def _demand_off_still(context: Context, entry: Resource) -> None:
    if _is_on(context, entry):
        raise PermanentError(
            f"{entry.detail['vm']} was started meanwhile, and is not overwritten while it runs.",
            system=entry.system,
            operation="overwrite",
        )


def _is_on(context: Context, entry: Resource) -> bool:
    """By its hypervisor; without one by the VMstore, which with files half exchanged may not have it as a live VM."""
    detail, host = entry.detail, context.hypervisor(entry.system)
    if host is not None and detail.get("vm_id"):
        return any(one.is_on for one in host.find(str(detail["vm"])) if one.id == detail["vm_id"])
    try:
        return bool(context.session(entry.system).get_vm(entry.name).powered)
    except MissingError:
        return False


def _entry(context: Context, store: str, uuid: str) -> Resource:
    found = context.ledger.open(ResourceKind.ORIGINAL)
    return next(each for each in found if (each.system, each.name) == (store, uuid))


def _exchange(context: Context, share: Share, detail: Json) -> Exchange:
    return Exchange(
        share=share,
        live=str(detail["folder"]),
        new=folder_of(context.id),
        names=tuple(detail["names"]),
        were=frozenset(detail["were"]),
        check=context.check,
    )


def _demand_fetched(context: Context, share: Share, names: Sequence[str]) -> None:
    """All of it, before any file of the VM is touched. PermanentError."""
    inside = f"{folder_of(context.id)}/"
    here = {entry.path.removeprefix(inside) for entry in share.walk(inside[:-1])}
    if gone := [name for name in names if name not in here]:
        raise PermanentError(
            f"{', '.join(gone[:5])} of what was fetched is not in {inside} any more: somebody moved or removed it.",
            system="share",
            operation="exchange",
        )


def _demand_whole(share: Share, folder: str, written: Manifest, store: str) -> None:
    """Of all files that no hypervisor rewrites."""
    wanted = {file.name: file.size for file in written.files}
    inside = f"{folder}/"
    found = {entry.path.removeprefix(inside): entry.size for entry in share.walk(folder)}
    here = {name: found.get(name, -1) for name in wanted}
    if content_of(here.items())["firm"] != content_of(wanted.items())["firm"]:
        bad = [name for name, size in wanted.items() if here[name] != size]
        raise IntegrityError(f"On {store} these are not as they were written: {', '.join(bad[:5])}.")


def _synced(context: Context, store: str, uuid: str, snapshot: str, disks: Sequence[tuple[str, str]], key: str) -> Task:
    """Have SyncVM begun once, and follow it. key: of the task in the ledger's entry.

    Where an answer was lost, all SyncVM that are under way are waited for, then it is asked for once more: twice the
    same comes to the same.
    """
    session = context.session(store)
    if task_id := str(_entry(context, store, uuid).detail.get(key, "")):
        try:
            return follow(context, session, task_id, what="SyncVM")
        except MissingError:
            pass  # the VMstore has forgotten it
    for attempt in range(1, TRIES + 1):
        _settle(context, session)
        context.check()
        _demand_off_still(context, _entry(context, store, uuid))
        try:
            task_id = session.sync_vm(uuid, snapshot, disks)
        except TransientError as error:
            if attempt == TRIES:
                raise
            context.pause(error.wait_s or 2.0 * attempt)
            continue
        context.ledger.describe(ResourceKind.ORIGINAL, store, uuid, **{key: task_id})
        return follow(context, session, task_id, what="SyncVM")
    raise AssertionError("unreachable: the last attempt returns or raises")


def _settle(context: Context, session: VMstore) -> None:
    waited_s = 0.0  # counted, not measured: the clock may be set meanwhile
    while session.open_sync_tasks():
        if waited_s > SETTLE_S:
            raise TransientError(
                f"{session.name} is still putting a VM back after {SETTLE_S / 60:g} minutes.",
                system=session.name,
                operation="SyncVM",
            )
        context.pause(POLL_S)
        waited_s += POLL_S


def _why(task: Task) -> str:
    return f"SyncVM ended as {task.state} ({(task.message or 'without a reason').rstrip('.')})."


def _no(inputs: Json, words: str) -> PermanentError:
    return PermanentError(words, system=inputs["vmstore"], operation="overwrite")
