"""Restoring over the original: the old VM as it was or the new one whole, through deaths, Stop and refusals."""

import itertools
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from bot.errors import PermanentError, RequesterError, UsageError
from bot.janitor import Janitor
from bot.model import Actor, ApprovalState, Choice, State, Transaction, Vm
from bot.opinions import Question
from bot.policy import Need, Operation, Policy, Role, Rule
from tests.memory import Crash, CrashAt
from tests.memory_hypervisor import Host
from tests.workflow.house import ALICE, VM01, House
from tests.workflow.test_restore import KEPT, asked, files_in, left, notice, view

AT_ONCE = Policy(rules=(Rule(name="rule 1", operation=Operation.RESTORE_OVER, need=Need.NOTHING),))
NOW = {"vm01-flat.vmdk": bytes(reversed(VM01["vm01/vm01-flat.vmdk"])), "later.txt": b"came later"}
WAS = {path.removeprefix("vm01/"): body for path, body in VM01.items()} | NOW
WAYS = ("target", "snapshot")


def after(way: str) -> dict[str, bytes]:
    """The VM's folder when it is the new one: what no recovery point has stays, unless the VMstore puts all back."""
    then = {path.removeprefix("vm01/"): body for path, body in VM01.items()}
    return then if way == "snapshot" else then | {"later.txt": NOW["later.txt"]}


class Template:
    """A house with a recovery point whose snapshot is there; of which there are as many copies as a test wants."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._house = House(folder)
        self._house.systems.kept_snapshots = 1
        self._house.systems.host = Host(self._house.share)
        self._house.systems.host.keep("vm01", ("vm01/vm01.vmdk",))
        self.point = self._house.protect()
        assert self.point.state is State.SUCCEEDED
        self._house.db.close()

    def house(self, name: str, way: str, *, is_on: bool = True, policy: Policy = AT_ONCE) -> tuple[House, Host]:
        """A copy, in which the VM has changed since."""
        folder = self._folder.parent / name
        folder.mkdir()
        shutil.copy(self._folder / "cloudy.db", folder / "cloudy.db")
        house, old = House(folder, policy=policy), self._house.targets["s3"]
        new = house.targets["s3"]
        new.objects, new.etags, new.metadata = dict(old.objects), dict(old.etags), dict(old.metadata)
        if way == "snapshot":
            house.array.snapshots = dict(self._house.array.snapshots)
        house.array.numbers = itertools.count(100)
        house.share.files |= {f"vm01/{name}": body for name, body in NOW.items()}
        house.systems.host = Host(house.share)
        house.systems.host.keep("vm01", ("vm01/vm01.vmdk",), is_on=is_on)
        return house, house.systems.host


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template(tmp_path_factory.mktemp("over") / "template")


def over(house: House, *, key: str = "r", **more: object) -> Transaction:
    wanted: dict[str, object] = {"is_over_original": True, "confirmed": "vm01", "is_off_allowed": True} | more
    return asked(house, key=key, **wanted)  # type: ignore[arg-type]


def overwritten(house: House, **more: object) -> Transaction:
    transaction = over(house, **more)  # type: ignore[arg-type]
    house.dispatch()
    house.engine.run_all()
    return house.read(transaction.id)


def is_on(host: Host) -> bool:
    (machine,) = host.machines.values()
    return machine.told.is_on


def before(house: House, transaction: Transaction) -> list[dict[str, bytes]]:
    """What the snapshots that this restore took of the original hold."""
    found = [files for one, files in house.array.snapshots.values() if one.description.startswith(transaction.id)]
    return [{path.removeprefix("vm01/"): body for path, body in files.items()} for files in found]


def ready(template: Template, tmp_path: Path, way: str = "target", **more: object) -> tuple[House, Host]:
    return template.house(f"{tmp_path.name}-{way}", way, **more)  # type: ignore[arg-type]


# --- it is done ---


@pytest.mark.parametrize("way", WAYS)
def test_the_vm_itself_is_as_it_was_then_and_a_snapshot_of_it_as_it_was_before_stays(
    template: Template, tmp_path: Path, way: str
) -> None:
    house, host = ready(template, tmp_path, way)
    done = overwritten(house)
    assert done.state is State.SUCCEEDED, done.failure
    assert (done.plan["way"], done.vm_uuid) == (way, "FS-VIM-vm01")
    assert files_in(house, "vm01") == after(way)
    assert before(house, done) == [WAS]
    assert left(house) == []
    assert not is_on(host)
    assert [machine.told.label for machine in host.machines.values()] == [""]
    facts = dict(view(house, done, "receipt")["facts"])
    assert f"“{done.id} before it was overwritten, Cloudy test0001”" in facts["Before that"]
    assert "SyncVM" in facts["Before that"]
    assert view(house, done, "receipt")["headline"] == "vm01 is restored in place on vmstore"
    assert facts["Lies in"] == "/tintri/vm01"
    with house.db.read() as unit:
        (kept,) = [row for row in unit.audit.list(transaction_id=done.id) if row.action == "restore"]
    assert kept.body["over_original"]
    assert kept.body["snapshot_before"] in house.array.snapshots


def test_it_is_started_again_only_if_that_was_asked_for(template: Template, tmp_path: Path) -> None:
    house, host = ready(template, tmp_path)
    done = overwritten(house, is_on=True)
    assert done.state is State.SUCCEEDED, done.failure
    assert is_on(host)
    assert dict(view(house, done, "receipt")["facts"])["Sign of life"].startswith("agent")


def test_a_file_that_the_vm_has_lost_comes_back(template: Template, tmp_path: Path) -> None:
    house, _host = ready(template, tmp_path)
    del house.share.files["vm01/vm01.nvram"]
    assert overwritten(house).state is State.SUCCEEDED
    assert files_in(house, "vm01")["vm01.nvram"] == KEPT["vm01.nvram"]


def test_other_runs_of_the_vm_wait_for_it(template: Template, tmp_path: Path) -> None:
    house, _host = ready(template, tmp_path)
    over(house)
    house.dispatch()
    waiting = house.ask(key="2")
    house.dispatch()
    assert house.read(waiting.id).state is State.QUEUED
    house.engine.run_all()
    house.dispatch()
    assert house.read(waiting.id).state is State.RUNNING


# --- what is refused ---


def test_without_the_typed_name_nothing_is_recorded(template: Template, tmp_path: Path) -> None:
    house, _host = ready(template, tmp_path)
    with pytest.raises(RequesterError, match="“vm1” was typed, and the VM is called vm01"):
        over(house, confirmed="vm1")


def test_the_name_that_it_has_by_now_may_be_typed_and_the_plan_looks_again(template: Template, tmp_path: Path) -> None:
    house, _host = ready(template, tmp_path)
    with house.db.unit() as unit:
        unit.inventory.refresh("vmstore", [Vm(uuid="FS-VIM-vm01", name="anew", vmstore="vmstore")])
    done = overwritten(house, confirmed="anew")
    assert done.state is State.REFUSED
    assert "The VM is called vm01 by now: type that name" in notice(house, done)


def test_it_waits_for_the_approval_of_another_who_sees_what_is_overwritten(template: Template, tmp_path: Path) -> None:
    bob = Actor(id="U_BOB", name="bob", source="slack")
    house, _host = ready(template, tmp_path, policy=Policy(grants={"U_BOB": Role.APPROVER, "U_ALICE": Role.OPERATOR}))
    waits = over(house)
    house.dispatch()
    assert house.read(waits.id).state is State.AWAITING_APPROVAL
    with house.db.read() as unit:
        approval = unit.approvals.newest(waits.id)
    assert approval is not None
    assert approval.decided["operation"] == "restore-over"
    assert "all of it, in vm01; a snapshot of it" in approval.decided["overwrites"]
    assert approval.decided["power_off"] == "if it is on"
    assert approval.estimates["why"] == "vmstore does not have the snapshot of this recovery point any more"
    house.service.decide(approval.token, Choice.APPROVE, bob, request_key="b")
    house.dispatch()
    house.engine.run_all()
    assert house.read(waits.id).state is State.SUCCEEDED
    with house.db.read() as unit:
        assert unit.approvals.newest(waits.id).state is ApprovalState.EXECUTED  # type: ignore[union-attr]


def test_where_the_policy_wants_a_reason_it_is_demanded_and_kept(template: Template, tmp_path: Path) -> None:
    rule = Rule(name="rule 1", operation=Operation.RESTORE_OVER, need=Need.NOTHING, reason_required=True)
    house, _host = ready(template, tmp_path, policy=Policy(rules=(rule,)))
    with pytest.raises(UsageError, match="wants to know why"):
        over(house)
    assert over(house, reason="a broken update").note == "a broken update"


def test_may_i_tells_that_it_needs_an_approval(template: Template, tmp_path: Path) -> None:
    house, _host = ready(template, tmp_path, policy=Policy())
    (opinion,) = house.service.opinions_on(Question(command="restore", vms=("vm01",), is_over_original=True), ALICE)
    assert (opinion.asked, opinion.verdict.terms.need) == ("restore vm01 over the original", Need.APPROVAL)


def test_one_that_is_on_is_refused_unless_it_may_be_powered_off(template: Template, tmp_path: Path) -> None:
    house, host = ready(template, tmp_path)
    done = overwritten(house, is_off_allowed=False)
    assert done.state is State.REFUSED
    assert "vm01 is on. Power it off first, or say that it may be" in notice(house, done)
    assert is_on(host)


@pytest.mark.parametrize(("powered", "words"), [(None, "Nobody tells whether"), (True, "do that by hand")])
def test_without_a_hypervisor_the_vmstore_must_tell_that_it_is_off(
    template: Template, tmp_path: Path, powered: bool | None, words: str
) -> None:
    house, _host = ready(template, tmp_path)
    house.systems.host, house.array.powered = None, powered
    done = overwritten(house)
    assert done.state is State.REFUSED
    assert words in notice(house, done)
    house.array.powered = False
    assert overwritten(house, key="2").state is State.SUCCEEDED


def test_a_vm_that_is_gone_or_has_another_disk_by_now_is_refused(template: Template, tmp_path: Path) -> None:
    house, _host = ready(template, tmp_path, is_on=False)
    house.share.files["vm01/vm01-000001.vmdk"] = b"x"
    house.share.files["vm01/vm01-000001-flat.vmdk"] = b"x"
    done = overwritten(house)
    assert done.state is State.REFUSED
    assert "has vm01-000001.vmdk by now, which the recovery point has not" in notice(house, done)
    house.share.remove_tree("vm01")
    house.share.files["other/other.vmx"] = b""
    done = overwritten(house, key="2")
    assert "so there is nothing to overwrite" in notice(house, done)


def test_by_the_snapshot_a_disk_that_came_since_stays_as_it_is(template: Template, tmp_path: Path) -> None:
    house, _host = ready(template, tmp_path, "snapshot", is_on=False)
    house.share.files |= {"vm01/x.vmdk": b"x", "vm01/x-flat.vmdk": b"theirs"}
    done = overwritten(house)
    assert done.state is State.SUCCEEDED, done.failure
    found = files_in(house, "vm01")
    assert (found["vm01-flat.vmdk"], found["x-flat.vmdk"]) == (KEPT["vm01-flat.vmdk"], b"theirs")
    assert found["later.txt"] == NOW["later.txt"]
    assert "scsi0:0 alone" in dict(view(house, done, "root")["facts"])["Way"]


# --- it is put back ---


@pytest.mark.parametrize("way", WAYS)
def test_one_that_was_started_meanwhile_is_not_overwritten(template: Template, tmp_path: Path, way: str) -> None:
    house, host = ready(template, tmp_path, way)

    def start(call: str) -> None:
        if call == "vmstore.create_snapshot done":
            (machine,) = host.machines.values()
            machine.told = type(machine.told)(id=machine.told.id, name="vm01", label="", is_on=True)

    transaction = over(house)
    house.dispatch()
    house.watch(start)
    house.engine.run_all()
    house.watch(lambda _call: None)
    done = house.read(transaction.id)
    assert done.state is State.FAILED
    assert done.failure is not None
    assert "is not overwritten while it runs" in done.failure.what
    assert files_in(house, "vm01") == WAS
    assert (is_on(host), left(house), before(house, done)) == (True, [], [])


@pytest.mark.parametrize(("way", "call"), [("target", "share.rename"), ("snapshot", "vmstore.task")])
def test_a_stop_in_the_middle_puts_the_vm_back_and_on(template: Template, tmp_path: Path, way: str, call: str) -> None:
    house, host = ready(template, tmp_path, way)
    transaction = over(house)
    house.dispatch()

    def is_time(told: str) -> bool:
        is_half = any(path.startswith(f".cloudy-{transaction.id}/.cloudy-aside/") for path in house.share.files)
        return told == call and (is_half or way == "snapshot")

    house.run_and_stop(transaction.id, is_time)
    done = house.read(transaction.id)
    assert done.state is State.STOPPED
    assert files_in(house, "vm01") == WAS
    assert (is_on(host), left(house), before(house, done)) == (True, [], [])
    assert "is not restored, and is as it was" in view(house, done, "receipt")["headline"]


def test_a_syncvm_that_fails_half_way_is_put_back_to_the_snapshot(template: Template, tmp_path: Path) -> None:
    house, host = ready(template, tmp_path, "snapshot")
    house.array.fails_syncs = 1
    done = overwritten(house)
    assert done.state is State.FAILED
    assert files_in(house, "vm01") == WAS
    assert (is_on(host), left(house), before(house, done)) == (True, [], [])


def test_what_cannot_be_put_back_is_told_with_the_way_and_the_janitor_tries_again(
    template: Template, tmp_path: Path
) -> None:
    house, host = ready(template, tmp_path, "snapshot")
    house.array.fails_syncs = 2
    done = overwritten(house)
    assert done.state is State.FAILED
    assert "not put back yet" in view(house, done, "receipt")["headline"]
    assert any("changes to the VM vm01 on vmstore" in line and "SyncVM" in line for line in done.left_behind)
    assert before(house, done) == [WAS]
    Janitor(house.db, house.systems, house.clock, installation="test0001").clear_ledger()
    assert files_in(house, "vm01") == WAS
    assert (is_on(host), left(house), before(house, done)) == (True, [], [])


def test_what_somebody_put_in_the_way_is_never_replaced(template: Template, tmp_path: Path) -> None:
    house, _host = ready(template, tmp_path)
    transaction = over(house)
    house.dispatch()

    def intrude(call: str) -> None:
        if call == "share.rename done" and "vm01/vm01-flat.vmdk" not in house.share.files:
            house.share.files["vm01/vm01-flat.vmdk"] = b"theirs"

    house.watch(intrude)
    house.engine.run_all()
    house.watch(lambda _call: None)
    done = house.read(transaction.id)
    assert done.state is State.FAILED
    assert house.share.files["vm01/vm01-flat.vmdk"] == b"theirs"
    aside = f".cloudy-{transaction.id}/.cloudy-aside/vm01-flat.vmdk"
    assert house.share.files[aside] == NOW["vm01-flat.vmdk"]
    assert len(before(house, done)) == 1
    (folder,) = [line for line in done.left_behind if line.startswith("folder .cloudy-")]
    assert "not before the VM is as it was, since its own files lie in it" in folder
    house.share.files.pop("vm01/vm01-flat.vmdk")
    Janitor(house.db, house.systems, house.clock, installation="test0001").clear_ledger()
    assert files_in(house, "vm01") == WAS
    assert left(house) == []


def test_one_that_does_not_start_again_is_told_and_not_tried_for_ever(template: Template, tmp_path: Path) -> None:
    house, host = ready(template, tmp_path)
    host.refuses_to_start = "no memory"

    def refuse(call: str) -> None:
        if call == "share.rename" and any(".cloudy-aside/" in path for path in house.share.files):
            raise PermanentError("no", system="share")

    transaction = over(house)
    house.dispatch()
    house.watch(refuse)
    house.engine.run_all()
    house.watch(lambda _call: None)
    Janitor(house.db, house.systems, house.clock, installation="test0001").clear_ledger()
    done = house.read(transaction.id)
    assert done.state is State.FAILED
    Janitor(house.db, house.systems, house.clock, installation="test0001").clear_ledger()
    assert files_in(house, "vm01") == WAS
    assert left(house) == []
    assert not is_on(host)


# --- deaths ---


@pytest.mark.parametrize("way", WAYS)
def test_a_death_at_some_calls_ends_with_the_new_vm_whole(template: Template, tmp_path: Path, way: str) -> None:
    die_at(template, tmp_path, way, step=19)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", WAYS)
def test_a_death_at_any_call_ends_with_the_new_vm_whole(template: Template, tmp_path: Path, way: str) -> None:
    die_at(template, tmp_path, way, step=1)


def die_at(template: Template, tmp_path: Path, way: str, step: int) -> None:
    nth, is_over = 0, False
    while not is_over:
        house, host = template.house(f"{tmp_path.name}-{nth}", way)
        transaction = over(house)
        house.dispatch()
        house.watch(CrashAt(nth))
        where = f"call {nth}"
        try:
            house.engine.run_all()
            is_over = True
        except Crash as death:
            where = f"died at call {nth}, {death}"
        house.watch(lambda _call: None)
        house.engine.run_all()
        done = house.read(transaction.id)
        assert done.state is State.SUCCEEDED, (where, done.failure)
        assert files_in(house, "vm01") == after(way), where
        assert before(house, done) == [WAS], where
        assert (left(house), is_on(host)) == ([], False), where
        house.db.close()
        nth += step
    assert nth > 30


@pytest.mark.parametrize("way", WAYS)
def test_a_death_at_some_calls_and_a_stop_end_with_one_of_both(template: Template, tmp_path: Path, way: str) -> None:
    die_and_stop(template, tmp_path, way, step=13)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", WAYS)
def test_a_death_at_any_call_and_a_stop_end_with_one_of_both(template: Template, tmp_path: Path, way: str) -> None:
    die_and_stop(template, tmp_path, way, step=1)


def die_and_stop(template: Template, tmp_path: Path, way: str, step: int) -> None:
    """The next processes die, too, while they put it back."""
    nth, seen = 0, set()
    while True:
        house, host = template.house(f"{tmp_path.name}-{nth}", way)
        transaction = over(house)
        house.dispatch()
        house.watch(CrashAt(nth))
        with suppress(Crash):
            house.engine.run_all()
            break
        house.clock.sleep(5)
        house.service.stop(transaction.id, ALICE, request_key="stop")
        for again in (nth % 7, nth % 5 + 3):
            house.watch(CrashAt(again))
            with suppress(Crash):
                house.engine.run_all()
        house.watch(lambda _call: None)
        house.engine.run_all()
        done = house.read(transaction.id)
        seen.add(done.state)
        is_new = done.state in (State.SUCCEEDED, State.PARTIAL)
        where = f"died at call {nth}: {done.state} {done.failure}"
        assert files_in(house, "vm01") == (after(way) if is_new else WAS), where
        assert before(house, done) == ([WAS] if is_new else []), where
        assert (left(house), is_on(host)) == ([], not is_new), where
        house.db.close()
        nth += step
    assert nth > 30
    assert State.STOPPED in seen
