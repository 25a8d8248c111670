"""Days of a house with what is kept of them: rounds of expire on a target, and books of our own to hold against it."""

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from bot.arena import Arena
from bot.dispatcher import Dispatcher
from bot.janitor import Findings, Janitor
from bot.limits import Limits
from bot.model import (
    Choice,
    Fire,
    FireState,
    Proof,
    ProofKind,
    RecoveryPoint,
    Resource,
    ResourceKind,
    Schedule,
    State,
    StoredFile,
    Transaction,
)
from bot.ownschedules import EXPIRE, SUMMARY, SUMMARY_WEEK
from bot.planner import Planner
from bot.runner import Runner
from bot.store import Unit
from bot.transfer import TransferSettings
from bot.worker import shipped_workflow
from tests.memory import Crash, CrashAt, MemoryShare, unwatched
from tests.memory_vmstore import Array
from tests.workflow.house import VM01, MemoryEngine, MemorySystems
from tests.workflow.ninety_books import BODY, LESS, SLAS, Books, Ended, Shelves
from tests.workflow.ninety_days import POLICY, Daily, Days, Run
from tests.workflow.schedule_world import ALICE, BOB, DAY, OPS

MOST = 500  # recovery points that a round removes at most
OURS = "test0001"
BEGUN = (FireState.STARTED, FireState.CAUGHT_UP)

OnFire = Callable[["KeptDays", Fire], None]  # a summary was told


class OwnDispatcher(Dispatcher):
    """Of all but protections, which take their time by chance; plans at once."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._pool.submit = lambda work, *args: work(*args)  # type: ignore[method-assign,assignment]

    def _move(self, transaction: Transaction) -> None:
        if transaction.workflow != "protect":
            super()._move(transaction)


class KeptDays(Days):
    """What is kept is judged each day, and what is told of it."""

    def __init__(self, folder: Path, *, days: int, vms: int, **more: Any) -> None:
        self.store, self.books = Shelves("s3"), Books()
        self.store.now = lambda: self.world.clock.now()  # noqa: PLW0108 - the world comes below
        self.systems = MemorySystems(Array(MemoryShare(VM01)), (self.store,))
        self._dice = random.Random(11)
        self._numbers: dict[str, int] = {}
        self._accounted: dict[str, datetime] = {}
        self._seen: set[tuple[str, datetime]] = set()  # fires
        self._litter: set[str] = set()  # of failed runs
        self._passed: set[str] = set()  # by the last round
        self._begun_rounds = self.deaths_in_rounds = self.largest_round = 0
        self.on_fire: list[OnFire] = []
        super().__init__(folder, days=days, vms=vms, **more)
        self.engine = MemoryEngine(self)  # type: ignore[arg-type]
        self.world.own(EXPIRE, SUMMARY, SUMMARY_WEEK)
        self._settle_in()
        self.world.service.retaining.adopt()
        self.look()
        self.own = self._own()
        self.events = [(self.begins + days * DAY * share, event) for share, event in _EVENTS]

    @property
    def living(self) -> list[str]:
        """The VMs that the VMstore has."""
        return [vm for vm in self.vms if vm not in self.gone]

    def _own(self) -> tuple[Daily, ...]:
        with self.world.db.read() as unit:
            get = unit.schedules.get
            return (
                Daily(get(EXPIRE.id), "UTC", (time(4),)),
                Daily(get(SUMMARY.id), "UTC", (time(7),)),
                Daily(get(SUMMARY_WEEK.id), "UTC", (time(7),), weekday=0),
            )

    def restart(self) -> None:
        super().restart()
        self._settle_in()

    def _settle_in(self) -> None:
        service = self.world.service
        service.questions.slas, service.retaining.place = SLAS, OPS

    def process(self) -> Runner:
        """What the engine runs things with."""

        def settings(_vmstore: str, _targets: object) -> TransferSettings:
            return TransferSettings(threads=1, grain=64, part_bytes=64, arena=Arena(8, window=64), tell_s=0)

        db, clock = self.world.db, self.world.clock
        limits = Limits(transfer_settings=settings, slas=SLAS)
        return Runner(db, self.systems, clock, limits, installation=OURS, version="0.0")

    # --- protections ---

    def _begun(self, unit: Unit, transaction: Transaction) -> Run:
        """Some copy from a recovery point that may be about to go."""
        points = self.books.of_vm(transaction.vm) if self._dice.random() < 0.1 else []
        if points:
            base = self.books.used[transaction.id] = points[-1].transaction_id
            unit.transactions.update(transaction.id, plan=transaction.plan | {"bases": {"s3": base}})
        return super()._begun(unit, transaction)

    def _number(self, unit: Unit) -> None:
        for transaction in unit.transactions.active():
            self._numbers.setdefault(transaction.id, len(self._numbers))

    def _end(self, unit: Unit, run: Run) -> None:
        self.books.used.pop(run.transaction.id, None)
        id, vm = run.transaction.id, run.transaction.vm
        ended = Ended(self._numbers[id], vm, run.begun_at, run.ends_at, run.is_good)
        self.books.ended.append(ended)
        self.books.by_vm[vm].append(ended)
        super()._end(unit, run)
        if not run.is_good:
            self._leave(unit, id)

    def _keep(self, unit: Unit, point: RecoveryPoint) -> None:
        super()._keep(unit, point)
        id = self.books.points.setdefault(point.transaction_id, point).transaction_id
        key, size = f"{id}/{point.vm_name}-flat.vmdk", len(BODY)
        for name in (key.partition("/")[2], "manifest.json"):
            self.store.keep(id, name)
        file = StoredFile(path=f"/tintri/{key}", name=point.vm_name, key=key, size=size, crc64=0, etag="e")
        unit.files.put(id, point.target, file)

    def _leave(self, unit: Unit, id: str) -> None:
        """A failed run leaves something: what stands in the ledger, what stands nowhere, or nothing."""
        what = self._dice.choice(("promised", "unknown", "nothing"))
        if what == "nothing":
            return
        self._litter.add(id)
        self.store.keep(id, "half.vmdk", **{"cloudy-installation": OURS})
        if what == "promised":
            row = Resource(transaction_id=id, kind=ResourceKind.OBJECTS, system="s3", name=id, detail={})
            unit.ledger.register(row)

    # --- what else goes on ---

    def look(self) -> tuple[Schedule, ...]:
        schedules = super().look()
        self._look_at_fires(schedules)
        return schedules

    def _dies(self) -> None:
        super()._dies()
        with self.world.db.read() as unit:
            schedules = unit.schedules.list()
        self._look_at_fires(schedules)

    def _look_at_fires(self, schedules: Iterable[Schedule]) -> None:
        """What was begun at this look."""
        moved = [each for each in schedules if each.looked_until != self._accounted.get(each.id)]
        if not moved:
            return
        own = (EXPIRE.id, SUMMARY.id, SUMMARY_WEEK.id)
        found: list[Fire] = []
        with self.world.db.read() as unit:
            for transaction in unit.transactions.active():
                self._numbers.setdefault(transaction.id, len(self._numbers))
            for each in moved:
                since = self._accounted.get(each.id, self.begins)
                fires = unit.fires.of(each.id, after=since, until=each.looked_until) if each.id in own else ()
                found += [fire for fire in fires if (fire.schedule, fire.at) not in self._seen]
                self._accounted[each.id] = each.looked_until
        self._seen |= {(fire.schedule, fire.at) for fire in found}
        for fire in found:
            if fire.state in BEGUN:
                self._look_at(fire)

    def _look_at(self, fire: Fire) -> None:
        if fire.schedule == EXPIRE.id and not fire.started:
            with self.world.db.read() as unit:
                is_under_way = any(each.workflow == "expire" for each in unit.transactions.active())
            assert is_under_way or not self.books.going(self.world.clock.at)
        for each in self.on_fire if fire.schedule != EXPIRE.id else ():
            each(self, fire)

    def _tick(self) -> None:
        super()._tick()
        if self.events and self.world.clock.at >= max(self.events[0][0], self._down_until):
            self._run_others()  # no round is under way then
            self.events.pop(0)[1](self)

    def _new_day(self) -> None:
        self.sweep()
        super()._new_day()

    def dispatch(self) -> None:
        """What is planned, decided and begun at once."""
        db, clock = self.world.db, self.world.clock
        planner = Planner(db, self.systems, shipped_workflow, clock.sleep, slas=SLAS)
        dispatcher = OwnDispatcher(db, planner, self.engine, clock, POLICY)
        for _ in range(2):
            dispatcher.tick()

    def _run_others(self) -> None:
        with self.world.db.read() as unit:
            rounds = [each for each in unit.transactions.active() if each.workflow == "expire"]
        before = dict(self.books.points)
        self.dispatch()
        self._run_to_the_end()
        for each in rounds[:1]:
            self._check_round(each, before)
        for each in rounds[1:]:  # two at once are one too many
            with self.world.db.read() as unit:
                assert unit.transactions.get(each.id).state is State.REFUSED
            self.books.rounds.append((self.world.clock.at, False))

    def _run_to_the_end(self) -> None:
        """Each third time it dies in the middle."""
        self._begun_rounds += 1
        if self._begun_rounds % 3 == 0:
            self.store.watch = CrashAt(self._dice.randrange(1, 40))
            try:
                self.engine.run_all()
            except Crash:
                self.deaths_in_rounds += 1
            self.store.watch = unwatched
        self.engine.run_all()

    def _check_round(self, asked: Transaction, before: dict[str, RecoveryPoint]) -> None:
        """It has removed what nothing keeps, then and now, and nothing else, the oldest first."""
        now = self.world.clock.at
        planned, still = self.books.going(asked.created_at), self.books.going(now)
        with self.world.db.read() as unit:
            done = unit.transactions.get(asked.id)
            there = {point.transaction_id: point for point in unit.points.of_target("s3")}
        oldest = sorted(planned, key=lambda id: (id in self._passed, before[id].taken_at, id))[:MOST]
        assert done.state is (State.SUCCEEDED if planned else State.REFUSED), done.failure
        self.books.rounds.append((now, bool(planned)))
        gone = set(before) - set(there)
        assert gone == set(oldest) & still
        self._passed = {id for id in oldest if id not in gone}
        self.books.points = {id: point for id, point in self.books.points.items() if id not in gone}
        self.books.damaged -= {(id, "s3") for id in gone}
        self.books.removed += len(gone)
        self.largest_round = max(self.largest_round, len(gone))
        self.check_shelves(there)

    def check_shelves(self, there: Mapping[str, RecoveryPoint] | None = None) -> None:
        """Catalogue, target and books tell the same."""
        if there is None:
            with self.world.db.read() as unit:
                there = {point.transaction_id: point for point in unit.points.of_target("s3")}
        assert there == self.books.points
        assert set(self.store.by_point) - self._litter == set(there)
        assert all(len(self.store.by_point[id]) == 2 for id in there)

    def sweep(self) -> None:
        """As the janitor does each hour."""
        janitor = self._janitor()
        janitor.clear_ledger()
        janitor.remove_old(2 * DAY)
        self._litter &= set(self.store.by_point)

    def findings(self) -> Findings:
        """What the janitor finds."""
        return self._janitor().look(older_than=timedelta())

    def _janitor(self) -> Janitor:
        return Janitor(self.world.db, self.systems, self.world.clock, installation=OURS)

    # --- what people do ---

    def _decided(self, asked: Transaction) -> Transaction:
        """Planned, approved by another one, done."""
        self.dispatch()
        with self.world.db.read() as unit:
            approval = unit.approvals.newest(asked.id)
        assert approval is not None
        self.world.service.decide(approval.token, Choice.APPROVE, BOB, request_key=self.world.key())
        self.dispatch()
        self.dispatch()
        self.engine.run_all()
        with self.world.db.read() as unit:
            done = unit.transactions.get(asked.id)
        assert done.state is State.SUCCEEDED, done.failure
        return done

    def damage(self) -> None:
        """The newest recovery point of some VMs is found to be damaged."""
        for point in (each for vm in (1, 3, 4) for each in self.books.of_vm(self.vms[vm])[:1]):
            place = (point.transaction_id, "s3")
            proof = Proof(
                point=place[0],
                target="s3",
                run=f"verify {point.vm_name}",
                kind=ProofKind.CHECKSUMS,
                at=self.world.clock.at,
                is_good=False,
                is_damaged=True,
                vm_uuid=point.vm_uuid,
                vm=point.vm_name,
                why="its bytes are others",
            )
            with self.world.db.unit() as unit:
                unit.proofs.append(proof)
            self.books.damaged |= {place}

    def hold(self) -> None:
        """All of one VM, and one recovery point of another."""
        retaining = self.world.service.retaining
        points = [point.transaction_id for point in self.books.of_vm(self.vms[5])[-1:]]
        for what in (self.vms[4], *points):
            found = retaining.hold(what, "a lawsuit", ALICE, request_key=self.world.key())
            self.books.holds += (replace(found),)

    def release(self) -> None:
        for hold in self.books.holds:
            asked = self.world.service.retaining.release(hold.id, ALICE, request_key=self.world.key(), place=OPS)
            self._decided(asked)
        self.books.holds = ()

    def shorten(self) -> None:
        """By approval, on just what it removes."""
        asked = self.world.service.retaining.set("silver", LESS, ALICE, request_key=self.world.key(), place=OPS)
        assert isinstance(asked, Transaction)
        now = self.world.clock.at
        before = self.books.going(now, is_plain=True)
        self.books.rules["syd"] = LESS
        goes = self.books.going(now, is_plain=True) - before
        done = self._decided(asked)
        assert done.plan["effect"]["counts"] == ({"s3": len(goes)} if goes else {})


_EVENTS = (
    (0.3, KeptDays.damage),
    (0.35, KeptDays.hold),
    (0.5, KeptDays.shorten),
    (0.7, KeptDays.release),
)
