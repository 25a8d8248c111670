"""What a person can ask: the read-only door for handlers, forms and the command line.

Each answer is one look at the local database, a page at a time; no other system is asked.
"""

from datetime import date, datetime, timedelta

from bot import remembered, sla
from bot.errors import NotFound, UsageError
from bot.model import (
    AuditRow,
    DayMoved,
    Look,
    NextFires,
    Page,
    PointsOf,
    SeenVm,
    Sla,
    Slas,
    SlaTally,
    Standing,
    Subject,
    Tally,
    VmKind,
    VmLine,
)
from bot.model.sla import DEFAULT
from bot.ports import Clock
from bot.store import Database, Unit, Yardstick

RPO = timedelta(hours=24)
PAGE = 20


class Questions:
    """Changes nothing."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        slas: Slas | None = None,
        rpo: timedelta = RPO,
        fires: NextFires | None = None,
    ) -> None:
        """slas: what is promised for which VMs; None: for all that the newest recovery point is no older than rpo.

        fires: the next of each schedule; None: nobody knows which there are.
        """
        self._db = db
        self._clock = clock
        self.slas = slas or Slas(last=Sla(name=DEFAULT, rpo=rpo))
        self.fires = fires

    def vms(self, pattern: str = "", kind: VmKind = VmKind.ALL, *, offset: int = 0, limit: int = PAGE) -> Page[VmLine]:
        """Live VMs by name, the late ones by lateness, the big ones by size.

        pattern: with * and ? for the whole name (or VMstore/name), else a part of it, in any case.
        """
        with self._db.read() as unit:
            return unit.lists.vms(pattern, kind, by=self.yardstick(), offset=offset, limit=limit)

    def moved_by_day(self, days: int, vm_uuid: str = "") -> tuple[DayMoved, ...]:
        """What was moved on each of the last days, those without anything left out; of one VM, or of all."""
        with self._db.read() as unit:
            midnight = self._clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
            return unit.lists.moved_by_day(midnight - timedelta(days=days - 1), vm_uuid)

    def stored_by_day(self, days: int) -> dict[date, int]:
        """The bytes that lay in all targets on each of the last days on which that was measured, and lie there now."""
        now = self._clock.now()
        with self._db.read() as unit:
            return remembered.stored_by_day(unit, now.date() - timedelta(days=days - 1), now.date())

    def tally(self) -> Tally:
        """How many live VMs stand how."""
        with self._db.read() as unit:
            return unit.lists.tally(by=self.yardstick())

    def tallies(self) -> tuple[SlaTally, ...]:
        """The same by SLA, the last resort at the end."""
        with self._db.read() as unit:
            return unit.lists.tallies(by=self.yardstick())

    @property
    def rpo(self) -> timedelta | None:
        """The one of all VMs; None: each goes by its SLA."""
        return None if self.slas.listed else self.slas.last.rpo

    def standings(self, vm: str) -> tuple[Standing, ...]:
        """How live VMs of this uuid, name or VMstore/name stand. NotFound: there is none, with near names."""
        with self._db.read() as unit:
            uuids = tuple(dict.fromkeys(one.uuid for one in _named(unit, vm) if one.gone_at is None))
            if not uuids:
                raise _absent(unit, vm)
            facts = unit.standings.facts({target for each in self.slas.all for target in each.targets}, uuids)
        now = self._clock.now()
        fires = self.fires([each.vm for each in facts], now) if self.fires else None
        return tuple(sla.stand_all(self.slas, facts, now, fires))

    def yardstick(self) -> Yardstick:
        """What counts as late now."""
        return Yardstick(self.slas, self._clock.now())

    def search(self, text: str, limit: int = 100) -> tuple[SeenVm, ...]:
        """Live VMs for a person who is typing: the same name first, then beginnings, then parts."""
        with self._db.read() as unit:
            return unit.inventory.search(text, limit)

    def looks(self) -> tuple[Look, ...]:
        """The last look at each VMstore: when, how many VMs, and what went wrong."""
        with self._db.read() as unit:
            return unit.inventory.looks()

    def recovery_points(self, vm: str, *, offset: int = 0, limit: int = PAGE) -> PointsOf:
        """The recovery points of a VM by uuid, name or VMstore/name, newest first; of all VMs that had that name.

        NotFound: no VM of that name is known, and none was; with near names.
        """
        with self._db.read() as unit:
            seen = _named(unit, vm)
            uuids = tuple(dict.fromkeys([*(one.uuid for one in seen), *unit.lists.uuids_with_points(vm)]))
            if not uuids:
                raise _unknown(unit, vm)
            vms = tuple(one for uuid in uuids for one in unit.inventory.named(uuid))
            page = unit.lists.points(uuids, offset=offset, limit=limit)
            proofs = unit.proofs.of({point.transaction_id for point in page.rows})
        return PointsOf(named=vm, vms=vms, uuids=uuids, page=page, proofs=proofs)

    def audit(
        self, what: str = "", since: datetime | None = None, *, offset: int = 0, limit: int = PAGE
    ) -> tuple[Subject, str, Page[AuditRow]]:
        """Audit rows, newest first, and what they are about, with its name.

        what: a transaction id, a VM's name or uuid, a user's name or id, a part of a transaction id, in this order;
        nothing: all. NotFound: it is none of them. AmbiguousName: it is a part of several ids.
        """
        with self._db.read() as unit:
            subject, name, names = _subject(unit, what)
            return subject, name, unit.lists.audit(subject, names, since=since, offset=offset, limit=limit)


def _named(unit: Unit, text: str) -> tuple[SeenVm, ...]:
    """VMs of that uuid or name, or of VMstore/name."""
    vmstore, _, name = text.partition("/")
    found = unit.inventory.named(text)
    return found or tuple(vm for vm in unit.inventory.named(name) if name and vm.vmstore == vmstore)


def _subject(unit: Unit, what: str) -> tuple[Subject, str, tuple[str, ...]]:
    if not what:
        return Subject.ALL, "", ()
    if unit.transactions.find(what) is not None:
        return Subject.TRANSACTION, what, (what,)
    seen = _named(unit, what)
    names = tuple(dict.fromkeys([what, *(vm.uuid for vm in seen)]))
    if seen or unit.lists.was_asked_for(names):
        return Subject.VM, seen[0].name if seen else what, names
    if users := unit.lists.users(what):
        return Subject.USER, what, users
    try:
        transaction = unit.transactions.resolve(what)
    except (NotFound, UsageError):
        near = unit.inventory.near(what)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        message = f"Nothing in the audit is about {what}: it is no transaction, no VM and no user there.{hint}"
        raise NotFound(message, near) from None
    return Subject.TRANSACTION, transaction.id, (transaction.id,)


def _absent(unit: Unit, vm: str) -> NotFound:
    near = unit.inventory.near(vm)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return NotFound(f"No VMstore has a VM called {vm}, so no SLA is for it.{hint}", near)


def _unknown(unit: Unit, vm: str) -> NotFound:
    near = unit.inventory.near(vm)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return NotFound(f"No VM called {vm} is known, and no recovery point of one.{hint}", near)
