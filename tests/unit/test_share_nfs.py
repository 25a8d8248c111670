"""What a share by NFS makes of a file's numbers: the same one under two names, and where another file system begins."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from nfs_rs import DirEntry, FileInfo, FileType

from bot.errors import MissingError, PermanentError
from integrations.shares.nfs import NfsShare


def info(path: str, fileid: int, *, fsid: int = 1, nlink: int = 1, is_dir: bool = False) -> FileInfo:
    kind = FileType.DIRECTORY if is_dir else FileType.FILE
    return FileInfo(path, kind, 0o600, nlink, 0, 0, 3, 0, fsid, fileid, 0, 0, 0, None, None)


@dataclass
class Server:
    """What lies on it, and what was asked of it that changes something."""

    things: dict[str, FileInfo]
    changed: list[str] = field(default_factory=list)

    def stat(self, path: str) -> FileInfo:
        if path not in self.things:
            raise FileNotFoundError(path)
        return self.things[path]

    def scandir(self, path: str) -> list[DirEntry]:
        inside = [one for one in self.things if one.rpartition("/")[0] == path]
        return [DirEntry(one.rpartition("/")[2], one, self.things[one]) for one in inside]

    def link(self, path: str, new: str) -> None:
        self.changed.append(f"link {path} {new}")

    def rename(self, path: str, new: str) -> None:
        self.changed.append(f"rename {path} {new}")

    def remove(self, path: str, **_: bool) -> None:
        self.changed.append(f"remove {path}")

    def rmdir(self, path: str) -> None:
        self.changed.append(f"rmdir {path}")


def opened(server: Server) -> NfsShare:
    return NfsShare(
        cast(Any, lambda *_: server), "/tintri", "", export="/tintri", timeout_s=5.0, name="nfs://host/tintri"
    )


def test_a_second_name_of_a_try_before_this_one_is_where_the_first_one_goes() -> None:
    server = Server({"old": info("old", 7, nlink=2), "new": info("new", 7, nlink=2)})
    opened(server).rename("old", "new")
    assert server.changed == ["remove old"]


@pytest.mark.parametrize(
    "there",
    [info("new", 7, fsid=2, nlink=2), info("new", 8, nlink=2)],
    ids=["of another file system", "another number"],
)
def test_a_file_of_another_number_or_file_system_is_another_file(there: FileInfo) -> None:
    server = Server({"old": info("old", 7, nlink=2), "new": there})
    with pytest.raises(PermanentError, match="is there already"):
        opened(server).rename("old", "new")
    assert server.changed == []


def test_one_name_that_the_server_writes_in_two_ways_is_not_removed() -> None:
    server = Server({"Disk": info("Disk", 7), "disk": info("disk", 7)})
    with pytest.raises(PermanentError, match="is there already"):
        opened(server).rename("disk", "Disk")
    assert server.changed == []


def test_a_tree_is_removed_and_not_what_is_mounted_in_it() -> None:
    things = [info("clone", 1, is_dir=True), info("clone/mnt", 2, fsid=2, is_dir=True), info("clone/mnt/theirs", 3)]
    server = Server({one.path: one for one in things})
    with pytest.raises(PermanentError, match=r"clone/mnt.*another file system.*Unmount"):
        opened(server).remove_tree("clone")
    assert server.changed == []


def test_a_file_is_no_tree_to_be_removed() -> None:
    server = Server({"clone": info("clone", 1)})
    with pytest.raises(PermanentError, match="not a directory") as caught:
        opened(server).remove_tree("clone")
    assert not isinstance(caught.value, MissingError)
    assert server.changed == []
