"""VMs as they are: renamed, moved, replaced, chained, mapped to raw devices, near their limits."""

import json
import shutil
from pathlib import Path

from bot.model import Json, State
from integrations.simulators.vmstore import sample_vms
from tests.bad_days.conftest import BadDay
from tests.bad_days.moments import before
from tests.bad_days.test_vmstore_days import assert_failed_well, assert_protected, assert_refused_well, fill, make_small
from tests.bad_days.world import Told, World

AREA = "VMs as they are"
MIB = 1 << 20


def row(bad_day: BadDay, day: str, told: Told) -> None:
    failure = told.transaction.failure
    assert failure
    bad_day.row(area=AREA, day=day, message=f"{failure.step}: {failure.what}", cure=failure.next)


def manifest(world: World, told: Told) -> Json:
    key = f"{told.transaction.id}/manifest.json"
    found: Json = json.loads(world.peer.client.get_object(Bucket=world.peer.bucket, Key=key)["Body"].read())
    return found


def stored(world: World, told: Told) -> dict[str, bytes]:
    """The objects by file name."""
    base = f"{told.transaction.id}/tintri/"
    objects = world.peer.client.list_objects_v2(Bucket=world.peer.bucket, Prefix=base).get("Contents", [])
    client, bucket = world.peer.client, world.peer.bucket
    return {
        each["Key"].rpartition("/")[2]: client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
        for each in objects
    }


def rewrite(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


# --- identity is the uuid ---


def test_a_vm_that_is_renamed_meanwhile_is_still_the_one(world: World, bad_day: BadDay) -> None:
    vmx = world.export / "web01" / "web01.vmx"
    before(world, "find", lambda: rewrite(vmx, ('displayName = "web01"', 'displayName = "shop"')))
    told = world.protect()
    assert_protected(world, told)
    assert manifest(world, told)["vm"]["name"] == "shop"
    assert manifest(world, told)["vm"]["uuid"] == told.transaction.vm_uuid
    bad_day.row(
        area=AREA,
        day="renamed before it is found again",
        message="nothing: its uuid counts; the manifest has the new name",
    )


def test_a_name_that_went_to_another_vm_is_not_followed(world: World, bad_day: BadDay) -> None:
    def replace() -> None:
        shutil.rmtree(world.export / "web01")
        sample_vms.create_vm(world.export, "web01", MIB, 1 << 16, seed=2)  # of the same name, with a uuid of its own

    before(world, "find", replace)
    told = world.protect()
    assert_failed_well(told, "Find VM", "is not on vmstore any more", "A VM that has its name now is another one")
    assert world.left() == []
    row(bad_day, "its name reused by another VM", told)


def test_a_vm_that_moved_away_is_told(world: World, bad_day: BadDay) -> None:
    before(world, "find", lambda: (world.export / "web01").rename(world.folder / "elsewhere"))
    told = world.protect()
    assert_failed_well(told, "Find VM", "it was deleted, or moved away")
    assert world.left() == []
    row(bad_day, "moved to another datastore", told)


# --- what a clone of one directory does not hold ---


def test_a_disk_in_another_directory_is_told_before_a_byte_is_sent(world: World, bad_day: BadDay) -> None:
    folder = world.export / "web01"
    (world.export / "bulk").mkdir()
    (folder / "web01.vmdk").rename(world.export / "bulk" / "web01.vmdk")
    (folder / "web01-flat.vmdk").rename(world.export / "bulk" / "web01-flat.vmdk")
    rewrite(folder / "web01.vmx", ('fileName = "web01.vmdk"', 'fileName = "/vmfs/volumes/vmstore/bulk/web01.vmdk"'))
    told = world.protect()
    assert_failed_well(
        told, "Open files", "bulk/web01.vmdk", "lies outside of the VM's directory", "Nothing was uploaded"
    )
    assert world.left() == []
    row(bad_day, "a disk in another directory", told)


def test_a_raw_device_mapping_is_told_before_a_byte_is_sent(world: World, bad_day: BadDay) -> None:
    folder = world.export / "web01"
    (folder / "web01-flat.vmdk").rename(folder / "web01-rdm.vmdk")
    rewrite(folder / "web01.vmdk", ('VMFS "web01-flat.vmdk"', 'VMFSRDM "web01-rdm.vmdk"'))
    told = world.protect()
    assert_failed_well(
        told, "Open files", "web01.vmdk is a raw device mapping; its data is not on the VMstore's export"
    )
    assert world.left() == []
    row(bad_day, "a raw device mapping", told)


def test_a_delta_chain_is_protected_whole(world: World, bad_day: BadDay) -> None:
    folder = world.export / "web01"
    parent = (folder / "web01.vmdk").read_text()
    content_id = next(line for line in parent.splitlines() if line.startswith("CID=")).removeprefix("CID=")
    (folder / "web01-000001.vmdk").write_text(
        "# Disk DescriptorFile\nversion=1\nCID=12345678\n"
        f'parentCID={content_id}\nparentFileNameHint="web01.vmdk"\ncreateType="vmfsSparse"\n'
        'RW 32768 VMFSSPARSE "web01-000001-delta.vmdk"\n'
    )
    (folder / "web01-000001-delta.vmdk").write_bytes(b"COWD" + bytes(60_000))
    rewrite(folder / "web01.vmx", ('fileName = "web01.vmdk"', 'fileName = "web01-000001.vmdk"'))
    told = world.protect()
    assert_protected(world, told)
    objects = stored(world, told)
    for name in ("web01.vmdk", "web01-flat.vmdk", "web01-000001.vmdk", "web01-000001-delta.vmdk"):
        assert objects[name] == (folder / name).read_bytes()
    bad_day.row(
        area=AREA, day="a chain of hypervisor snapshots", message="nothing: base and deltas are protected whole"
    )


def test_a_delta_without_its_parent_is_told_before_a_byte_is_sent(world: World, bad_day: BadDay) -> None:
    folder = world.export / "web01"
    rewrite(folder / "web01.vmdk", ("parentCID=ffffffff", 'parentCID=12345678\nparentFileNameHint="base.vmdk"'))
    told = world.protect()
    assert_failed_well(told, "Open files", "base.vmdk is missing (parent of web01.vmdk)")
    row(bad_day, "a delta whose parent is missing", told)


# --- consistency ---


def test_a_refused_consistency_is_told_and_the_recovery_point_says_what_it_has(world: World, bad_day: BadDay) -> None:
    world.simulator.options.consistencies = ("CRASH_CONSISTENT",)
    told = world.protect(consistency="vm")
    assert_protected(world, told)
    for text in (told.receipt, told.thread):
        assert (
            "crash-consistent only: vm-consistent was asked for; vmstore did not create a snapshot (ERR-API-3105"
            in text
        )
    assert manifest(world, told)["consistency"] == "crash"
    with world.db.read() as unit:
        point = unit.points.get(told.transaction.id, "s3")
    assert point
    assert point.consistency == "crash"
    fact = told.receipt[told.receipt.index("crash-consistent only") :].splitlines()[0]
    bad_day.row(area=AREA, day="VM-consistent snapshot refused", message=fact)


def test_a_snapshot_that_could_not_be_quiesced_is_taken_as_crash_consistent(world: World, bad_day: BadDay) -> None:
    world.simulator.fail(
        "POST", "/api/v310/snapshot", status=500, code="ERR-API-3106", message="Create snapshot failed.",
        cause="The hypervisor could not quiesce the VM.", times=9,
    )  # fmt: skip
    told = world.protect(consistency="vm")
    assert_protected(world, told)
    assert "could not quiesce the VM" in told.receipt
    assert manifest(world, told)["consistency"] == "crash"


def test_what_was_asked_for_is_got_where_it_can_be(world: World) -> None:
    told = world.protect(consistency="vm")
    assert_protected(world, told)
    assert manifest(world, told)["consistency"] == "vm"
    assert "only" not in told.receipt


# --- limits are looked at before the run ---


def test_a_datastore_that_is_too_full_is_told_before_the_run(world: World, bad_day: BadDay) -> None:
    world.simulator.options.space_used_percent = 98.6
    told = world.protect()
    assert_refused_well(told, "vmstore is 99 % full and takes no snapshots any more", "Free space there")
    row(bad_day, "datastore too full for snapshots", told)


def test_a_datastore_that_is_nearly_full_is_told_and_the_vm_protected(world: World, bad_day: BadDay) -> None:
    world.simulator.options.space_used_percent = 95.0
    told = world.protect()
    assert_protected(world, told)
    words = "vmstore is 95 % full; from 98 % on it takes no snapshots"
    assert words in told.thread
    assert f"mind: {words}" in told.cli
    assert words in str([row.body for row in told.audit if row.action == "plan"])
    bad_day.row(area=AREA, day="datastore nearly full", message=f"Mind: {words}")


def test_a_vm_with_nearly_all_its_snapshots_is_told_and_protected(world: World, bad_day: BadDay) -> None:
    make_small(world)
    fill(world, 120)
    told = world.protect()
    assert told.transaction.state is State.SUCCEEDED
    words = "web01 has 120 of 128 snapshots on vmstore"
    assert words in told.thread
    assert words in told.cli
    bad_day.row(area=AREA, day="snapshots nearly used up", message=f"Mind: {words}")


def test_a_vmstore_that_tells_no_space_is_worked_with(world: World) -> None:
    world.simulator.fail("GET", "/api/v310/datastore/*", status=404, code="ERR-API-8001", times=99)
    assert_protected(world, world.protect())
