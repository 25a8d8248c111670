"""A recovery point that exists: does the target still hold every byte of it, may it be removed, and removing it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from bot import manifest
from bot.actions.context import Context
from bot.checksum import crc64, to_hex
from bot.errors import CloudyError, DeniedError, IntegrityError, MissingError, Stopped
from bot.model import Bytes, Json, ObjectVersion, ResourceKind, StoredFile
from bot.ports import ObjectStore
from bot.verifying import verify as verify_file

_NEVER = datetime.min.replace(tzinfo=UTC)
_MOST_TOLD = 5  # objects that are named, of those that are not as they should be


def check(context: Context, inputs: Json) -> Json:
    """Read the manifest in each target. IntegrityError: no target has a good one. Repeat: safe, it only reads."""
    told: dict[str, Json] = {}

    def look(target: ObjectStore) -> None:
        written, crc = read_manifest(target, inputs["point"])
        told[target.name] = {"crc64": to_hex(crc), "objects": len(written.files), "bytes": written.size}

    good, failed = _each(context, inputs["targets"], look)
    return {"good": good, "failed": failed, "manifests": told}


def compare(context: Context, inputs: Json) -> Json:
    """Ask for every object anew: its size, and its checksum where the store checks it. Repeat: safe, it only reads.

    IntegrityError names the objects that are missing or differ in every target.
    """
    proof: dict[str, str] = {}
    asked = 0

    def look(target: ObjectStore) -> None:
        files = read_manifest(target, inputs["point"])[0].files

        def ask(file: StoredFile) -> None:
            nonlocal asked
            asked += 1
            _compare(context, target, file)
            context.progress(asked, len(files) * len(inputs["targets"]))

        _all_good(files, ask)
        proof[target.name] = target.capabilities().proof

    good, failed = _each(context, inputs["targets"], look)
    return {"good": good, "failed": failed, "proof": proof}


def read_back(context: Context, inputs: Json) -> Json:
    """Read every byte where the store's own checksum is no proof. Repeat: safe, it only reads.

    IntegrityError names the objects that differ, where no target is good.
    """
    weak = [name for name in inputs["targets"] if not context.target(name).capabilities().checks_crc]
    strong = [name for name in inputs["targets"] if name not in weak]
    read = 0

    def look(target: ObjectStore) -> None:
        written = read_manifest(target, inputs["point"])[0]

        def count(size: int) -> None:
            nonlocal read
            read += size
            context.moved(Bytes(read=read))
            context.progress(read, written.size * len(weak))

        _all_good(written.files, lambda file: verify_file(target, file, context.check, count))

    good, failed = _each(context, weak, look, strong)
    return {"good": good, "failed": failed, "read": read}


def holdings(target: ObjectStore, point: str) -> Json:
    """What the target holds of a recovery point, older versions too: {"objects": n, "bytes": n}.

    DeniedError: something of it is locked, with the date until when.
    """
    found = list(target.list_versions(f"{point}/"))
    if locked := list(target.locks(found)):
        raise _locked(target, locked)
    return {"objects": len(found), "bytes": sum(version.size for version in found)}


def _locked(target: ObjectStore, locked: Sequence[ObjectVersion]) -> DeniedError:
    """Names the one that is locked longest, which a legal hold is."""
    longest = max(locked, key=lambda each: (each.is_held, each.locked_until or _NEVER))
    until = f"until {longest.locked_until:%Y-%m-%d %H:%M} UTC" if longest.locked_until else ""
    hold = "by a legal hold, until somebody takes that away" if longest.is_held else ""
    what = f"A version of {longest.key}" if longest.version_id else longest.key
    more = f", and {len(locked) - 1} more with it" if len(locked) > 1 else ""
    return DeniedError(
        f"{what} in target {target.name} is locked {' and '.join(filter(None, (hold, until)))}{more}."
        " Nothing of the recovery point was removed.",
        system=target.name,
        operation="delete",
    )


def removable(context: Context, inputs: Json) -> Json:
    """Look whether anything of it is locked, before anything of it is removed. Repeat: safe, it only reads."""
    found: dict[str, Json] = {}

    def look(target: ObjectStore) -> None:
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
        for version in target.list_versions(manifest.key(point)):
            target.erase(version)
        context.catalogue.withdraw(point, target.name)

    good, failed = _each(context, inputs["targets"], take)
    return {"good": good, "failed": failed}


def _each(
    context: Context, names: Sequence[str], look: Callable[[ObjectStore], None], known: Sequence[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """Look at each target; one that fails does not keep the others from it. Gives the good ones, and why others fail.

    known: targets that are good without a look. Raises the first error where none is good.
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


def _compare(context: Context, target: ObjectStore, file: StoredFile) -> None:
    if target.capabilities().checks_crc:
        verify_file(target, file, context.check)
        return
    context.check()
    size = target.head(file.key).size
    if size != file.size:
        raise IntegrityError(f"{file.key} in target {target.name} has {size} bytes, the manifest says {file.size}.")


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
