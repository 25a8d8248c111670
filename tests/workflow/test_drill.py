"""Drilling a recovery point: it lives, the proof stays, and nothing else does, through deaths, Stop and refusals."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import NotFound, PermanentError, RequesterError, TransientError
from bot.ids import drill_name
from bot.janitor import Janitor
from bot.model import DrillRequest, Proof, ProofKind, RecoveryPoint, Registered, Sla, Slas, State, Transaction
from bot.policy import Need, Operation, Policy, Rule
from bot.rota import Rules
from tests.memory import Crash, CrashAt
from tests.memory_hypervisor import Host, Machine
from tests.workflow.house import ALICE, OPS, VM01, House
from tests.workflow.test_approvals import BOB, GRANTS, click
from tests.workflow.test_restore import Template as RestoreTemplate
from tests.workflow.test_restore import left, notice, protected, protected_with_host, view, with_host


def asked(house: House, what: str = "vm01", *, key: str = "d", **more: str) -> Transaction:
    return house.service.drills.drill(DrillRequest(what=what, **more), ALICE, request_key=key, place=OPS)


def drilled(house: House, what: str = "vm01", **more: str) -> Transaction:
    transaction = asked(house, what, **more)
    house.dispatch()
    house.engine.run_all()
    return house.read(transaction.id)


def proofs(house: House) -> tuple[Proof, ...]:
    with house.db.read() as unit:
        return unit.proofs.of([point.transaction_id for point in unit.points.named("vm01")])


def ours(host: Host) -> list[Registered]:
    return [machine.told for machine in host.machines.values() if machine.told.label]


def nothing_stays(house: House, host: Host) -> bool:
    return ours(host) == [] and left(house) == [] and set(house.share.files) == set(VM01)


def test_a_drill_proves_the_recovery_point_and_leaves_nothing(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)
    seen: list[Registered] = []
    house.watch(lambda call: seen.extend(ours(host)) if call == "hypervisor.alive" else None)
    done = drilled(house)
    assert done.state is State.SUCCEEDED, done.failure
    assert nothing_stays(house, host)
    assert {(vm.name, vm.is_on, vm.notes) for vm in seen} == {
        (f"cloudy-drill-{done.id}", True, ("network cards are not connected",))
    }
    (proof,) = proofs(house)
    assert proof.is_good
    assert (proof.kind, proof.target, proof.run, proof.sign) == (ProofKind.DRILL, "s3", done.id, "agent")
    assert "MARKER" in proof.text  # the end of the console
    assert proof.rto is not None
    assert list(proof.rto.parts) == ["plan and wait", "fetch", "register", "boot"]
    assert sum(proof.rto.parts.values()) == pytest.approx(proof.rto.seconds, abs=0.01)
    assert proof.vm_uuid
    assert proof.vmstore == "vmstore"


def test_its_files_never_have_a_name_that_a_vm_could_have(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    places: set[str] = set()
    house.watch(lambda _call: places.update(path.split("/")[0] for path in house.share.files))
    done = drilled(house)
    assert done.state is State.SUCCEEDED
    assert {place for place in places if place != "vm01"} == {f".cloudy-{done.id}"}


def test_the_thread_tells_the_sign_the_console_and_the_rto(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    done = drilled(house)
    root, lives, receipt = (view(house, done, name) for name in ("root", "milestone:prove", "receipt"))
    assert root["title"] == "Drill vm01 on vmstore"
    assert "nothing of it stays" in dict(root["facts"])["On"]
    first, _, console = lives["text"].partition("\n")
    assert first.startswith("It lives, by its agent, ")
    assert console.startswith("MARKER")
    assert receipt["headline"].startswith("vm01 lives after ")
    assert receipt["headline"].endswith("its recovery point of 2026-11-25 00:00 UTC is proven")
    facts = dict(receipt["facts"])
    assert "to boot" in facts["RTO"]
    assert facts["Sign of life"].startswith("agent")
    assert "registration" in facts["Removed"]
    assert receipt["left_behind"] == []
    with house.db.read() as unit:
        (row,) = [row for row in unit.audit.list(transaction_id=done.id) if row.action == "proof"]
    assert (row.body["result"], row.body["sign"]) == ("good", "agent")


def test_a_pattern_of_the_configuration_is_what_its_console_must_show(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)
    house.service.drills.rules = Rules(pattern="login:", patterns={"VM0*": "MARKER .* Disk"})
    done = drilled(house)
    assert done.state is State.SUCCEEDED
    (proof,) = proofs(house)
    assert proof.sign == "console"
    house.service.drills.rules = Rules(pattern="login:", alive_s=60)
    done = drilled(house, key="2")
    assert done.state is State.FAILED
    assert nothing_stays(house, host)
    why = view(house, done, "receipt")["why"]
    assert "No sign of life within 1 min: its console never showed “login:”. The last lines of its console" in why
    assert "MARKER" in why
    newest, _older = proofs(house)
    assert (newest.is_good, newest.is_damaged, newest.rto) == (False, False, None)
    assert newest.why.startswith("Prove alive: No sign of life")


def test_no_sign_of_life_is_told_and_all_of_it_goes(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)
    host.never_lives = True
    done = drilled(house)
    assert done.state is State.FAILED
    assert nothing_stays(house, host)
    receipt = view(house, done, "receipt")
    assert receipt["headline"] == "vm01 did not come to life: Prove alive failed"
    assert "No sign of life within 5 min: nothing in the guest answered host, and the configuration" in receipt["why"]
    assert receipt["why"].endswith("Its console shows nothing, or has none.")
    assert receipt["buttons"] == ["retry", "audit"]
    host.never_lives = False
    anew = house.service.again.retry(done.id, ALICE, request_key="again", place=OPS)
    house.dispatch()
    house.engine.run_all()
    assert house.read(anew.id).state is State.SUCCEEDED
    assert [proof.is_good for proof in proofs(house)] == [True, False]


def test_one_that_does_not_start_is_a_failed_proof_with_the_hypervisors_words(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)
    host.refuses_to_start = "no bootable device"
    done = drilled(house)
    assert done.state is State.FAILED
    assert nothing_stays(house, host)
    assert proofs(house)[0].why == "Power on: no bootable device"


def test_a_damaged_object_is_a_damaged_recovery_point_which_the_next_choice_passes_over(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)
    store = house.targets["s3"]
    store.giving = lambda body: bytes(len(body)) if len(body) == 64 else body
    done = drilled(house)
    store.giving = bytes
    assert done.state is State.FAILED
    assert proofs(house)[0].is_damaged
    assert nothing_stays(house, host)
    with pytest.raises(RequesterError, match="is damaged, as"):
        asked(house, key="again")


@pytest.mark.parametrize("step", ["get_into", "flush", "register_vm", "register_vm done", "power_on done", "alive"])
def test_stop_proves_nothing_and_leaves_nothing(tmp_path: Path, step: str) -> None:
    house, host = protected_with_host(tmp_path)
    transaction = asked(house)
    house.dispatch()
    house.run_and_stop(transaction.id, lambda told: told.partition(".")[2] == step)
    assert house.read(transaction.id).state is State.STOPPED
    assert proofs(house) == ()
    assert nothing_stays(house, host)


def test_what_could_not_be_removed_is_told_the_proof_stands_and_the_janitor_goes_on(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)

    def refuse(call: str) -> None:
        if call == "hypervisor.unregister":
            raise PermanentError("refused", system="host")

    house.watch(refuse)
    done = drilled(house)
    house.watch(lambda _call: None)
    assert done.state is State.PARTIAL
    assert "is proven; Remove failed" in view(house, done, "receipt")["headline"]
    assert any("registration" in line for line in done.left_behind)
    assert proofs(house)[0].is_good
    Janitor(house.db, house.systems, house.clock, installation="test0001").clear_ledger()
    assert nothing_stays(house, host)


@pytest.mark.parametrize("is_ours", [True, False])
def test_only_the_drills_own_vm_may_still_be_listed_by_the_vmstore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_ours: bool
) -> None:
    house, host = protected_with_host(tmp_path)
    transaction = asked(house)
    house.dispatch()
    (vm,) = house.array.vms().values()
    name = drill_name(transaction.id) if is_ours else "somebody-elses"
    stale = replace(vm, uuid="stale", name=name, subdir=f".cloudy-{transaction.id}")
    house.watch(
        lambda call: (
            monkeypatch.setattr(house.array, "vms", lambda: {"stale": stale})
            if call == "hypervisor.register_vm done"
            else None
        )
    )
    house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is (State.SUCCEEDED if is_ours else State.PARTIAL)
    assert ours(host) == []
    assert (left(house) == []) == is_ours
    assert ("a living VM has its files in" in str(done.left_behind)) != is_ours


def test_a_vm_that_somebody_registered_from_the_drills_folder_under_the_drills_name_keeps_its_files(
    tmp_path: Path,
) -> None:
    house, host = protected_with_host(tmp_path)
    transaction = asked(house)
    house.dispatch()
    name = drill_name(transaction.id)

    def register(call: str) -> None:
        if call == "hypervisor.unregister done":
            (shape,) = {machine.shape for machine in host.machines.values() if machine.told.name == "vm01"}
            told = Registered(id="by-hand", name=name, label="", is_on=True)
            host.machines["by-hand"] = Machine(told=told, shape=shape, identity="by-hand")

    house.watch(register)
    house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is State.PARTIAL
    assert f"host has a VM called {name}, which Cloudy did not register" in str(done.left_behind)
    assert [path for path in house.share.files if path.startswith(f".cloudy-{done.id}/")]
    assert "by-hand" in host.machines


def test_disks_that_the_guest_has_grown_go_all_the_same(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)

    def grow(call: str) -> None:
        if call == "hypervisor.power_on done":
            for path in [path for path in house.share.files if path.startswith(".cloudy-")]:
                house.share.files[path] += b"written by the guest"

    house.watch(grow)
    assert drilled(house).state is State.SUCCEEDED
    assert nothing_stays(house, host)


def test_it_needs_a_hypervisor_that_can_start_it(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    done = drilled(house)
    assert done.state is State.REFUSED
    assert "no hypervisor in the configuration, so nobody could start vm01" in notice(house, done)
    with_host(house)
    done = drilled(house, key="2")
    assert done.state is State.REFUSED
    assert "no definition of it in the words of libvirt" in notice(house, done)
    assert proofs(house) == ()


def test_an_unknown_vmstore_or_target_is_refused_at_once(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    with pytest.raises(NotFound, match="no VMstore called nowhere"):
        asked(house, vmstore="nowhere")
    with pytest.raises(NotFound, match="no target called nowhere"):
        asked(house, target="nowhere")
    assert asked(house, key="same").id == asked(house, key="same").id


def test_next_takes_whose_turn_it_is_and_then_nobody(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)
    assert [each.vm for each in house.service.drills.due()] == ["vm01"]
    first = asked(house, "", key="1")
    assert first.vm == "vm01"
    with pytest.raises(RequesterError, match="Nobody's turn has come"):
        asked(house, "", key="2")  # it is being drilled
    house.dispatch()
    house.engine.run_all()
    assert house.read(first.id).state is State.SUCCEEDED
    with pytest.raises(RequesterError, match="Nobody's turn has come"):
        asked(house, "", key="3")
    house.clock.sleep(31 * 86400)
    host.never_lives = True
    assert drilled(house, "", key="4").state is State.FAILED
    with pytest.raises(RequesterError, match="Nobody's turn has come"):
        asked(house, "", key="5")  # it was tried just now
    house.clock.sleep(86400)
    assert asked(house, "", key="6").vm == "vm01"
    house.service.drills.rules = Rules(a_day=1)
    with pytest.raises(RequesterError, match="1 drills were begun so in the last 24 hours, and a_day is 1"):
        asked(house, "", key="7")


def also_of(house: House, name: str) -> RecoveryPoint:
    """The catalogue has a recovery point of another VM, too; in the bucket it is not, so that it cannot be drilled."""
    with house.db.unit() as unit:
        (known,) = unit.points.named("vm01")
        other = replace(known, transaction_id=f"20261124T000000Z-{name:0>6}", vm_name=name, vm_uuid=name)
        unit.points.put(other)
    return other


def test_one_that_cannot_even_be_planned_does_not_keep_the_others_from_their_turn(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    house.service.drills.rules = Rules(a_day=1)
    for name in ("a1", "a2"):
        also_of(house, name)
    asked_for = []
    for day in range(3):
        done = drilled(house, "", key=str(day))
        asked_for.append((done.vm, done.state))
        house.clock.sleep(86400 + 1)
    assert asked_for == [("a1", State.REFUSED), ("a2", State.REFUSED), ("vm01", State.SUCCEEDED)]
    house.clock.sleep(31 * 86400)
    assert [each.vm for each in house.service.drills.due()] == ["a1", "a2", "vm01"]  # who was not for the longest time
    assert drilled(house, "", key="4").vm == "a1"
    assert [each.vm for each in house.service.drills.due()] == []  # a_day
    house.clock.sleep(86400 + 1)
    assert [each.vm for each in house.service.drills.due()] == ["a2", "vm01", "a1"]


def test_one_that_has_nothing_good_does_not_keep_the_others_from_their_turn(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    house.service.drills.rules = Rules(a_day=1)
    for name in ("a1", "a2", "a3"):
        damaged = also_of(house, name)
        with house.db.unit() as unit:
            unit.proofs.append(
                Proof(
                    point=damaged.transaction_id,
                    target=damaged.target,
                    run=name,
                    kind=ProofKind.READ_BACK,
                    at=house.clock.now(),
                    is_good=False,
                    is_damaged=True,
                )
            )
    assert asked(house, "").vm == "vm01"


def test_a_recovery_point_that_is_being_drilled_is_not_deleted(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    asked(house)
    house.dispatch()
    deletion = house.service.delete("last", ALICE, request_key="del", place=OPS)
    house.dispatch()
    assert house.read(deletion.id).state is State.REFUSED


def test_an_outage_of_the_hypervisor_is_waited_out(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)
    left_to_fail = [3]

    def away(call: str) -> None:
        if call == "hypervisor.alive" and left_to_fail[0]:
            left_to_fail[0] -= 1
            raise TransientError("no route to host", system="host")

    house.watch(away)
    assert drilled(house).state is State.SUCCEEDED
    assert nothing_stays(house, host)


@pytest.mark.parametrize("call", ["power_on", "alive"])
def test_a_drill_that_goes_on_at_another_hypervisor_touches_no_vm_of_that(tmp_path: Path, call: str) -> None:
    house, host = protected_with_host(tmp_path)
    transaction = asked(house)
    house.dispatch()

    def die(told: str) -> None:
        if told == f"hypervisor.{call}":
            raise Crash(told)

    house.watch(die)
    with pytest.raises(Crash):
        house.engine.run_all()
    house.watch(lambda _call: None)
    (mine,) = ours(host)
    other = Host(house.share, name="other")
    theirs = other.keep("payroll", ("vm01/vm01.vmdk",))
    other.machines = {mine.id: theirs}  # its ids are given anew, and one is the same
    theirs.told = replace(theirs.told, id=mine.id)
    house.systems.host = other
    heard: list[str] = []
    house.watch(heard.append)
    house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is State.FAILED
    assert not {f"hypervisor.{name}" for name in ("power_on", "power_off", "unregister")} & set(heard)
    assert theirs.told.is_on
    assert not any(proof.is_good for proof in proofs(house))
    assert "it was made in host" in str(done.left_behind)
    house.systems.host = host
    Janitor(house.db, house.systems, house.clock, installation="test0001").clear_ledger()
    assert nothing_stays(house, host)


def test_files_that_are_not_whole_on_the_vmstore_say_nothing_of_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, host = protected_with_host(tmp_path)
    walk = house.share.walk
    grown = lambda folder: tuple(replace(entry, size=entry.size + 1) for entry in walk(folder))  # noqa: E731
    monkeypatch.setattr(house.share, "walk", grown)
    done = drilled(house)
    monkeypatch.undo()
    assert done.failure is not None
    assert (done.state, done.failure.kind) == (State.FAILED, "IntegrityError")
    (proof,) = proofs(house)
    assert (proof.is_good, proof.is_damaged) == (False, False)
    assert nothing_stays(house, host)


class Template(RestoreTemplate):
    """The same in which a drill is about to begin."""

    def ask(self, house: House) -> Transaction:
        return asked(house)


@pytest.fixture
def template(tmp_path: Path) -> Template:
    return Template(tmp_path / "template")


def one_death(template: Template, nth: int) -> None:
    house, transaction, host = template.ready(str(nth))
    house.watch(CrashAt(nth))
    with pytest.raises(Crash) as death:
        house.engine.run_all()
    house.watch(lambda _call: None)
    house.engine.run_all()
    where = f"died at call {nth}, {death.value}"
    done = house.read(transaction.id)
    assert done.state is State.SUCCEEDED, (where, done.failure)
    assert nothing_stays(house, host), where
    assert [proof.is_good for proof in proofs(house)] == [True], where
    house.db.close()


def test_a_death_from_registering_on_ends_with_the_proof_and_nothing_else(template: Template) -> None:
    calls = template.calls()
    first = calls.index("hypervisor.register_vm")
    for nth in range(first, len(calls), 4):
        one_death(template, nth)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_death_at_any_call_ends_with_the_proof_and_nothing_else(template: Template) -> None:
    for nth in range(len(template.calls())):
        one_death(template, nth)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_death_at_any_call_and_a_stop_leave_nothing(template: Template) -> None:
    seen = set()
    for nth in range(len(template.calls())):
        house, transaction, host = template.ready(str(nth))
        house.watch(CrashAt(nth))
        with pytest.raises(Crash) as death:
            house.engine.run_all()
        house.clock.sleep(5)
        with suppress(RequesterError):  # it has ended
            house.service.stop(transaction.id, ALICE, request_key="stop")
        house.watch(CrashAt(nth % 9))  # and the next process dies, too
        with suppress(Crash):
            house.engine.run_all()
        house.watch(lambda _call: None)
        house.engine.run_all()
        done = house.read(transaction.id)
        seen.add(done.state)
        assert nothing_stays(house, host), f"died at call {nth}, {death.value}"
        assert len(proofs(house)) == (done.state in (State.SUCCEEDED, State.PARTIAL))
        house.db.close()
    assert seen == {State.STOPPED, State.SUCCEEDED}


def test_days_are_counted_by_the_clock_that_the_rules_say(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    assert drilled(house).state is State.SUCCEEDED
    house.service.drills.rules = Rules(every=timedelta(days=2))
    assert house.service.drills.due() == ()
    house.clock.sleep(2 * 86400 + 1)
    assert len(house.service.drills.due()) == 1


def test_each_vm_comes_round_as_its_sla_says(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    for name in ("a1", "a2", "a3"):
        also_of(house, name)
    week = Sla(name="week", vms=("a1",), drill_every=timedelta(days=7))
    never = Sla(name="never", vms=("a2",), drill_every=None)
    scratch = Sla(name="scratch", vms=("a3",), is_exempt=True)
    house.service.drills.slas = Slas(listed=(week, never, scratch), last=Sla(name="default"))
    assert [each.vm for each in house.service.drills.due()] == ["a1", "vm01"]
    assert drilled(house).state is State.SUCCEEDED
    with house.db.unit() as unit:
        (known,) = unit.points.named("a1")
        proof = Proof(
            point=known.transaction_id, target=known.target, run="r", kind=ProofKind.DRILL, at=house.clock.now(),
            is_good=True, vm_uuid="a1",
        )  # fmt: skip
        unit.proofs.append(proof)
    assert house.service.drills.due() == ()
    house.clock.sleep(8 * 86400)
    assert [each.vm for each in house.service.drills.due()] == ["a1"]
    house.clock.sleep(23 * 86400)
    assert {each.vm for each in house.service.drills.due()} == {"a1", "vm01"}


def test_a_policy_may_want_an_approval_and_then_the_plan_stays_the_same(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)
    rule = Rule(name="rule 1", operation=Operation.DRILL, need=Need.APPROVAL)
    house.restart_with(Policy(grants=GRANTS, rules=(rule,)))
    transaction = asked(house)
    house.dispatch()
    assert house.read(transaction.id).state is State.AWAITING_APPROVAL
    card = dict(view(house, transaction, "root")["facts"])
    assert card["Recovery point"] == transaction.request["point"]
    click(house, transaction, BOB)
    house.dispatch()
    house.dispatch()
    house.engine.run_all()
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert nothing_stays(house, host)
    (proof,) = proofs(house)
    assert proof.rto is not None
