"""Bad days of the share: the way to the clone's files."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bot import watchdog
from bot.model import State
from tests.bad_days.conftest import BadDay
from tests.bad_days.moments import before, until
from tests.bad_days.test_vmstore_days import assert_failed_well, assert_protected
from tests.bad_days.world import Told, World
from tests.peers import S3Peer
from tests.workflow.house import ALICE

NOBODY = 65534


def row(bad_day: BadDay, day: str, told: Told) -> None:
    failure = told.transaction.failure
    assert failure
    left = " ".join(told.transaction.left_behind) or "nothing"
    bad_day.row(area="Share", day=day, message=f"{failure.step}: {failure.what}", left=left, cure=failure.next)


def flat(world: World) -> Path:
    """The disk in the clone that there is now."""
    return next(world.export.glob("20*/web01/web01-flat.vmdk"))


def asked_to_make(world: World) -> list[str]:
    return [one["path"] for one in world.simulator.requests if one["method"] == "POST" and "login" not in one["path"]]


def test_a_share_that_is_not_mounted_is_told_before_anything_is_made(world: World, bad_day: BadDay) -> None:
    world.vmstore["share"] = "path:nowhere"
    world.open()
    told = world.protect()
    assert_failed_well(told, "Check VMstore", "The share is not mounted: there is no directory", "Mount the VMstore's")
    assert not asked_to_make(world)
    row(bad_day, "not mounted", told)


def test_an_empty_mount_point_is_told_before_anything_is_made(world: World, bad_day: BadDay) -> None:
    (world.folder / "empty").mkdir()
    world.vmstore["cleanup_share"] = "path:empty"
    world.open()
    told = world.protect()
    assert_failed_well(told, "Check VMstore", "of vmstore is empty: is the export /tintri mounted there?")
    assert "cleanup_share" in told.cli
    assert not asked_to_make(world)
    row(bad_day, "mount point empty", told)


def test_a_file_that_is_missing_in_the_clone_stops_the_run_before_a_byte_is_sent(world: World, bad_day: BadDay) -> None:
    world.simulator.fail_clones(kind="missing")
    told = world.protect()
    assert_failed_well(told, "Open files", "web01-flat.vmdk is missing (extent of web01.vmdk)", "Nothing was uploaded")
    assert world.left() == []
    row(bad_day, "file missing", told)


def test_a_file_that_is_shorter_than_its_descriptor_says_is_not_uploaded(world: World, bad_day: BadDay) -> None:
    world.simulator.fail_clones(kind="truncated")
    told = world.protect()
    assert_failed_well(told, "Open files", "web01-flat.vmdk is too short: 8388608 bytes of 16777216")
    assert world.left() == []
    row(bad_day, "file shorter than its descriptor says", told)


def test_a_file_that_is_cut_while_it_is_sent_fails_the_run(world: World, bad_day: BadDay) -> None:
    before(world, "upload", lambda: os.truncate(flat(world), 1 << 20))
    told = world.protect()
    assert_failed_well(told, "Upload", "web01-flat.vmdk has 1048576 bytes, but had 16777216 when it was listed")
    assert world.left() == []
    row(bad_day, "file shorter than announced", told)


def test_a_file_that_grows_fails_the_run(world: World, bad_day: BadDay) -> None:
    before(world, "upload", lambda: os.truncate(flat(world), 32 << 20))
    told = world.protect()
    assert_failed_well(told, "Upload", "web01-flat.vmdk has 33554432 bytes, but had 16777216 when it was listed")
    assert world.left() == []
    row(bad_day, "file growing", told)


@pytest.fixture
def open_world(bucket_server: S3Peer) -> Iterator[World]:
    """A world in a folder that also another user may enter; pytest's own may not be."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        made = World(Path(name), bucket_server)
        yield made
        made.close()


def make_private(world: World, owner: int) -> None:
    """As a hypervisor leaves them: only the owner may read the files."""
    for path in world.export.glob("20*/web01/*"):
        os.chown(path, owner, owner)
        path.chmod(0o600)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user")


@needs_root
def test_files_that_only_root_may_read_are_told_with_owner_and_mode(open_world: World, bad_day: BadDay) -> None:
    world = open_world
    world.vmstore["share_uid"] = str(NOBODY)
    world.open()
    before(world, "open", lambda: make_private(world, 0))
    told = world.protect()
    assert_failed_well(told, "Open files", "Permission denied; owner uid 0, mode 0600, and Cloudy reads as uid 65534")
    assert "the share of vmstore" in told.receipt
    row(bad_day, "file unreadable", told)


@needs_root
def test_files_of_another_user_are_read_and_removed_as_that_user(open_world: World, bad_day: BadDay) -> None:
    world, owner = open_world, 4711
    world.vmstore |= {"share_uid": str(owner), "share_gid": str(owner)}
    world.open()

    def hand_over() -> None:
        make_private(world, owner)
        for folder in (world.export, *world.export.glob("20*"), *world.export.glob("20*/web01")):
            os.chown(folder, owner, owner)

    before(world, "open", hand_over)
    told = world.protect()
    assert_protected(world, told)
    bad_day.row(
        area="VMs as they are",
        day="files of one user with mode 0600",
        message="nothing, with `share_uid` and `share_gid` set to their owner",
    )


class Ice:
    """Lets every read of a disk hang until it thaws."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.thaw = threading.Event()
        self.hanging = 0
        self._read = os.preadv
        monkeypatch.setattr(os, "preadv", self)

    def __call__(self, descriptor: int, buffers: Sequence[memoryview], offset: int) -> int:
        if os.fstat(descriptor).st_size > 1 << 20:
            self.hanging += 1
            self.thaw.wait()
        return self._read(descriptor, buffers, offset)


@pytest.fixture
def ice(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ice]:
    made = Ice(monkeypatch)
    yield made
    made.thaw.set()


def test_a_frozen_share_fails_the_run_in_the_end(world: World, bad_day: BadDay, ice: Ice) -> None:
    world.vmstore["share_timeout_s"] = "0.2"
    world.open()
    told = world.protect()
    assert_failed_well(
        told, "Upload", "web01-flat.vmdk within 0.2 s: the mount hangs", "Check that the share of vmstore"
    )
    assert world.left() == []
    failure = told.transaction.failure
    assert failure
    words = failure.what.replace("0.2 s", "60 s")
    bad_day.row(area="Share", day="frozen", message=f"{failure.step}: {words}", cure=failure.next)


def test_a_share_that_freezes_for_a_while_is_waited_for(world: World, bad_day: BadDay, ice: Ice) -> None:
    world.vmstore["share_timeout_s"] = "0.2"
    world.open()

    def thaw() -> None:
        until(lambda: ice.hanging >= 3)
        ice.thaw.set()

    threading.Thread(target=thaw, daemon=True).start()
    told = world.protect()
    assert_protected(world, told)
    bad_day.row(area="Share", day="frozen for a while", message="nothing: each call is tried again for minutes")


def test_a_stop_is_heard_while_the_share_is_frozen(
    world: World, bad_day: BadDay, ice: Ice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "LOOK_S", 0.02)
    world.vmstore["share_timeout_s"] = "3600"
    world.open()

    def stop() -> None:
        until(lambda: ice.hanging > 0)
        world.clock.sleep(2.0)
        world.service.stop("last", ALICE, request_key="stop")

    threading.Thread(target=stop, daemon=True).start()
    told = world.protect()
    assert told.transaction.state is State.STOPPED
    assert not ice.thaw.is_set()
    assert world.left() == []
    bad_day.row(area="Share", day="frozen, and Stop is asked for", message=told.receipt)


def test_a_share_that_is_unmounted_in_the_middle_leaves_what_is_told(world: World, bad_day: BadDay) -> None:
    (world.folder / "mnt").symlink_to(world.export)
    world.vmstore |= {"share": "path:mnt", "cleanup_share": "path:mnt"}
    world.open()
    before(world, "upload", (world.folder / "mnt").unlink)
    told = world.protect()
    assert_failed_well(told, "Upload", "The share is not mounted", "rm -r '/tintri/")
    row(bad_day, "unmounted in the middle", told)
    shutil.rmtree(world.export / told.transaction.id)


def test_a_share_that_is_unmounted_in_the_middle_shows_an_empty_directory_and_is_not_believed(
    world: World, bad_day: BadDay
) -> None:
    mount = world.folder / "mnt"
    mount.symlink_to(world.export)
    world.vmstore |= {"share": "path:mnt", "cleanup_share": "path:mnt"}
    world.open()

    def unmount() -> None:
        mount.unlink()
        mount.mkdir()

    before(world, "cleanup", unmount)
    told = world.protect()
    clone = world.export / told.transaction.id
    assert clone.is_dir()
    assert told.transaction.state is State.SUCCEEDED
    assert "rm -r '/tintri/" in told.transaction.left_behind[0]
    bad_day.row(
        area="Share",
        day="unmounted before the clean-up, an empty mount point stays",
        message=told.transaction.left_behind[0],
        left=f"the clone, {told.transaction.id}",
    )
    shutil.rmtree(clone)
