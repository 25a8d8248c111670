"""What a file is compared with: the object of an earlier recovery point, by its manifest and digests in the target.

Nothing here is trusted further than to choose what is copied: the store's checksum of what it copied is compared with
what was read, and whatever is wrong with a base means that a file is sent in full.
"""

import logging
from collections.abc import Mapping, Sequence

from bot import digests, manifest
from bot.errors import ArchivedError, CloudyError, IntegrityError, MissingError, Stopped
from bot.lane import Former
from bot.model import SourceFile, StoredFile
from bot.ports import ObjectStore

log = logging.getLogger(__name__)

Bases = Mapping[str, Former]  # by the file's name, which is its identity


def bases(target: ObjectStore, point: str, files: Sequence[SourceFile]) -> Bases:
    """The bases that a recovery point gives for these files; what cannot be used is left out, and logged.

    Raises Stopped only: without a base everything is sent.
    """
    try:
        kept = manifest.decode(target.get(manifest.key(point)))
    except Stopped:
        raise
    except CloudyError as error:
        _unused(target, point, manifest.key(point), error)
        return {}
    known = {stored.name: stored for stored in kept.files if stored.digests}
    found: dict[str, Former] = {}
    for file in files:
        if file.name in known:
            try:
                found[file.name] = _base(target, known[file.name])
            except Stopped:
                raise
            except CloudyError as error:
                _unused(target, point, known[file.name].key, error)
    return found


def _base(target: ObjectStore, stored: StoredFile) -> Former:
    info = target.head(stored.key)
    if info.is_archived:
        raise ArchivedError(f"{stored.key} lies in an archive ({info.storage_class}).")
    if info.size != stored.size or info.crc64 not in (None, stored.crc64):
        raise IntegrityError(f"{stored.key} is not what its manifest says.")
    read = digests.decode(target.get(stored.digests))
    if (read.key, read.size) != (stored.key, stored.size):
        raise IntegrityError(f"{stored.digests} has the digests of another object.")
    if info.size < target.limits.smallest_source:
        raise MissingError(f"{stored.key} is too small to be copied from.")
    return Former(digests=read, etag=info.etag, version_id=info.version_id)


def _unused(target: ObjectStore, point: str, key: str, error: CloudyError) -> None:
    facts = {"action": "base", "target": target.name, "transaction": point, "object": key, "error": error.message}
    log.warning("not used as a base, the file is sent in full", extra=facts)
