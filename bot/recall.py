"""What is known of an object before it is fetched or copied from: its facts now, and what its grains have to be."""

import logging

from bot import digests
from bot.checksum import to_hex
from bot.digests import Digests
from bot.errors import ArchivedError, CloudyError, IntegrityError, MissingError, Stopped, TransientError
from bot.grains import most_grains
from bot.model import ObjectInfo, StoredFile
from bot.ports import ObjectStore

log = logging.getLogger(__name__)


def look(source: ObjectStore, file: StoredFile, *, may_be_archived: bool = False) -> ObjectInfo:
    """Ask the store anew for the object of a file.

    IntegrityError: gone, or another than the manifest says. ArchivedError: it must be brought back first, and may not
    lie in an archive.
    """
    where = f"{file.key} in target {source.name}"
    try:
        info = source.head(file.key)
    except MissingError as error:
        raise IntegrityError(
            f"{where} is not there any more: {error.message} {file.name} cannot be restored."
        ) from error
    if info.size != file.size:
        raise IntegrityError(f"{where} has {info.size} bytes, and the manifest says {file.size}.")
    if info.crc64 not in (None, file.crc64):
        raise IntegrityError(
            f"{where} has CRC-64 {to_hex(info.crc64 or 0)}, and the manifest says {to_hex(file.crc64)}: "
            "it was damaged or replaced."
        )
    if info.is_archived and not may_be_archived:
        raise ArchivedError(
            f"{where} lies in an archive ({info.storage_class}): it must be brought back first.",
            system=source.name,
            operation="read",
        )
    return info


def recall(source: ObjectStore, file: StoredFile, window: int) -> tuple[Digests | None, str]:
    """What the grains of a file are; None, with the reason: that is not known, or not to be relied on.

    They are relied on if they make up the CRC of the manifest. window: bytes; a grain that is longer is of no use.
    Raises Stopped, and TransientError: the target does not answer.
    """
    if not file.digests:
        return None, ""
    try:
        found = read_digests(source, file)
        if found.grain > window:
            raise IntegrityError(f"Its grains have {found.grain} bytes.")
        if found.crc64(0, len(found)) != file.crc64:
            raise IntegrityError("Together its grains have another CRC than the manifest says.")
    except (Stopped, TransientError):
        raise
    except CloudyError as error:
        facts = {"action": "recall", "target": source.name, "object": file.digests, "error": error.message}
        log.warning("digests of no use, all is fetched", extra=facts)
        return None, f"{file.name} was fetched in full: {file.digests} is of no use. {error.message}"
    return found, ""


def read_digests(source: ObjectStore, file: StoredFile) -> Digests:
    """Read the digests of a file; whoever wrote them, they take no more memory than our own.

    IntegrityError: damaged, too many, or of another object.
    """
    most = most_grains(file.size)
    found = digests.decode(source.get(file.digests, 0, digests.longest(most)), most=most)
    if (found.key, found.size) != (file.key, file.size):
        raise IntegrityError(f"The digests are of another object: {found.key!r}, {found.size} bytes.")
    return found
