"""A recovery point that exists: does the target still hold every byte of it, may it be removed, and removing it."""

from collections.abc import Callable, Sequence
from datetime import datetime

from bot import manifest, removal
from bot.actions.context import Context
from bot.checksum import crc64, to_hex
from bot.errors import CloudyError, IntegrityError, MissingError, PermanentError, Stopped
from bot.model import Bytes, Damage, Json, ObjectInfo, Proof, ProofKind, ResourceKind, StoredFile
from bot.ports import ObjectStore
from bot.proofs import damage_text
from bot.readback import Reading, forget
from bot.readback import read_back as read_bytes
from bot.verifying import verify as verify_file

_MOST_DAMAGE = 100  # stretches that are kept
_MOST_TOLD = 5  # objects that are named, of those that are not as they should be


def check(context: Context, inputs: Json) -> Json:
    """Read the manifest in each target. IntegrityError: no target has a good one. Repeat: safe, it only reads."""
    told: dict[str, Json] = {}

    def look(target: ObjectStore) -> None:
        written, crc = read_manifest(target, inputs["point"])
        told[target.name] = {"crc64": to_hex(crc), "objects": len(written.files), "bytes": written.size}

    good, failed = _each(context, inputs["targets"], look, tell=_teller(context, inputs["point"]))
    return {"good": good, "failed": failed, "manifests": told}


def compare(context: Context, inputs: Json) -> Json:
    """Ask for every object anew: its size, and its checksum where the store checks it. Repeat: safe, it only reads.

    IntegrityError names the objects that are missing or differ in every target.
    """
    proof: dict[str, str] = {}
    asked = 0

    def look(target: ObjectStore) -> None:
        files, locks = read_manifest(target, inputs["point"])[0].files, list[datetime]()

        def ask(file: StoredFile) -> None:
            nonlocal asked
            asked += 1
            info = _compare(context, target, file)
            locks.extend([info.locked_until] if info.locked_until else [])
            context.progress(asked, len(files) * len(inputs["targets"]))

        _all_good(files, ask)
        proof[target.name] = target.capabilities().proof
        context.catalogue.locked(inputs["point"], target.name, max(locks, default=None))

    good, failed = _each(context, inputs["targets"], look, tell=_teller(context, inputs["point"]))
    return {"good": good, "failed": failed, "proof": proof}


def read_back(context: Context, inputs: Json) -> Json:
    """Read every byte where the store's own checksum is no proof; deep: everywhere. Repeat: safe, it only reads.

    What was found good is noted of each target. IntegrityError names the stretches that differ, where no target is
    good. Paused: deep, and it is not the hour for these targets.
    """
    names, deep = inputs["targets"], bool(inputs.get("deep"))
    wanted = names if deep else _without_proof(context, names)
    known = [name for name in names if name not in wanted]
    reader = _BackReader(context, inputs["point"], wanted, deep=deep)
    good, failed = _each(context, wanted, reader.look, known, tell=reader.tell)
    for name in good:
        _note(context, inputs["point"], name, ProofKind.CHECKSUMS if name in known else ProofKind.READ_BACK)
    reader.forget()
    return {"good": good, "failed": failed, "read": reader.read, "notes": reader.notes, "deep": deep}


class _BackReader:
    """Reads a recovery point in one target after the other."""

    def __init__(self, context: Context, point: str, targets: Sequence[str], *, deep: bool) -> None:
        self.read = 0  # bytes
        self.notes: list[str] = []
        self._context = context
        self._point = point
        self._targets = targets
        self._is_deep = deep
        self._total = 0
        self._damage: dict[str, tuple[Damage, ...]] = {}
        self._seen: list[tuple[str, StoredFile]] = []

    def look(self, target: ObjectStore) -> None:
        """IntegrityError: what of it differs."""
        files = read_manifest(target, self._point)[0].files
        self._total = sum(file.size for file in files) * len(self._targets)
        _all_good(files, lambda file: self._ask(target, file))

    def tell(self, name: str, error: CloudyError) -> None:
        """Note of a target what was found."""
        damage = self._damage.get(name, ())
        _note(self._context, self._point, name, ProofKind.READ_BACK, error, damage)

    def forget(self) -> None:
        """All is told: a run that goes on does not need what was kept of each file that was read to its end."""
        for name, file in self._seen:
            forget(self._context.journal, name, file)

    def _ask(self, target: ObjectStore, file: StoredFile) -> None:
        settings = self._context.transfer_settings([target.name])
        found, note = read_bytes(
            target,
            file,
            record=self._context.journal,
            reading=Reading(threads=settings.threads, arena=settings.arena),
            check=self._check,
            on_read=self._count,
        )
        self._seen.append((target.name, file))
        self.notes += [note] if note else []
        if found:
            self._damage[target.name] = (*self._damage.get(target.name, ()), *found)
            raise IntegrityError(f"{file.key} in target {target.name}: {damage_text(found)}: {found[0].why}.")

    def _check(self) -> None:
        self._context.check()
        if self._is_deep:
            self._context.may_send(self._targets)

    def _count(self, size: int) -> None:
        self.read += size
        self._context.moved(Bytes(read=self.read))
        self._context.progress(self.read, self._total)


def _without_proof(context: Context, names: Sequence[str]) -> list[str]:
    """Those whose own checksum is none."""
    return [name for name in names if not context.target(name).capabilities().checks_crc]


def _note(
    context: Context,
    point: str,
    target: str,
    kind: ProofKind,
    error: CloudyError | None = None,
    damage: Sequence[Damage] = (),
) -> None:
    """Keep what was found of it; an error that says nothing of its bytes is no finding."""
    is_damaged = isinstance(error, IntegrityError | MissingError)
    if error is not None and not is_damaged:
        return
    context.catalogue.found(
        Proof(
            point=point,
            target=target,
            run=context.id,
            kind=kind,
            at=context.clock.now(),
            is_good=error is None,
            is_damaged=is_damaged,
            vm=context.transaction.vm,
            why=error.message if error else "",
            damage=tuple(damage)[:_MOST_DAMAGE],
        )
    )


def holdings(target: ObjectStore, point: str) -> Json:
    """What the target holds of a recovery point, older versions too: {"objects": n, "bytes": n}.

    LockedError: something of it is locked, with the date until when.
    """
    held = removal.check_free(target, point)
    return {"objects": held.objects, "bytes": held.size}


def removable(context: Context, inputs: Json) -> Json:
    """Look whether anything of it is locked or held, before anything of it is removed. Repeat: safe, it only reads."""
    found: dict[str, Json] = {}

    def look(target: ObjectStore) -> None:
        if held := context.keeper.held(inputs["point"], target.name):
            raise PermanentError(held, system=target.name, operation="delete")
        found[target.name] = holdings(target, inputs["point"])

    good, failed = _each(context, inputs["targets"], look)
    return {"good": good, "failed": failed, "found": found}


def withdraw(context: Context, inputs: Json) -> Json:
    """Remove the manifest, every version of it: from then on there is no recovery point. Repeat: safe.

    What is left of it is in the clean-up ledger before, so that its removal is never forgotten.
    """
    point = inputs["point"]

    def take(target: ObjectStore) -> None:
        context.ledger.register(ResourceKind.OBJECTS, target.name, point, url=target.url)
        removal.withdraw(target, point)
        context.catalogue.withdraw(point, target.name)

    good, failed = _each(context, inputs["targets"], take)
    return {"good": good, "failed": failed}


def _teller(context: Context, point: str) -> Callable[[str, CloudyError], None]:
    """Notes what a look at manifest and checksums found of a target."""
    return lambda name, error: _note(context, point, name, ProofKind.CHECKSUMS, error)


def _each(
    context: Context,
    names: Sequence[str],
    look: Callable[[ObjectStore], None],
    known: Sequence[str] = (),
    tell: Callable[[str, CloudyError], None] = lambda _name, _error: None,
) -> tuple[list[str], dict[str, str]]:
    """Look at each target; one that fails does not keep the others from it. Gives the good ones, and why others fail.

    known: targets that are good without a look. tell: of each that fails. Raises the first error where none is good.
    """
    good = list(known)
    failed: dict[str, CloudyError] = {}
    for name in names:
        try:
            context.check()
            look(context.target(name))
            good.append(name)
        except Stopped:
            raise
        except CloudyError as error:
            tell(name, error)
            failed[name] = error
    if failed and not good:
        raise next(iter(failed.values()))
    return good, {name: error.message for name, error in failed.items()}


def read_manifest(target: ObjectStore, point: str) -> tuple[manifest.Manifest, int]:
    """The manifest of a recovery point, with its CRC. IntegrityError: there is none, or no good one."""
    key = manifest.key(point)
    try:
        content = target.get(key)
    except MissingError as error:
        raise IntegrityError(
            f"There is no {key} in target {target.name}, so there is no recovery point: {error.message}"
        ) from error
    written = manifest.decode(content)
    if written.transaction_id != point:
        raise IntegrityError(f"{key} in target {target.name} is the manifest of {written.transaction_id}.")
    return written, crc64(content)


def _compare(context: Context, target: ObjectStore, file: StoredFile) -> ObjectInfo:
    if target.capabilities().checks_crc:
        return verify_file(target, file, context.check)
    context.check()
    info = target.head(file.key)
    if info.size != file.size:
        raise IntegrityError(
            f"{file.key} in target {target.name} has {info.size} bytes, the manifest says {file.size}."
        )
    return info


def _all_good(files: Sequence[StoredFile], look: Callable[[StoredFile], None]) -> None:
    """Look at every file, so that all that are bad are known. IntegrityError names them."""
    bad: list[str] = []
    for file in files:
        try:
            look(file)
        except (IntegrityError, MissingError) as error:
            bad.append(error.message)
    if bad:
        more = f" And {len(bad) - _MOST_TOLD} more objects." if len(bad) > _MOST_TOLD else ""
        raise IntegrityError(" ".join(bad[:_MOST_TOLD]) + more)
