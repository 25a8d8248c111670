"""The datastore that is the VMstore's export: where it is in the inventory, and its small files.

Files by HTTP below /folder: "HTTP Access to vSphere Server Files", vSphere Web Services SDK Programming Guide. Reading
takes the right Datastore.Browse, writing Datastore.FileManagement.
"""

import posixpath
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import quote

from pyVmomi import vim

from bot.errors import PermanentError
from integrations.http import Answer, refusal
from integrations.hypervisors.vsphere.connection import Session

# Extents and maps of changed blocks: a host lists disks as one thing.
_HIDDEN = re.compile(r".*-(flat|delta|sesparse|ctk|rdmp?|[sf]\d{3})\.vmdk", re.IGNORECASE)


class Datastore:
    """One, found by its name; with its session it can be asked for files. Paths are relative to it."""

    def __init__(self, session: Session, system: str, name: str) -> None:
        """PermanentError: there is none of that name, or several, or it cannot be used."""
        self._session = session
        self._system = system
        place, _, plain = name.rpartition("/")
        found = [
            (center, store)
            for center, told in session.below(session.content.rootFolder, vim.Datacenter, "name")
            if place in ("", told.get("name"))
            for store, of_store in dict(
                session.of(center, "datastore", vim.Datastore, "name", "summary.accessible")
            ).items()
            if of_store.get("name") == plain and of_store.get("summary.accessible", True)
        ]
        if len(found) != 1:
            many = f"{len(found)} datastores called" if found else "no datastore that can be used is called"
            raise self._refused(f"{many} {plain!r}; `datastore` is its name, or datacenter/name")
        self.name = plain
        self.center, self.store = found[0]
        self._center_path = _path_of(session, self.center)

    def path(self, file: str) -> str:
        """As vSphere writes it: "[tintri] vm01/vm01.vmx"."""
        return f"[{self.name}] {file}"

    def inside(self, path: str) -> str:
        """The part of such a path that is relative to it; "": it is not on this datastore."""
        below = path.removeprefix(f"[{self.name}] ")
        return below if below != path and not {"", ".", ".."} & set(below.split("/")) else ""

    def read(self, file: str) -> bytes:
        """A small file. MissingError; DeniedError."""
        answer = self._send("GET", file, None)
        if not answer.ok:
            raise self._refusal(answer, "read", file)
        return answer.content

    def write(self, file: str, body: bytes) -> None:
        """Give a small file these bytes, or make it: under another name first, so that it is never half a file."""
        draft = f"{file}.part"
        answer = self._send("PUT", draft, body)
        if not answer.ok:
            raise self._refusal(answer, "write", file)
        task = self._session.content.fileManager.MoveDatastoreFile_Task(
            self.path(draft), self.center, self.path(file), self.center, True
        )
        self._session.result(task)

    def overwrite(self, file: str, body: bytes) -> None:
        """The same at once, for a descriptor of a disk, which a host would not move as a file."""
        answer = self._send("PUT", file, body)
        if not answer.ok:
            raise self._refusal(answer, "write", file)

    def missing(self, directory: str, files: Collection[str]) -> tuple[str, ...]:
        """Those of the files below the directory that a host does not see; those that hosts never list are not told."""
        browser = self._session.property(self.store, "browser")
        spec = vim.host.DatastoreBrowser.SearchSpec(
            matchPattern=["*"], details=vim.host.DatastoreBrowser.FileInfo.Details(fileSize=True)
        )
        task = browser.SearchDatastoreSubFolders_Task(self.path(directory), spec)
        try:
            folders = self._session.result(task)
        except vim.fault.FileNotFound:
            return (directory,)
        there = {
            posixpath.join(self.inside(folder.folderPath.rstrip("/")), each.path)
            for folder in folders
            for each in folder.file
        }
        return tuple(file for file in files if file not in there and not _HIDDEN.fullmatch(file))

    def _send(self, method: str, file: str, body: bytes | None) -> Answer:
        return self._session.http.send(
            method,
            f"/folder/{quote(file)}",
            operation="reach a file on the datastore",
            params={"dcPath": self._center_path, "dsName": self.name},
            headers={"Cookie": self._session.cookie, "Accept": "*/*", "Content-Type": "application/octet-stream"},
            body=body,
        )

    def _refusal(self, answer: Answer, what: str, file: str) -> Exception:
        right = "Datastore.Browse" if what == "read" else "Datastore.FileManagement"
        more = f" Its user needs the right {right} there." if answer.status in (401, 403) else ""
        return refusal(
            answer,
            f"{self._system} does not let {self.path(file)} be {'read' if what == 'read' else 'written'}"
            f" (HTTP {answer.status}).{more}",
            system=self._system,
            operation=f"{what} a file on the datastore",
            code=f"HTTP {answer.status}",
        )

    def _refused(self, why: str) -> PermanentError:
        return PermanentError(f"{self._system}: {why}.", system=self._system, operation="find the datastore")


def _path_of(session: Session, center: Any) -> str:
    """Of a datacenter in the inventory, without the folder that everything is in."""
    names: list[str] = []
    while center is not None and center != session.content.rootFolder:
        told = session.one(center, "name", "parent")
        names.insert(0, str(told.get("name", "")))
        center = told.get("parent")
    return "/".join(names)
