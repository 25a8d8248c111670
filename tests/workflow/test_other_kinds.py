"""A VMstore that serves several kinds of hypervisors, of which one is configured."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.actions.hypervisor import power_on
from bot.model import State
from bot.rota import Rules
from tests.memory import MemoryShare
from tests.memory_hypervisor import Host, MemoryHypervisor
from tests.workflow.test_restore import notice, protected, protected_with_host, restored, view


def test_a_vm_of_another_kind_of_hypervisor_is_placed_and_left_to_a_person(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    host = house.systems.host = Host(house.share)
    done = restored(house)
    assert done.state is State.SUCCEEDED
    assert host.machines == {}
    facts = dict(view(house, done, "receipt")["facts"])
    assert facts["Register by hand"] == "/tintri/vm01-restored/vm01.vmx"
    told = {task["id"]: task["note"] for task in view(house, done, "plan")["tasks"]}
    assert told["register"].startswith("left to you, host finds no definition of it in its own words")


def test_one_that_nobody_could_start_is_not_restored_to_be_started(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    house.systems.host = Host(house.share)
    done = restored(house, is_on=True)
    assert done.state is State.REFUSED
    assert "host cannot power it on" in notice(house, done)
    assert not house.share.exists("vm01-restored")


def test_what_is_started_is_seen_to_live_by_the_sign_that_is_configured(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    house.service.restores.rules = Rules(patterns={"VM0*": "MARKER"}, alive_s=60)
    done = restored(house, is_on=True)
    assert done.state is State.SUCCEEDED
    assert dict(view(house, done, "receipt")["facts"])["Sign of life"].startswith("console: MARKER")
    house.service.restores.rules = Rules(pattern="never shown", alive_s=60)
    done = restored(house, key="2", is_on=True)
    assert done.state is State.PARTIAL
    assert "does its console show “never shown”" in str(done.failure)
    assert "within 1 minutes" in str(done.failure)


@pytest.mark.parametrize(
    ("attempt", "asked", "expected"),
    [
        (1, {"pattern": "MARKER"}, ["power_on"]),
        (2, {"pattern": "MARKER"}, ["power_off", "power_on"]),
        (2, {"pattern": "MARKER", "is_over": True}, ["power_on"]),
        (2, {"pattern": ""}, ["power_on"]),
    ],
    ids=["first", "interrupted", "the original, which people may use", "no console is looked at"],
)
def test_a_start_that_was_interrupted_is_begun_anew_for_the_consoles_sake(
    attempt: int, asked: dict[str, object], expected: list[str]
) -> None:
    host = Host(MemoryShare({"vm/vm.raw": b"disk"}))
    vm = host.keep("vm", ("vm/vm.raw",)).told.id
    calls: list[str] = []
    host.watch = calls.append
    context = cast(
        Any,
        SimpleNamespace(
            attempt=attempt,
            transaction=SimpleNamespace(request=asked),
            hypervisor=lambda _vmstore: MemoryHypervisor(host),
            hypervisor_address=lambda _vmstore: "host",
            ledger=SimpleNamespace(open=lambda _kind: ()),
        ),
    )
    assert power_on(context, {"vmstore": "vmstore", "vm_id": vm, "is_on": True}) == {"is_on": True}
    assert [call.removeprefix("hypervisor.") for call in calls if not call.endswith("done")] == expected
