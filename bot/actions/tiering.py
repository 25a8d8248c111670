"""What a round of tier does: recovery points that have grown old enough move to a cheaper storage class."""

from collections import Counter
from contextlib import suppress
from datetime import datetime

from bot import clocks
from bot.actions.context import Context
from bot.actions.points import read_manifest
from bot.actions.turns import Turns, told
from bot.errors import CloudyError, LockedError, Stopped, TransientError
from bot.model import Json, ObjectInfo, ResourceKind, Tier
from bot.ports import ObjectStore
from bot.recall import look
from bot.tiering import SMALLEST
from bot.undoing import abort


def check(context: Context, inputs: Json) -> Json:
    """Judge them all anew: one may be locked, in use or the newest by now. Repeat: safe, it only reads.

    PermanentError: our clock and the target's are so far apart that nobody can say how old anything is.
    """
    (name,) = inputs["targets"]
    now = clocks.agreed(context.clock, context.target(name))
    passed = context.mover(name).passed(inputs["points"], now)
    going = [point for point in inputs["points"] if point not in passed]
    return {"going": going, "passed": told(passed), "passed_over": len(passed)}


def move(context: Context, inputs: Json) -> Json:
    """Move them one after the other, object by object; manifest and digests stay, since nothing may wait for those.

    Each is judged once more when its turn comes, and before each of its objects. What a death left half moved goes on.
    Repeat: safe; what lies there already stays. PermanentError, TransientError: several in a row could not be moved.
    """
    (name,) = inputs["targets"]
    return _Round(context, context.target(name)).move(inputs["going"] or [])


class _Round:
    """One target."""

    def __init__(self, context: Context, target: ObjectStore) -> None:
        self._context = context
        self._target = target
        self._mover = context.mover(target.name)
        self._moved: Counter[str] = Counter()  # recovery points, by tier
        self._begun = {each.name for each in context.ledger.open(ResourceKind.UPLOAD)}  # by a process that died

    def move(self, points: list[str]) -> Json:
        """Give what it came to."""
        turns = Turns(self._context, self._target, "moved in")
        turns.take(points, self._one)
        return {"moved": dict(self._moved)} | turns.told()

    def _one(self, point: str, now: datetime) -> str:
        """Why it stays; "": it has moved, or nothing asks for that any more."""
        shift = self._mover.shift(point, now)
        if shift.why or shift.tier is None:
            return shift.why
        is_archived, locks = False, list[datetime]()
        for file in read_manifest(self._target, point)[0].files:
            if file.size < SMALLEST:
                continue
            self._context.check()
            info = look(self._target, file, may_be_archived=True)
            if self._is_to_move(info, shift.tier):
                if why := self._mover.promise(point, file.key, self._target.url, now):
                    return why
                info = self._retier(info, shift.tier)
            is_archived = is_archived or self._is_archived(info)
            locks += [info.locked_until] if info.locked_until else []
        if locks:  # a bucket that locks all that is made in it has begun anew
            self._context.catalogue.locked(point, self._target.name, max(locks))
        self._mover.moved(point, Tier.ARCHIVE if is_archived else shift.tier)
        self._moved[Tier.ARCHIVE if is_archived else shift.tier] += 1
        return ""

    def _retier(self, info: ObjectInfo, tier: Tier) -> ObjectInfo:
        try:
            moved = self._target.retier(info, self._target.class_of(tier), check=self._context.check)
        except (Stopped, TransientError):
            raise  # the round ends, and its clean-up gives up what is unfinished
        except CloudyError:
            with suppress(CloudyError):  # likewise
                abort(self._target, info.key)
                self._mover.settle(info.key)
            raise
        self._mover.settle(info.key)
        return moved

    def _is_to_move(self, info: ObjectInfo, tier: Tier) -> bool:
        """What is archived stays, whoever brought it there. LockedError: it cannot be moved before.

        What lies in its class already goes on, also in a later round, if an older version of it may still be there,
        which would be paid for beside it.
        """
        if info.storage_class == self._target.class_of(tier):
            return info.key in self._begun or bool(info.version_id)
        if self._is_archived(info):
            return False
        if info.locked_until or info.is_held:
            until = f"until {info.locked_until:%Y-%m-%d %H:%M} UTC" if info.locked_until else "by a legal hold"
            raise LockedError(
                f"{info.key} in target {self._target.name} is locked {until}.",
                system=self._target.name,
                operation="move",
                until=info.locked_until,
                is_held=info.is_held,
            )
        return True

    def _is_archived(self, info: ObjectInfo) -> bool:
        """Also one that was brought back, which can be read for some days."""
        return info.is_archived or info.storage_class == self._target.class_of(Tier.ARCHIVE)
