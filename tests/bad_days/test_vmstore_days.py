"""Bad days of the VMstore."""

from tests.bad_days.conftest import BadDay
from tests.bad_days.world import World


def test_the_vmstore_refuses_the_password(world: World, bad_day: BadDay) -> None:
    world.secrets["VMSTORES__VMSTORE__PASSWORD"] = "wrong-horse"
    world.open()
    told = world.protect()
    assert told.transaction.state == "refused"
    assert "wrong-horse" not in told.thread + told.cli + str(told.audit)
    assert world.left() == []
    bad_day.row(area="VMstore", day="wrong password", message=told.receipt, cure=told.cli)


def test_the_vmstore_is_down_when_it_is_asked(world: World, bad_day: BadDay) -> None:
    world.simulator.stop()
    told = world.protect()
    assert told.transaction.state == "refused"
    bad_day.row(area="VMstore", day="down when the VM is looked up", message=told.receipt, cure=told.cli)
