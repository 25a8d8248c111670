"""Retry: goes on with a transaction that is held, or, where nothing is left of it, asks for the same anew."""

from collections.abc import Callable

from bot import asking, holding
from bot.errors import RequesterError
from bot.model import Actor, Place, ProtectRequest, State, Transaction
from bot.ports import Clock
from bot.purposes import purpose_of
from bot.recorder import Recorder
from bot.rights import Rights, about_transaction, operation_of
from bot.store import Database, Unit

# (a transaction that has ended, actor, request key, place) -> the one that was asked for anew.
Anew = Callable[[Transaction, Actor, str, Place], Transaction]
_ENDED_WITHOUT = (State.FAILED, State.STOPPED, State.PARTIAL)


class Again(Recorder):
    """The part of the service that Retry is."""

    def __init__(self, db: Database, clock: Clock, rights: Rights, *, wake: Callable[[], None], anew: Anew) -> None:
        super().__init__(db, clock, rights, wake=wake)
        self._anew = anew

    def retry(self, text: str, actor: Actor, *, request_key: str, place: Place) -> Transaction:
        """Go on with a held one, which is given; of one that has ended without success the new one is given.

        place: where the new one is told; without a channel, where the old one was. The same request key again gives
        what it gave before. NotFound, AmbiguousName, UsageError: which one?
        NotAllowed. RequesterError: there is nothing to retry.
        """
        with self._recording(actor, f"retry {text}", request_key) as (unit, about):
            if before := unit.audit.transaction_of(f"{request_key}:retry"):
                return unit.transactions.get(before)
            if anew := unit.transactions.asked_by(request_key, f"{request_key}:0"):  # "last" is that one by now
                return anew
            about.append(asking.meant(unit, text))
            kept = self._continued(unit, about[0], actor, f"{request_key}:retry", place)
        self._wake()
        return kept or self._anew(about[0], actor, request_key, place if place.channel else about[0].place)

    def _continued(
        self, unit: Unit, transaction: Transaction, actor: Actor, key: str, place: Place
    ) -> Transaction | None:
        """The held transaction, queued again; None: it has ended, and the same can be asked for anew."""
        asked = about_transaction(transaction, channel=place.channel, command="retry")
        self._rights.demand(unit, actor, operation_of(transaction), asked, key=key)
        if transaction.state is State.HELD:
            return holding.retry(unit, transaction, actor, self._clock.now(), key)
        is_reached = transaction.state is State.PARTIAL and purpose_of(transaction).reached is not None
        if transaction.state in _ENDED_WITHOUT and not is_reached:
            return None
        if transaction.state.is_final:
            again = purpose_of(transaction).again(transaction, transaction.targets)
            raise RequesterError(f"{transaction.id} is {transaction.state}: nothing to retry. Ask anew: {again}")
        raise RequesterError(f"{transaction.id} is under way: {transaction.state}. There is nothing to retry.")


def wanted(transaction: Transaction) -> ProtectRequest:
    """What asks for the same protection anew, in the targets that do not have it yet. RequesterError: it was none."""
    if transaction.workflow != "protect":
        again = purpose_of(transaction).again(transaction, transaction.targets)
        raise RequesterError(f"Nothing of {transaction.id} is left to go on with. Ask anew: {again}")
    there = transaction.plan.get("protected_in", ())
    return ProtectRequest(
        vms=(transaction.vm,),
        targets=tuple(name for name in transaction.targets if name not in there),
        consistency=transaction.consistency,
        note=transaction.note,
        keep_for=transaction.keep_for,
    )
