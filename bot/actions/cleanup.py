"""Removes what the transaction made and nobody needs: from the ledger, in the order that lets it go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot import manifest
from bot.actions.context import Context
from bot.actions.hypervisor import unregister
from bot.actions.objects import adopt
from bot.actions.originals import put_back
from bot.actions.restoring import remove_folder
from bot.actions.vmstore import settle
from bot.errors import CloudyError, DeniedError, LockedError, MissingError, PermanentError, Stopped, TransientError
from bot.ids import is_clone_directory
from bot.model import Json, ObjectVersion, Resource, ResourceKind, TaskState, Upload
from bot.mounted import check_mounted
from bot.orphans import prefix_of, segment_of
from bot.ports import ObjectStore
from bot.removal import oldest_first
from bot.undoing import abort, erase

# Files first, then the snapshot: the VMstore refuses a snapshot whose clone is still present. No files of a VM that is
# registered; and what is needed to put a VM back goes after that.
ORDER = (
    ResourceKind.UPLOAD,
    ResourceKind.OBJECT,
    ResourceKind.OBJECTS,
    ResourceKind.REGISTRATION,
    ResourceKind.ORIGINAL,
    ResourceKind.FOLDER,
    ResourceKind.CLONE,
    ResourceKind.SNAPSHOT,
)
_NEVER = datetime.min.replace(tzinfo=UTC)
_IN_TARGETS = (ResourceKind.UPLOAD, ResourceKind.OBJECT, ResourceKind.OBJECTS)


@dataclass(frozen=True, slots=True)
class Cleared:
    """What became of resources."""

    removed: tuple[Resource, ...]
    kept: tuple[Resource, ...]  # they turned out to be a recovery point
    failed: tuple[tuple[Resource, CloudyError], ...]
    left: tuple[str, ...]  # of each that failed: what, why, and the way to remove it


def release(context: Context, inputs: Json) -> Json:
    """Remove every open entry of the ledger. What cannot be removed does not keep the others from it.

    PermanentError names what is left behind; the transaction keeps the list with the way to remove each.
    Repeat: safe; what is gone already counts as removed.
    """
    store = inputs["vmstore"]
    kept = context.ledger.keep_snapshots(store, context.keeps(store)) if store else ()
    cleared = clear(context, context.ledger.open())
    context.leave_behind(cleared.left)
    if cleared.left:
        raise PermanentError("Left behind: " + " ".join(cleared.left), system=store, operation="clean up")
    stays: Json = {"kept": [describe(resource) for resource in kept]} if kept else {}
    return {"removed": [describe(resource) for resource in cleared.removed], "left": []} | stays


def clear(context: Context, resources: Sequence[Resource]) -> Cleared:
    """Remove these, in the order that lets them go. What cannot be removed does not keep the others from it.

    Stopped passes. Repeat: safe; what is gone already counts as removed.
    """
    removed: list[Resource] = []
    kept: list[Resource] = []
    failed: list[tuple[Resource, CloudyError]] = []
    silent: dict[str, TransientError] = {}
    for position, resource in enumerate(sorted(resources, key=lambda resource: ORDER.index(resource.kind))):
        try:
            if resource.system in silent:
                raise silent[resource.system]
            if _is_gone(context, resource):
                context.ledger.release(resource)
                removed.append(resource)
            else:
                kept.append(resource)
        except Stopped:
            raise
        except CloudyError as error:
            if isinstance(error, TransientError) and resource.kind in _IN_TARGETS:
                silent[resource.system] = error  # each further call would be waited for as long
            failed.append((resource, error))
        context.progress(position + 1, len(resources))
    left = (f"{describe(each)}: {error.message} To remove it: {_cure(context, each)}" for each, error in failed)
    return Cleared(tuple(removed), tuple(kept), tuple(failed), tuple(left))


def _is_gone(context: Context, resource: Resource) -> bool:
    """Remove it; False: it is to stay. What is missing with its whole bucket is gone too."""
    if resource.kind not in _IN_TARGETS:
        return _REMOVE[resource.kind](context, resource)
    target, approved = context.target(resource.system), context.transaction.addresses.get(resource.system)
    made, now = (approved, target.address) if approved else (_made_in(context, resource), target.url)
    if made != now:  # a url that was changed or mistyped since: what is not there may be where it was made
        raise PermanentError(
            f"it was made in {made}, and {resource.system} is {now} by now. Put the url back until it is removed.",
            system=resource.system,
            operation="clean up",
        )
    try:
        return _REMOVE[resource.kind](context, resource)
    except MissingError:
        return True


def _made_in(context: Context, resource: Resource) -> str:
    return str(resource.detail.get("url") or context.target(resource.system).url)


def _abort(context: Context, resource: Resource) -> bool:
    abort(context.target(resource.system), resource.name, str(resource.detail.get("upload_id", "")))
    return True


def _delete_object(context: Context, resource: Resource) -> bool:
    if context.id not in (segment_of(resource.name), prefix_of(resource.name)):
        raise PermanentError(
            f"{resource.name} is no object of transaction {context.id}; Cloudy does not remove it.",
            system=resource.system,
            operation="remove object",
        )
    erase(context.target(resource.system), resource.name)
    return True


def _delete_objects(context: Context, resource: Resource) -> bool:
    """Everything under the transaction's prefix, unless a manifest stands there: then it is a recovery point.

    The catalogue does not know of it yet where the store's answer was lost; it learns it here.
    """
    target = context.target(resource.system)
    if resource.name != context.id:
        return _erase_point(context, target, resource.name)
    if adopt(context, target):
        return False
    try:
        _erase_all(target, list(target.list_versions(f"{context.id}/")))
    except LockedError:
        raise
    except DeniedError:  # who may not remove versions hides them: then the bucket's own rules remove them
        for found in target.list(f"{context.id}/"):
            target.delete(found.key)
    return True


def _erase_point(context: Context, target: ObjectStore, point: str) -> bool:
    """What is left of a recovery point that was withdrawn; False: its manifest stands, so it was not.

    Then the promise ends with the run that made it: the approval was for that run, not for a later day.
    """
    try:
        target.head(manifest.key(point))
    except MissingError:
        remains = list(target.list_versions(f"{point}/"))  # MissingError: the whole bucket is not there
        context.catalogue.withdraw(point, target.name)  # the answer to the removal may have been lost
        _erase_all(target, remains)
        return True
    context.catalogue.stands(point, target.name)
    return False


def _erase_all(target: ObjectStore, versions: Sequence[ObjectVersion]) -> None:
    """Remove each for good. LockedError, of the one that is locked longest: all others are gone."""
    locked: list[LockedError] = []
    for version in oldest_first(versions):
        try:
            target.erase(version)
        except LockedError as error:
            locked.append(error)
    if locked:
        raise max(locked, key=lambda each: (each.is_held, each.until or _NEVER))


def _remove_clone(context: Context, resource: Resource) -> bool:
    if not is_clone_directory(resource.name, context.id):
        raise PermanentError(
            f"{resource.name} is not a directory of transaction {context.id}; Cloudy does not remove it.",
            system=resource.system,
            operation="remove clone",
        )
    settle(context, context.session(resource.system), resource)
    share = context.cleanup_share(resource.system)
    if share is not None and share.exists(resource.name):
        _note_seen(context, resource)
        share.remove_tree(resource.name)
        return True
    if context.share(resource.system).exists(resource.name):
        _note_seen(context, resource)
        why = (
            'this VMstore is configured with cleanup = "manual".'
            if share is None
            else f"`cleanup_share` does not show {resource.name}, and `share` does: is the export mounted at both?"
        )
        raise PermanentError(why, system=resource.system, operation="remove clone")
    if share is None:
        check_mounted(context.share(resource.system), resource.system, "share")
    else:
        check_mounted(share, resource.system, "cleanup_share")
    _check_never_hidden(context, resource)
    return True


def _note_seen(context: Context, resource: Resource) -> None:
    """Before it is removed: so it is known to be gone if the process dies now, or a person removes it."""
    context.ledger.describe(resource.kind, resource.system, resource.name, seen=True)


def _check_never_hidden(context: Context, resource: Resource) -> None:
    """PermanentError: the VMstore says that the clone was made, and the shares never showed it; they are of another."""
    task_id = str(resource.detail.get("task", ""))
    if not task_id or resource.detail.get("seen"):
        return
    try:
        was_made = context.session(resource.system).task(task_id).state is TaskState.SUCCEEDED
    except MissingError:  # forgotten: it ended long ago
        return
    if was_made:
        raise PermanentError(
            f"it was made, and neither `share` nor `cleanup_share` shows it: are they of {resource.system}'s export?",
            system=resource.system,
            operation="remove clone",
        )


def _delete_snapshot(context: Context, resource: Resource) -> bool:
    if context.ledger.open(ResourceKind.ORIGINAL):
        raise PermanentError(
            "the VM that was to be overwritten is not put back yet, and may need it.",
            system=resource.system,
            operation="delete a snapshot",
        )
    session = context.session(resource.system)
    for found in session.find_snapshots(context.id):
        session.delete_snapshot(found.uuid)
    return True


# Each gives whether the thing is gone; False: it is to stay.
_REMOVE = {
    ResourceKind.UPLOAD: _abort,
    ResourceKind.OBJECT: _delete_object,
    ResourceKind.OBJECTS: _delete_objects,
    ResourceKind.CLONE: _remove_clone,
    ResourceKind.SNAPSHOT: _delete_snapshot,
    ResourceKind.FOLDER: remove_folder,
    ResourceKind.REGISTRATION: unregister,
    ResourceKind.ORIGINAL: put_back,
}


def describe(resource: Resource) -> str:
    """Name it for people."""
    names = {
        ResourceKind.UPLOAD: f"unfinished upload {resource.name} in {resource.system}",
        ResourceKind.OBJECT: f"object {resource.name} in {resource.system}",
        ResourceKind.OBJECTS: f"objects under {resource.name}/ in {resource.system}",
        ResourceKind.CLONE: f"clone {resource.name} on {resource.system}",
        ResourceKind.SNAPSHOT: f"snapshot {resource.name} on {resource.system}",
        ResourceKind.FOLDER: f"folder {_lies_in(resource)} on {resource.system}",
        ResourceKind.REGISTRATION: f"registration of the VM {resource.detail.get('vm_id') or resource.name}"
        f" with the hypervisor of {resource.system}",
        ResourceKind.ORIGINAL: f"changes to the VM {resource.detail.get('vm') or resource.name} on {resource.system}",
    }
    return names[resource.kind]


def _lies_in(resource: Resource) -> str:
    """A folder's name by now, as far as the ledger knows."""
    return str(resource.detail.get("placed") or resource.name)


def _cure(context: Context, resource: Resource) -> str:
    """The way to remove what Cloudy could not: the command where it can work, and the way by hand."""
    try:
        by_hand = _way(context, resource)
        if resource.kind is ResourceKind.CLONE and context.cleanup_share(resource.system) is None:
            return by_hand
    except CloudyError:  # the system is not in the configuration any more, or is mistyped there
        return f"put {resource.system} back into the configuration, then `cloudy orphans --remove`."
    return (
        "mend the cause, then `cloudy orphans --remove` (the janitor also tries again every hour);"
        f" or by hand: {by_hand}"
    )


def _way(context: Context, resource: Resource) -> str:
    if resource.kind in (ResourceKind.CLONE, ResourceKind.FOLDER):
        export = context.share(resource.system).export.rstrip("/")
        by_hand = f"rm -r '{export}/{resource.name}' on a client that mounts the export writable."
        if context.ledger.open(ResourceKind.ORIGINAL):
            return f"not before the VM is as it was, since its own files lie in it; then {by_hand}"
        if placed := resource.detail.get("placed"):
            by_hand += f" If it is called '{export}/{placed}': only when nothing but the restored files is in there."
        return by_hand
    if resource.kind is ResourceKind.SNAPSHOT:
        return f"delete the snapshot whose description begins with {context.id} in the VMstore's UI."
    if resource.kind is ResourceKind.ORIGINAL:
        return _way_back(context, resource)
    if resource.kind is ResourceKind.REGISTRATION:
        return "remove that VM from the hypervisor's list, without its files."
    where = _made_in(context, resource)
    if resource.kind is ResourceKind.UPLOAD:
        upload = Upload(key=resource.name, upload_id=str(resource.detail.get("upload_id", "")))
        return f"{context.target(resource.system).by_hand(upload, f'{where}/{resource.name}')}."
    return f"delete {where}/{resource.name} with any tool for that store."


def _way_back(context: Context, resource: Resource) -> str:
    """By what the ledger knows by now: all but the start of the VM may be done."""
    now = next((each for each in context.ledger.open(resource.kind) if each.name == resource.name), resource)
    if not now.detail.get("names") and not now.detail.get("is_touched"):
        return "power it on."
    return (
        "power the VM off, and put it back to the snapshot whose description begins with"
        f" {context.id} (SyncVM in the VMstore's UI), then `cloudy orphans --let-go {context.id}`."
    )
