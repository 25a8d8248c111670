"""Ports in memory that keep every promise of bot/ports.py, and fail on demand: at the nth call, before or after it."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from threading import Lock

from bot.checksum import crc64
from bot.errors import (
    ArchivedError,
    ChangedError,
    DeniedError,
    IntegrityError,
    LockedError,
    MissingError,
    PermanentError,
)
from bot.losses import Loss, Losses
from bot.model import (
    Capabilities,
    Carried,
    Content,
    CopySource,
    Entry,
    ObjectInfo,
    ObjectLock,
    ObjectVersion,
    PartCopied,
    PartDone,
    PartLimits,
    PartSource,
    Sample,
    StoredFile,
    Thaw,
    Tier,
    Upload,
    UploadRule,
)
from bot.ports import Reader, Writer

CLASSES = ("STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")  # that something can be moved to
Watch = Callable[[str], None]  # told "<port>.<call>" before and "<port>.<call> done" after each call; may raise


def unwatched(call: str) -> None:
    """Let every call happen."""


class Crash(BaseException):
    """The process dies here: nothing catches it, nothing is cleaned up."""


class CrashAt:
    """A watch that lets the process die at the nth thing that it is told."""

    def __init__(self, nth: int) -> None:
        self.told: list[str] = []
        self._nth = nth
        self._lock = Lock()

    def __call__(self, call: str) -> None:
        with self._lock:
            self.told.append(call)
            if len(self.told) > self._nth:  # a dead process calls nothing any more
                raise Crash(call)


class MemoryReader(Reader):
    """One open file."""

    def __init__(self, share: "MemoryShare", path: str) -> None:
        self.size = len(share.files[path])
        self._share = share
        self._path = path
        share.open_readers += 1
        self._is_open = True

    def read_into(self, offset: int, buffer: memoryview) -> None:
        with self._share.watching("read_into"):
            if not self._is_open:
                raise PermanentError("read after close")
            content = self._share.files[self._path][offset : offset + len(buffer)]
            if len(content) < len(buffer):
                raise IntegrityError(f"{self._path} ends at {offset + len(content)}")
            buffer[:] = content
            self._share.count(self._path, offset, len(buffer))

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._share.open_readers -= 1


class MemoryWriter:
    """One file that is being written."""

    def __init__(self, share: "MemoryShare", path: str, size: int) -> None:
        self.size = size
        self._share = share
        self._path = path
        share.open_writers += 1
        self._is_open = True

    def write_from(self, offset: int, buffer: memoryview) -> None:
        with self._share.watching("write_from"):
            self._must_be_open()
            self._share.store(self._path, offset, bytes(buffer))

    def flush(self) -> None:
        with self._share.watching("flush"):
            self._must_be_open()

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._share.open_writers -= 1

    def _must_be_open(self) -> None:
        if not self._is_open:
            raise PermanentError("write after close")


class MemoryShare:
    """The files of an export. `reads` counts how often each byte range was read."""

    may_be_unmounted = True  # as a mounted folder's files
    export = "/tintri"
    timeout_s = 60.0

    def __init__(self, files: Mapping[str, bytes], *, watch: Watch = unwatched, writable: bool = True) -> None:
        self.files = dict(files)
        self.directories: set[str] = set()  # that were made, and may be empty
        self.moved: set[str] = set()  # names that were given to something that was there
        self.watch = watch
        self.writable = writable
        self.reads: list[tuple[str, int, int]] = []
        self.open_readers = 0
        self.open_writers = 0
        self.room: int | None = None  # bytes that all files may have together, holes too; None: any number
        self._lock = Lock()

    def watching(self, call: str) -> "_Watching":
        return _Watching(self.watch, f"share.{call}")

    def count(self, path: str, offset: int, length: int) -> None:
        with self._lock:
            self.reads.append((path, offset, length))

    def list(self, directory: str) -> tuple[Entry, ...]:
        inside = directory.rstrip("/") + "/" if directory else ""
        found = [path.removeprefix(inside) for path in self.files if path.startswith(inside)]
        found += [f"{path.removeprefix(inside)}/" for path in self.directories if path.startswith(inside)]
        if not found and directory and directory not in self.directories:
            raise MissingError(f"{directory} is not there")
        here = {name.split("/")[0]: "/" in name for name in found}
        entries = [
            Entry(path=inside + name, is_dir=is_dir, size=0 if is_dir else len(self.files[inside + name]))
            for name, is_dir in here.items()
        ]
        return tuple(sorted(entries, key=lambda entry: entry.path))

    def walk(self, directory: str) -> tuple[Entry, ...]:
        inside = directory.rstrip("/") + "/" if directory else ""
        found = sorted(path for path in self.files if path.startswith(inside))
        if not found and directory and not self.exists(directory):
            raise MissingError(f"{directory} is not there")
        return tuple(Entry(path=path, size=len(self.files[path])) for path in found)

    def exists(self, path: str) -> bool:
        known = (*self.files, *self.directories)
        return any(name == path or name.startswith(path.rstrip("/") + "/") for name in known)

    def open(self, path: str) -> Reader:
        with self.watching("open"):
            if path not in self.files:
                raise MissingError(f"{path} is not there")
            return MemoryReader(self, path)

    def make_directory(self, directory: str) -> None:
        if not self.writable:
            raise DeniedError(f"{directory} may not be written")
        self.directories.add(directory)

    def remove_tree(self, directory: str) -> None:
        if not self.writable:
            raise DeniedError(f"{directory} may not be written")
        inside = directory.rstrip("/") + "/"
        self.files = {path: content for path, content in self.files.items() if not path.startswith(inside)}
        self.directories = {one for one in self.directories if one != directory and not one.startswith(inside)}

    def create(self, path: str, size: int) -> Writer:
        with self.watching("create"):
            self._must_be_writable(path)
            above = path.rpartition("/")[0]
            if above and not (self.exists(above) and above not in self.files):
                raise MissingError(f"{above} is not there")
            if path not in self.files and self.exists(path):
                raise PermanentError(f"{path} is a directory")
            with self._lock:
                self.files[path] = self.files.get(path, b"")[:size].ljust(size, b"\0")
            return MemoryWriter(self, path, size)

    def rename(self, path: str, new: str) -> None:
        with self.watching("rename"):
            self._must_be_writable(path)
            if not self.exists(path):
                raise MissingError(f"{path} is not there")
            if self.exists(new):
                raise PermanentError(f"{new} is there already")
            with self._lock:
                self.moved.add(new)
                self.files = {_moved(one, path, new): content for one, content in self.files.items()}
                self.directories = {_moved(one, path, new) for one in self.directories}

    def free(self) -> int | None:
        with self._lock:
            return None if self.room is None else max(0, self.room - sum(map(len, self.files.values())))

    def store(self, path: str, offset: int, body: bytes) -> None:
        """Have these bytes in a file."""
        with self._lock:
            if path not in self.files:
                raise MissingError(f"{path} is not there")
            if self.room is not None and sum(map(len, self.files.values())) > self.room:
                raise PermanentError("there is no room on /tintri")
            content = bytearray(self.files[path].ljust(offset + len(body), b"\0"))
            content[offset : offset + len(body)] = body
            self.files[path] = bytes(content)

    def _must_be_writable(self, path: str) -> None:
        if not self.writable:
            raise DeniedError(f"{path} may not be written")


def _moved(name: str, path: str, new: str) -> str:
    return new + name.removeprefix(path) if name == path or name.startswith(f"{path}/") else name


class MemoryStore:
    """One bucket that refuses taken keys on completing.

    It checks CRCs; with checks_crc=False it takes any, and tells what it was told, as moto does; it tells none of a
    copy then. What it copies goes through `copying`, so that a test can let it copy other bytes than it says.
    """

    def __init__(
        self,
        name: str = "memory",
        *,
        checks_crc: bool = True,
        limits: PartLimits | None = None,
        watch: Watch = unwatched,
    ) -> None:
        self.name = name
        self.limits = limits or PartLimits(smallest=1, smallest_source=1)
        self.objects: dict[str, bytes] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.etags: dict[str, str] = {}
        self.uploads: dict[str, tuple[str, dict[int, bytes]]] = {}  # id -> (key, parts)
        self.claimed: dict[str, int] = {}
        self.endpoint = f"https://{name}"
        self.locked: dict[str, datetime] = {}  # keys, and until when
        self.lock: ObjectLock | None = None  # of what is written through this
        self.can_lock = True
        self.watch = watch
        self.rule = UploadRule(days=7, words="after 7 days")
        self.sent: list[tuple[str, int]] = []  # (key, number) of every part that arrived; 0: at once
        self.copied: list[tuple[str, int, CopySource]] = []  # (key, number, from where) of every part that it made
        self.archived: set[str] = set()  # keys
        self.classes: dict[str, str] = {}  # of keys that were moved
        self.moved: list[tuple[str, str]] = []  # (key, class), each time that something was moved
        self.is_slow = False  # what is asked back stays archived until a test takes it out
        self.asked_back: list[str] = []  # keys
        self.given: list[tuple[str, int, int]] = []  # (key, offset, length) of every range that was read into memory
        self.giving: Callable[[bytes], bytes] = bytes  # on the way to whoever reads
        self.copying: Callable[[bytes], bytes] = bytes
        self.telling: Callable[[int], int | None] = lambda told: told  # what it says of the CRC of a copy
        self.now: Callable[[], datetime] = partial(datetime.now, UTC)
        self._checks_crc = checks_crc
        self._ids = itertools.count(1)
        self._lock = Lock()

    @property
    def url(self) -> str:
        return f"memory://{self.name}"

    @property
    def address(self) -> str:
        return f"{self.url} at {self.endpoint}"

    def capabilities(self) -> Capabilities:
        return Capabilities(
            checks_crc=self._checks_crc,
            conditional_complete=True,
            copies_parts=True,
            copy_tells_crc=self._checks_crc,
            copy_checks_etag=True,
        )

    def put(self, key: str, body: Content, *, crc64: int, metadata: Mapping[str, str]) -> ObjectInfo:
        with self._watching("put"), self._lock:
            body = bytes(body)
            self._check(key, body, crc64)
            self.sent.append((key, 0))
            self.claimed[key] = crc64
            return self._make(key, bytes(body), _etag(body), metadata)

    def begin_upload(self, key: str, *, metadata: Mapping[str, str]) -> Upload:
        with self._watching("begin_upload"), self._lock:
            for upload_id, (known, _) in self.uploads.items():
                if known == key:
                    return Upload(key=key, upload_id=upload_id)
            upload_id = f"upload-{next(self._ids)}"
            self.uploads[upload_id] = (key, {})
            return Upload(key=key, upload_id=upload_id)

    def put_part(self, upload: Upload, number: int, body: Content, *, crc64: int) -> str:
        with self._watching("put_part"), self._lock:
            parts, body = self._parts(upload), bytes(body)
            self._check(upload.key, body, crc64)
            parts[number] = body
            self.sent.append((upload.key, number))
            return _etag(body)

    def copy_part(self, upload: Upload, number: int, source: CopySource, *, crc64: int) -> PartCopied:
        with self._watching("copy_part"), self._lock:
            parts, found = self._parts(upload), self.objects.get(source.key)
            if found is None:
                raise MissingError(f"no object {source.key}")
            if self.etags[source.key] != source.etag or len(found) < source.offset + source.length:
                raise ChangedError(f"{source.key} is another object")
            if source.key in self.archived:
                raise ArchivedError(f"{source.key} is archived")
            if len(found) < self.limits.smallest_source:
                raise PermanentError(f"{source.key} is too small")
            body = self.copying(found[source.offset : source.offset + source.length])
            parts[number] = body
            self.copied.append((upload.key, number, source))
            return PartCopied(etag=_etag(body), crc64=self.telling(_value(body)) if self._checks_crc else None)

    def list_parts(self, upload: Upload) -> Mapping[int, tuple[str, int]]:
        with self._watching("list_parts"), self._lock:
            parts = self._parts(upload)
            return {number: (_etag(body), len(body)) for number, body in parts.items()}

    def complete_upload(
        self, upload: Upload, parts: Sequence[PartDone], *, size: int, crc64: int, metadata: Mapping[str, str]
    ) -> ObjectInfo:
        with self._watching("complete_upload"), self._lock:
            if upload.upload_id not in self.uploads and upload.key not in self.objects:
                raise MissingError(f"no upload {upload.upload_id}, no object {upload.key}")
            if upload.key in self.objects:
                self._check(upload.key, self.objects[upload.key], crc64)
                self.uploads.pop(upload.upload_id, None)
                return self._info(upload.key)
            there = self._parts(upload)
            self._check_parts([len(there[part.number]) for part in parts], [part.number for part in parts])
            body = b"".join(there[part.number] for part in parts)
            if len(body) != size:
                raise IntegrityError(f"{upload.key} would have {len(body)} bytes, not {size}")
            self._check(upload.key, body, crc64)
            del self.uploads[upload.upload_id]
            self.claimed[upload.key] = crc64
            return self._make(upload.key, body, f"{_etag(body)}-{len(parts)}", metadata)

    def abort_upload(self, upload: Upload) -> None:
        with self._watching("abort_upload"), self._lock:
            self.uploads.pop(upload.upload_id, None)

    def list_uploads(self, prefix: str) -> tuple[Upload, ...]:
        with self._watching("list_uploads"), self._lock:
            found = [(key, upload_id) for upload_id, (key, _) in self.uploads.items() if key.startswith(prefix)]
            now = self.now()
            return tuple(Upload(key=key, upload_id=upload_id, begun_at=now) for key, upload_id in sorted(found))

    def head(self, key: str) -> ObjectInfo:
        with self._watching("head"), self._lock:
            if key not in self.objects:
                raise MissingError(f"no object {key}")
            return self._info(key)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        with self._watching("get"), self._lock:
            if key not in self.objects:
                raise MissingError(f"no object {key}")
            return self.objects[key][offset : None if length is None else offset + length]

    def get_into(self, key: str, offset: int, buffer: memoryview, *, etag: str) -> None:
        with self._watching("get_into"), self._lock:
            if key not in self.objects:
                raise MissingError(f"no object {key}")
            if key in self.archived:
                raise ArchivedError(f"{key} is archived")
            body = self.objects[key][offset : offset + len(buffer)]
            if self.etags[key] != etag or len(body) < len(buffer):
                raise ChangedError(f"{key} is another object")
            buffer[:] = self.giving(body)
            self.given.append((key, offset, len(buffer)))

    def thaw(self, key: str, days: int) -> Thaw:
        with self._watching("thaw"), self._lock:
            if key not in self.objects:
                raise MissingError(f"no object {key}")
            was_archived = key in self.archived
            self.asked_back += [key] if was_archived else []
            if not self.is_slow:
                self.archived.discard(key)
            return Thaw(is_ready=not was_archived, words="at once")

    def class_of(self, tier: Tier) -> str:
        return "GLACIER" if tier is Tier.ARCHIVE else "GLACIER_IR"

    def retier(self, info: ObjectInfo, storage_class: str, *, check: Callable[[], None] = lambda: None) -> ObjectInfo:
        with self._watching("retier"), self._lock:
            if info.key not in self.objects:
                raise MissingError(f"no object {info.key}")
            check()
            now = self._info(info.key)
            if now.storage_class == storage_class and now.crc64 == info.crc64:
                return now
            if storage_class not in CLASSES:
                raise PermanentError(f"{storage_class} is no class; there are: {', '.join(CLASSES)}")
            self._check_movable(now, info)
            self.etags[info.key] = f"{now.etag}-{storage_class.lower()}"
            self.classes[info.key] = storage_class
            if storage_class in ("GLACIER", "DEEP_ARCHIVE"):
                self.archived.add(info.key)
            self.moved.append((info.key, storage_class))
            return self._info(info.key)

    def _check_movable(self, now: ObjectInfo, info: ObjectInfo) -> None:
        if not self._checks_crc:
            raise PermanentError(f"{self.name} proves no copy")
        if now.etag != info.etag:
            raise ChangedError(f"{info.key} is another object")
        if now.locked_until:
            raise LockedError(f"{info.key} is locked", until=now.locked_until)
        if now.is_archived:
            raise ArchivedError(f"{info.key} is archived")

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with self._watching("list"), self._lock:
            keys = sorted((key for key in self.objects if key.startswith(prefix)), key=str.encode)
        return iter([ObjectInfo(key=key, size=len(self.objects[key]), etag=self.etags[key]) for key in keys])

    def delete(self, key: str) -> None:
        with self._watching("delete"), self._lock:
            self.objects.pop(key, None)

    def copy(self, source: str, key: str) -> ObjectInfo:
        return self.put(key, self.get(source), crc64=crc64(self.get(source)), metadata={})

    def overwrite(self, key: str, body: bytes) -> None:
        """As somebody else would, without a word to whoever uses it."""
        self.objects[key], self.etags[key] = body, _etag(body)

    def lock_rule(self) -> str:
        if self.lock and not self.can_lock:
            raise PermanentError(f"{self.name} cannot lock")
        return str(self.lock or "")

    def locking(self, lock: ObjectLock) -> "MemoryStore":
        other = copy(self)
        other.lock = lock.joined(self.lock)
        return other

    def upload_rule(self) -> UploadRule:
        return self.rule

    def by_hand(self, upload: Upload, where: str) -> str:
        return f"abort the multipart upload {upload.upload_id} of {where}"

    def list_versions(self, prefix: str) -> Iterator[ObjectVersion]:
        return (ObjectVersion(key=found.key, size=found.size) for found in self.list(prefix))

    def locks(self, versions: Sequence[ObjectVersion]) -> Iterator[ObjectVersion]:
        with self._watching("locks"):
            return iter(
                [replace(each, locked_until=self.locked.get(each.key)) for each in versions if each.key in self.locked]
            )

    def erase(self, version: ObjectVersion) -> None:
        if until := self.locked.get(version.key):
            raise LockedError(f"{version.key} is locked until {until:%Y-%m-%d %H:%M} UTC.", until=until)
        self.delete(version.key)

    def _watching(self, call: str) -> "_Watching":
        return _Watching(self.watch, f"{self.name}.{call}")

    def _parts(self, upload: Upload) -> dict[int, bytes]:
        if upload.upload_id not in self.uploads:
            raise MissingError(f"no upload {upload.upload_id}")
        return self.uploads[upload.upload_id][1]

    def _check(self, key: str, body: bytes | bytearray, value: int) -> None:
        if self._checks_crc and crc64(body) != value:
            raise IntegrityError(f"{key}: BadDigest")

    def _check_parts(self, lengths: Sequence[int], numbers: Sequence[int]) -> None:
        limits = self.limits
        if len(lengths) > limits.most or list(numbers) != list(range(1, len(numbers) + 1)):
            raise PermanentError(f"parts {numbers} are not what {self.name} takes")
        if max(lengths) > limits.largest or min(lengths[:-1], default=limits.smallest) < limits.smallest:
            raise PermanentError(f"{self.name} takes no parts of {lengths} bytes")

    def _make(self, key: str, body: bytes, etag: str, metadata: Mapping[str, str]) -> ObjectInfo:
        self.objects[key], self.etags[key], self.metadata[key] = body, etag, dict(metadata)
        self.classes.pop(key, None)
        if self.lock and not key.startswith(".cloudy/"):
            self.locked[key] = datetime.now(UTC) + self.lock.lasts
        return self._info(key)

    def _info(self, key: str) -> ObjectInfo:
        body = self.objects[key]
        return ObjectInfo(
            key=key,
            size=len(body),
            etag=self.etags[key],
            crc64=crc64(body) if self._checks_crc else self.claimed[key],
            metadata=self.metadata[key],
            locked_until=self.locked.get(key),
            storage_class=self.classes.get(key, "GLACIER" if key in self.archived else ""),
            is_archived=key in self.archived,
            thaw_hours=5 if key in self.archived else 0,
        )


class MemoryJournal:
    """A journal that outlives a crash."""

    def __init__(self, *, watch: Watch = unwatched) -> None:
        self.watch = watch
        self.promised: set[tuple[str, str]] = set()  # uploads to clean up
        self.uploads: dict[tuple[str, str], Upload] = {}
        self.recorded: dict[tuple[str, str], dict[int, PartDone]] = {}
        self.files: dict[tuple[str, str], StoredFile] = {}
        self.samples: dict[tuple[str, str], tuple[int, tuple[tuple[int, int], ...]]] = {}
        self.objects: set[tuple[str, str]] = set()  # temporary ones, to be removed
        self._lock = Lock()
        self.known_losses: dict[tuple[str, str], Losses] = {}

    def temporary(self, target: str, key: str, url: str) -> None:
        with self._watching("temporary"):
            self.objects.add((target, key))

    def removed(self, target: str, key: str) -> None:
        with self._watching("removed"):
            self.promised.discard((target, key))
            self.objects.discard((target, key))
            self.uploads.pop((target, key), None)

    def may_be_open(self, target: str, key: str) -> bool:
        with self._watching("may_be_open"):
            return (target, key) in self.promised

    def forget(self, target: str, key: str) -> None:
        with self._watching("forget"):
            self.recorded.pop((target, key), None)

    def opening(self, target: str, key: str, url: str) -> None:
        with self._watching("opening"):
            self.promised.add((target, key))

    def opened(self, target: str, key: str, upload: Upload) -> None:
        with self._watching("opened"):
            self.uploads[target, key] = upload

    def upload(self, target: str, key: str) -> Upload | None:
        with self._watching("upload"):
            return self.uploads.get((target, key))

    def parts(self, target: str, key: str) -> Mapping[int, PartDone]:
        with self._watching("parts"):
            return dict(self.recorded.get((target, key), {}))

    def arrived(self, target: str) -> Carried:
        with self._watching("arrived"):
            parts = [part for (name, _), each in self.recorded.items() if name == target for part in each.values()]
            by = {source: sum(part.length for part in parts if part.source is source) for source in PartSource}
            return Carried(sent=by[PartSource.UPLOAD], copied=by[PartSource.COPY], zero=by[PartSource.ZERO])

    def record(self, target: str, key: str, part: PartDone) -> None:
        with self._watching("record"):
            self.recorded.setdefault((target, key), {})[part.number] = part

    def sampled(self, target: str, key: str, grain: int, samples: Sequence[tuple[int, int]]) -> None:
        with self._watching("sampled"):
            self.samples[target, key] = grain, tuple(samples)

    def stored(self, target: str, file: StoredFile) -> None:
        with self._watching("stored"):
            self.files[target, file.key] = file
            self.promised.discard((target, file.key))

    def settled(self, target: str, key: str) -> None:
        with self._watching("settled"):
            self.promised.discard((target, key))

    def is_stored(self, target: str, key: str) -> StoredFile | None:
        with self._watching("is_stored"):
            return self.files.get((target, key))

    def lost(self, target: str, key: str, loss: Loss) -> None:
        with self._watching("lost"), self._lock:
            self.known_losses[target, key] = self.known_losses.get((target, key), Losses()).plus(loss)

    def turned(self, target: str, key: str, turn: int) -> None:
        with self._watching("turned"), self._lock:
            known = self.known_losses.get((target, key), Losses())
            self.known_losses[target, key] = replace(known, begun=turn)
            self.recorded.pop((target, key), None)

    def losses(self, target: str) -> Mapping[str, Losses]:
        with self._watching("losses"), self._lock:
            return {key: each for (name, key), each in self.known_losses.items() if name == target}

    def _watching(self, call: str) -> "_Watching":
        return _Watching(self.watch, f"journal.{call}")


class MemoryIndex:
    """What a journal knows of grains; a recovery point of which somebody says so is not copied from."""

    def __init__(self, journal: MemoryJournal) -> None:
        self.pinned: list[str] = []
        self.going: set[str] = set()
        self._journal = journal

    def grain(self, target: str, size: int) -> int | None:
        known = [place for place in self._journal.samples if place[0] == target]
        alike = [place for place in known if place in self._journal.files and self._journal.files[place].size == size]
        return self._journal.samples[alike[-1]][0] if alike else 0 if known else None

    def find(self, target: str, marks: Sequence[int]) -> list[Sample]:
        return [
            Sample(point=key.partition("/")[0], file=self._journal.files[name, key], mark=mark, position=position)
            for (name, key), (_, samples) in reversed(self._journal.samples.items())
            for mark, position in samples
            if name == target and mark in marks and (name, key) in self._journal.files
        ]

    def pin(self, target: str, point: str) -> bool:
        if point in self.going:
            return False
        self.pinned.append(point)
        return True

    def unpin(self, target: str, point: str) -> None:
        self.pinned.remove(point)


class _Watching:
    """Tells the watch before and after a call that went well."""

    def __init__(self, watch: Watch, call: str) -> None:
        self._watch = watch
        self._call = call

    def __enter__(self) -> None:
        self._watch(self._call)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self._watch(f"{self._call} done")


def _value(body: bytes | bytearray) -> int:
    return crc64(body)


def _etag(body: bytes | bytearray) -> str:
    return f"{crc64(body):016x}"
