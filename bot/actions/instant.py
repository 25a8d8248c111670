"""A recovery point whose snapshot the VMstore still has becomes a folder there: cloned, and nothing is fetched."""

from bot.actions.context import Context
from bot.actions.files import vm_directory
from bot.actions.restoring import folder_of, manifest_of, same_share
from bot.errors import MissingError, PermanentError
from bot.folders import content_of
from bot.ids import is_clone_directory
from bot.model import Json, Resource, ResourceKind
from bot.placing import directories
from bot.ports import Share


def find_snapshot(context: Context, inputs: Json) -> Json:
    """Look whether it is there still. MissingError: it is not, so a target has to do. Repeat: safe, it only looks."""
    store, uuid = inputs["vmstore"], inputs["snapshot"]
    found = context.session(store).find_snapshots(inputs["point"])
    taken = next((one for one in found if one.uuid == uuid), None)
    if taken is None:
        raise MissingError(
            f"{store} does not have the snapshot of {inputs['point']} any more. Ask again: the restore then comes from"
            " a target.",
            system=store,
            operation="find a snapshot",
        )
    return {"snapshot_uuid": taken.uuid, "description": taken.description}


def take(context: Context, inputs: Json) -> Json:
    """Move the recovery point's files out of their clone into the restore's own folder; what else is in it goes.

    Repeat: safe. PermanentError: the share does not show the clone, or a file is not in it.
    """
    store, made = inputs["vmstore"], inputs["directory"]
    files, folder = manifest_of(context, inputs).files, folder_of(context.id)
    names, content = [file.name for file in files], content_of((file.name, file.size) for file in files)
    context.check()
    address = context.restore_address(store)
    context.ledger.register(ResourceKind.FOLDER, store, folder, source="", address=address, **content)
    share = same_share(context, store)
    base = _base(context, share, store, made)
    for below in ("", *directories(names)):
        share.make_directory("/".join(filter(None, (folder, below))))
    for number, name in enumerate(names):
        context.check()
        _move(share, f"{base}/{name}", f"{folder}/{name}")
        context.progress(number + 1, len(names))
    share.remove_tree(made)
    return {"files": len(names)}


def _base(context: Context, share: Share, store: str, made: str) -> str:
    """Where in the clone the VM's files are: seen once, since nothing tells when some of them are gone."""
    clone = next(each for each in context.ledger.open(ResourceKind.CLONE) if (each.system, each.name) == (store, made))
    if not is_clone_directory(made, context.id):
        raise PermanentError(f"{made} is not a directory of transaction {context.id}.", system=store, operation="take")
    return str(clone.detail.get("base", "")) or _seen(context, share, clone)


def _seen(context: Context, share: Share, clone: Resource) -> str:
    if not share.exists(clone.name):
        raise PermanentError(
            f"{clone.system} says that {clone.name} was made, and `{context.restore_setting(clone.system)}` does not"
            " show it: is that of another export?",
            system="share",
            operation="take",
        )
    base = vm_directory(clone.name, share.walk(clone.name))
    context.ledger.describe(clone.kind, clone.system, clone.name, seen=True, base=base)
    return base


def _move(share: Share, path: str, new: str) -> None:
    if share.exists(new):
        return
    try:
        share.rename(path, new)
    except PermanentError:
        if not share.exists(new):  # else the answer to a call that did it was lost
            raise
