"""Bad days of the VMstore."""

import shutil
from pathlib import Path

import pytest

from bot.actions import vmstore as actions
from bot.model import State
from integrations.simulators.vmstore import sample_vms, tls
from integrations.vmstores.tintri import TintriVMstore
from tests.bad_days.conftest import BadDay
from tests.bad_days.moments import before, outcome
from tests.bad_days.world import Told, World

pytestmark = pytest.mark.slow
AREA = "VMstore"
AGAIN = "/protect web01 to s3"


def assert_refused_well(told: Told, *words: str) -> None:
    """Nothing was made: VM, cause and cure stand in the private answer, on the command line and in the audit."""
    assert told.transaction.state is State.REFUSED
    for word in ("web01", AGAIN, *words):
        assert word in told.receipt
        assert word in told.cli
    assert words[0] in outcome(told.audit)["why"]


def assert_failed_well(told: Told, step: str, *words: str) -> None:
    """VM, step, cause and cure stand in the receipt, on the command line and in the audit."""
    assert told.transaction.state is State.FAILED, told.cli
    for word in (f"web01 is not protected: {step} failed", AGAIN, *words):
        assert word in told.receipt
        assert word in told.cli
    assert words[0] in outcome(told.audit)["why"]


def assert_protected(world: World, told: Told) -> None:
    assert told.transaction.state is State.SUCCEEDED, told.cli
    assert world.left() == []


def row(bad_day: BadDay, day: str, told: Told) -> None:
    """What is said is the receipt's; what is left and what to do stand in it too, and get their columns."""
    left = " ".join(told.transaction.left_behind) or "nothing"
    failure = told.transaction.failure
    said = failure.what if failure else told.receipt
    step = f"{failure.step}: " if failure else ""
    bad_day.row(area=AREA, day=day, message=step + said, left=left, cure=failure.next if failure else "")


# --- before anything is made ---


def test_the_vmstore_refuses_the_password(world: World, bad_day: BadDay) -> None:
    world.secrets["VMSTORES__VMSTORE__PASSWORD"] = "wrong-horse"
    world.open()
    told = world.protect()
    assert_refused_well(told, "vmstore refused the login of user 'admin'", "the password in the configuration")
    assert "wrong-horse" not in told.thread + told.cli + str(told.audit)
    assert world.left() == []
    row(bad_day, "wrong password", told)


def test_the_vmstore_is_down_when_it_is_asked(world: World, bad_day: BadDay) -> None:
    world.simulator.stop()
    told = world.protect()
    assert_refused_well(told, "refuses the connection", "Check that vmstore is up")
    row(bad_day, "down when the VM is looked up", told)


def test_the_vmstores_certificate_is_signed_by_an_unknown_authority(
    world: World, bad_day: BadDay, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    world.vmstore["ca"] = str(tls.ensure(tmp_path / "other", "other")[0])
    world.open()
    told = world.protect()
    assert_refused_well(told, "the certificate of", "to the PEM file of the authority that signed it")
    row(bad_day, "certificate wrong", told)


def test_the_vmstore_speaks_an_api_that_is_too_old(world: World, bad_day: BadDay) -> None:
    world.simulator.options.api_version = "v310.1"
    told = world.protect()
    assert_refused_well(told, "vmstore speaks REST API v310.1", "Upgrade the VMstore's operating system")
    row(bad_day, "API too old", told)


def test_the_vmstore_hangs_when_the_vm_is_looked_up(world: World, bad_day: BadDay) -> None:
    world.vmstore["timeout_s"] = "0.5"
    world.open()
    world.simulator.hang("GET", "/api/v310/vm*", 60.0, times=99)
    told = world.protect()
    assert_refused_well(told, "did not answer in time", "Check that vmstore is up")
    row(bad_day, "hanging when the VM is looked up", told)


# --- passes by itself ---


def test_a_session_that_ends_in_the_middle_is_opened_anew(world: World, bad_day: BadDay) -> None:
    before(world, "clone", world.simulator.expire_sessions)
    before(world, "cleanup", world.simulator.expire_sessions)
    told = world.protect()
    assert_protected(world, told)
    bad_day.row(area=AREA, day="401 in the middle", message="nothing: Cloudy logs in again, and goes on")


def test_status_500_for_a_while_is_waited_out(world: World, bad_day: BadDay) -> None:
    world.simulator.fail("POST", "/api/v310/snapshot", status=500, times=3)
    world.simulator.fail("GET", "/api/v310/task/*", status=503, times=3)
    told = world.protect()
    assert_protected(world, told)
    bad_day.row(area=AREA, day="500 for a while", message="nothing: each call is tried again for about a minute")


def test_a_slow_task_is_waited_for(world: World, bad_day: BadDay) -> None:
    world.simulator.options.clone_seconds = 2.5
    told = world.protect()
    assert_protected(world, told)
    bad_day.row(area=AREA, day="slow task", message="the step's per cent; the run waits for up to 4 hours")


def test_a_clone_that_lies_in_the_other_layout_is_protected_too(world: World, bad_day: BadDay) -> None:
    world.simulator.options.layout = "direct"
    told = world.protect()
    assert_protected(world, told)
    key = f"{told.transaction.id}/tintri/{told.transaction.id}/web01-flat.vmdk"
    assert world.peer.client.head_object(Bucket=world.peer.bucket, Key=key)["ContentLength"] == 16 << 20
    bad_day.row(area=AREA, day="clone directory in the other layout", message="nothing: both are understood")


# --- fails the run, which cleans up ---


def test_status_500_without_end_fails_the_run(world: World, bad_day: BadDay) -> None:
    world.simulator.fail("POST", "/api/v310/snapshot", status=500, times=999)
    told = world.protect()
    assert_failed_well(told, "Snapshot", "vmstore did not create a snapshot (ERR-API-0007", "Check that vmstore is up")
    assert world.left() == []
    row(bad_day, "500 without end", told)


def test_a_vmstore_that_hangs_in_the_middle_fails_the_run(world: World, bad_day: BadDay) -> None:
    world.vmstore["timeout_s"] = "0.5"
    world.open()
    world.simulator.hang("POST", "/api/v310/snapshot", 60.0, times=999)
    told = world.protect()
    assert_failed_well(told, "Snapshot", "did not answer in time", "Check that vmstore is up")
    assert world.left() == []
    row(bad_day, "hanging in the middle", told)


def test_a_task_that_fails_says_why_and_its_clone_is_removed(world: World, bad_day: BadDay) -> None:
    world.simulator.fail_clones()
    told = world.protect()
    assert_failed_well(told, "Clone", "ended the clone task as failed: ERR-API-32")
    assert f"clone {told.transaction.id}" in told.receipt
    assert world.left() == []
    row(bad_day, "failing task", told)


def test_a_task_that_never_ends_is_given_up_and_what_is_left_is_told(
    world: World, bad_day: BadDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "CLONE_S", 36.0)
    monkeypatch.setattr(actions, "SETTLE_S", 36.0)
    world.simulator.fail_clones(kind="hangs")
    told = world.protect()
    assert_failed_well(told, "Clone", "has not ended after 0.01 hours", "rm -r '/tintri/")
    assert [left.split()[0] for left in told.transaction.left_behind] == ["clone"]
    bad_day.row(
        area=AREA,
        day="task never ends",
        message=f"Clone: {told.transaction.failure.what}".replace("0.01 hours", "4 hours")
        if told.transaction.failure
        else "",
        left=" ".join(told.transaction.left_behind).replace("0.6 minutes", "15 minutes"),
        cure=told.transaction.failure.next if told.transaction.failure else "",
    )


def test_a_vm_that_is_deleted_before_it_is_found_again(world: World, bad_day: BadDay) -> None:
    before(world, "find", lambda: shutil.rmtree(world.export / "web01"))
    told = world.protect()
    assert_failed_well(told, "Find VM", "is not on vmstore any more")
    assert world.left() == []
    row(bad_day, "VM deleted before the snapshot", told)


def test_a_vm_that_is_deleted_after_the_snapshot_is_protected_as_it_was(world: World, bad_day: BadDay) -> None:
    before(world, "clone", lambda: shutil.rmtree(world.export / "web01"))
    told = world.protect()
    assert_protected(world, told)
    bad_day.row(area=AREA, day="VM deleted after the snapshot", message="nothing: the snapshot has it all")


def fill(world: World, count: int) -> None:
    """Take snapshots of web01, which is small here, all in one call."""
    client = world.systems.open_vmstore("vmstore")
    assert isinstance(client, TintriVMstore)
    client.login()
    spec = {"sourceVmTintriUUID": client.find_vm("web01").uuid, "snapshotName": "hourly"}
    client._call("POST", "/snapshot", "fill", body=[spec] * count)
    client.logout()


def make_small(world: World) -> None:
    shutil.rmtree(world.export / "web01")
    sample_vms.create_vm(world.export, "web01", 1 << 20, 1 << 16)


def test_a_vm_that_has_all_its_snapshots_is_refused_before_the_run(world: World, bad_day: BadDay) -> None:
    make_small(world)
    fill(world, 128)
    told = world.protect()
    assert_refused_well(told, "web01 has 128 of 128 snapshots on vmstore", "Delete old ones")
    row(bad_day, "snapshot limit", told)


def test_the_last_snapshot_is_taken_by_somebody_else_meanwhile(world: World, bad_day: BadDay) -> None:
    make_small(world)
    fill(world, 127)
    before(world, "snapshot", lambda: fill(world, 1))
    told = world.protect()
    assert_failed_well(told, "Snapshot", "ERR-API-3106", "128 of 128 snapshots", "Delete old ones")
    assert "web01 has 127 of 128 snapshots on vmstore" in told.thread
    row(bad_day, "snapshot limit, reached during the run", told)


# --- left behind ---


def test_a_vmstore_that_goes_down_in_the_middle_leaves_what_is_told(world: World, bad_day: BadDay) -> None:
    before(world, "clone", world.simulator.stop)
    told = world.protect()
    assert_failed_well(told, "Clone", "refuses the connection", "Check that vmstore is up")
    assert "delete the snapshot whose description begins with" in told.receipt
    assert "delete the snapshot whose description begins with" in told.cli
    row(bad_day, "down in the middle", told)


def test_a_password_that_is_changed_in_the_middle_leaves_what_is_told(world: World, bad_day: BadDay) -> None:
    def change() -> None:
        world.simulator.options.password = "new"
        world.simulator.expire_sessions()

    before(world, "clone", change)
    told = world.protect()
    assert_failed_well(told, "Clone", "vmstore refused the login", "Have the user or rights")
    assert "delete the snapshot whose description begins with" in told.receipt
    row(bad_day, "password changed in the middle", told)
