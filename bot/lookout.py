"""Looks every few minutes how each VM stands by its SLA, and tells once what has begun, and again when it is well.

What was told is kept, so that a restart does not tell it again; what is snoozed is neither told nor kept. VMs that no
[[sla]] fits are left to lists and digests.
"""

import logging
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from bot import sla, sla_words
from bot.errors import CloudyError
from bot.model import ConcernKind, Message, NextFires, Slas, Standing, Trouble
from bot.ports import Clock
from bot.sla_words import Change
from bot.store import Database, Unit
from bot.story import notice

log = logging.getLogger(__name__)

SOON = timedelta(minutes=1)  # after the start: by then all VMs have been listed
EVERY = timedelta(minutes=5)
TOLD = (Trouble.LATE, Trouble.FAILING, Trouble.WILL_BE_LATE, Trouble.UNSCHEDULED, Trouble.GROWING)
LOST = (Trouble.UNPROTECTED,)  # of a VM that had a recovery point
_PASSING = frozenset({Trouble.GROWING})  # the next run is as usual again; nobody waits for that news
# What a snooze of the others does not hide.
_KINDS = {Trouble.GROWING: ConcernKind.GROWTH, Trouble.UNSCHEDULED: ConcernKind.COVER}
Known = Mapping[str, Collection[Trouble]]


class Lookout:
    """Belongs to the process that holds the worker lock."""

    def __init__(
        self, db: Database, clock: Clock, slas: Slas, *, channel: str = "", fires: NextFires | None = None
    ) -> None:
        """channel: where an SLA without one of its own is told; "": it is only noted. fires: None: nobody knows."""
        self._db = db
        self._clock = clock
        self._slas = slas
        self._channel = channel
        self._fires = fires

    def run(self, stop: threading.Event) -> None:
        """Look soon, and every five minutes from then on, until told to stop. Never raises."""
        wait = SOON
        while not stop.wait(wait.total_seconds()):
            wait = EVERY
            try:
                self.look()
            except CloudyError as error:
                log.warning("not looked how VMs stand", extra={"action": "lookout", "error": error.message})
            except Exception:  # whatever it is: the next look may fare better, and nothing else may suffer
                log.exception("the look at how VMs stand failed", extra={"action": "lookout"})

    def look(self) -> tuple[Change, ...]:
        """Look now, and tell what has changed since the last look. BusyError, DatabaseError; then nothing was told."""
        if not self._slas.listed:
            return ()
        now = self._clock.now()
        targets = {target for each in self._slas.all for target in each.targets}
        with self._db.read() as unit:
            facts = unit.standings.facts(targets)
        fires = self._fires([each.vm for each in facts], now) if self._fires else None
        standings = [each for each in sla.stand_all(self._slas, facts, now, fires) if not each.sla.is_default]
        with self._db.unit() as unit:
            known = unit.troubles.all()
            changes = tuple(changed(known, standings))
            self._keep(unit, known, standings, changes, now)
        return changes

    def _keep(
        self, unit: Unit, known: Known, standings: Iterable[Standing], changes: Collection[Change], now: datetime
    ) -> None:
        left = {each.vm.uuid for each in standings if not each.sla.is_exempt}
        # Gone, or nothing is promised for it any more.
        unit.troubles.end((uuid, each) for uuid in known if uuid not in left for each in known[uuid])
        unit.troubles.end((one.standing.vm.uuid, each) for one in changes for each in one.over)
        snoozed = {kind: unit.concerns.snoozed(kind, now) for kind in {ConcernKind.RPO, *_KINDS.values()}}
        heard = [each for each in changes if not _is_quiet(each, snoozed)]
        # What nobody is told of is not kept: its end is no news then, and it is told once the snooze is over.
        began = ((one.standing.vm.uuid, each, one.standing.sla.name) for one in heard for each in one.began)
        unit.troubles.begin(began, now)
        for name, some in _by_sla(each for each in heard if each.began or each.is_well).items():
            channel = some[0].standing.sla.channel or self._channel
            if channel:
                key = f"sla:{name}:{now.isoformat()}"
                unit.outbox.put(Message(key=key, channel=channel, view=notice(sla_words.told(name, some))))


def changed(known: Known, standings: Iterable[Standing]) -> Iterator[Change]:
    """What began and what is over, of each VM that has changed; exempt ones have no troubles, and are not told."""
    for standing in standings:
        before = set(known.get(standing.vm.uuid, ()))
        now = set(_to_tell(standing))
        began = tuple(each for each in (*LOST, *TOLD) if each in now - before)
        over = tuple(each for each in (*LOST, *TOLD) if each in before - now)
        if (began or over) and not standing.sla.is_exempt:
            yield Change(standing=standing, began=began, over=over, is_well=not now and not set(over) <= _PASSING)


def _to_tell(standing: Standing) -> Iterator[Trouble]:
    """A VM that was never protected is left to digests; one that was, and has nothing any more, is worse than late."""
    was_protected = standing.takes is not None
    late = [place.late_by for place in standing.targets if place.is_late]
    is_just_late = all(by is not None and by <= standing.sla.leeway for by in late)
    for each in standing.troubles:
        if (each in TOLD or (each in LOST and was_protected)) and not (each is Trouble.LATE and is_just_late):
            yield each


def _is_quiet(change: Change, snoozed: Mapping[ConcernKind, Collection[str]]) -> bool:
    """Whether what has begun is all of it what somebody does not want to hear of for a while."""
    kinds = {_KINDS.get(each, ConcernKind.RPO) for each in change.began}
    return bool(kinds) and all(change.standing.vm.uuid in snoozed[kind] for kind in kinds)


def _by_sla(changes: Iterable[Change]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(change.standing.sla.name, []).append(change)
    return found
