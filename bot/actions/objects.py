"""The clone's files become objects in the targets; the manifest makes them a recovery point."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from bot import manifest
from bot.actions.context import Context
from bot.bases import Bases
from bot.checksum import crc64, to_hex
from bot.codec import decode, encode
from bot.errors import CloudyError, MissingError, Stopped
from bot.lenient import found, is_there
from bot.meter import Moved
from bot.model import (
    Bytes,
    Carried,
    Json,
    RecoveryPoint,
    ResourceKind,
    Snapshot,
    SourceFile,
    StoredFile,
    Vm,
    VmShape,
)
from bot.ports import ObjectStore
from bot.transfer import send
from bot.verifying import verify as verify_file


def upload(context: Context, inputs: Json) -> Json:
    """Send each file to each target. A target that fails is given up; only when all fail does the step fail.

    Repeat: safe; parts that the store has and the journal knows are not sent again.
    """
    files = [decode(SourceFile, file) for file in inputs["files"]]
    targets = [context.target(name) for name in inputs["targets"]]
    for target in targets:
        context.ledger.register(ResourceKind.OBJECTS, target.name, context.id, url=target.url)

    check = partial(_check, context, inputs["targets"])
    check()
    untold = _untold(context, files, targets)

    def report(moved: Moved) -> None:
        context.moved(untold + moved.bytes)
        context.progress(moved.done, moved.total)

    bases = Bases(_points(context, inputs["targets"]), context.index)
    sent = send(
        files,
        share=context.share(inputs["vmstore"]),
        targets=targets,
        journal=context.journal,
        settings=replace(
            context.transfer_settings(inputs["targets"]),
            metadata=_metadata(context),
            compare=bases.compare,
        ),
        check=check,
        on_progress=report,
    )
    moved = untold + sent.moved
    context.moved(moved)
    return {
        "stored": {name: encode(stored) for name, stored in sent.stored.items()},
        "failed": {name: error.message for name, error in sent.failed.items()},
        "lost": list(sent.lost),
        "moved": encode(moved if context.attempt == 1 else context.transaction.bytes + moved),
    }


def _points(context: Context, targets: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By target what may hold the same: the VM's own recovery point, and what an attempt before copied from."""
    plan = context.transaction.plan
    own: Mapping[str, str] = plan.get("bases", {})
    others: Mapping[str, Sequence[str]] = plan.get("others", {})
    return {name: (*filter(None, [own.get(name)]), *others.get(name, ())) for name in targets}


def _check(context: Context, targets: Sequence[str]) -> None:
    context.check()
    context.may_send(targets)


def _untold(context: Context, files: Sequence[SourceFile], targets: Sequence[ObjectStore]) -> Bytes:
    """What an attempt before moved after it last told how much: parts that the journal knows and the row does not."""
    if context.attempt == 1:
        return Bytes()
    arrived = {target.name: _arrived(context, target.name, files) for target in targets}
    total = sum(arrived.values(), start=Carried())
    former = context.transaction.bytes
    read = max((each.sent + each.copied + each.zero for each in arrived.values()), default=0)
    new = _beyond(total, Carried(sent=former.sent, copied=former.copied, zero=former.zero))
    return Bytes(
        read=max(0, read - former.read),
        sent=new.sent,
        copied=new.copied,
        zero=new.zero,
        targets={name: _beyond(each, former.targets.get(name, Carried())) for name, each in arrived.items()},
    )


def _beyond(arrived: Carried, told: Carried) -> Carried:
    return Carried(
        sent=max(0, arrived.sent - told.sent),
        copied=max(0, arrived.copied - told.copied),
        zero=max(0, arrived.zero - told.zero),
    )


def _arrived(context: Context, target: str, files: Sequence[SourceFile]) -> Carried:
    """In parts, those of temporary objects among them, and in files that were written at once."""
    journal = context.journal
    stored = [file for file in files if journal.is_stored(target, file.key) and not journal.parts(target, file.key)]
    return journal.arrived(target) + Carried(sent=sum(file.size for file in stored))


def _metadata(context: Context) -> dict[str, str]:
    return {
        "cloudy-transaction": context.id,
        "cloudy-vm": context.transaction.vm,
        "cloudy-requester": context.transaction.actor.name,
        "cloudy-installation": context.installation,
    }


def verify(context: Context, inputs: Json) -> Json:
    """Ask each store anew for what it holds, compare with what was read, then write the manifest: the commit.

    Once a manifest stands in a target, Stop comes too late for that target. Repeat: safe.
    """
    points: list[RecoveryPoint] = []
    failed: dict[str, CloudyError] = {}
    proof: dict[str, str] = {}
    manifests: dict[str, str] = {}
    for name, raw in inputs["stored"].items():
        target = context.target(name)
        files = tuple(decode(StoredFile, file) for file in raw)
        try:
            point, crc = _commit(context, inputs, target, files)
            points.append(point)
            manifests[name] = to_hex(crc)
            proof[name] = target.capabilities().proof
        except Stopped as stopped:
            if not points:
                raise
            failed[name] = stopped
        except CloudyError as error:
            failed[name] = error
    if not points:
        raise next(iter(failed.values()))
    return {
        "points": encode(points),
        "failed": {name: error.message for name, error in failed.items()},
        "proof": proof,
        "manifests": manifests,
    }


def _commit(
    context: Context, inputs: Json, target: ObjectStore, files: tuple[StoredFile, ...]
) -> tuple[RecoveryPoint, int]:
    """The recovery point, and its manifest's CRC."""
    key, locks = manifest.key(context.id), list[datetime]()
    if (there := found(target, key)) is not None:
        body = target.get(key)
        locks += [there.locked_until] if there.locked_until else []
    else:
        for position, file in enumerate(files):
            context.check()
            info = verify_file(target, file, context.check)
            locks += [info.locked_until] if info.locked_until else []
            context.progress(position + 1, len(files))
        context.check()
        body = manifest.encode(_manifest(context, inputs, target, files))
        _write(target, key, body, _metadata(context))
    taken, origin = decode(Snapshot, inputs["snapshot"]), decode(Vm, inputs["vm"]).origin
    known = _known(context, target, files, taken.taken_at, taken.consistency, origin)
    point = replace(known, locked_until=max(locks, default=None))
    context.catalogue.commit(point, files)
    return point, crc64(body)


def adopt(context: Context, target: ObjectStore) -> bool:
    """Whether a manifest of this transaction stands in the target; if so, the catalogue knows of it from now on.

    IntegrityError: it is damaged.
    """
    try:
        written = manifest.decode(target.get(manifest.key(context.id)))
    except MissingError:
        return False
    point = _known(context, target, written.files, written.taken_at, written.consistency, written.vm.origin)
    lock = target.head(point.manifest_key).locked_until  # it was made last, so nothing is locked longer
    context.catalogue.commit(replace(point, locked_until=lock), written.files)
    return True


def _known(
    context: Context,
    target: ObjectStore,
    files: tuple[StoredFile, ...],
    taken_at: datetime,
    consistency: str,
    origin: str,
) -> RecoveryPoint:
    return RecoveryPoint(
        transaction_id=context.id,
        target=target.name,
        vm_uuid=context.transaction.vm_uuid,
        vm_name=context.transaction.vm,
        manifest_key=manifest.key(context.id),
        taken_at=taken_at,
        consistency=consistency,
        size=sum(file.size for file in files),
        origin=origin,
        vmstore=context.transaction.vmstore,
        installation=context.installation,
        keep_for=context.transaction.keep_for,
    )


def _write(target: ObjectStore, key: str, body: bytes, metadata: dict[str, str]) -> None:
    try:
        target.put(key, body, crc64=crc64(body), metadata=metadata)
    except CloudyError:
        if not is_there(target, key):  # the answer may have been lost after the store took it
            raise


def _manifest(context: Context, inputs: Json, target: ObjectStore, files: tuple[StoredFile, ...]) -> manifest.Manifest:
    vm = decode(Vm, inputs["vm"])
    taken = decode(Snapshot, inputs["snapshot"])
    return manifest.Manifest(
        transaction_id=context.id,
        created_at=context.clock.now(),
        taken_at=taken.taken_at,
        installation=context.installation,
        requester=context.transaction.actor,
        consistency=taken.consistency,
        note=context.transaction.note,
        keep_for=context.transaction.keep_for,
        vm=manifest.ProtectedVm(
            uuid=vm.uuid,
            name=vm.name,
            vmstore=vm.vmstore,
            hypervisor=vm.hypervisor,
            disks=vm.disks,
            origin=vm.origin,
            shape=decode(VmShape, shape) if (shape := inputs.get("shape")) else None,  # older runs have none
        ),
        snapshot_uuid=taken.uuid,
        target=target.url,
        files=files,
        skipped=tuple(decode(manifest.Skipped, skip) for skip in inputs["skipped"]),
        cloudy=context.version,
    )
