"""Restoring a recovery point: one whole VM or none, through deaths, Stop and whatever refuses."""

import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import PermanentError, RequesterError
from bot.janitor import Janitor
from bot.model import Json, Registered, RestoreRequest, State, Transaction
from tests.memory import Crash, CrashAt
from tests.memory_hypervisor import Host
from tests.workflow.house import ALICE, OPS, VM01, House

KEPT = {path.removeprefix("vm01/"): content for path, content in VM01.items() if not path.endswith(".vswp")}


def protected(folder: Path, targets: tuple[str, ...] = ("s3",)) -> tuple[House, Transaction]:
    house = House(folder, targets)
    point = house.protect(targets=targets)
    assert point.state is State.SUCCEEDED
    return house, point


def with_host(house: House) -> Host:
    """A hypervisor that runs the VM; it is asked what that is made of when it is protected."""
    host = Host(house.share)
    host.keep("vm01", ("vm01/vm01.vmdk",))
    house.systems.host = host
    return host


def protected_with_host(folder: Path) -> tuple[House, Host]:
    house = House(folder)
    host = with_host(house)
    assert house.protect().state is State.SUCCEEDED
    return house, host


def asked(house: House, what: str = "vm01", *, key: str = "r", **more: object) -> Transaction:
    request = RestoreRequest(what=what, **more)  # type: ignore[arg-type]
    return house.service.restores.restore(request, ALICE, request_key=key, place=OPS)


def restored(house: House, what: str = "vm01", **more: object) -> Transaction:
    transaction = asked(house, what, **more)  # type: ignore[arg-type]
    house.dispatch()
    house.engine.run_all()
    return house.read(transaction.id)


def files_in(house: House, folder: str) -> dict[str, bytes]:
    inside = f"{folder}/"
    return {path.removeprefix(inside): body for path, body in house.share.files.items() if path.startswith(inside)}


def left(house: House) -> list[str]:
    """What nobody asked for."""
    found = [path for path in (*house.share.files, *house.share.directories) if path.startswith(".cloudy-")]
    with house.db.read() as unit:
        return found + [f"ledger {resource}" for resource in unit.ledger.open()]


def known(host: Host, name: str) -> list[Registered]:
    return [machine.told for machine in host.machines.values() if machine.told.name == name]


def view(house: House, transaction: Transaction, name: str) -> Json:
    with house.db.read() as unit:
        message = unit.outbox.get(f"{transaction.id}:{name}")
    assert message is not None
    return message.view


def notice(house: House, transaction: Transaction) -> str:
    return str(view(house, transaction, "notice")["text"])


def test_a_vm_whose_files_are_gone_is_back_byte_for_byte_beside_where_it_was(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    for path in VM01:
        del house.share.files[path]
    house.share.files["other/other.vmx"] = b""
    done = restored(house)
    assert done.state is State.SUCCEEDED
    assert files_in(house, "vm01-restored") == KEPT
    assert left(house) == []
    assert done.vmstore == "vmstore"
    assert done.bytes.read > 0


def test_the_thread_tells_what_was_chosen_where_it_lies_and_how_long_it_took(tmp_path: Path) -> None:
    house, point = protected(tmp_path)
    done = restored(house)
    root, receipt = view(house, done, "root"), view(house, done, "receipt")
    assert root["title"] == "Restore vm01 to vmstore as vm01-restored"
    assert f"{point.id} of 2026-11-25 00:00 UTC" in dict(root["facts"])["Recovery point"]
    assert receipt["headline"] == "vm01 is restored to vmstore as vm01-restored"
    facts = dict(receipt["facts"])
    assert facts["Lies in"] == "/tintri/vm01-restored"
    assert facts["Register by hand"] == "/tintri/vm01-restored/vm01.vmx"
    assert "fetched" in facts["Moved"]
    assert facts["Usable after (RTO)"]
    assert receipt["left_behind"] == []
    assert receipt["buttons"] == ["audit"]
    with house.db.read() as unit:
        (kept,) = [row for row in unit.audit.list(transaction_id=done.id) if row.action == "restore"]
    assert kept.body["name"] == "vm01-restored"


def test_a_second_one_gets_the_next_name_also_while_the_first_is_on_its_way(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    first = asked(house, key="1")
    house.dispatch()
    second = asked(house, key="2", name="another")
    third = asked(house, key="3", target="s3")
    house.dispatch()
    house.engine.run_all()
    assert [house.read(each.id).settled["name"] for each in (first, second, third)] == [
        "vm01-restored",
        "another",
        "vm01-restored-2",
    ]
    assert files_in(house, "vm01-restored-2") == files_in(house, "another") == KEPT


def test_the_same_asked_twice_joins_the_one_that_is_on_its_way(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    asked(house, key="1")
    house.dispatch()
    second = asked(house, key="2")
    house.dispatch()
    assert house.read(second.id).plan["joined"]


@pytest.mark.parametrize("name", ["vm01", "a/b", "../x", ".hidden", "con", "x" * 200, "a\\b", "a "])
def test_a_name_that_is_taken_or_no_name_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    house, _point = protected(tmp_path)
    before = dict(house.share.files)
    done = restored(house, name=name)
    assert done.state is State.REFUSED
    assert notice(house, done)
    assert house.share.files == before
    assert left(house) == []


def test_it_is_refused_where_it_does_not_fit(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    house.share.room = 1000
    done = restored(house)
    assert done.state is State.REFUSED
    assert "does not fit" in notice(house, done)


def test_power_on_without_a_hypervisor_is_refused(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    done = restored(house, is_on=True)
    assert done.state is State.REFUSED
    assert "no hypervisor" in notice(house, done)


def test_with_a_hypervisor_it_is_registered_off_and_started_only_if_asked(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)
    assert restored(house, key="1").state is State.SUCCEEDED
    assert [(each.name, each.is_on) for each in known(host, "vm01-restored")] == [("vm01-restored", False)]
    done = restored(house, key="2", name="started", is_on=True)
    assert done.state is State.SUCCEEDED
    assert [each.is_on for each in known(host, "started")] == [True]
    assert dict(view(house, done, "receipt")["facts"])["Sign of life"].startswith("agent")


def test_a_hypervisor_that_does_not_answer_or_know_the_vm_spoils_no_protection(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.systems.host = Host(house.share)
    done = house.protect()
    assert done.state is State.SUCCEEDED
    told = {task["id"]: task["note"] for task in view(house, done, "plan")["tasks"]}
    assert "does not know vm01" in told["find"]


def test_a_download_that_fails_is_held_and_a_retry_goes_on_with_it(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    house.hold = timedelta(hours=1)
    transaction = asked(house)
    house.dispatch()
    gets: list[str] = []

    def refuse(call: str) -> None:
        if call.endswith("get_into done"):
            gets.append(call)
            if len(gets) == 8:
                raise PermanentError("AccessDenied", system="s3")

    house.watch(refuse)
    house.engine.run_all()
    held = house.read(transaction.id)
    assert held.state is State.HELD
    assert "What was fetched is kept until" in view(house, held, "receipt")["held"]
    house.service.again.retry(transaction.id, ALICE, request_key="again", place=OPS)
    house.dispatch()
    house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is State.SUCCEEDED
    assert files_in(house, "vm01-restored") == KEPT
    assert left(house) == []


def test_what_failed_and_was_removed_is_asked_for_anew(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)

    def refuse(call: str) -> None:
        if call.endswith("get_into"):
            raise PermanentError("AccessDenied", system="s3")

    house.watch(refuse)
    failed = restored(house, name="mine")
    house.watch(lambda _call: None)
    assert failed.state is State.FAILED
    assert view(house, failed, "receipt")["buttons"] == ["retry", "audit"]
    anew = house.service.again.retry(failed.id, ALICE, request_key="again", place=OPS)
    house.dispatch()
    house.engine.run_all()
    assert house.read(anew.id).state is State.SUCCEEDED
    assert files_in(house, "mine") == KEPT


def test_one_that_shows_no_sign_of_life_stays_and_that_is_said(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)
    host.never_lives = True
    done = restored(house, is_on=True)
    assert done.state is State.PARTIAL
    assert files_in(house, "vm01-restored") == KEPT
    assert len(known(host, "vm01-restored")) == 1
    assert left(house) == []
    assert "Prove alive failed" in view(house, done, "receipt")["headline"]
    with pytest.raises(RequesterError, match="nothing to retry"):
        house.service.again.retry(done.id, ALICE, request_key="again", place=OPS)


def test_a_registration_that_is_refused_leaves_neither_files_nor_a_vm(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)

    def refuse(call: str) -> None:
        if call == "hypervisor.register_vm done":
            raise PermanentError("refused, after it was done", system="host")

    host.watch = refuse
    done = restored(house)
    assert done.state is State.FAILED
    assert files_in(house, "vm01-restored") == {}
    assert known(host, "vm01-restored") == []
    assert left(house) == []
    assert "vm01 is not restored: Register failed" in view(house, done, "receipt")["headline"]


def test_files_of_a_vm_that_could_not_be_unregistered_are_left_and_told(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)

    def refuse(call: str) -> None:
        if call in ("hypervisor.register_vm done", "hypervisor.unregister"):
            raise PermanentError("refused", system="host")

    host.watch = refuse
    done = restored(house)
    assert done.state is State.FAILED
    assert files_in(house, "vm01-restored") == KEPT
    assert any("folder vm01-restored" in line for line in done.left_behind)
    host.watch = lambda _call: None
    janitor = Janitor(house.db, house.systems, house.clock, installation="test0001")
    janitor.clear_ledger()
    assert files_in(house, "vm01-restored") == {}
    assert known(host, "vm01-restored") == []
    assert left(house) == []


@pytest.mark.parametrize(
    "call",
    ["get_into", "write_from", "flush", "rename", "register_vm", "register_vm done"],
)
def test_stop_before_the_record_leaves_nothing(tmp_path: Path, call: str) -> None:
    house, host = protected_with_host(tmp_path)
    transaction = asked(house, is_on=True)
    house.dispatch()
    house.run_and_stop(transaction.id, lambda told: told.partition(".")[2] == call)
    assert house.read(transaction.id).state is State.STOPPED
    assert files_in(house, "vm01-restored") == {}
    assert known(host, "vm01-restored") == []
    assert left(house) == []


def test_what_somebody_put_under_the_name_meanwhile_is_never_touched(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)

    def intrude(call: str) -> None:
        if call == "share.flush":
            house.share.files["vm01-restored/precious.txt"] = b"precious"

    transaction = asked(house)
    house.dispatch()
    house.watch(intrude)
    house.engine.run_all()
    house.watch(lambda _call: None)
    done = house.read(transaction.id)
    assert done.state is State.FAILED
    assert files_in(house, "vm01-restored") == {"precious.txt": b"precious"}
    assert left(house) == []


class Template:
    """A house with a recovery point, of which there are as many copies as a test wants."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._house, _host = protected_with_host(folder)
        self._house.db.close()

    def ask(self, house: House) -> Transaction:
        """For what dies again and again."""
        return asked(house, is_on=True)

    def ready(self, name: str) -> tuple[House, Transaction, Host]:
        """A copy in which it is about to begin."""
        folder = self._folder.parent / name
        folder.mkdir()
        shutil.copy(self._folder / "cloudy.db", folder / "cloudy.db")
        house, old = House(folder), self._house.targets["s3"]
        new = house.targets["s3"]
        new.objects, new.etags, new.metadata = dict(old.objects), dict(old.etags), dict(old.metadata)
        host = with_host(house)
        transaction = self.ask(house)
        house.dispatch()
        return house, transaction, host

    def calls(self) -> list[str]:
        """What a good run calls."""
        house, transaction, _host = self.ready("good")
        watch = CrashAt(10**9)
        house.watch(watch)
        house.engine.run_all()
        assert house.read(transaction.id).state is State.SUCCEEDED
        house.db.close()
        return watch.told


@pytest.fixture
def template(tmp_path: Path) -> Template:
    return Template(tmp_path / "template")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.long)])
def test_a_death_at_any_call_ends_with_one_whole_vm_registered_once(template: Template, every: int) -> None:
    calls = template.calls()
    assert len(calls) > 40
    for nth in range(0, len(calls), every):
        house, transaction, host = template.ready(str(nth))
        house.watch(CrashAt(nth))
        with pytest.raises(Crash) as death:
            house.engine.run_all()
        house.watch(lambda _call: None)
        house.engine.run_all()
        where = f"died at call {nth}, {death.value}"
        done = house.read(transaction.id)
        assert done.state is State.SUCCEEDED, (where, done.failure)
        assert files_in(house, "vm01-restored") == KEPT, where
        assert [each.is_on for each in known(host, "vm01-restored")] == [True], where
        assert left(house) == [], where
        house.db.close()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_death_at_any_call_and_a_stop_end_with_a_whole_vm_or_none(template: Template) -> None:
    calls = template.calls()
    seen = set()
    for nth in range(len(calls)):
        house, transaction, host = template.ready(str(nth))
        house.watch(CrashAt(nth))
        with pytest.raises(Crash) as death:
            house.engine.run_all()
        house.clock.sleep(5)
        house.service.stop(transaction.id, ALICE, request_key="stop")
        house.watch(CrashAt(nth % 9))  # and the next process dies, too
        with suppress(Crash):
            house.engine.run_all()
        house.watch(lambda _call: None)
        house.engine.run_all()
        where = f"died at call {nth}, {death.value}"
        done = house.read(transaction.id)
        seen.add(done.state)
        is_there = done.state in (State.SUCCEEDED, State.PARTIAL)
        assert files_in(house, "vm01-restored") == (KEPT if is_there else {}), where
        assert len(known(host, "vm01-restored")) == is_there, where
        assert left(house) == [], where
        house.db.close()
    assert seen >= {State.STOPPED, State.PARTIAL}
