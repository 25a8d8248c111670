"""Shares that speak to a server themselves: what happens when it freezes, dies, refuses, is full or another's."""

import errno
import gc
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from smbprotocol.exceptions import SMBResponseException
from smbprotocol.header import NtStatus, SMB2HeaderResponse

from bot.errors import (
    CloudyError,
    ConfigError,
    DeniedError,
    IntegrityError,
    MissingError,
    PermanentError,
    TransientError,
)
from bot.ports import Share
from bot.watchdog import Watchdog
from integrations.shares import OPENERS, nfs, nfs_files
from integrations.shares.smb_wire import SmbSession
from tests import fileservers
from tests.contract.conftest import opener
from tests.contract.test_share import read
from tests.contract.test_share_writing import write
from tests.e2e.waiting import answered, until
from tests.fileservers import FileServer
from tests.peers import _free_ports

MIB = 1 << 20
EACH = pytest.mark.parametrize("server", ["nfs4", "nfs3", "smb"], indirect=True)
NFS = pytest.mark.parametrize("server", ["nfs4", "nfs3"], indirect=True)
SMB = pytest.mark.parametrize("server", ["smb"], indirect=True)


@pytest.fixture
def folder(server: FileServer) -> Path:
    (server.folder / "vm").mkdir()
    (server.folder / "vm" / "disk").write_bytes(bytes(range(256)) * 4096)
    return server.folder


def go_on() -> None:
    """Nobody asked for Stop."""


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# --- it does not answer ---


@EACH
def test_a_server_that_froze_is_given_up_in_time_and_goes_on_when_it_is_back(server: FileServer, folder: Path) -> None:
    share = Watchdog().watch(opener(server)(timeout_s=2.0), go_on)
    reader = answered(lambda: share.open("vm/disk"))
    buffer = memoryview(bytearray(MIB))
    answered(lambda: reader.read_into(0, buffer))
    server.freeze()
    with pytest.raises(TransientError):
        reader.read_into(0, buffer)
    with pytest.raises(TransientError):
        share.list("vm")
    server.thaw()
    buffer[:] = bytes(MIB)
    answered(lambda: reader.read_into(0, buffer))
    assert bytes(buffer) == bytes(range(256)) * 4096
    assert [entry.path for entry in answered(lambda: share.list("vm"))] == ["vm/disk"]
    reader.close()


@EACH
def test_a_write_into_a_server_that_froze_is_given_up_and_can_be_made_again(server: FileServer, folder: Path) -> None:
    opened = opener(server)
    body, dog = os.urandom(16 * MIB), Watchdog()
    share = dog.watch(opened(timeout_s=2.0), go_on)
    writer = answered(lambda: share.create("vm/new", len(body)))
    server.freeze()
    with pytest.raises(TransientError):
        writer.write_from(0, memoryview(body))
    writer.close()
    server.thaw()
    write(dog.watch(opened(), go_on), "vm/new", len(body), (0, body))
    assert (folder / "vm" / "new").read_bytes() == body


@EACH
def test_closing_a_file_of_a_server_that_froze_ends_in_time_and_without_a_word(
    server: FileServer, folder: Path
) -> None:
    opened, dog = opener(server), Watchdog()
    share = dog.watch(opened(timeout_s=1.0), go_on)
    reader, writer = answered(lambda: share.open("vm/disk")), answered(lambda: share.create("vm/new", 3))
    server.freeze()
    writer.close()
    reader.close()
    server.thaw()
    assert [entry.path for entry in dog.watch(opened(), go_on).list("vm")] == ["vm/disk", "vm/new"]


@EACH
def test_a_server_that_died_is_found_again_when_it_is_back(server: FileServer, folder: Path) -> None:
    share = opener(server)(timeout_s=2.0)
    reader = answered(lambda: share.open("vm/disk"))
    server.kill()
    with pytest.raises(TransientError):
        share.list("vm")
    with pytest.raises(TransientError):
        reader.read_into(0, memoryview(bytearray(10)))
    with pytest.raises(TransientError):
        opener(server)(timeout_s=2.0).exists("vm")
    server.start()
    assert answered(lambda: read(share, "vm/disk", 0, 3)) == b"\0\1\2"
    buffer = bytearray(3)
    answered(lambda: reader.read_into(3, memoryview(buffer)))
    assert bytes(buffer) == b"\3\4\5"
    reader.close()


@pytest.mark.slow
@EACH
def test_a_connection_that_was_cut_meanwhile_is_made_again_within_the_call(server: FileServer, folder: Path) -> None:
    """The library for NFS takes some seconds for that."""
    share = opener(server)(timeout_s=30.0)
    reader = share.open("vm/disk")
    share.make_directory("vm/made")
    calls: tuple[Callable[[], None], ...] = (
        lambda: reader.read_into(0, memoryview(bytearray(10))),
        lambda: share.rename("vm/made", "vm/renamed"),
        lambda: write(share, "vm/new", 3, (0, b"new")),
    )
    for call in calls:
        server.kill()
        server.start()
        call()
    reader.close()
    assert sorted(one.name for one in (folder / "vm").iterdir()) == ["disk", "new", "renamed"]


@SMB
def test_what_was_written_and_not_flushed_counts_as_lost_with_its_connection(server: FileServer, folder: Path) -> None:
    share = opener(server)()
    writer = share.create("vm/new", 6)
    writer.write_from(0, memoryview(b"abc"))
    writer.flush()
    server.kill()
    server.start()
    writer.write_from(3, memoryview(b"def"))  # all before it was kept
    server.kill()
    server.start()
    for work in (writer.flush, lambda: writer.write_from(0, memoryview(b"x"))):
        with pytest.raises(TransientError, match="must be written again"):
            work()
    writer.close()


@EACH
def test_connections_and_threads_end_with_the_shares_that_made_them(server: FileServer, folder: Path) -> None:
    opened = opener(server)
    opened().list("")
    gc.collect()
    before = threads(), descriptors()
    for _ in range(5):
        share = opened()
        reader = share.open("vm/disk")
        reader.read_into(0, memoryview(bytearray(10)))
        reader.close()
    server.freeze()
    with pytest.raises(TransientError):
        opened(timeout_s=1.0).list("vm")
    server.thaw()
    del share, reader

    def ended() -> bool:
        gc.collect()
        return threads() <= before[0] and descriptors() <= before[1]

    until(ended, "connections and threads are gone")


def test_nobody_who_listens_is_told_in_passing(tmp_path: Path) -> None:
    (port,) = _free_ports(1)
    for share in (
        OPENERS["nfs"](f"nfs://127.0.0.1:{port}/x?mountport={port}&noresvport=true", export="/tintri", timeout_s=2.0),
        OPENERS["smb"](f"smb://u@127.0.0.1:{port}/x", export="/tintri", timeout_s=2.0, password="p"),
    ):
        with pytest.raises(TransientError):
            share.list("")


# --- it refuses ---


@SMB
def test_a_wrong_password_is_denied_and_never_told(server: FileServer, folder: Path) -> None:
    share = OPENERS["smb"](server.url, export="/tintri", password="wrong-and-secret")
    with pytest.raises(DeniedError, match=r"LOGON_FAILURE.*share_password") as caught:
        share.list("")
    told = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r} {share!r} {vars(share)!r}"
    assert "wrong-and-secret" not in told
    before = threads()
    with pytest.raises(DeniedError):
        share.list("")
    until(lambda: threads() <= before, "the second one left no thread")


@EACH
def test_an_export_that_is_not_there_says_what_to_look_at(server: FileServer, folder: Path) -> None:
    share = opener(server, server.url.replace("/tintri", "/nowhere"))()
    with pytest.raises(PermanentError, match=r"exported|share's URL|is not there"):
        share.list("")


@EACH
def test_a_read_only_export_is_read_and_not_written(server: FileServer, folder: Path) -> None:
    share = opener(server, server.readonly)()
    assert read(share, "vm/disk", 0, 3) == b"\0\1\2"
    for work in (
        lambda: share.create("vm/new", 1),
        lambda: share.make_directory("vm/new"),
        lambda: share.rename("vm/disk", "vm/new"),
        lambda: share.remove_tree("vm"),
    ):
        with pytest.raises(DeniedError):
            work()
    assert (folder / "vm" / "disk").stat().st_size == MIB


@EACH
def test_a_file_of_somebody_else_is_denied(server: FileServer, folder: Path) -> None:
    """Root is nobody there, as a server that squashes root sees it."""
    (folder / "vm" / "disk").chmod(0o600)
    share = opener(server, server.squashed)()
    with pytest.raises(DeniedError, match=r"/tintri/vm/disk"):
        read(share, "vm/disk", 0, 3)


@NFS
def test_a_file_of_somebody_else_is_read_and_written_as_its_owner(server: FileServer, folder: Path) -> None:
    disk = folder / "vm" / "disk"
    disk.chmod(0o600)
    os.chown(disk, 4711, 4712)
    os.chown(folder / "vm", 4711, 4712)
    with pytest.raises(DeniedError, match=r"owner uid 4711, mode 0600. Set `share_uid = 4711`"):
        read(opener(server, server.squashed)(), "vm/disk", 0, 3)
    share = opener(server, server.squashed)(uid=4711, gid=4712)
    assert read(share, "vm/disk", 0, 3) == b"\0\1\2"
    write(share, "vm/new", 3, (0, b"new"))
    share.make_directory("vm/made")
    for made in (folder / "vm" / "new", folder / "vm" / "made"):
        assert (made.stat().st_uid, made.stat().st_gid) == (4711, 4712)
    assert (folder / "vm" / "new").stat().st_mode & 0o777 == 0o600


# --- what lies there ---


@EACH
def test_names_may_have_spaces_and_other_letters_and_be_many(server: FileServer, folder: Path) -> None:
    share = opener(server)()
    for name in ("my vm (1)", "Prüfung", "日本語", "it's", "a+b&c=d%20#e", "-dash", ".hidden"):
        write(share, f"vm/{name}", len(name), (0, name.encode()[: len(name)]))
        assert (folder / "vm" / name).stat().st_size == len(name)
        assert share.exists(f"vm/{name}")
    (folder / "many").mkdir()
    names = [f"file {number:03} ü.vmdk" for number in range(500)]
    for name in names:
        (folder / "many" / name).touch()
    assert [entry.path for entry in share.list("many")] == [f"many/{name}" for name in names]
    share.remove_tree("many")
    assert not (folder / "many").exists()


@EACH
def test_no_link_leads_out_of_the_export(server: FileServer, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (folder / "file").symlink_to(outside / "secret")
    (folder / "directory").symlink_to(outside)
    (folder / "dangling").symlink_to(outside / "new")
    share = opener(server)()
    for work in (
        lambda: read(share, "file", 0, 1),
        lambda: read(share, "directory/secret", 0, 1),
        lambda: share.list("directory"),
        lambda: share.create("file", 1),
        lambda: share.create("dangling", 1),
        lambda: share.create("directory/new", 1),
        lambda: share.make_directory("directory/new"),
        lambda: share.rename("vm/disk", "directory/new"),
    ):
        with pytest.raises(PermanentError):
            work()
    assert [entry.path for entry in share.walk("")] == ["vm/disk"]
    if server.scheme != "smb":  # samba hides such a link, and so keeps the directory
        (folder / "vm" / "link").symlink_to(outside)
    share.remove_tree("vm")
    assert [one.name for one in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"


@EACH
@pytest.mark.parametrize("path", ["..", "../out", "vm/../../out", "/abs", "", ".", "vm/\0"])
def test_nothing_is_written_outside_of_the_export(server: FileServer, folder: Path, path: str) -> None:
    share = opener(server)()
    for work in (
        lambda: share.create(path, 1),
        lambda: share.make_directory(path),
        lambda: share.rename(path, "vm/new"),
        lambda: share.rename("vm/disk", path),
    ):
        with pytest.raises(PermanentError, match="refused"):
            work()
    assert [one.name for one in folder.rglob("*")] == ["vm", "disk"]


@SMB
@pytest.mark.parametrize("path", ["..\\out", "vm\\..\\..\\out", "vm/disk:stream", "vm/*", "vm/a\nb"])
def test_what_is_no_name_for_smb_is_refused(server: FileServer, folder: Path, path: str) -> None:
    share = opener(server)()
    for ask in (share.list, share.exists, share.open, share.remove_tree, share.make_directory):
        with pytest.raises(PermanentError, match="refused"):
            ask(path)
    with pytest.raises(PermanentError, match="refused"):
        share.rename("vm/disk", path)


@EACH
def test_what_was_not_written_takes_no_room_on_the_server(server: FileServer, folder: Path) -> None:
    write(opener(server)(), "vm/sparse", 1 << 30, (512 * MIB, b"x"))
    status = (folder / "vm" / "sparse").stat()
    assert status.st_size == 1 << 30
    assert status.st_blocks * 512 <= 2 * MIB


@EACH
def test_many_threads_write_one_file(server: FileServer, folder: Path) -> None:
    body, size = os.urandom(16 * MIB), 16 * MIB
    writer = opener(server)().create("vm/new", size)
    wrong: list[CloudyError] = []

    def work(first: int) -> None:
        try:
            for offset in range(first * 2 * MIB, size, 8 * MIB):
                writer.write_from(offset, memoryview(body)[offset : offset + 2 * MIB])
        except CloudyError as error:
            wrong.append(error)

    running = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    writer.flush()
    writer.close()
    assert wrong == []
    assert (folder / "vm" / "new").read_bytes() == body


@SMB
def test_a_file_that_shrank_while_the_connection_was_away_is_an_integrity_error(
    server: FileServer, folder: Path
) -> None:
    reader = opener(server)().open("vm/disk")
    server.kill()
    os.truncate(folder / "vm" / "disk", 100)
    server.start()
    with pytest.raises(IntegrityError, match="shorter than announced"):
        reader.read_into(0, memoryview(bytearray(200)))
    reader.close()


@EACH
def test_a_folder_of_the_export_can_be_the_share(server: FileServer, folder: Path) -> None:
    place, query, options = server.url.partition("?")
    share = opener(server, f"{place}/vm{query}{options}")()
    assert [entry.path for entry in share.list("")] == ["disk"]
    write(share, "new", 3, (0, b"new"))
    assert (folder / "vm" / "new").read_bytes() == b"new"
    assert share.free()


@pytest.mark.parametrize("kind", ["nfs4", "nfs3", "smb"])
def test_a_full_disk_says_what_to_do_and_keeps_what_was_written(kind: str) -> None:
    make: Callable[[Path], FileServer] = getattr(fileservers, kind)
    with fileservers.running(make, room=8 * MIB) as server:
        share: Share = opener(server)()
        room = share.free()
        assert room is not None
        assert 0 < room <= 8 * MIB
        share.make_directory("vm")
        writer = share.create("vm/disk", 64 * MIB)

        def fill() -> None:
            for at in range(16):
                writer.write_from(at * MIB, memoryview(os.urandom(MIB)))
                writer.flush()

        with pytest.raises(PermanentError, match=r"no room on the export.*Make room"):
            fill()
        writer.close()
        assert share.list("vm")[0].size == 64 * MIB
        share.remove_tree("vm")
        assert (share.free() or 0) > 7 * MIB


# --- another file of the same name ---


def cut(share: Share) -> None:
    share._line.hang_up()  # type: ignore[attr-defined] # as when the connection broke between two calls


def said(status: int) -> Exception:
    header = SMB2HeaderResponse()
    header["status"] = status
    return SMBResponseException(header)  # type: ignore[no-any-return] # the library has no types


@EACH
def test_a_file_that_was_renamed_is_not_made_again_by_its_writer(server: FileServer, folder: Path) -> None:
    share = opener(server)()
    writer = share.create("vm/new", MIB)
    writer.write_from(0, memoryview(b"abc"))
    writer.flush()
    share.rename("vm/new", "vm/done")
    cut(share)
    with pytest.raises(MissingError):
        writer.write_from(3, memoryview(b"def"))
    writer.close()
    assert sorted(one.name for one in (folder / "vm").iterdir()) == ["disk", "done"]


@EACH
def test_a_file_that_was_replaced_is_not_read_or_written_on(server: FileServer, folder: Path) -> None:
    share, disk = opener(server)(), folder / "vm" / "disk"
    reader, writer = share.open("vm/disk"), share.create("vm/disk", MIB)
    disk.rename(folder / "vm" / "former")
    disk.write_bytes(bytes(MIB))
    cut(share)
    with pytest.raises(IntegrityError, match="/tintri/vm/disk was replaced by another file"):
        reader.read_into(0, memoryview(bytearray(10)))
    with pytest.raises(IntegrityError, match="/tintri/vm/disk was replaced by another file"):
        writer.write_from(0, memoryview(b"abc"))
    reader.close()
    writer.close()
    assert disk.read_bytes() == bytes(MIB)


@SMB
def test_a_rename_whose_answer_was_lost_is_known_by_the_file_itself(
    server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(goes: str, appears: str = "") -> None:
        def renaming(_session: object, opened: Any, _new: str) -> None:
            monkeypatch.undo()
            place = folder.joinpath(*opened.file_name.split("\\"))
            place.rename(place.with_name(goes))
            if appears:
                place.with_name(appears).write_bytes(bytes(MIB))
            raise ConnectionResetError

        monkeypatch.setattr(SmbSession, "rename", renaming)

    share = opener(server)()
    share.list("")
    lose("new")
    share.rename("vm/disk", "vm/new")
    (folder / "vm" / "other").write_bytes(bytes(MIB))
    lose("elsewhere", "theirs")
    with pytest.raises(PermanentError):
        share.rename("vm/other", "vm/theirs")


@NFS
def test_a_file_that_was_made_and_not_yet_closed_to_others_is_closed_to_them(server: FileServer, folder: Path) -> None:
    (folder / "vm" / "new").touch(0o644)
    write(opener(server)(), "vm/new", 3, (0, b"new"))
    assert (folder / "vm" / "new").stat().st_mode & 0o777 == 0o600


@SMB
def test_a_file_that_has_no_number_is_known_by_when_it_was_made(
    server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(session: SmbSession, opened: Any, information: Any) -> None:
        raise said(NtStatus.STATUS_NOT_SUPPORTED)

    monkeypatch.setattr(SmbSession, "_query", unknown)
    share, disk = opener(server)(), folder / "vm" / "disk"
    reader, writer = share.open("vm/disk"), share.create("vm/new", 6)
    for offset in (0, 3):
        writer.write_from(offset, memoryview(b"abc"))
        writer.flush()
        cut(share)
    disk.unlink()
    disk.write_bytes(bytes(MIB))
    with pytest.raises(IntegrityError, match="/tintri/vm/disk was replaced by another file"):
        reader.read_into(0, memoryview(bytearray(10)))


# --- nothing is left open ---


@SMB
def test_what_cannot_be_opened_for_good_is_closed_again_by_smb(
    server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, files = SmbSession.open, []

    def opening(*args: Any) -> Any:
        files.append(real(*args))
        return files[-1]

    def fail(*_: object) -> None:
        raise said(NtStatus.STATUS_ACCESS_DENIED)

    monkeypatch.setattr(SmbSession, "open", opening)
    share = opener(server)()
    for call, work in (
        ("resize", lambda: share.create("vm/new", 3)),
        ("identity", lambda: share.create("vm/new", 3)),
        ("identity", lambda: share.open("vm/disk")),
        ("identity", lambda: share.rename("vm/disk", "vm/renamed")),
        ("rename", lambda: share.rename("vm/disk", "vm/renamed")),
    ):
        with monkeypatch.context() as failing:
            failing.setattr(SmbSession, call, fail)
            with pytest.raises(DeniedError):
                work()
    assert files
    assert [one.file_name for one in files if one.connected] == []


@NFS
def test_what_cannot_be_opened_for_good_is_closed_again_by_nfs(
    server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    share, files = opener(server)(), []
    share.list("")

    class Noting:
        """The client, and what it opens."""

        def __init__(self, client: Any) -> None:
            self.client = client

        def __getattr__(self, name: str) -> Any:
            return getattr(self.client, name)

        def open(self, *args: Any) -> Any:
            files.append(self.client.open(*args))
            return files[-1]

    monkeypatch.setattr(share._line, "_current", Noting(share._line._current))  # type: ignore[attr-defined]
    for call, at, work in (
        ("_identity", nfs, lambda: share.create("vm/new", 3)),
        ("_identity", nfs, lambda: share.open("vm/disk")),
        ("resize", nfs_files.NfsWriter, lambda: share.create("vm/new", 3)),
        ("_use", nfs_files.NfsReader, lambda: share.open("vm/disk")),
    ):
        with monkeypatch.context() as failing:
            failing.setattr(at, call, fail)
            with pytest.raises((DeniedError, PermissionError)):
                work()
    assert files
    assert [one.name for one in files if not one.closed] == []


# --- addresses ---


@pytest.mark.parametrize("scheme", ["nfs", "smb"])
def test_a_library_that_is_missing_is_named_by_its_extra(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.startswith(f"integrations.shares.{scheme}")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("nfs_rs", "smbprotocol", "smbprotocol.exceptions", "smbprotocol.connection"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf"pip install 'cloudy\[{scheme}\]'"):
        OPENERS[scheme](f"{scheme}://u@host/export", export="/tintri", password="p")


@pytest.mark.parametrize(
    "url",
    [
        "nfs://", "nfs://host", "nfs://host/", "nfs:///export", "nfs://host:port/export", "nfs://host/export?version=5",
        "nfs://host/export?mountport=x", "nfs://host/export?other=1", "nfs://u@host/export", "nfs://host/../export",
        "nfs://host/export?noresvport=maybe", "smb://host/share", "smb://u@host", "smb://u@host/", "smb://u@/share",
        "smb://u@host/share?x=1", "smb://u@host/share/../x", "smb://u@host/share%5C..%5Cx", "smb://u@host:0/share",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_a_mistake_in_the_configuration(url: str) -> None:
    with pytest.raises(ConfigError, match=r"must be|needs|mountport is"):
        OPENERS[url.partition(":")[0]](url, export="/tintri", password="secret")


@pytest.mark.parametrize("scheme", ["nfs", "smb"])
@pytest.mark.parametrize("port", ["", ":12", ":nonsense"])
def test_a_password_in_an_address_is_refused_and_not_told(scheme: str, port: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OPENERS[scheme](f"{scheme}://user:in-the-url@host{port}/share", export="/tintri", password="p")
    assert "in-the-url" not in f"{caught.value!r}{caught.value.__cause__!r}{caught.value.__context__!r}"


def test_a_share_without_its_password_says_where_it_belongs() -> None:
    with pytest.raises(ConfigError, match="CLOUDY_VMSTORES__<NAME>__SHARE_PASSWORD"):
        OPENERS["smb"]("smb://user@host/share", export="/tintri")


@pytest.mark.parametrize(
    "url", ["smb://user:12/34hunter22@host/share", "smb://user:9?hunter22@host/share", "smb://u@h/s?password=hunter22",
            "path:smb://u:hunter22@h/s", "nfs://u@host/x?password=hunter22", "nfs://host/x?mountport=hunter22", "smb://u@h/../hunter22"],
)  # fmt: skip
def test_no_address_is_shown_since_it_may_hold_a_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OPENERS[url.partition(":")[0]](url, export="/tintri", password="p")
    assert "hunter22" not in f"{caught.value!r}{caught.value.__cause__!r}{caught.value.__context__!r}"
