"""What every way to reach an export's files must do. A new one adds a line to WAYS in conftest.py."""

import errno
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.errors import (
    CloudyError,
    ConfigError,
    DeniedError,
    IntegrityError,
    MissingError,
    PermanentError,
    TransientError,
)
from bot.model import Entry
from bot.ports import Share
from integrations.shares import OPENERS
from tests.contract.conftest import WAYS, Way

NOBODY = 65534


def path_url(folder: Path) -> str:
    """A mounted path needs no server: the folder itself is the export."""
    return f"path:{folder}"


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What lies on the export; of the tests of every share it is that of the way they go."""
    export: Path = request.getfixturevalue("way").folder if "way" in request.fixturenames else tmp_path / "export"
    (export / "clone" / "vm01").mkdir(parents=True)
    (export / "clone" / "vm01" / "vm01.vmx").write_bytes(b"definition")
    (export / "clone" / "vm01" / "vm01-flat.vmdk").write_bytes(bytes(range(256)) * 40)
    (export / "other").mkdir()
    (export / "other" / "keep").write_bytes(b"keep")
    return export


@pytest.fixture
def share(way: Way, folder: Path) -> Share:
    return way.open()


@pytest.fixture
def mounted(folder: Path) -> Share:
    return OPENERS["path"](path_url(folder), export="/tintri")


def read(share: Share, path: str, offset: int, length: int) -> bytes:
    reader = share.open(path)
    try:
        buffer = bytearray(length)
        reader.read_into(offset, memoryview(buffer))
        return bytes(buffer)
    finally:
        reader.close()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Permissions do not count for root, so these tests take another user for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that also another user may enter; pytest's own may not be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


# --- every share ---


def test_every_way_that_is_registered_is_tested() -> None:
    assert set(WAYS.values()) == set(OPENERS)


def test_a_listing_has_what_is_directly_there_in_order(share: Share) -> None:
    assert share.list("") == (Entry(path="clone", is_dir=True), Entry(path="other", is_dir=True))
    assert share.list("clone/vm01") == (
        Entry(path="clone/vm01/vm01-flat.vmdk", size=10240),
        Entry(path="clone/vm01/vm01.vmx", size=10),
    )


def test_a_walk_has_all_files_below_and_no_directories(share: Share, folder: Path) -> None:
    (folder / "clone" / "a").write_bytes(b"")
    (folder / "clone" / "empty").mkdir()
    assert [entry.path for entry in share.walk("clone")] == [
        "clone/a",
        "clone/vm01/vm01-flat.vmdk",
        "clone/vm01/vm01.vmx",
    ]


def test_a_directory_that_is_not_there_is_missing(share: Share) -> None:
    for ask in (share.list, share.walk, share.open):
        with pytest.raises(MissingError, match="/tintri/gone"):
            ask("gone")


def test_existence_is_told_of_files_and_directories(share: Share) -> None:
    assert share.exists("clone")
    assert share.exists("clone/vm01/vm01.vmx")
    assert not share.exists("clone/vm02")
    assert not share.exists("clone/vm01/vm01.vmx/below")


def test_bytes_are_read_at_their_offset(share: Share) -> None:
    assert share.open("clone/vm01/vm01-flat.vmdk").size == 10240
    assert read(share, "clone/vm01/vm01-flat.vmdk", 250, 12) == bytes([*range(250, 256), *range(6)])
    assert read(share, "clone/vm01/vm01-flat.vmdk", 10240, 0) == b""


def test_many_threads_read_one_file(share: Share, folder: Path) -> None:
    content = os.urandom(1 << 20)
    (folder / "clone" / "big").write_bytes(content)
    reader, got = share.open("clone/big"), bytearray(1 << 20)

    def work(first: int) -> None:
        for offset in range(first << 16, 1 << 20, 4 << 16):
            reader.read_into(offset, memoryview(got)[offset : offset + (1 << 16)])

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reader.close()
    assert bytes(got) == content


def test_a_file_that_ends_early_is_an_integrity_error(share: Share, folder: Path) -> None:
    reader = share.open("clone/vm01/vm01-flat.vmdk")
    os.truncate(folder / "clone" / "vm01" / "vm01-flat.vmdk", 100)
    with pytest.raises(IntegrityError, match=r"shorter than announced.* 100 bytes of 10240"):
        reader.read_into(0, memoryview(bytearray(200)))
    reader.close()


def test_closing_twice_is_fine_and_reading_afterwards_is_not(share: Share) -> None:
    reader = share.open("clone/vm01/vm01.vmx")
    reader.close()
    reader.close()
    with pytest.raises(PermanentError, match="closed"):
        reader.read_into(0, memoryview(bytearray(1)))


@pytest.mark.parametrize("path", ["..", "../export/clone", "clone/../../secret", "/etc", "clone/../..", "clone\0x"])
def test_no_path_leaves_the_export(share: Share, path: str) -> None:
    for ask in (share.list, share.walk, share.exists, share.open, share.remove_tree):
        with pytest.raises(PermanentError, match="refused") as caught:
            ask(path)
        assert not isinstance(caught.value, MissingError)


def test_a_directory_is_made_once_and_may_be_made_again(share: Share, folder: Path) -> None:
    share.make_directory("other/new")
    share.make_directory("other/new")
    assert (folder / "other" / "new").is_dir()
    assert share.exists("other/new")
    share.remove_tree("other/new")
    assert not share.exists("other/new")


@pytest.mark.parametrize("path", ["../out", "/abs", "other/keep"])
def test_no_directory_is_made_outside_or_in_the_place_of_a_file(share: Share, folder: Path, path: str) -> None:
    with pytest.raises(PermanentError):
        share.make_directory(path)
    assert (folder / "other" / "keep").read_bytes() == b"keep"


def test_a_directory_is_removed_with_all_in_it_and_again(share: Share, folder: Path) -> None:
    share.remove_tree("clone")
    share.remove_tree("clone")
    assert [one.name for one in folder.iterdir()] == ["other"]


def test_a_file_is_no_directory_to_be_removed(share: Share, folder: Path) -> None:
    with pytest.raises(PermanentError, match="other/keep is not a directory") as caught:
        share.remove_tree("other/keep")
    assert not isinstance(caught.value, MissingError)
    share.remove_tree("other/keep/below")  # there is none, so it is gone
    assert (folder / "other" / "keep").exists()


@pytest.mark.parametrize("path", ["", ".", "./", "./."])
def test_the_export_itself_is_never_removed(share: Share, folder: Path, path: str) -> None:
    with pytest.raises(PermanentError, match="never removed"):
        share.remove_tree(path)
    assert (folder / "other" / "keep").exists()


# --- a mounted path ---


@pytest.mark.parametrize("url", ["path:relative", "path:", "nfs://host/export", "/mnt/tintri"])
def test_the_address_must_be_an_absolute_path(url: str) -> None:
    with pytest.raises(ConfigError, match="absolute"):
        OPENERS["path"](url, export="/tintri")


def test_a_share_that_is_not_mounted_says_so_and_what_to_do(tmp_path: Path) -> None:
    share = OPENERS["path"](f"path:{tmp_path}/nowhere", export="/tintri")
    for ask in (share.list, share.walk, share.exists, share.open, share.remove_tree):
        with pytest.raises(PermanentError, match=r"not mounted.*nowhere.*Mount") as caught:
            ask("clone")
        assert not isinstance(caught.value, MissingError)


def test_an_empty_mount_point_gives_a_hint(tmp_path: Path) -> None:
    share = OPENERS["path"](f"path:{tmp_path}", export="/tintri")
    with pytest.raises(MissingError, match="is the export mounted"):
        share.list("clone")


def test_links_out_of_the_export_are_refused_and_not_listed(mounted: Share, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "clone" / "file").symlink_to(tmp_path / "secret")
    (folder / "clone" / "directory").symlink_to(tmp_path)
    for path in ("clone/file", "clone/directory/secret"):
        with pytest.raises(PermanentError, match="refused"):
            mounted.open(path)
        with pytest.raises(PermanentError, match="refused"):
            mounted.exists(path)
    assert all("vm01" in entry.path for entry in mounted.walk("clone"))


def test_the_export_may_be_reached_by_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mnt").symlink_to(folder)
    share = OPENERS["path"](f"path:{tmp_path}/mnt", export="/tintri")
    assert read(share, "clone/vm01/vm01.vmx", 0, 10) == b"definition"
    share.remove_tree("clone")
    assert not (folder / "clone").exists()


def test_removing_takes_links_and_not_what_they_point_to(mounted: Share, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (folder / "clone" / "one").symlink_to(folder / "other")
    (folder / "clone" / "two").symlink_to(tmp_path / "outside")
    (folder / "clone" / "three").symlink_to(folder / "other" / "keep")
    mounted.remove_tree("clone")
    assert not (folder / "clone").exists()
    assert (folder / "other" / "keep").exists()
    assert (tmp_path / "outside").exists()


def test_a_directory_behind_a_link_is_not_removed(mounted: Share, folder: Path) -> None:
    (folder / "link").symlink_to(folder / "other")
    (folder / "up").symlink_to(folder)
    for path in ("link", "up/other"):
        with pytest.raises(PermanentError, match="link"):
            mounted.remove_tree(path)
    assert (folder / "other" / "keep").exists()


def test_two_may_remove_the_same_directory(mounted: Share, folder: Path) -> None:
    for number in range(300):
        (folder / "clone" / f"d{number}").mkdir()
        (folder / "clone" / f"d{number}" / "f").touch()
    failures: list[Exception] = []

    def work() -> None:
        try:
            mounted.remove_tree("clone")
        except TransientError:
            return  # "changes while it is being removed": the next try has the rest
        except (CloudyError, OSError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mounted.remove_tree("clone")
    assert failures == []
    assert not (folder / "clone").exists()


def test_a_pipe_is_no_file_and_does_not_block(mounted: Share, folder: Path) -> None:
    os.mkfifo(folder / "clone" / "pipe")
    with pytest.raises(PermanentError, match="not a file"):
        mounted.open("clone/pipe")
    with pytest.raises(PermanentError, match="not a file"):
        mounted.open("clone/vm01")
    assert all("pipe" not in entry.path for entry in mounted.walk("clone"))


def test_a_file_that_may_not_be_read_is_denied_with_owner_and_mode(open_folder: Path) -> None:
    disk = open_folder / "disk"
    disk.write_bytes(b"x")
    disk.chmod(0)
    share = OPENERS["path"](f"path:{open_folder}", export="/tintri")
    with as_nobody(), pytest.raises(DeniedError) as caught:
        share.open("disk")
    disk.chmod(0o600)
    assert f"owner uid {os.geteuid()}, mode 0000" in caught.value.message
    assert "/tintri/disk" in caught.value.message
    assert caught.value.code == "EACCES"


@pytest.mark.parametrize("mode", [0o555, 0])
def test_a_directory_that_may_not_be_changed_is_denied_when_removed(open_folder: Path, mode: int) -> None:
    (open_folder / "clone" / "vm01").mkdir(parents=True)
    (open_folder / "clone" / "vm01" / "f").touch()
    (open_folder / "clone").chmod(0o777)
    (open_folder / "clone" / "vm01").chmod(mode)
    share = OPENERS["path"](f"path:{open_folder}", export="/tintri")
    with as_nobody(), pytest.raises(DeniedError):
        share.remove_tree("clone")
    (open_folder / "clone" / "vm01").chmod(0o755)


@pytest.mark.parametrize("code", ["ESTALE", "EIO", "ETIMEDOUT"])
def test_what_a_network_file_system_says_in_passing_is_transient(mounted: Share, code: str) -> None:
    error = OSError(getattr(errno, code), "as the kernel says")
    failure = mounted.failure(error, "read", "clone/x")  # type: ignore[attr-defined]
    assert isinstance(failure, TransientError)
    assert failure.code == code
    assert "/tintri/clone/x" in failure.message


@pytest.mark.parametrize("call", ["list", "walk", "exists", "open", "remove_tree"])
def test_a_mount_whose_server_is_away_is_transient_in_every_call(
    mounted: Share, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(*_args: object, **_more: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    for name in ("stat", "lstat", "scandir", "open"):
        monkeypatch.setattr(os, name, stale)
    with pytest.raises(TransientError):
        getattr(mounted, call)("clone/vm01")


# --- another user's rights ---


def read_as(folder: Path, uid: int, gid: int | None = None) -> bytes:
    share = OPENERS["path"](f"path:{folder}", export="/tintri", uid=uid, gid=gid)
    return read(share, "disk", 0, 4)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_files_of_another_user_are_read_as_that_user(open_folder: Path) -> None:
    disk = open_folder / "disk"
    disk.write_bytes(b"data")
    os.chown(disk, 4711, 4712)
    disk.chmod(0o600)
    assert read_as(open_folder, 4711) == b"data"
    with pytest.raises(DeniedError, match=r"uid 4711, mode 0600, and Cloudy reads as uid 65534.*share_uid = 4711"):
        read_as(open_folder, NOBODY)
    disk.chmod(0o040)
    assert read_as(open_folder, NOBODY, 4712) == b"data"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_another_users_rights_count_for_one_thread_and_a_moment(open_folder: Path) -> None:
    disk, mine = open_folder / "disk", open_folder / "mine"
    disk.write_bytes(b"data")
    mine.write_bytes(b"mine")
    mine.chmod(0o600)
    share = OPENERS["path"](f"path:{open_folder}", export="/tintri", uid=NOBODY)
    stop, wrong = threading.Event(), list[OSError]()

    def look() -> None:
        while not stop.is_set():
            try:
                mine.read_bytes()
            except OSError as error:
                wrong.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(300):
        read(share, "disk", 0, 4)
    stop.set()
    thread.join()
    assert not wrong
    assert mine.read_bytes() == b"mine"


def test_who_may_not_take_another_user_is_told_how(open_folder: Path) -> None:
    (open_folder / "disk").write_bytes(b"data")
    with as_nobody(), pytest.raises(DeniedError, match="CAP_SETUID"):
        read_as(open_folder, os.geteuid() + 1)
