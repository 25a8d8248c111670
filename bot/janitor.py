"""Removes what ended transactions left behind, by itself; finds what else carries Cloudy's label, and removes it when
a person asks. When it does so: bot/sweeper.py.

By itself it touches only what stands in this database's ledger and belongs to no living transaction.
"""

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from bot import insist, manifest, narrator, orphans, remembered
from bot.actions import Context
from bot.actions.cleanup import ORDER, Cleared, clear, describe
from bot.errors import CloudyError, RequesterError, Stopped, TransientError
from bot.journal import DatabaseCatalogue, DatabaseJournal, DatabaseLedger
from bot.keeper import DatabaseKeeper
from bot.model import Actor, AuditEvent, Json, ObjectInfo, Resource, ResourceKind, Slas, Transaction
from bot.mover import DatabaseMover
from bot.orphans import Fate, Kind, Orphan
from bot.ports import Clock, Systems, VMstore
from bot.retry import retrying
from bot.store import Database, Unit
from bot.survey import PATIENCE, Survey
from bot.transfer import TransferSettings

log = logging.getLogger(__name__)
T = TypeVar("T")

JANITOR = Actor(id="janitor", name="janitor", source="worker")
_LOST = "it is a recovery point whose manifest is gone: put that back, or have it deleted by /cloudy delete {}"
# Files before the snapshot that they were cloned from, as in the clean-up.
_ORDER = (
    Kind.UPLOAD,
    Kind.OBJECTS,
    Kind.STRAY,
    Kind.TEMPORARY,
    Kind.PROBE,
    Kind.SHARE_PROBE,
    Kind.REGISTRATION,
    Kind.FOLDER,
    Kind.CLONE,
    Kind.SNAPSHOT,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One thing found outside, and what becomes of it."""

    orphan: Orphan
    fate: Fate
    by_hand: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What `cloudy orphans` tells."""

    promised: tuple[Resource, ...]  # in the ledger, of transactions that have ended
    judged: tuple[Judged, ...]
    unseen: tuple[tuple[str, str], ...]


class Janitor:
    """May work beside a running bot, and beside another janitor: each removal may be repeated."""

    def __init__(
        self,
        db: Database,
        systems: Systems,
        clock: Clock,
        *,
        installation: str,
        actor: Actor = JANITOR,
        stop: threading.Event | None = None,
    ) -> None:
        """stop: once it is set, nothing new begins, and Stopped is raised."""
        self._db = db
        self._systems = systems
        self._clock = clock
        self._installation = installation
        self._actor = actor
        self._stop = stop or threading.Event()
        self._survey = Survey(systems, self._pause, self._check)

    def in_name_of(self, actor: Actor) -> "Janitor":
        """One who does the same for somebody else, and ends with this one."""
        return Janitor(
            self._db, self._systems, self._clock, installation=self._installation, actor=actor, stop=self._stop
        )

    # --- what the ledger promises ---

    def clear_ledger(self) -> tuple[Cleared, ...]:
        """Remove what ended transactions left, each in its own name. A system that is away is left for the next round.

        What could not be removed is kept with the transaction, with the way to remove it.
        """
        done: list[Cleared] = []
        away: set[str] = set()
        sessions = _Sessions(self._systems, self._pause)
        try:
            for transaction, resources in self._promised():
                here = [each for each in resources if each.system not in away]
                if here:
                    cleared = clear(self._context(transaction, sessions), here)
                    away |= {each.system for each, why in cleared.failed if isinstance(why, TransientError)}
                    self._settle(transaction, cleared, is_all=len(here) == len(resources))
                    done.append(cleared)
        finally:
            sessions.close()
        return tuple(done)

    def let_go(self, transaction_id: str) -> None:
        """A VM that could not be put back stays as it is now, and so does the snapshot of it as it was.

        RequesterError: there is none of that transaction.
        """

        def write(unit: Unit) -> None:
            is_over = unit.transactions.get(transaction_id).state.is_final
            found = unit.ledger.open(transaction_id) if is_over else ()
            original = next((each for each in found if each.kind is ResourceKind.ORIGINAL), None)
            if original is None:
                raise RequesterError(f"There is nothing to let go of {transaction_id}: no VM waits to be put back.")
            for each in found:
                if each.kind in (ResourceKind.ORIGINAL, ResourceKind.SNAPSHOT):
                    unit.ledger.release(each.transaction_id, each.kind, each.system, each.name)
            body: Json = {"event": "let go", "what": describe(original)}
            self._audit(unit, f"{_key(original)}:let go", transaction_id, body)

        self._write(write)

    def _promised(self) -> list[tuple[Transaction, list[Resource]]]:
        def look(unit: Unit) -> list[tuple[Transaction, list[Resource]]]:
            by_id: dict[str, list[Resource]] = {}
            for resource in unit.ledger.open():
                by_id.setdefault(resource.transaction_id, []).append(resource)
            found = [(unit.transactions.get(tid), resources) for tid, resources in by_id.items()]
            return [(transaction, resources) for transaction, resources in found if transaction.state.is_final]

        return self._read(look)

    def _settle(self, transaction: Transaction, cleared: Cleared, *, is_all: bool) -> None:
        """Keep what could not be removed, and say what turned out to be a recovery point after all.

        is_all: everything was tried, so that this is the whole truth.
        """
        for line in cleared.left:
            log.warning("left behind", extra={"action": "janitor", "transaction": transaction.id, "what": line})

        def write(unit: Unit) -> None:
            if is_all:
                unit.transactions.update(transaction.id, left_behind=cleared.left)
            for resource in cleared.kept:
                body: Json = {"event": "kept", "what": f"{describe(resource)}: a manifest stands there"}
                self._audit(unit, f"{_key(resource)}:kept", transaction.id, body)

        self._write(write)

    def _note_removal(self, unit: Unit, transaction_id: str, key: str, what: str) -> None:
        """The audit row of a removal, and the reply in the thread, which tells all removals so far."""
        rows = unit.audit.list(transaction_id=transaction_id, limit=10_000)
        told = [str(row.body["what"]) for row in rows if row.action == "janitor" and row.body["event"] == "removed"]
        transaction = unit.transactions.find(transaction_id)
        if transaction is not None:
            narrator.tell_removed_later(unit, transaction, tuple(dict.fromkeys((*told, what))))
        self._audit(unit, key, transaction_id, {"event": "removed", "what": what})

    def _audit(self, unit: Unit, key: str, transaction_id: str, body: Json) -> None:
        event = AuditEvent(key=key, action="janitor", actor=self._actor, transaction_id=transaction_id, body=body)
        unit.audit.append(event)

    def _context(self, transaction: Transaction, sessions: "_Sessions") -> Context:
        db, systems = self._db, self._systems

        def released(unit: Unit, resource: Resource) -> None:
            self._note_removal(unit, transaction.id, f"{_key(resource)}:removed", describe(resource))

        return Context(
            transaction=transaction,
            attempt=1,
            installation=self._installation,
            version="",
            clock=self._clock,
            open_vmstore=lambda name: retrying(systems.open_vmstore(name), self._pause, PATIENCE),
            session=sessions.get,
            end_session=lambda _name: None,
            share=self._survey.share,
            cleanup_share=self._survey.cleanup_share,
            restore_share=self._survey.restore_share,
            restore_address=systems.restore_address,
            restore_setting=systems.restore_setting,
            hypervisor=self._survey.hypervisor,
            hypervisor_address=systems.hypervisor_address,
            target=lambda name: retrying(systems.target(name), self._pause, PATIENCE),
            ledger=DatabaseLedger(db, self._clock, transaction.id, released),
            catalogue=DatabaseCatalogue(db, self._clock, transaction.id),
            journal=DatabaseJournal(db, self._clock, transaction.id),
            transfer_settings=lambda _targets: TransferSettings(),
            check=self._check,
            may_send=lambda _targets: None,
            pause=self._pause,
            progress=lambda _done, _total: None,
            moved=lambda _moved: None,
            leave_behind=lambda _left: None,
            keeper=DatabaseKeeper(db, self._clock, Slas()),  # a clean-up asks it nothing, and moves nothing
            mover=lambda name: DatabaseMover(db, self._clock, Slas(), systems.target(name), transaction.id),
        )

    # --- what else carries our label ---

    def look(self, *, older_than: timedelta = orphans.OLD_ENOUGH, also: Collection[str] = ()) -> Findings:
        """Find and judge everything; nothing is removed. also: installations that are no more, whose things are ours.

        What is outside is listed first and the database read after it, so a run begun meanwhile is known to live.
        """
        seen = self._survey.look()
        promised = self._promised()
        house = replace(self._read(self._house), used=seen.used)
        strays = self._strays(seen.beside)
        house = replace(house, installations=house.installations | set(also))
        told = [each for each in (*seen.orphans, *strays) if orphans.is_orphan(each, house)]
        now = self._clock.now()
        judged = [
            Judged(
                orphan=each,
                fate=orphans.fate(each, house, now=now, older_than=older_than),
                by_hand=_LOST.format(each.name) if orphans.lost_manifest(each, house) else self._survey.by_hand(each),
            )
            for each in sorted(told, key=lambda each: (_ORDER.index(each.kind), each.system, each.name))
        ]
        told_of = [each.orphan for each in judged if each.fate is not Fate.FOREIGN]
        number, size = len(told_of), sum(each.size for each in told_of)
        self._write(lambda unit: remembered.keep_orphans(unit, number, size, now))
        return Findings(
            promised=tuple(resource for _, resources in promised for resource in _sorted(resources)),
            judged=tuple(judged),
            unseen=seen.unseen,
        )

    def _strays(self, beside: Sequence[tuple[str, str, tuple[ObjectInfo, ...]]]) -> list[Orphan]:
        """What lies beside manifests and is of no recovery point, by the catalogue, else by the manifest."""
        known = self._read(_named) if beside else {}
        found: list[Orphan] = []
        for target, prefix, objects in beside:
            named = known.get((prefix, target), frozenset()) | {manifest.key(prefix)}
            if all(each.key in named for each in objects):
                continue
            read = self._survey.named(target, prefix)
            stray = None if read is None else orphans.of_strays(target, prefix, objects, read)
            found += [stray] if stray else []
        return found

    def _house(self, unit: Unit) -> orphans.House:
        return orphans.House(
            installations=frozenset({self._installation}),
            known=unit.transactions.ids(),
            living=frozenset(transaction.id for transaction in unit.transactions.active()),
            made=unit.ledger.ever(ResourceKind.CLONE) | unit.ledger.ever(ResourceKind.FOLDER),
            points=unit.points.places(),
            registered=unit.ledger.ever(ResourceKind.REGISTRATION),
            stays=unit.ledger.stays(),
            promised=frozenset((each.kind, each.system, each.name) for each in unit.ledger.open()),
        )

    def remove_old(self, older_than: timedelta) -> None:
        """Remove what is ours and older than that, but never what is younger than a day."""
        for judged in self.look(older_than=max(older_than, orphans.OLD_ENOUGH)).judged:
            if judged.fate is Fate.OURS and (why := self.remove(judged.orphan)):
                log.warning("not removed", extra={"action": "janitor", "what": judged.orphan.name, "why": why})

    def remove(self, orphan: Orphan) -> str:
        """Remove one that was judged ours; gives why it is still there, "" when it is gone."""
        what = f"{orphan.kind} {orphan.name} on {orphan.system}"
        key = f"orphan:{orphan.kind}:{orphan.system}:{orphan.name}:{orphan.snapshot_uuid}"
        tid = orphan.transaction_id
        if self._read(lambda unit: any(each.id == tid for each in unit.transactions.active())):
            return "its transaction lives"
        self._write(lambda unit: self._audit(unit, f"{key}:begun", tid, {"event": "to be removed", "what": what}))
        try:
            self._survey.remove(orphan)
        except Stopped:
            raise
        except CloudyError as error:
            why = error.message
            now = self._clock.now().isoformat()
            body: Json = {"event": "not removed", "what": what, "why": why}
            self._write(lambda unit: self._audit(unit, f"{key}:{now}", tid, body))
            return why
        self._write(lambda unit: self._note_removal(unit, tid, f"{key}:removed", what))
        return ""

    # --- small things ---

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped()

    def _pause(self, seconds: float) -> None:
        self._check()
        self._clock.sleep(seconds)
        self._check()

    def _read(self, look: Callable[[Unit], T]) -> T:
        return insist.read(self._db, look, self._clock)

    def _write(self, work: Callable[[Unit], T]) -> T:
        return insist.write(self._db, work, self._clock)


class _Sessions:
    """One session a VMstore for a round; opened when it is first needed. One that was refused is not asked again."""

    def __init__(self, systems: Systems, pause: Callable[[float], None]) -> None:
        self._systems = systems
        self._pause = pause
        self._open: dict[str, VMstore] = {}
        self._refused: dict[str, CloudyError] = {}

    def get(self, name: str) -> VMstore:
        """The session, logged in."""
        if name in self._refused:
            raise self._refused[name]
        if name not in self._open:
            session = retrying(self._systems.open_vmstore(name), self._pause, PATIENCE)
            try:
                session.login()
            except CloudyError as error:
                self._refused[name] = error
                raise
            self._open[name] = session
        return self._open[name]

    def close(self) -> None:
        """Log out of all; a refusal changes nothing, the session expires."""
        for name, session in self._open.items():
            try:
                session.logout()
            except CloudyError as error:
                log.warning("log-out failed", extra={"action": "janitor", "system": name, "error": error.message})


def _named(unit: Unit) -> dict[tuple[str, str], set[str]]:
    """Keys of all objects that the catalogue knows, by transaction and target."""
    found: dict[tuple[str, str], set[str]] = {}
    for point, target, key, digests in unit.files.every():
        found.setdefault((point, target), set()).update((key, digests))
    return found


def _sorted(resources: Sequence[Resource]) -> list[Resource]:
    return sorted(resources, key=lambda resource: ORDER.index(resource.kind))


def _key(resource: Resource) -> str:
    return f"{resource.transaction_id}:janitor:{resource.kind}:{resource.system}:{resource.name}"
