"""What writing through a share must do, on every way to reach an export and on the tests' own share in memory."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.errors import DeniedError, MissingError, PermanentError, TransientError
from bot.ports import Share
from integrations.shares import OPENERS
from integrations.shares import writing as by_hand
from tests.contract.conftest import WAYS, way_of
from tests.contract.test_share import as_nobody, path_url, read
from tests.memory import MemoryShare

MIB = 1 << 20


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that also another user may enter; pytest's own may not be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return filled(tmp_path / "export")


@pytest.fixture(params=[*sorted(WAYS), "memory"])
def share(request: pytest.FixtureRequest, tmp_path: Path) -> Share:
    if request.param == "memory":
        return MemoryShare({"vm/old": b"old bytes"})
    way = way_of(request, str(request.param), tmp_path)
    filled(way.folder)
    return way.open()


def filled(export: Path) -> Path:
    (export / "vm").mkdir(parents=True)
    (export / "vm" / "old").write_bytes(b"old bytes")
    return export


@pytest.fixture
def mounted(folder: Path) -> Share:
    return OPENERS["path"](path_url(folder), export="/tintri")


def write(share: Share, path: str, size: int, *pieces: tuple[int, bytes]) -> None:
    writer = share.create(path, size)
    try:
        for offset, piece in pieces:
            writer.write_from(offset, memoryview(piece))
        writer.flush()
    finally:
        writer.close()


def content(share: Share, path: str) -> bytes:
    reader = share.open(path)
    size = reader.size
    reader.close()
    return read(share, path, 0, size)


# --- every share ---


def test_a_new_file_has_its_size_at_once_and_zeros_where_nothing_was_written(share: Share) -> None:
    write(share, "vm/new", 10_000, (5_000, b"middle"), (0, b"start"))
    assert content(share, "vm/new") == b"start".ljust(5_000, b"\0") + b"middle".ljust(5_000, b"\0")
    assert [entry.size for entry in share.list("vm")] == [10_000, 9]


def test_a_file_that_is_opened_again_keeps_its_bytes(share: Share) -> None:
    write(share, "vm/new", 12, (0, b"first"))
    write(share, "vm/new", 12, (6, b"second"))
    assert content(share, "vm/new") == b"first\0second"


def test_a_file_gets_exactly_the_size_that_was_asked_for(share: Share) -> None:
    write(share, "vm/old", 3)
    assert content(share, "vm/old") == b"old"
    write(share, "vm/old", 5)
    assert content(share, "vm/old") == b"old\0\0"


def test_an_empty_file_is_a_file(share: Share) -> None:
    write(share, "vm/empty", 0)
    assert content(share, "vm/empty") == b""


def test_a_file_in_a_directory_that_is_not_there_is_missing(share: Share) -> None:
    with pytest.raises(MissingError):
        share.create("gone/new", 5)


def test_a_directory_is_not_opened_for_writing(share: Share) -> None:
    with pytest.raises(PermanentError) as caught:
        share.create("vm", 5)
    assert not isinstance(caught.value, MissingError)
    assert content(share, "vm/old") == b"old bytes"


def test_closing_twice_is_fine_and_writing_afterwards_is_not(share: Share) -> None:
    writer = share.create("vm/new", 5)
    writer.close()
    writer.close()
    with pytest.raises(PermanentError, match="close"):
        writer.write_from(0, memoryview(b"x"))


def test_a_file_and_a_directory_get_other_names(share: Share) -> None:
    share.make_directory(".cloudy-x")
    write(share, ".cloudy-x/disk.part", 4, (0, b"disk"))
    share.rename(".cloudy-x/disk.part", ".cloudy-x/disk")
    share.rename(".cloudy-x", "restored")
    assert content(share, "restored/disk") == b"disk"
    assert not share.exists(".cloudy-x")
    assert [entry.path for entry in share.walk("restored")] == ["restored/disk"]


def test_a_file_moves_from_one_directory_to_another(share: Share) -> None:
    share.make_directory("other")
    share.rename("vm/old", "other/new")
    assert content(share, "other/new") == b"old bytes"
    assert not share.exists("vm/old")


@pytest.mark.parametrize("taken", ["vm/taken", "vm/old", "vm"])
def test_nothing_is_ever_replaced_by_a_rename(share: Share, taken: str) -> None:
    write(share, "vm/taken", 5, (0, b"taken"))
    with pytest.raises(PermanentError):
        share.rename("vm/old", taken)
    assert content(share, "vm/old") == b"old bytes"
    assert content(share, "vm/taken") == b"taken"


def test_a_directory_does_not_take_the_place_of_one_that_has_files_or_of_a_file(share: Share) -> None:
    share.make_directory("new")
    for taken in ("vm", "vm/old"):
        with pytest.raises(PermanentError):
            share.rename("new", taken)
    assert content(share, "vm/old") == b"old bytes"


def test_what_is_not_there_cannot_be_renamed(share: Share) -> None:
    with pytest.raises(MissingError):
        share.rename("vm/gone", "vm/new")


def test_room_is_told_in_bytes_or_not_at_all(share: Share) -> None:
    room = share.free()
    assert room is None or room > 0


# --- a mounted path ---


@pytest.mark.parametrize("path", ["..", "../out", "vm/../../out", "/abs", "", "."])
def test_nothing_is_written_outside(mounted: Share, folder: Path, path: str) -> None:
    with pytest.raises(PermanentError, match="refused"):
        mounted.create(path, 1)
    for pair in ((path, "vm/new"), ("vm/old", path)):
        with pytest.raises(PermanentError, match="refused"):
            mounted.rename(*pair)
    assert [one.name for one in folder.parent.iterdir()] == ["export"]


def test_no_link_is_followed_when_something_is_written(mounted: Share, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"theirs")
    (folder / "file").symlink_to(outside / "file")
    (folder / "directory").symlink_to(outside)
    (folder / "inside").symlink_to(folder / "vm")
    for path in ("file", "directory/new", "directory/file", "inside/old"):
        with pytest.raises(PermanentError, match="link"):
            mounted.create(path, 1)
    for path in ("directory/new", "inside/new"):
        with pytest.raises(PermanentError, match="link"):
            mounted.make_directory(path)
        with pytest.raises(PermanentError, match="link"):
            mounted.rename("vm/old", path)
    assert (outside / "file").read_bytes() == b"theirs"
    assert [one.name for one in outside.iterdir()] == ["file"]
    assert (folder / "vm" / "old").read_bytes() == b"old bytes"


def test_what_was_not_written_takes_no_room(mounted: Share, folder: Path) -> None:
    write(mounted, "vm/disk", 1 << 30, (512 * MIB, b"x"))
    assert (folder / "vm" / "disk").stat().st_size == 1 << 30
    assert (folder / "vm" / "disk").stat().st_blocks * 512 <= MIB


def test_others_may_not_read_what_is_restored(mounted: Share, folder: Path) -> None:
    write(mounted, "vm/disk", 1)
    assert (folder / "vm" / "disk").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_files_belong_to_the_user_that_they_are_written_as(open_folder: Path) -> None:
    share = OPENERS["path"](path_url(open_folder), export="/tintri", uid=4711, gid=4712)
    share.make_directory("new")
    write(share, "new/disk", 3, (0, b"abc"))
    share.rename("new/disk", "disk")
    for made in (open_folder / "disk", open_folder / "new"):
        assert (made.stat().st_uid, made.stat().st_gid) == (4711, 4712)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_directory_that_may_not_be_changed_is_denied_when_written(open_folder: Path) -> None:
    (open_folder / "old").touch()
    open_folder.chmod(0o755)
    share = OPENERS["path"](path_url(open_folder), export="/tintri", uid=4711)
    with pytest.raises(DeniedError, match=r"owner uid 0, mode 0755, and Cloudy writes as uid 4711"):
        share.create("new", 1)
    with pytest.raises(DeniedError, match=r"uid 4711"):
        share.rename("old", "new")
    with pytest.raises(DeniedError, match=r"uid 4711"):
        share.make_directory("new")


def test_a_pipe_is_not_written_and_does_not_block(mounted: Share, folder: Path) -> None:
    os.mkfifo(folder / "vm" / "pipe")
    with pytest.raises(PermanentError):
        mounted.create("vm/pipe", 1)


@pytest.mark.parametrize("full", ["ENOSPC", "EDQUOT", "EFBIG"])
def test_a_full_disk_says_what_to_do(mounted: Share, full: str) -> None:
    failure = mounted.failure(OSError(getattr(errno, full), "as the kernel says"), "write", "vm/x")  # type: ignore[attr-defined]
    assert type(failure) is PermanentError
    assert "no room on /tintri to write /tintri/vm/x" in failure.message
    assert "Make room on the VMstore" in failure.message


# --- a file system that has no renaming that refuses ---


@pytest.fixture
def simple(mounted: Share, monkeypatch: pytest.MonkeyPatch) -> Share:
    """As mounts of NFS and CIFS answer."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(by_hand, "_rename_refusing", refuse)
    return mounted


def test_by_hand_nothing_is_replaced_either(simple: Share) -> None:
    write(simple, "vm/taken", 5, (0, b"taken"))
    with pytest.raises(PermanentError, match="there already"):
        simple.rename("vm/old", "vm/taken")
    simple.make_directory("new")
    with pytest.raises(PermanentError, match="there already"):
        simple.rename("new", "vm")
    simple.rename("new", "newer")
    simple.rename("vm/old", "newer/old")
    assert content(simple, "newer/old") == b"old bytes"
    assert content(simple, "vm/taken") == b"taken"
    assert not simple.exists("vm/old")


def test_by_hand_a_rename_that_was_broken_off_between_two_names_is_ended(simple: Share, folder: Path) -> None:
    os.link(folder / "vm" / "old", folder / "vm" / "new")
    simple.rename("vm/old", "vm/new")
    assert not simple.exists("vm/old")
    assert content(simple, "vm/new") == b"old bytes"


def test_by_hand_a_file_is_renamed_where_there_are_no_hard_links(
    simple: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    simple.rename("vm/old", "vm/new")
    assert content(simple, "vm/new") == b"old bytes"


def test_who_may_only_read_gets_no_further(open_folder: Path) -> None:
    open_folder.chmod(0o755)
    share = OPENERS["path"](path_url(open_folder), export="/tintri")
    with as_nobody(), pytest.raises(DeniedError):
        share.create("new", 1)


# --- what went wrong once ---


@pytest.mark.parametrize("call", ["fsync", "pwrite"])
def test_a_flush_never_ends_well_once_writing_failed(
    mounted: Share, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    writer = mounted.create("vm/new", 3)
    with monkeypatch.context() as failing:
        failing.setattr(os, call, fail)
        with pytest.raises(TransientError):
            writer.write_from(0, memoryview(b"abc")) if call == "pwrite" else writer.flush()
    writer.write_from(0, memoryview(b"abc"))
    for _ in range(2):
        with pytest.raises(TransientError, match="must be written again"):
            writer.flush()
    writer.close()
    again = mounted.create("vm/new", 3)
    again.write_from(0, memoryview(b"abc"))
    again.flush()
    again.close()


def test_a_file_of_one_name_is_never_taken_for_the_rest_of_a_rename(folder: Path) -> None:
    parent = os.open(folder / "vm", os.O_RDONLY)
    with pytest.raises(FileExistsError):
        by_hand._move_by_hand(parent, "old", parent, "old")
    os.close(parent)
    assert (folder / "vm" / "old").read_bytes() == b"old bytes"


def test_a_link_that_is_put_on_the_way_while_a_directory_is_removed_leads_nowhere(
    mounted: Share, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "out" / "vm" / "theirs"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    (folder / "a" / "vm").mkdir(parents=True)
    real = os.fwalk

    def racing(top: str, *args: Any, **more: Any) -> Any:
        (folder / "a").rename(folder / "b")
        (folder / "a").symlink_to(tmp_path / "out")
        return real(top, *args, **more)

    monkeypatch.setattr(os, "fwalk", racing)
    mounted.remove_tree("a/vm")
    assert theirs.exists()
    assert not (folder / "b" / "vm").exists()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="only root may mount")
def test_what_is_mounted_in_a_directory_is_not_removed_with_it(folder: Path) -> None:
    script = f"""
import os
from integrations.shares import OPENERS
(folder := {str(folder)!r}) and os.makedirs(f"{{folder}}/vm/mnt")
os.system(f"mount -t tmpfs none {{folder}}/vm/mnt")
open(f"{{folder}}/vm/mnt/theirs", "w").close()
try:
    OPENERS["path"](f"path:{{folder}}", export="/tintri").remove_tree("vm")
except Exception as error:
    print(type(error).__name__, error, os.listdir(f"{{folder}}/vm/mnt"))
"""
    apart = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", script]
    told = subprocess.run(apart, check=True, capture_output=True, text=True).stdout
    assert told.startswith("PermanentError")
    assert "another file system is mounted in it" in told
    assert "['theirs']" in told


def test_a_file_that_cannot_be_closed_well_is_closed(mounted: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    """As NFS may say of what was written since it was last flushed; Linux lets go of it all the same (close(2))."""
    real = os.close

    def fail(descriptor: int) -> None:
        real(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    writer, reader = mounted.create("vm/new", 3), mounted.open("vm/old")
    writer.write_from(0, memoryview(b"abc"))
    with monkeypatch.context() as failing:
        failing.setattr(os, "close", fail)
        writer.close()
        reader.close()
