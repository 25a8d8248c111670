"""What a start page tells, read from the database: own transactions, VMs, how systems fared, what ended last."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import story
from bot.clock import SystemClock
from bot.model import Actor, Failure, ProtectRequest, RecoveryPoint, State, Transaction, Vm, VmKind
from bot.overview import MOST_RUNNING, ROWS, View
from bot.service import Service
from bot.store import Database

ALICE, BOB = (Actor(id=f"U{name}", name=name, source="slack") for name in ("alice", "bob"))
NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


@pytest.fixture
def db(tmp_path: Path) -> Database:
    Database.migrate(tmp_path / "cloudy.db")
    return Database.open(tmp_path / "cloudy.db", audit_key=None)


@pytest.fixture
def service(db: Database) -> Service:
    return Service(db, SystemClock(), vmstores=("one", "two"), targets=("s3", "azure"))


def asked(service: Service, actor: Actor = ALICE, vm: str = "vm01", to: tuple[str, ...] = ("s3",)) -> Transaction:
    request = ProtectRequest(vms=(vm,), targets=to)
    return service.protect(request, actor, request_key=f"{actor.id}:{vm}:{to}:{len(service.runs(100))}")[0]


def ended(
    db: Database, made: Transaction, state: State, after_h: int, *, vmstore: str = "one", system: str = ""
) -> None:
    failure = Failure(what=f"{system} was down", system=system) if system else None
    with db.unit() as unit:
        at = NOW + timedelta(hours=after_h)
        unit.transactions.update(made.id, state=state, ended_at=at, vmstore=vmstore, failure=failure)


def test_only_own_transactions_are_told_and_only_while_they_run(db: Database, service: Service) -> None:
    mine = asked(service)
    asked(service, BOB)
    (told,) = service.running(ALICE)
    assert (told.transaction.id, told.line) == (mine.id, "Planning …")
    ended(db, mine, State.FAILED, 0)
    assert service.running(ALICE) == ()


def test_of_a_held_one_is_told_which_step_failed_and_until_when(db: Database, service: Service) -> None:
    made = asked(service)
    with db.unit() as unit:
        unit.transactions.update(
            made.id, state=State.HELD, failure=Failure(what="no", step="Upload"), plan={"held_until": NOW.isoformat()}
        )
        unit.steps.prepare(made.id, [("upload", "Upload")])
    (told,) = service.running(ALICE)
    assert told.line == "Held until 14:00 UTC on 23 Nov: Upload failed"
    assert {"retry", "cleanup"} <= set(story.buttons_of(told.transaction))


def test_of_many_that_run_ten_are_told_and_all_are_counted(db: Database, service: Service) -> None:
    for i in range(MOST_RUNNING + 3):
        asked(service, vm=f"vm{i}")
    told = service.running(ALICE)
    assert [bool(one.line) for one in told] == [True] * MOST_RUNNING + [False] * 3


def test_how_systems_fared_is_the_newest_success_and_failure_of_each(db: Database, service: Service) -> None:
    ended(db, asked(service), State.SUCCEEDED, 1)
    ended(db, asked(service, to=("azure",)), State.FAILED, 2, system="azure")
    ended(db, asked(service, to=("s3", "azure")), State.PARTIAL, 3, system="azure")
    told = service.shared_overview(View())
    vmstores, targets = ({fared.name: fared for fared in some} for some in (told.vmstores, told.targets))
    assert vmstores["one"].well_at == NOW + timedelta(hours=3)
    assert (vmstores["two"].well_at, vmstores["two"].is_well) == (None, None)
    assert targets["s3"].well_at == NOW + timedelta(hours=3)
    assert (targets["azure"].failed_at, targets["azure"].well_at) == (NOW + timedelta(hours=3), None)
    assert targets["azure"].why == "azure was down"
    assert (targets["s3"].is_well, targets["azure"].is_well) == (True, False)


def test_a_look_at_all_vms_tells_as_much_of_a_vmstore(db: Database, service: Service) -> None:
    ended(db, asked(service), State.FAILED, 0, system="one")
    with db.unit() as unit:
        unit.inventory.refresh("one", [])
        unit.inventory.fail("two", "no route to host")
    one, two = service.shared_overview(View()).vmstores
    assert (one.is_well, two.is_well, two.why) == (True, False, "no route to host")


def test_the_newest_five_ends_are_told_and_nothing_that_runs(db: Database, service: Service) -> None:
    made = [asked(service, vm=f"vm{i}") for i in range(8)]
    for one in made[:7]:
        ended(db, one, State.SUCCEEDED, 0)
    assert [one.vm for one in service.shared_overview(View()).last] == ["vm6", "vm5", "vm4", "vm3", "vm2"]


def test_vms_are_counted_filtered_and_paged(db: Database, service: Service) -> None:
    now = SystemClock().now()
    vms = [Vm(uuid=f"u{i}", name=f"vm{i:02d}", vmstore="one") for i in range(25)]
    with db.unit() as unit:
        unit.inventory.refresh("one", vms)
        for vm, age_h in zip(vms, (1, 2, 30), strict=False):
            unit.points.put(
                RecoveryPoint(
                    transaction_id=f"t-{vm.uuid}", target="s3", vm_uuid=vm.uuid, vm_name=vm.name, manifest_key="k",
                    taken_at=now - timedelta(hours=age_h), consistency="crash", size=1,
                )
            )  # fmt: skip
    told = service.shared_overview(View())
    assert (told.tally.protected, told.tally.late, told.tally.never) == (2, 1, 22)

    def listed(kind: VmKind, offset: int = 0) -> list[str]:
        return [line.vm.name for line in service.shared_overview(View(kind=kind, offset=offset)).page.rows]

    assert listed(VmKind.PROTECTED) == ["vm00", "vm01"]
    assert listed(VmKind.LATE) == ["vm02"]
    assert len(listed(VmKind.UNPROTECTED)) == ROWS
    assert listed(VmKind.ALL, 20) == [f"vm{i}" for i in range(20, 25)]
    assert listed(VmKind.ALL, 9_000_000) == [f"vm{i}" for i in range(20, 25)]
    assert listed(VmKind.LATE, 50) == ["vm02"]
