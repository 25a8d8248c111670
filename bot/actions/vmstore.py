"""What is asked of the VMstore: check, connect, find, snapshot, clone, disconnect."""

from bot.actions.context import Context
from bot.actions.hypervisor import shape_of
from bot.codec import encode
from bot.errors import MissingError, PermanentError, RemoteError, TransientError
from bot.ids import clone_directory
from bot.model import Json, Resource, ResourceKind, Snapshot, Task, TaskState
from bot.mounted import check_mounted
from bot.ports import VMstore

LEAST = "crash"  # the consistency that every VMstore gives every VM
FIRST_POLL_S = 0.1  # a small VM is cloned before a half second has passed
POLL_S = 0.5
CLONE_TRIES = 5
CLONE_S = 4 * 3600
SETTLE_S = 15 * 60
# A safety net only: Cloudy removes its snapshots itself, and the VMstore's own word on the expiry of manual snapshots
# is contradictory (Tintri REST v310, POST /snapshot against SnapshotSpec.retentionMinutes).
SNAPSHOT_RETENTION_MINUTES = 7 * 24 * 60


def check(context: Context, inputs: Json) -> Json:
    """Ask the VMstore what it is and look at its shares, before anything is made on it.

    PermanentError: an API that Cloudy does not speak, or a share that is not mounted.
    """
    store = inputs["vmstore"]
    info = context.open_vmstore(store).info()
    for setting, share in (("share", context.share(store)), ("cleanup_share", context.cleanup_share(store))):
        if share is not None:
            check_mounted(share, store, setting)
    return {"product": info.product, "api_version": info.api_version}


def connect(context: Context, inputs: Json) -> Json:
    """Log in. The session is this process's; after a restart it is opened anew where it is needed."""
    context.session(inputs["vmstore"])
    return {}


def find(context: Context, inputs: Json) -> Json:
    """Look the VM up again by uuid: its name may have gone to another VM since the plan was made.

    What its hypervisor says of it is a help for a restore: where it cannot be had, `missed` says why.
    """
    store, uuid = inputs["vmstore"], inputs["vm_uuid"]
    try:
        vm = context.session(store).get_vm(uuid)
    except MissingError as error:
        raise MissingError(
            f"{context.transaction.vm} ({uuid}) is not on {store} any more: it was deleted, or moved away. "
            "A VM that has its name now is another one.",
            system=store,
            operation=error.operation,
            code=error.code,
        ) from error
    shape, missed = shape_of(context, store, vm)
    return {
        "vm": encode(vm),
        "vm_uuid": vm.uuid,
        "disks": encode(vm.disks),
        "shape": {} if shape is None else encode(shape),
        "missed": missed,
    }


def snapshot(context: Context, inputs: Json) -> Json:
    """Take the snapshot, or find the one that an earlier attempt took: its label is the transaction id.

    Where the VMstore refuses the consistency asked for, a crash-consistent one is taken, and `instead` says so.
    PermanentError: a restore is overwriting the VM, before or after it was taken, so that it may be half of each.
    """
    store, asked = inputs["vmstore"], inputs["consistency"]
    context.check()  # a Stop may have come while the process was dead
    _demand_settled(context, inputs)
    context.ledger.register(ResourceKind.SNAPSHOT, store, context.id)
    instead = ""
    try:
        taken = _taken(context, inputs, asked)
    except RemoteError as error:
        if asked == LEAST or not error.code:  # without a code the VMstore has not judged it
            raise
        taken, instead = _taken(context, inputs, LEAST), f"{asked}-consistent was asked for; {error.message}"
    if taken.consistency != asked and not instead:
        instead = f"{asked}-consistent was asked for, and {store} took this."
    context.ledger.describe(ResourceKind.SNAPSHOT, store, context.id, uuid=taken.uuid)
    _demand_settled(context, inputs)
    return {"snapshot": encode(taken), "snapshot_uuid": taken.uuid, "instead": instead}


def _demand_settled(context: Context, inputs: Json) -> None:
    store = inputs["vmstore"]
    if other := context.ledger.overwriting(store, inputs["vm_uuid"]):
        raise PermanentError(
            f"{context.transaction.vm} is being overwritten by {other}, or was not put back by it yet, and may be half "
            "of each: protect it again when that has ended. `cloudy orphans` tells what of it is left.",
            system=store,
            operation="snapshot",
        )


def _taken(context: Context, inputs: Json, consistency: str) -> Snapshot:
    return context.session(inputs["vmstore"]).create_snapshot(
        inputs["vm_uuid"],
        context.id,
        consistency=consistency,
        note=f"Cloudy {context.installation}",
        retention_minutes=SNAPSHOT_RETENTION_MINUTES,
    )


def clone(context: Context, inputs: Json) -> Json:
    """Make the snapshot's files readable on the export, in a directory named after the transaction.

    A half-made clone is never read: it counts only when its task says SUCCESS. Where the answer to an earlier request
    was lost, or the VMstore has forgotten the task, the clone tasks that are open are waited for and the next directory
    name is used.
    All directories are in the ledger, so each is removed at the end.
    """
    store = inputs["vmstore"]
    session = context.session(store)
    known = context.ledger.open(ResourceKind.CLONE)[-1:]
    task = None
    if known and known[0].detail.get("task"):
        directory, task_id = known[0].name, str(known[0].detail["task"])
        task = _followed(context, session, task_id)
    if task is None:
        directory, task_id = _begin(context, session, store, inputs["snapshot_uuid"])
        task = follow(context, session, task_id)
    if task.state is not TaskState.SUCCEEDED:
        raise PermanentError(
            f"{store} ended the clone task as {task.state}: {(task.message or 'it gave no reason').rstrip('.')}.",
            system=store,
            operation="clone",
        )
    return {"directory": directory, "task": task_id}


def _begin(context: Context, session: VMstore, store: str, snapshot_uuid: str) -> tuple[str, str]:
    """Ask for the clone until an answer is kept, each time into a directory that no request named before."""
    for attempt in range(len(context.ledger.open(ResourceKind.CLONE)) + 1, CLONE_TRIES + 1):
        for lost in context.ledger.open(ResourceKind.CLONE)[-1:]:
            settle(context, session, lost)
        context.check()
        directory = clone_directory(context.id, attempt)
        context.ledger.register(ResourceKind.CLONE, store, directory)
        try:
            task_id = session.clone_files(snapshot_uuid, directory)
        except TransientError as error:
            if attempt == CLONE_TRIES:
                raise
            context.pause(error.wait_s or 2.0 * attempt)
            continue
        context.ledger.describe(ResourceKind.CLONE, store, directory, task=task_id)
        return directory, task_id
    raise PermanentError(
        f"The clone was begun {CLONE_TRIES} times and no answer of the VMstore was kept.",
        system=store,
        operation="clone",
    )


def _followed(context: Context, session: VMstore, task_id: str) -> Task | None:
    try:
        return follow(context, session, task_id)
    except MissingError:  # after a long downtime, or a restart of the VMstore
        return None


def follow(context: Context, session: VMstore, task_id: str, *, what: str = "clone") -> Task:
    """Poll a task to its end; Stop ends the polling, not the task. Progress is in per cent.

    TransientError: it has not ended after CLONE_S.
    """
    waited_s = 0.0  # counted, not measured: the clock may be set meanwhile
    while not (task := session.task(task_id)).is_final:
        if waited_s > CLONE_S:
            raise TransientError(
                f"{session.name}'s {what} task {task_id} has not ended after {CLONE_S / 3600:g} hours.",
                system=session.name,
                operation=what,
            )
        context.progress(int(task.percent), 100)
        wait_s = min(POLL_S, FIRST_POLL_S + waited_s)
        context.pause(wait_s)
        waited_s += wait_s
    return task


def settle(context: Context, session: VMstore, resource: Resource) -> None:
    """Wait until the VMstore no longer writes into a clone's directory, whatever its task came to.

    TransientError: it still does after SETTLE_S.
    """
    task_id = str(resource.detail.get("task", ""))
    waited_s = 0.0  # counted, not measured: the clock may be set meanwhile
    while _writes(session, task_id):
        if waited_s > SETTLE_S:
            raise TransientError(
                f"{resource.system} is still busy with it after {SETTLE_S / 60:g} minutes.",
                system=resource.system,
                operation="clone",
            )
        context.pause(POLL_S)
        waited_s += POLL_S


def _writes(session: VMstore, task_id: str) -> bool:
    if not task_id:
        return bool(session.open_clone_tasks())
    try:
        return not session.task(task_id).is_final
    except MissingError:
        return False  # the VMstore has forgotten the task: it ended long ago


def disconnect(context: Context, inputs: Json) -> Json:
    """Log out; a session that has expired is fine."""
    context.end_session(inputs["vmstore"])
    return {}
