"""The ObjectStore port on Azure Blob Storage: what is kept, found again and never made twice."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock

from bot.errors import DeniedError, IntegrityError, LockedError, MissingError, PermanentError
from bot.model import (
    Capabilities,
    Content,
    CopySource,
    ObjectInfo,
    ObjectLock,
    ObjectVersion,
    PartCopied,
    PartDone,
    PartLimits,
    Thaw,
    Tier,
    Upload,
    UploadRule,
)
from integrations.objectstores.azure_blob.blocks import (
    MARK,
    ONE_BYTE,
    ONE_BYTE_CRC,
    TOMB,
    TRIAL,
    Block,
    begun_at,
    new_token,
)
from integrations.objectstores.azure_blob.probe import check_lockable, known_rules, probe
from integrations.objectstores.azure_blob.ranged import RangedContainer
from integrations.objectstores.azure_blob.sources import Sources
from integrations.objectstores.azure_blob.wire import REHYDRATION_H, Rules
from integrations.objectstores.refusals import dated
from integrations.objectstores.sums import whole

_TAKEN = ("BlobAlreadyExists", "ConditionNotMet")
_NO_SUCH_BLOCKS = "InvalidBlockList"
_CURRENT = "OperationNotAllowedOnRootBlob"
_AT_ONCE = 1 << 20  # what is longer goes out in pieces, as a block: slow lines get it through, too

# Source: "Scalability and performance targets for Blob storage".
LIMITS = PartLimits(
    smallest=1,
    largest=4000 << 20,
    most=50_000,
    largest_object=50_000 * (4000 << 20),
    smallest_source=1,
)


class AzureStore:
    """One container under one prefix. Opening it asks nothing of the network.

    Azure knows no uploads; see blocks.py for what stands for one. Blocks that wait at a key for a week without a new
    one are dropped by the service itself.
    """

    def __init__(self, name: str, container: RangedContainer) -> None:
        self.name = name
        self.limits = LIMITS
        self._container = container
        self._capabilities: list[Capabilities] = []  # once it is probed
        self._probing = Lock()
        self._open: set[tuple[str, str]] = set()  # uploads that were seen, so that not each part asks
        self._sound = Sources()

    def __repr__(self) -> str:
        return f"AzureStore({self.name!r}, {self.url!r})"

    @property
    def url(self) -> str:
        """Where it is, for people."""
        return self._container.url

    @property
    def address(self) -> str:
        """Where it is, with the endpoint that is really used."""
        return f"{self._container.url} at {self._container.endpoint}"

    def now(self) -> datetime:
        """By an answer to a look at the container. Repeat: safe, it only reads."""
        return self._container.now()

    def capabilities(self) -> Capabilities:
        """Probe the store at the first call; a probe that fails is tried again at the next."""
        with self._probing:
            if not self._capabilities:
                self._capabilities.append(probe(self._container))
            return self._capabilities[0]

    def put(self, key: str, body: Content, *, crc64: int, metadata: Mapping[str, str]) -> ObjectInfo:
        """Write an object at once, checked by the store. Repeat: safe."""
        if len(body) <= _AT_ONCE:
            etag = self._container.put(key, body, crc64=crc64, metadata=metadata)
        else:
            block = Block(1, _token(), crc64)
            self._container.stage(key, block, body)
            etag = self._container.commit(key, [block], crc64=crc64, metadata=metadata, only_new=False)
        return ObjectInfo(key=key, size=len(body), etag=etag, crc64=crc64, metadata=metadata)

    def begin_upload(self, key: str, *, metadata: Mapping[str, str]) -> Upload:  # noqa: ARG002 - goes with completing
        """Open an upload, or go on with the oldest one of that key."""
        token = self._oldest(key)
        if token is None:
            self._container.stage(key, Block(MARK, _token(), ONE_BYTE_CRC), ONE_BYTE)
            token = self._oldest(key)  # another may have been faster
        if token is None:
            raise self._container.asked("open upload", key).passing("its first block is not there yet.")
        self._open.add((key, token))
        return _upload(key, token)

    def _oldest(self, key: str) -> str | None:
        return min((block.token for block in self._alive(key) if block.number == MARK), default=None)

    def put_part(self, upload: Upload, number: int, body: Content, *, crc64: int) -> str:
        """Send a part. Repeat: safe; which of two counts is said when the object is made."""
        self._check_open(upload)
        block = Block(number, upload.upload_id, crc64)
        self._container.stage(upload.key, block, body)
        return block.etag

    def copy_part(self, upload: Upload, number: int, source: CopySource, *, crc64: int) -> PartCopied:
        """Let the store make a part of a range, which it checks while it copies. Repeat: safe.

        Where the range has another CRC the part is made all the same, and what is told is that CRC.
        """
        self._check_open(upload)
        if source not in self._sound:
            self._check_source(source)
        try:
            return self._copied(upload, Block(number, upload.upload_id, crc64), source)
        except IntegrityError:
            self._check_source(source)
        trial = Block(TRIAL, upload.upload_id, 0)
        found = self._container.stage_from(upload.key, trial, source, is_checked=False)
        if found is None:
            raise self._container.asked("copy part", source.key).wrong("its bytes are not those that were recorded.")
        return self._copied(upload, Block(number, upload.upload_id, found), source)

    def _copied(self, upload: Upload, block: Block, source: CopySource) -> PartCopied:
        told = self._container.stage_from(upload.key, block, source)
        checked = block.crc64 if self.capabilities().copy_tells_crc else None
        return PartCopied(etag=block.etag, crc64=checked if told is None else told)

    def _check_source(self, source: CopySource) -> None:
        """Tell a source that is gone, another or too short; of a range that ends behind it Azure copies what is there.

        The service itself checks the etag with each copy, so that each source is asked for once.
        """
        info = self._container.head(source.key, source.version_id, with_crc=False)
        asked = self._container.asked("copy from", source.key)
        if info.etag != source.etag:
            raise asked.changed(f"its etag is {info.etag}, and {source.etag} was recorded.")
        self._sound.note(source, info.size)
        if source not in self._sound:
            raise asked.changed(f"it has {info.size} bytes, and none at {source.offset + source.length - 1}.")

    def list_parts(self, upload: Upload) -> Mapping[int, tuple[str, int]]:
        """Parts that the store has."""
        blocks = [block for block in self._alive(upload.key) if block.token == upload.upload_id]
        if not any(block.number == MARK for block in blocks):
            self._open.discard((upload.key, upload.upload_id))
            raise self._gone("list parts of", upload)
        self._open.add((upload.key, upload.upload_id))
        return {block.number: (block.etag, block.size) for block in blocks if 0 < block.number <= LIMITS.most}

    def complete_upload(
        self, upload: Upload, parts: Sequence[PartDone], *, size: int, crc64: int, metadata: Mapping[str, str]
    ) -> ObjectInfo:
        """Make the object. Repeat: safe; an object that is there already must be the one that was to be made.

        The service checked each part; that they make the whole is checked here, since it keeps no checksum of it.
        """
        asked = self._container.asked("complete upload", upload.key)
        if sum(part.length for part in parts) != size or whole((each.crc64, each.length) for each in parts) != crc64:
            raise asked.wrong("the parts do not make up the file: size or checksum differ.")
        if unlike := [part.number for part in parts if part.etag != _block(upload, part).etag]:
            raise asked.wrong(f"the store has other bytes for part {unlike[0]} than were meant.")
        only_new = self.capabilities().conditional_complete
        blocks = [_block(upload, part) for part in parts]
        try:
            etag = self._container.commit(upload.key, blocks, crc64=crc64, metadata=metadata, only_new=only_new)
        except PermanentError as error:
            if error.code not in (*_TAKEN, _NO_SUCH_BLOCKS):
                raise
            return self._ours(upload, size, crc64)
        finally:
            self._open.discard((upload.key, upload.upload_id))
        return ObjectInfo(key=upload.key, size=size, etag=etag, crc64=crc64, metadata=metadata)

    def _ours(self, upload: Upload, size: int, crc64: int) -> ObjectInfo:
        try:
            info = self.head(upload.key)
        except MissingError:
            raise self._gone("complete upload", upload) from None
        if (info.size, info.crc64) != (size, crc64):
            raise self._container.asked("complete upload", upload.key).wrong(
                f"another object lies there already: {info.size} bytes, etag {info.etag}. It is not touched; "
                "find out who wrote it."
            )
        return info

    def abort_upload(self, upload: Upload) -> None:
        """Give an upload up; gone already is fine.

        Its blocks are freed at once where nothing else lies there and no lock would keep the empty object that this
        takes; else they are marked as given up, and the service drops them within a week.
        """
        self._open.discard((upload.key, upload.upload_id))
        waiting = self._alive(upload.key)
        if not any(block.token == upload.upload_id for block in waiting):
            return
        is_alone = all(block.token == upload.upload_id for block in waiting)
        rules = known_rules(self._container) or Rules()
        if is_alone and not rules.can_lock and self._freed(upload.key):
            return
        self._container.stage(upload.key, Block(TOMB, upload.upload_id, ONE_BYTE_CRC), ONE_BYTE)

    def _freed(self, key: str) -> bool:
        try:
            self._container.discard(key)
        except MissingError:
            return True
        except PermanentError as error:
            if error.code not in _TAKEN:
                raise
            return False
        return True

    def list_uploads(self, prefix: str) -> tuple[Upload, ...]:
        """Unfinished uploads, by key and then the oldest first; not those at the key of an object with bytes."""
        found: list[Upload] = []
        for key in self._container.candidates(prefix):
            found += [_upload(key, token) for token in sorted({block.token for block in self._alive(key)})]
        return tuple(found)

    def _alive(self, key: str) -> list[Block]:
        """Blocks that wait there, but for those of uploads that were given up."""
        try:
            waiting = self._container.waiting(key)
        except MissingError:
            return []
        dead = {block.token for block in waiting if block.number == TOMB}
        return [block for block in waiting if block.token not in dead]

    def head(self, key: str) -> ObjectInfo:
        """Ask the store for an object's facts; the CRC of one in parts is made of those that the store lists."""
        return self._container.head(key)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range, shorter where the object ends before."""
        if length == 0:
            return b""
        try:
            return self._container.get(key, offset, length)
        except PermanentError as error:
            if error.code != "InvalidRange":  # begins behind the end
                raise
            return b""

    def get_into(self, key: str, offset: int, buffer: memoryview, *, etag: str) -> None:
        """Fill the buffer. Repeat: safe."""
        if len(buffer):
            self._container.get_into(key, offset, buffer, etag=etag)

    def thaw(self, key: str, days: int) -> Thaw:  # noqa: ARG002 - what is set back stays there
        """By its tier, at the usual priority. Repeat: safe; one that is on its way goes on."""
        if not self._is_archived(key):
            return Thaw(is_ready=True)
        self._container.restore(key)
        # Asked again, since what speaks like Azure may need no hours.
        return Thaw(is_ready=not self._is_archived(key), words=f"within {REHYDRATION_H} hours")

    def _is_archived(self, key: str) -> bool:
        return self._container.head(key, with_crc=False).is_archived

    def class_of(self, tier: Tier) -> str:
        """As the target says, else Cold and Archive."""
        return self._container.class_of(tier)

    def retier(
        self,
        info: ObjectInfo,
        storage_class: str,
        *,
        check: Callable[[], None] = lambda: None,  # noqa: ARG002 - it takes one request
    ) -> ObjectInfo:
        """By its access tier, in place: nothing is copied. Repeat: safe."""
        return self._container.set_class(info, storage_class)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose key begins with prefix, in order of key."""
        return self._container.list(prefix)

    def copy(self, source: str, key: str) -> ObjectInfo:
        """Copy within the container. Repeat: safe."""
        self._container.copy(source, key)
        return self._container.head(key)

    def upload_rule(self) -> UploadRule:
        """Azure drops blocks by itself. Source: "Put Block", remarks."""
        return UploadRule(days=7, words="Azure drops blocks of no blob itself, 7 days after the last one came")

    def by_hand(self, upload: Upload, where: str) -> str:  # noqa: ARG002 - Azure knows no uploads
        """No tool of Azure's gives up blocks alone."""
        return f"wait, Azure drops the blocks of {where} itself, 7 days after the last one came"

    def lock_rule(self) -> str:
        """How new objects are locked: by the target's own settings, and by what the container says."""
        options, rules = self._container.options, self._container.rules()
        check_lockable(self._container, rules)
        said = [
            f"{options.lock}, {options.lock_for.total_seconds() / 86_400:g} days" if options.lock_for else "",
            "a legal hold on each" if options.legal_hold else "",
            "the container's immutability policy" if rules.has_policy else "",
            "the container's legal hold" if rules.is_held else "",
        ]
        return "; ".join(filter(None, said))

    def locking(self, lock: ObjectLock) -> "AzureStore":
        """By an immutability policy of each blob; it is probed anew, since the container may have none."""
        other = copy(self)
        other._container = self._container.locking(lock)  # noqa: SLF001 - our own
        other._capabilities = []  # noqa: SLF001
        return other

    def delete(self, key: str) -> None:
        """Remove an object with its snapshots; gone already is fine. Where the account keeps versions, they stay."""
        try:
            self._container.delete(key)
        except MissingError:
            return

    def list_versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """Every version, where the account keeps any; else the objects."""
        return self._container.versions(prefix)

    def locks(self, versions: Sequence[ObjectVersion]) -> Iterator[ObjectVersion]:
        """Those that are locked by the service's own clock. Of a policy of the whole container no dates are told."""
        rules = known_rules(self._container) or Rules(locks_versions=True)  # not told: each has to be looked at
        if not rules.can_lock:
            return
        for version in versions:
            info = self._seen(version)
            if info is not None and (info.locked_until or info.is_held or rules.is_held):
                yield replace(version, locked_until=info.locked_until, is_held=info.is_held or rules.is_held)

    def _seen(self, version: ObjectVersion) -> ObjectInfo | None:
        try:
            return self._container.head(version.key, version.version_id)
        except (MissingError, DeniedError):  # gone since, or not ours to see
            return None

    def erase(self, version: ObjectVersion) -> None:
        """Remove one version; gone already is fine. The newest becomes an older one before it can go."""
        try:
            self._container.delete(version.key, version.version_id)
        except MissingError:
            return
        except LockedError as error:
            raise dated(error, self._seen(version)) from error
        except PermanentError as error:
            if error.code != _CURRENT:
                raise
            self.delete(version.key)
            self.erase(version)

    def _check_open(self, upload: Upload) -> None:
        if (upload.key, upload.upload_id) not in self._open:
            self.list_parts(upload)

    def _gone(self, operation: str, upload: Upload) -> MissingError:
        why = f"there is no upload {upload.upload_id}: it was completed, given up, or waited for more than a week."
        failed = self._container.asked(operation, upload.key).failed(why)
        return MissingError(failed.message, system=failed.system, operation=failed.operation, code="NoSuchUpload")


def _upload(key: str, token: str) -> Upload:
    return Upload(key=key, upload_id=token, begun_at=begun_at(token))


def _block(upload: Upload, part: PartDone) -> Block:
    return Block(part.number, upload.upload_id, part.crc64)


def _token() -> str:
    return new_token(datetime.now(UTC), secrets.token_bytes(4))
