"""A recovery point becomes a folder on a VMstore: fetched beside it, checked, put in its place as a whole.

Until the step `record` all of it stands in the clean-up ledger, so it goes again unless the restore comes to its end.
"""

from dataclasses import asdict, replace

from bot.actions import thawing
from bot.actions.context import Context
from bot.actions.points import read_manifest
from bot.checksum import crc64, to_hex
from bot.errors import ArchivedError, ChangedError, ConfigError, IntegrityError, PermanentError, TransientError
from bot.fetch import Arrived, FetchSettings, fetch
from bot.folders import check_ours, check_place, check_unused, content_of
from bot.ids import drill_name
from bot.manifest import Manifest
from bot.model import Bytes, Json, Resource, ResourceKind, StoredFile
from bot.mounted import check_mounted
from bot.nearby import folders_of, older_copies
from bot.placing import OURS, safe_places
from bot.ports import Share
from bot.vacancy import is_for_windows, lack, taken

_REMOVE = "remove folder"
_THAWS = "restore"  # the workflow that brings back what is archived, since somebody has read what that costs
_READ_BACK = 16 << 20  # bytes of a file that is read back once more; of a larger one each block was checked as it came


def folder_of(transaction_id: str) -> str:
    """Where the files of a restore lie until they are whole, relative to the export."""
    return f"{OURS}{transaction_id}"


def share_of(context: Context, vmstore: str) -> Share:
    """The share that a restore writes through. ConfigError: there is none."""
    share = context.restore_share(vmstore)
    if share is None:
        raise ConfigError([f"vmstores.{vmstore}: a restore needs restore_share or cleanup_share, a writable way to it"])
    return share


def manifest_of(context: Context, inputs: Json) -> Manifest:
    """The manifest that this restore began with. ChangedError: another one stands there by now."""
    written, crc = read_manifest(context.target(inputs["target"]), inputs["point"])
    if to_hex(crc) != inputs["manifest"]:
        raise ChangedError(
            f"The manifest of {inputs['point']} in target {inputs['target']} was replaced since this restore began."
        )
    return written


def check(context: Context, inputs: Json) -> Json:
    """Ask VMstore, share and hypervisor whether they are there, before anything is made."""
    store = inputs["vmstore"]
    info = context.open_vmstore(store).info()
    check_mounted(share_of(context, store), store, context.restore_setting(store))
    host = context.hypervisor(store)
    told = host.info() if host else None
    return {
        "product": info.product,
        "api_version": info.api_version,
        "hypervisor": f"{told.product} {told.version}" if told else "",
    }


def find_point(context: Context, inputs: Json) -> Json:
    """Read the manifest. IntegrityError: it is not good, or names a file that would not lie where it is to."""
    written, crc = read_manifest(context.target(inputs["target"]), inputs["point"])
    is_for_windows = _is_for_windows(context, context.transaction.vmstore)
    safe_places([file.name for file in written.files], is_for_windows=is_for_windows)
    return {"manifest": to_hex(crc), "files": len(written.files), "size": written.size}


def bring_back(context: Context, inputs: Json) -> Json:
    """Have what lies in an archive so that it can be read; Paused until it is. Repeat: safe, it is asked for once.

    A target that does not answer ends no wait of hours: it is looked at again later.
    """
    try:
        return thawing.bring_back(context, inputs["target"], manifest_of(context, inputs))
    except TransientError:
        if not context.before:
            raise
        raise thawing.later(context, context.before) from None


def prepare(context: Context, inputs: Json) -> Json:
    """Look once more whether the name is free and the files fit. Repeat: safe, it only looks.

    PermanentError: they do not fit, or something has the name by now.
    """
    store, name = inputs["vmstore"], inputs["name"]
    share = share_of(context, store)
    if why := taken(name, share, context.session(store), context.hypervisor(store)):
        raise _taken(store, why)
    free = share.free()
    if why := lack(free, inputs["room"], store):
        raise PermanentError(why, system="share", operation="check")
    return {"free": -1 if free is None else free}


def _is_for_windows(context: Context, vmstore: str) -> bool:
    return is_for_windows(context.restore_address(vmstore), context.hypervisor(vmstore))


def _taken(vmstore: str, what: str) -> PermanentError:
    return PermanentError(
        f"There is {what} on {vmstore} by now. Nothing is replaced: restore under another name.",
        system=vmstore,
        operation="place",
    )


def download(context: Context, inputs: Json) -> Json:
    """Fetch the files into a folder of their own. Repeat: safe; what is safe on the share is not fetched again.

    IntegrityError: an object is not what was stored. PermanentError: no room. Paused: what was brought back from an
    archive lies there again, since it waited so long for a Retry.
    """
    try:
        return _download(context, inputs)
    except ArchivedError:
        if context.transaction.workflow == _THAWS:
            bring_back(context, inputs)
        raise


def _download(context: Context, inputs: Json) -> Json:
    store, source = inputs["vmstore"], inputs["target"]
    written, folder = manifest_of(context, inputs), folder_of(context.id)
    files = written.files
    context.check()
    content = content_of((file.name, file.size) for file in files)
    address = context.restore_address(store)
    context.ledger.register(ResourceKind.FOLDER, store, folder, source=source, address=address, **content)
    share = same_share(context, store)
    older = _older(context, store, share, written)
    former = context.transaction.bytes

    def moved(arrived: Arrived) -> Bytes:
        zero = max(0, arrived.zero - former.zero)  # those of an attempt before were told
        return Bytes(read=arrived.fetched, zero=zero, copied=arrived.older)

    def report(arrived: Arrived) -> None:
        context.moved(moved(arrived))
        context.progress(arrived.done, arrived.total)

    fetched = fetch(
        files,
        source=context.target(source),
        share=share,
        directory=folder,
        journal=context.journal,
        settings=replace(_how(context, store, source), older=older),
        check=context.check,
        on_progress=report,
    )
    context.moved(moved(fetched.moved))
    told = asdict(former + moved(fetched.moved))
    return {"fetched": told["read"], "zero": told["zero"], "local": told["copied"], "notes": list(fetched.notes)}


def _older(context: Context, vmstore: str, share: Share, written: Manifest) -> dict[str, str]:
    """A drill is to prove what lies in the target, so it is all read from there."""
    if context.transaction.workflow == "drill":
        return {}
    return older_copies(written.files, share, folders_of(written.vm, context.session(vmstore)))


def _how(context: Context, vmstore: str, source: str) -> FetchSettings:
    settings = context.transfer_settings([source])
    return FetchSettings(
        threads=settings.threads,
        arena=settings.arena,
        reads=settings.reads,
        is_for_windows=_is_for_windows(context, vmstore),
    )


def verify(context: Context, inputs: Json) -> Json:
    """Look whether all files are there at full size and nothing else, and read the small ones back.

    Repeat: safe, it only reads. IntegrityError names the files that are not as they must be.
    """
    share, folder = same_share(context, inputs["vmstore"]), folder_of(context.id)
    wanted = {f"{folder}/{file.name}": file for file in manifest_of(context, inputs).files}
    found = {entry.path: entry.size for entry in share.walk(folder)}
    bad = [path for path, file in wanted.items() if found.get(path) != file.size]
    bad += [path for path in found if path not in wanted]
    read = 0
    for path, file in wanted.items():
        context.check()
        if path not in bad and file.size <= _READ_BACK:
            read += 1
            bad += [] if _crc(share, path, file) == file.crc64 else [path]
    if bad:
        raise IntegrityError(f"On {inputs['vmstore']} these are not as they were written: {', '.join(bad[:5])}.")
    return {"files": len(wanted), "read_back": read}


def _crc(share: Share, path: str, file: StoredFile) -> int:
    reader = share.open(path)
    try:
        body = bytearray(file.size)
        with memoryview(body) as view:
            reader.read_into(0, view)
        return crc64(body)
    finally:
        reader.close()


def place(context: Context, inputs: Json) -> Json:
    """Give the folder its name. Repeat: safe; nothing that is there already is replaced. PermanentError: something is.

    The ledger knows which name before it is given, so that the folder is found again under either; it forgets it again
    where the name was not given, since then whatever is called so is somebody else's.
    """
    store, name = inputs["vmstore"], inputs["name"]
    share, folder = same_share(context, store), folder_of(context.id)
    context.check()
    if share.exists(folder):
        if share.exists(name):
            raise _taken(store, f"a folder called {name}")
        context.ledger.describe(ResourceKind.FOLDER, store, folder, placed=name)
        try:
            _rename(share, folder, name)
        except PermanentError:
            context.ledger.describe(ResourceKind.FOLDER, store, folder, placed="")
            raise
    elif (promised := _placed(context, store, name)) is None or not share.exists(name):
        raise PermanentError(f"{folder} is not there any more.", system="share", operation="place")
    else:
        check_ours(share, name, promised, "place")
    return {"directory": name, "path": f"{share.export.rstrip('/')}/{name}"}


def _rename(share: Share, folder: str, new: str) -> None:
    try:
        share.rename(folder, new)
    except PermanentError:
        if share.exists(folder) or not share.exists(new):  # else the answer to a call that did it was lost
            raise


def _placed(context: Context, vmstore: str, name: str) -> Resource | None:
    """The ledger's entry of a folder that was to have that name."""
    found = (each for each in context.ledger.open(ResourceKind.FOLDER) if each.system == vmstore)
    return next((each for each in found if each.detail.get("placed") == name), None)


def same_share(context: Context, vmstore: str) -> Share:
    """The share, as long as it is the one that the folder was begun on. PermanentError."""
    for begun in context.ledger.open(ResourceKind.FOLDER):
        if begun.system == vmstore:
            setting = f"`{context.restore_setting(vmstore)}`"
            check_place(begun.detail.get("address"), context.restore_address(vmstore), setting, begun)
    return share_of(context, vmstore)


def record(context: Context, inputs: Json) -> Json:
    """The restore is done: nothing of it is to be removed from here on. Repeat: safe."""
    kinds = (ResourceKind.FOLDER, ResourceKind.REGISTRATION)
    what: Json = {
        "vm": context.transaction.vm,
        "point": inputs["point"],
        "from": inputs["target"],
        "vmstore": inputs["vmstore"],
        "name": inputs["name"],
        "vm_id": inputs["vm_id"] or "",
    }
    context.ledger.keep([each for each in context.ledger.open() if each.kind in kinds], what)
    return {}


def remove_folder(context: Context, resource: Resource) -> bool:
    """Remove what a restore wrote. One that has its place gets its first name again before: half a VM never has a VM's.

    PermanentError: it is none of this transaction, something else lies there by now, a VM of these files is registered
    still, or the share is another one by now.
    """
    if resource.name != folder_of(context.id):
        raise PermanentError(
            f"{resource.name} is no folder of transaction {context.id}; Cloudy does not remove it.",
            system=resource.system,
            operation=_REMOVE,
        )
    for kind, why in (
        (ResourceKind.REGISTRATION, "the VM of these files is still registered, and goes first."),
        (ResourceKind.ORIGINAL, "the files of the VM that was to be overwritten lie in it, and go back first."),
    ):
        if context.ledger.open(kind):
            raise PermanentError(why, system=resource.system, operation=_REMOVE)
    share, placed = same_share(context, resource.system), str(resource.detail.get("placed", ""))
    if not share.exists(resource.name):
        check_mounted(share, resource.system, context.restore_setting(resource.system))
        if not placed or not share.exists(placed):
            return True
        check_ours(share, placed, resource, _REMOVE)
        _check_unused(context, resource.system, placed, placed)
        _rename(share, placed, resource.name)
    else:
        _check_unused(context, resource.system, resource.name, drill_name(context.id))
    if placed:  # it has its first name again
        context.ledger.describe(resource.kind, resource.system, resource.name, placed="")
    share.remove_tree(resource.name)
    return True


def _check_unused(context: Context, vmstore: str, folder: str, name: str) -> None:
    """PermanentError: a VM of that name or in that folder lives; not this restore's, whose registration went first.

    A VMstore may list that one for a while, or for its files alone: who says whether it lives is the hypervisor.
    """
    host = context.hypervisor(vmstore)
    check_unused(context.session(vmstore), vmstore, folder, _REMOVE, gone=name if host is not None else "")
    if host is not None and host.find(name):
        raise PermanentError(
            f"{host.name} has a VM called {name}, which Cloudy did not register: unregister it first.",
            system=vmstore,
            operation=_REMOVE,
        )
