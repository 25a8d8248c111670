"""What is asked of a recovery point that stands: verify it, delete it. Each is one local unit of work."""

from bot import asking
from bot.asking import Point
from bot.model import Actor, Place, Transaction
from bot.policy import About, Operation
from bot.recorder import Recorder, demand_reason


class Upkeep(Recorder):
    """The part of the service that keeps recovery points in order."""

    def verify(
        self, text: str, actor: Actor, *, request_key: str, place: Place | None = None, deep: bool = False
    ) -> Transaction:
        """Record a look at a recovery point; the same request key again gives the one that it gave before.

        deep: every byte of it is to be read. NotFound, AmbiguousName, UsageError: which one? NotAllowed.
        RequesterError: there is no recovery point.
        """
        with self._recording(actor, f"verify {text}", request_key) as (unit, about):
            if before := unit.transactions.asked_by(request_key):  # what "last" is by now does not matter
                return before
            transaction, point = asking.point_meant(unit, text)
            about.extend([transaction] if transaction else [])
            self._rights.demand(unit, actor, Operation.PROTECT, _about(point, place, "verify"), key=request_key)
            now, key = self._clock.now(), request_key
            kept = asking.record(unit, "verify", point, actor, now=now, request_key=key, place=place)
            if deep:
                asked = kept.request | {"is_deep": True}
                kept = unit.transactions.update(kept.id, plan=kept.plan | {"request": asked})
        self._wake()
        return kept

    def delete(
        self, text: str, actor: Actor, *, request_key: str, place: Place | None = None, reason: str = ""
    ) -> Transaction:
        """Record that a recovery point is to go; the same request key again gives the one that it gave before.

        NotFound, AmbiguousName, UsageError: which one, or why? NotAllowed. RequesterError: there is no recovery point.
        """
        with self._recording(actor, f"delete {text}", request_key) as (unit, about):
            if before := unit.transactions.asked_by(request_key):
                return before
            transaction, point = asking.point_meant(unit, text)
            about.extend([transaction] if transaction else [])
            asked = _about(point, place, "delete")
            terms = self._rights.demand(unit, actor, Operation.DELETE, asked, key=request_key).terms
            demand_reason(terms, reason, "/cloudy delete <id> because <reason>")
            now, key = self._clock.now(), request_key
            kept = asking.record(unit, "delete", point, actor, now=now, request_key=key, place=place)
            if reason:
                kept = unit.transactions.update(kept.id, note=reason)
        self._wake()
        return kept


def _about(point: Point, place: Place | None, command: str) -> About:
    channel = place.channel if place else ""
    return About(vm=point.vm, vmstore=point.vmstore, targets=point.targets, channel=channel, command=command)
