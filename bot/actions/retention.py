"""What retention does: rules are brought into force, holds are released, and recovery points that are not kept go."""

from collections.abc import Mapping
from datetime import datetime

from bot import clocks
from bot.actions.context import Context
from bot.errors import (
    CloudyError,
    DeniedError,
    LockedError,
    PermanentError,
    RemoteError,
    Stopped,
    TransientError,
)
from bot.lenient import is_there
from bot.manifest import key as manifest_key
from bot.model import Json, Resource, ResourceKind
from bot.ports import ObjectStore
from bot.removal import check_free, clear, withdraw

_MOST_FAILURES = 3  # in a row: the others would fare no better
_GONE = "it is not there any more"
_MOST_TOLD = 500  # of those that were passed over, with the reason: all of a round, so that the next begins with others


def apply(context: Context, _inputs: Json) -> Json:
    """Do what was approved: rules for an SLA, or the release of a hold. Repeat: safe."""
    return {"changed": context.keeper.apply(context.transaction)}


def check(context: Context, inputs: Json) -> Json:
    """Judge them all anew: one may be held, in use or kept by now. Repeat: safe, it only reads.

    PermanentError: our clock and the target's are so far apart that nobody can say what is old enough to go.
    """
    (name,) = inputs["targets"]
    now = clocks.agreed(context.clock, context.target(name))
    passed = context.keeper.passed(inputs["points"], name, context.id, now)
    going = [point for point in inputs["points"] if point not in passed]
    return {"going": going, "passed": _told(passed), "passed_over": len(passed)}


def expire(context: Context, inputs: Json) -> Json:
    """Remove them one after the other: the manifest first, with all its versions, then all objects.

    Each is judged once more when its turn comes, by the clocks as they are then; what is locked is passed over, with
    its date. A removal that was begun is in the clean-up ledger, so that it is brought to its end after a death.
    Repeat: safe. PermanentError, TransientError: several in a row could not be removed, or the clocks are apart.
    """
    (name,) = inputs["targets"]
    return _Round(context, context.target(name)).remove(inputs["going"] or [])


class _Round:
    """One target."""

    def __init__(self, context: Context, target: ObjectStore) -> None:
        self._context = context
        self._target = target
        self._removed = 0
        self._passed: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._in_a_row = 0
        self._seen: dict[str, bool] = {}  # newest good ones, and whether their manifests are there

    def remove(self, points: list[str]) -> Json:
        """Give what it came to."""
        begun = {each.name for each in self._context.ledger.open(ResourceKind.OBJECTS)}
        for number, point in enumerate(points, start=1):
            self._context.check()
            now = clocks.agreed(self._context.clock, self._target)  # a clock may jump while this runs
            self._try(point, now, is_begun=point in begun)
            self._context.progress(number, len(points))
        failed = {self._target.name: self._failure()} if self._failed else {}
        passed = _told(self._passed)
        return {"removed": self._removed, "passed": passed, "passed_over": len(self._passed), "failed": failed}

    def _try(self, point: str, now: datetime, *, is_begun: bool) -> None:
        try:
            self._one(point, now, is_begun=is_begun)
            self._in_a_row = 0
        except Stopped:
            raise
        except LockedError as error:
            self._pass(point, error)
        except CloudyError as error:
            self._failed[point] = error.message
            self._context.keeper.stuck(point, self._context.id, error.message)
            self._in_a_row += 1
            if isinstance(error, TransientError):
                raise
            if self._in_a_row >= _MOST_FAILURES:
                raise self._ended(error) from error

    def _one(self, point: str, now: datetime, *, is_begun: bool) -> None:
        if is_begun and not is_there(self._target, manifest_key(point)):
            self._finish(point)
            return
        if self._passes(point, now):
            return
        check_free(self._target, point)  # takes its time: what keeps it may have come meanwhile
        self._context.ledger.register(ResourceKind.OBJECTS, self._target.name, point, url=self._target.url)
        if not self._passes(point, now):
            self._withdraw(point)
            self._finish(point)

    def _passes(self, point: str, now: datetime) -> bool:
        """Whether it is not to be removed, or is not there any more."""
        claimed = self._context.keeper.claim(point, self._target.name, self._context.id, now)
        if claimed is None and self._context.attempt > 1:
            self._removed += 1  # before this process began
            return True
        why = _GONE if claimed is None else claimed.why or self._lacks(claimed.newest)
        if why:
            self._context.catalogue.stands(point, self._target.name)
            self._passed[point] = why
        return bool(why)

    def _lacks(self, newest: str) -> str:
        """Why nothing of the VM is to go: what would be left of it is in the catalogue alone; "": it is there."""
        if newest not in self._seen and newest:
            self._seen[newest] = is_there(self._target, manifest_key(newest))
        if self._seen.get(newest):
            return ""
        name = self._target.name
        return (
            f"the newest good one that would be left is {newest or 'none'}, and {name} has no manifest of it:"
            f" /cloudy verify {newest} finds it damaged, then others go by the rules"
        )

    def _withdraw(self, point: str) -> None:
        """Where it cannot be, the recovery point is whole as before, and nothing of it is promised to go."""
        try:
            withdraw(self._target, point)
        except TransientError:
            raise
        except CloudyError:
            if is_there(self._target, manifest_key(point)):
                self._context.catalogue.stands(point, self._target.name)
            raise

    def _finish(self, point: str) -> None:
        """Its manifest is gone: from now on it is no recovery point, and what is left of it goes."""
        name = self._target.name
        self._context.keeper.gone(point, name, self._context.id)
        self._removed += 1
        left = clear(self._target, point)
        if left:
            raise PermanentError(
                f"{len(left)} objects of {point} stay in target {name}: {left[0].why}", system=name, operation="expire"
            )
        resource = Resource(
            transaction_id=self._context.id, kind=ResourceKind.OBJECTS, system=name, name=point, detail={}
        )
        self._context.ledger.release(resource)

    def _pass(self, point: str, error: LockedError) -> None:
        self._context.catalogue.locked(point, self._target.name, error.until)
        self._passed[point] = error.message

    def _ended(self, error: CloudyError) -> PermanentError:
        name, points = self._target.name, [*self._failed][-_MOST_FAILURES:]
        kind = DeniedError if isinstance(error, DeniedError) else PermanentError
        return kind(
            f"{len(points)} in a row could not be removed from {name}, so the round ends: {', '.join(points)}."
            f" The next one takes them last. {error.message}",
            system=name,
            operation="expire",
            code=error.code if isinstance(error, RemoteError) else "",
        )

    def _failure(self) -> str:
        point, why = next(iter(self._failed.items()))
        more = f", and {len(self._failed) - 1} more" if len(self._failed) > 1 else ""
        return f"{point} could not be removed{more}: {why}"


def _told(passed: Mapping[str, str]) -> Json:
    return dict([*passed.items()][:_MOST_TOLD])
