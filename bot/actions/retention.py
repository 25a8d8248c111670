"""What retention does: rules are brought into force, holds are released, and recovery points that are not kept go."""

from datetime import datetime

from bot import clocks
from bot.actions.context import Context
from bot.actions.turns import Turns, told
from bot.errors import CloudyError, PermanentError, TransientError
from bot.lenient import is_there
from bot.manifest import key as manifest_key
from bot.model import Json, Resource, ResourceKind
from bot.ports import ObjectStore
from bot.removal import check_free, clear, withdraw

_GONE = "it is not there any more"


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
    return {"going": going, "passed": told(passed), "passed_over": len(passed)}


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
        self._begun = {each.name for each in context.ledger.open(ResourceKind.OBJECTS)}
        self._seen: dict[str, bool] = {}  # newest good ones, and whether their manifests are there

    def remove(self, points: list[str]) -> Json:
        """Give what it came to."""
        turns = Turns(self._context, self._target, "removed from")
        turns.take(points, self._one)
        return {"removed": self._removed} | turns.told()

    def _one(self, point: str, now: datetime) -> str:
        """Why it stays; "": it is gone."""
        if point in self._begun and not is_there(self._target, manifest_key(point)):
            self._finish(point)
            return ""
        stays = self._stays(point, now)
        if stays is None:
            check_free(self._target, point)  # takes its time: what keeps it may have come meanwhile
            self._context.ledger.register(ResourceKind.OBJECTS, self._target.name, point, url=self._target.url)
            stays = self._stays(point, now)
        if stays is None:
            self._withdraw(point)
            self._finish(point)
        return stays or ""

    def _stays(self, point: str, now: datetime) -> str | None:
        """Why it is not to be removed; "": it was, before this process began. None: it goes."""
        claimed = self._context.keeper.claim(point, self._target.name, self._context.id, now)
        if claimed is None and self._context.attempt > 1:
            self._removed += 1
            return ""
        why = _GONE if claimed is None else claimed.why or self._lacks(claimed.newest)
        if not why:
            return None
        self._context.catalogue.stands(point, self._target.name)
        return why

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
