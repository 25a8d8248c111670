"""What the doctor tries at a target. Everything that is made for it is removed again."""

import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

from bot import clocks, immutable
from bot.checksum import crc64
from bot.doctor import Check, Group, Unjudged
from bot.errors import ConfigError, DeniedError, IntegrityError, PermanentError, RemoteError
from bot.model import ObjectLock, Slas
from bot.orphans import HELPERS
from bot.ports import Clock, ObjectStore, Systems

LEAST_DAYS = 7  # of a rule that gives up unfinished uploads; a long one with hours of its own may take some
SKEW = timedelta(seconds=60)  # a clock that is off is found before anything is refused for it
_BODY = b"Cloudy's doctor"


def of_target(systems: Systems, name: str, clock: Clock, slas: Slas) -> Group:
    """The clock, objects, checksums, unfinished uploads, and the locks that are promised for what goes there."""
    held: list[ObjectStore] = []

    def store() -> ObjectStore:
        if not held:
            held.append(systems.target(name))
        return held[0]

    rights = "Give the key's user the rights to read, write, list and delete objects, and to list and abort uploads."
    return Group(
        about=f"target {name}",
        checks=(
            Check(title="clock", run=lambda: _clock(store(), clock), cure="Set this machine's clock, best by NTP."),
            Check(
                title="objects",
                run=lambda: _objects(store()),
                cure=f"Correct `targets.{name}` (url, endpoint, region) and its keys. {rights}",
                timeout_s=60,
                is_gate=True,
            ),
            Check(title="checksums", run=lambda: _checksums(store()), cure=rights),
            Check(title="taken keys", run=lambda: _taken_keys(store()), cure=rights),
            Check(title="copy", run=lambda: _copy(store()), cure=rights),
            Check(title="copied parts", run=lambda: _copied_parts(store()), cure=rights),
            Check(title="lock", run=lambda: _lock(store()), cure=rights),
            *_promised(slas, name, store),
            Check(title="old uploads", run=lambda: _old_uploads(store()), cure=rights),
            Check(title="hours", run=lambda: _hours(systems, name, clock), cure=""),
            Check(title="uploads", run=lambda: _uploads(store()), cure=rights),
        ),
    )


def _probe() -> str:
    return f"{HELPERS}doctor-{secrets.token_hex(8)}"


def _objects(store: ObjectStore) -> str:
    store.capabilities()
    root = _probe()
    key = f"{root}/object"
    store.put(key, _BODY, crc64=crc64(_BODY), metadata={"cloudy-doctor": "yes"})
    try:
        if store.get(key) != _BODY or [each.key for each in store.list(f"{root}/")] != [key]:
            raise IntegrityError(f"{store.url} does not give back what was put there.")
    finally:
        store.delete(key)
    if [each.key for each in store.list(f"{root}/")]:
        raise PermanentError(f"An object of {store.url} is still there after it was removed.")
    return f"written, read and removed in {store.url}"


def _checksums(store: ObjectStore) -> str:
    if not store.capabilities().checks_crc:
        raise Unjudged("the store does not check CRC-64/NVME: Cloudy reads back what it sent")
    return "the store checks CRC-64/NVME"


def _taken_keys(store: ObjectStore) -> str:
    if not store.capabilities().conditional_complete:
        raise Unjudged("the store completes onto a taken key: Cloudy looks before")
    return "an upload is not completed onto a taken key"


def _copy(store: ObjectStore) -> str:
    """By the store itself, so that nothing travels twice."""
    root = _probe()
    store.put(f"{root}/object", _BODY, crc64=crc64(_BODY), metadata={})
    try:
        store.copy(f"{root}/object", f"{root}/copy")
        if store.get(f"{root}/copy") != _BODY:
            raise IntegrityError(f"{store.url} does not give back what it copied itself.")
    finally:
        store.delete(f"{root}/object")
        store.delete(f"{root}/copy")
    return "the store copies an object of its own"


_LONG_PARTS = "a disk above 600 GiB goes in long parts that lie in memory (2 GiB and more for 10 TiB)"


def _copied_parts(store: ObjectStore) -> str:
    """What the store can spare of what has not changed."""
    able = store.capabilities()
    if not able.copies_parts:
        raise Unjudged(f"the store makes no part of an object that it has: every file is sent whole, and {_LONG_PARTS}")
    lacks = {
        f"what is written to it cannot be removed for good (locked, or no right to versions), and {_LONG_PARTS}": (
            not able.locks_all
        ),
        "it does not say what it copied": able.copy_tells_crc,
        "it does not look whether the source is another by then": able.copy_checks_etag,
        f"it wants all parts equally long, and {_LONG_PARTS}": not able.equal_parts,
    }
    if not all(lacks.values()):
        raise Unjudged("the store copies parts, but " + "; ".join(lack for lack, has in lacks.items() if not has))
    return "the store copies parts of any length, says what it copied, and looks at the source"


def _lock(store: ObjectStore) -> str:
    try:
        rule = store.lock_rule()
    except DeniedError as error:
        raise Unjudged(f"whether the bucket locks objects is not told: {error.message}") from error
    return f"new objects are locked: {rule}" if rule else "new objects are not locked"


def _promised(slas: Slas, name: str, store: Callable[[], ObjectStore]) -> Iterator[Check]:
    """One for each SLA whose recovery points are locked, and go there or may."""
    for sla in slas.all:
        lock = immutable.promised(sla)
        if lock is not None and (not sla.targets or name in sla.targets):
            yield Check(
                title=f"lock of SLA {sla.name}",
                run=partial(_can_lock, store, lock, is_sure=name in sla.targets),
                cure="Else no VM of that SLA goes there: let the place lock (a bucket's Object Lock, a container's"
                " version-level immutability), or take `lock` or this target out of its [[sla]].",
            )


def _can_lock(store: Callable[[], ObjectStore], lock: ObjectLock, *, is_sure: bool) -> str:
    """is_sure: the SLA names the target; another one concerns only VMs that somebody sends there."""
    try:
        store().locking(lock).lock_rule()
    except DeniedError as error:
        raise Unjudged(f"whether the place can lock is not told: {error.message}") from error
    except PermanentError as error:
        if is_sure:
            raise
        raise Unjudged(f"{error.message} The SLA names no target; its VMs cannot go to this one.") from error
    return f"can be had: {lock}"


def _old_uploads(store: ObjectStore) -> str:
    """Cloudy gives up its own; what a lost database does not know of is the place's to remove."""
    try:
        rule = store.upload_rule()
    except DeniedError as error:
        words = f"whether the place gives up unfinished uploads is not told: {error.message}"
        raise Unjudged(words, "Let it be looked at (s3:GetLifecycleConfiguration), or look there yourself.") from error
    if rule.days is None:
        raise Unjudged(f"unfinished uploads stay for ever: {rule.words}", rule.proposal)
    if rule.days < LEAST_DAYS:
        words = f"unfinished uploads are given up: {rule.words}; a run that takes longer loses what it sent"
        raise Unjudged(words, f"Let it be {LEAST_DAYS} days.")
    return f"unfinished uploads are given up: {rule.words}"


def _hours(systems: Systems, name: str, clock: Clock) -> str:
    now = clock.now()
    opens = systems.may_send([name], now)
    if opens is None:
        raise ConfigError([f"targets.{name}.upload_window never comes"])
    return "is sent to now" if opens <= now else f"upload_window: is sent to from {opens:%H:%M UTC on %d %b} on"


def _uploads(store: ObjectStore) -> str:
    root = _probe()
    upload = store.begin_upload(f"{root}/upload", metadata={})
    try:
        store.put_part(upload, 1, bytearray(_BODY), crc64=crc64(_BODY))
        is_listed = upload in store.list_uploads(f"{root}/")
    finally:
        store.abort_upload(upload)
    if not is_listed or store.list_uploads(f"{root}/"):
        raise PermanentError("The store does not list unfinished uploads as they are: they could be left behind.")
    return "can be begun, listed and given up"


def _clock(store: ObjectStore, clock: Clock) -> str:
    """First of all, since a store that finds ours too wrong refuses everything else."""
    before = clock.now()
    try:
        told = store.now()
    except RemoteError as error:
        raise Unjudged(f"the store's is not known: {error.message}") from error
    off = clocks.ahead(before, told, clock.now())
    if abs(off) <= SKEW:
        return clocks.said(off)
    words = f"This machine's clock is {clocks.said(off)}."
    raise PermanentError(words if abs(off) <= clocks.MOST_APART else f"{words} Retention removes nothing there.")
