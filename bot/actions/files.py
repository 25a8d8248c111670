"""The clone's files, seen through the share: are they all there, and what becomes of each."""

from dataclasses import replace

from bot import definition, images
from bot.actions.context import Context
from bot.codec import decode, encode
from bot.errors import NotRestorable
from bot.model import Disk, Entry, Json, ResourceKind, SourceFile
from bot.ports import Share


def open_files(context: Context, inputs: Json) -> Json:
    """List the clone's files and check that they are complete, before a byte is sent.

    NotRestorable names each file that the VM's definition asks for and the clone does not have at full size.
    """
    share = context.share(inputs["vmstore"])
    entries = share.walk(inputs["directory"])
    context.ledger.describe(ResourceKind.CLONE, inputs["vmstore"], inputs["directory"], seen=True)
    base = vm_directory(inputs["directory"], entries)
    inside = {e.path[len(base) + 1 :]: e for e in entries if e.path.startswith(f"{base}/")}
    named = [replace(entry, path=name) for name, entry in inside.items()]
    texts = {name: definition.decode(_start(share, inside[name])) for name in definition.texts_needed(named)}
    heads = {name: _start(share, inside[name], images.HEAD) for name in definition.heads_needed(named)}
    disks = tuple(decode(Disk, disk) for disk in inputs["disks"])
    complete = definition.examine(named, texts, disks, heads)
    files = [
        SourceFile(
            path=inside[name].path,
            name=name,
            key=f"{context.id}/{share.export.strip('/')}/{inside[name].path}",
            size=inside[name].size,
        )
        for name in complete.files
    ]
    return {
        "files": encode(files),
        "skipped": encode(complete.skipped),
        "size": sum(file.size for file in files),
    }


def vm_directory(directory: str, entries: tuple[Entry, ...]) -> str:
    """Where in the clone's directory the VM's files are: the VMstore's documents and its scripts differ in that.

    Tintri REST v310, RestoreInfo: `<directory>/<vm>/`; Tintri's failover script: `<directory>/` itself.
    """
    inside = [entry.path[len(directory) + 1 :] for entry in entries]
    tops = {name.partition("/")[0] for name in inside if "/" in name}
    if any("/" not in name for name in inside) or len(tops) > 1:
        return directory
    if not tops:
        raise NotRestorable(f"The clone's directory {directory} is empty: it would not be restorable.")
    return f"{directory}/{tops.pop()}"


def _start(share: Share, entry: Entry, most: int | None = None) -> bytes:
    """The bytes of a file, or the first of them."""
    reader = share.open(entry.path)
    try:
        buffer = bytearray(entry.size if most is None else min(entry.size, most))
        reader.read_into(0, memoryview(buffer))
    finally:
        reader.close()
    return bytes(buffer)
