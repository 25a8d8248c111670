"""Removes a recovery point from a target for good: its manifest first, and every version of everything."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot import manifest
from bot.errors import DeniedError, LockedError, PermanentError
from bot.lenient import is_there
from bot.model import ObjectVersion
from bot.ports import ObjectStore

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a target keeps of a recovery point: older versions and markers too."""

    versions: tuple[ObjectVersion, ...] = ()

    @property
    def objects(self) -> int:
        """How many there are."""
        return len(self.versions)

    @property
    def size(self) -> int:
        """Of all of them together."""
        return sum(version.size for version in self.versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One version that did not go. until: when its lock ends, as far as the store tells."""

    version: ObjectVersion
    why: str
    until: datetime | None = None


def check_free(target: ObjectStore, point: str) -> Holding:
    """Look whether anything of it is locked, before anything of it is removed. Repeat: safe, it only reads.

    LockedError carries the latest date of all.
    """
    found = tuple(target.list_versions(f"{point}/"))
    if locked := list(target.locks(found)):
        raise _locked(target, locked)
    return Holding(versions=found)


def withdraw(target: ObjectStore, point: str) -> None:
    """Remove its manifest with every version: from then on there is no recovery point. Repeat: safe.

    LockedError: a version of it is locked, and none was removed.
    """
    key = manifest.key(point)
    found = [version for version in target.list_versions(key) if version.key == key]
    if locked := list(target.locks(found)):
        raise _locked(target, locked)
    for version in oldest_first(found):
        target.erase(version)


def clear(target: ObjectStore, point: str) -> tuple[Leftover, ...]:
    """Remove what is left of one whose manifest is gone, every version; gives what did not go. Repeat: safe.

    What is locked, or not ours to remove, does not keep the rest from it. PermanentError: its manifest stands.
    """
    if is_there(target, manifest.key(point)):
        raise PermanentError(
            f"The manifest of {point} stands in target {target.name}: it is a recovery point.",
            system=target.name,
            operation="remove objects",
        )
    left: list[Leftover] = []
    for version in oldest_first(list(target.list_versions(f"{point}/"))):
        try:
            target.erase(version)
        except LockedError as error:
            left.append(Leftover(version=version, why=error.message, until=error.until))
        except DeniedError as error:
            left.append(Leftover(version=version, why=error.message))
    return tuple(left)


def oldest_first(versions: Sequence[ObjectVersion]) -> Iterable[ObjectVersion]:
    """In the order to remove them: an older version never comes to light because the newer one went before it."""
    return reversed(versions)


def _locked(target: ObjectStore, locked: Sequence[ObjectVersion]) -> LockedError:
    """Names the one that is locked longest, which a legal hold is."""
    longest = max(locked, key=lambda each: (each.is_held, each.locked_until or _NEVER))
    until = f"until {longest.locked_until:%Y-%m-%d %H:%M} UTC" if longest.locked_until else ""
    hold = "by a legal hold, until somebody takes that away" if longest.is_held else ""
    what = f"A version of {longest.key}" if longest.version_id else longest.key
    more = f", and {len(locked) - 1} more with it" if len(locked) > 1 else ""
    return LockedError(
        f"{what} in target {target.name} is locked {' and '.join(filter(None, (hold, until)))}{more}."
        " Nothing of the recovery point was removed.",
        system=target.name,
        operation="delete",
        until=longest.locked_until,
        is_held=longest.is_held,
    )
