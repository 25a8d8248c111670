"""A VMstore that serves several kinds of hypervisors, of which one is configured."""

from pathlib import Path

from bot.model import State
from tests.memory_hypervisor import Host
from tests.workflow.test_restore import notice, protected, restored, view


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
