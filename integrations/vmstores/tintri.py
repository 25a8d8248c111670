"""The client of a VMstore's REST API, family v310.

Facts are from the published API documentation (github.com/Tintri/tintri-rest-api) and from what Tintri's own clients
do; where those leave a question, the code takes every answer that they allow.
"""

import difflib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bot.errors import AmbiguousName, DeniedError, MissingError, NotFound, PermanentError, RemoteError, TransientError
from bot.model import Disk, Headroom, Json, Snapshot, Task, Vm, VMstoreInfo
from integrations.http import Answer, HttpSession, refusal
from integrations.vmstores import tintri_specs as specs
from integrations.vmstores import tintri_words as words

_API = "/api/v310"
_OLDEST_MINOR = 21  # the first whose documentation has all that is used here
_PAGE = "500"
_SESSION_OVER = "ERR-API-0104"
_NOTHING_FOUND = "ERR-API-0201"
_GONE = frozenset({"ERR-API-8001", "ERR-API-3214"})
_DENIED = frozenset({"ERR-API-0124", "ERR-API-6010"})
_NOT_CREATED = "ERR-API-3106"  # a snapshot; also when there are too many, or too little space
_MOST_SNAPSHOTS = 128  # of one VM; Tintri REST v310, SnapshotSpec.retentionMinutes
_SNAPSHOTS_STOP = "com.tintri.space.usedPercentDisableSnapshotsThreshold"
_BUSY = frozenset({"ERR-API-9013"})


class TintriVMstore:
    """One VMstore and one session on it, shared by all threads. Nothing is repeated here but a call after re-login."""

    def __init__(
        self,
        name: str,
        *,
        url: str,
        user: str,
        password: str,
        ca: Path | None = None,
        export: str = "/tintri",
        timeout_s: float = 30.0,
    ) -> None:
        self.name = name
        self._http = HttpSession(url, system=name, ca=ca, connect_s=min(5.0, timeout_s), read_s=timeout_s)
        self._user = user
        self._password = password
        self._export = export
        self._session = ""
        self._renewing = threading.Lock()

    def __repr__(self) -> str:
        return f"TintriVMstore({self.name!r}, url={self._http.url!r}, user={self._user!r})"

    # --- the session ---

    def info(self) -> VMstoreInfo:
        """Ask what it is, without login."""
        operation = "say what it is"
        answer = self._http.send("GET", "/api/info", operation=operation)
        if not answer.ok and answer.status != 404:
            raise self._error(answer, operation)
        body = answer.json if isinstance(answer.json, dict) else {}
        product, versions = words.product(body), words.versions(body)
        if "global center" in product.lower():
            raise self._no(
                operation,
                f"{self._http.url} is a {product}, which manages VMstores but has no snapshots to clone. "
                "Set `url` to the VMstore itself.",
            )
        if "vmstore" not in product.lower():
            raise self._no(operation, f"{self._http.url} is not a VMstore ({product or 'no answer of that kind'}).")
        minors = [minor for family, minor in versions if family == 310]
        if not minors or max(minors) < _OLDEST_MINOR:
            spoken = ", ".join(f"v{family}.{minor}" for family, minor in versions) or "none"
            raise self._no(
                operation,
                f"{self.name} speaks REST API {spoken}; Cloudy needs v310.{_OLDEST_MINOR} or a later v310. "
                "Upgrade the VMstore's operating system.",
            )
        return VMstoreInfo(product=product, api_version=f"v310.{max(minors)}")

    def login(self) -> None:
        """Open the session; one that is open is closed by its own expiry."""
        with self._renewing:
            self._open_session()

    def logout(self) -> None:
        """Close the session, which is forgotten here even when the VMstore cannot be told."""
        with self._renewing:
            session, self._session = self._session, ""
        if session:
            # By GET, though newer documentation prefers POST: all known clients send it, so all releases take it.
            answer = self._http.send("GET", f"{_API}/session/logout", operation="log out", headers=_cookie(session))
            if not answer.ok and not self._is_expired(answer):
                raise self._error(answer, "log out")

    def _open_session(self) -> None:
        self._session = ""
        body = specs.credentials(self._user, self._password)
        answer = self._http.send("POST", f"{_API}/session/login", operation="log in", body=body)
        error = words.error(answer)
        if answer.status in (401, 403) or error.code in _DENIED or "Authentication failed" in error.text:
            raise DeniedError(
                f"{self.name} refused the login of user {self._user!r}{self._cleaned(error.in_brackets)}. "
                "Check `user` and the password in the configuration.",
                system=self.name,
                operation="log in",
                code=error.code,
            )
        if not answer.ok:
            raise self._error(answer, "log in")
        self._session = words.session(answer)
        if not self._session:
            raise self._no("log in", f"{self.name} took the login but gave no session. Is {self._http.url} a VMstore?")

    def _renew(self, expired: str) -> str:
        """Log in again, unless another thread has done it since."""
        with self._renewing:
            if self._session == expired:
                self._open_session()
            return self._session

    # --- VMs ---

    def find_vm(self, name: str, *, is_quick: bool = False) -> Vm:
        """Look a live VM up by its exact name; upper and lower case are different names."""
        # The VMstore's own filter may match parts of names or none at all, so it only makes the common case quick.
        found = [item for item in self._live(name=name) if words.name(item) == name]
        if not found and is_quick:
            raise NotFound(f"{self.name} finds no live VM called {name}.", ())
        if not found:
            everything = list(self._live())
            found = [item for item in everything if words.name(item) == name]
            if not found:
                near = _near(name, [words.name(item) for item in everything])
                hint = f" Did you mean {', '.join(near)}?" if near else ""
                raise NotFound(f"There is no live VM called {name} on {self.name}.{hint}", near)
        if len(found) > 1:
            lines = [f"{name}, {words.uuid_of(item)}, {words.whereabouts(item)}" for item in found]
            raise AmbiguousName(f"{len(found)} live VMs on {self.name} are called {name}.", lines)
        return words.vm(found[0], self.name, disks=self._disks(words.uuid_of(found[0])))

    def get_vm(self, uuid: str) -> Vm:
        """Get a live VM, disks included."""
        operation = "get a VM"
        item = self._object("GET", f"/vm/{_quoted(uuid)}", operation)
        if not words.is_live(item):
            raise MissingError(
                f"The VM {words.name(item)} ({uuid}) on {self.name} is not live any more.",
                system=self.name,
                operation=operation,
            )
        return words.vm(item, self.name, disks=self._disks(uuid))

    def list_vms(self) -> Iterator[Vm]:
        """All live VMs, page by page, without disks."""
        return (words.vm(item, self.name) for item in self._live())

    def _live(self, **filters: str) -> Iterator[Json]:
        return (item for item in self._items("/vm", "list VMs", live="true", **filters) if words.is_live(item))

    def _disks(self, vm_uuid: str) -> tuple[Disk, ...]:
        items = self._items("/virtualDisk", "list a VM's disks", vmUuid=vm_uuid)
        return words.disks((item for item in items if words.belongs_to(item, vm_uuid)), self._export)

    # --- snapshots ---

    def headroom(self, vm_uuid: str) -> Headroom:
        """Count the VM's snapshots, and ask how full the datastore is; older releases and lesser roles tell less."""
        items = self._items("/snapshot", "count a VM's snapshots", vmUuid=vm_uuid)
        stat = self._optional("/datastore/default/statsSummary", "say how full it is")
        stops_at = self._optional(f"/datastore/default/systemProperty/{_SNAPSHOTS_STOP}", "say its space thresholds")
        return Headroom(
            snapshots=sum(1 for item in items if words.uuid_of(item, "vmUuid") in ("", vm_uuid)),
            most_snapshots=_MOST_SNAPSHOTS,
            used_percent=words.used_percent(stat),
            stops_at_percent=words.number(stops_at.get("value")),
        )

    def create_snapshot(
        self, vm_uuid: str, label: str, *, consistency: str, note: str, retention_minutes: int
    ) -> Snapshot:
        """Take a snapshot, or find the one with that label.

        retention_minutes: 0 or less keeps it until it is deleted; the VMstore's least is 60. It is a safety net only:
        the documentation contradicts itself on whether it counts for snapshots made by hand.
        """
        operation = "create a snapshot"
        if consistency not in words.CONSISTENCIES:
            raise self._no(operation, f"The consistency {consistency!r} is not known; use crash or vm.")
        made = [one for one in self._snapshots(label, vmUuid=vm_uuid) if one.vm_uuid in ("", vm_uuid)]
        if made:
            return min(made, key=lambda one: one.taken_at)
        wanted = words.CONSISTENCIES[consistency]
        spec = specs.snapshot(vm_uuid, f"{label} {note}".strip(), wanted, retention_minutes)
        uuid = words.first_uuid(self._created(vm_uuid, operation, spec).json)
        if not uuid:
            raise self._no(operation, f"{self.name} did not say which snapshot it created.")
        return words.snapshot(self._object("GET", f"/snapshot/{_quoted(uuid)}", "read a snapshot"))

    def _created(self, vm_uuid: str, operation: str, spec: Json) -> Answer:
        try:
            return self._call("POST", "/snapshot", operation, body=[spec])
        except TransientError as error:
            why = self.headroom(vm_uuid).refusal("The VM", self.name) if error.code == _NOT_CREATED else ""
            if not why:
                raise
            raise PermanentError(
                f"{error.message} {why}", system=self.name, operation=operation, code=error.code
            ) from error

    def find_snapshots(self, label: str) -> tuple[Snapshot, ...]:
        """All snapshots whose description is the label, or begins with it and a space."""
        return tuple(self._snapshots(label))

    def list_snapshots(self, containing: str) -> tuple[Snapshot, ...]:
        """All snapshots whose description contains the text.

        The VMstore's own filter also looks at names of VMs and does not mind the case, so it is only to save pages.
        """
        items = self._items("/snapshot", "list snapshots", contain=containing)
        found = (words.snapshot(item) for item in items if not item.get("isDeleted"))
        return tuple(snapshot for snapshot in found if containing in snapshot.description)

    def delete_snapshot(self, uuid: str) -> None:
        """Remove it; gone already is fine."""
        operation = "delete a snapshot"
        answer = self._answer("DELETE", f"/snapshot/{_quoted(uuid)}", operation)
        error = words.error(answer)
        if answer.ok or answer.status == 404 or error.code in _GONE or "Failed to lookup" in error.text:
            return
        if "still present" in error.text:
            raise TransientError(
                f"{self.name} keeps the snapshot {uuid} while a clone of it is there{error.in_brackets}.",
                system=self.name,
                operation=operation,
                code=error.code,
            )
        raise self._error(answer, operation)

    def _snapshots(self, label: str, **filters: str) -> Iterator[Snapshot]:
        for item in self._items("/snapshot", "list snapshots", contain=label, **filters):
            snapshot = words.snapshot(item)
            if f"{snapshot.description} ".startswith(f"{label} ") and not item.get("isDeleted"):
                yield snapshot

    # --- clones ---

    def clone_files(self, snapshot_uuid: str, directory: str) -> str:
        """Start a copy-out clone. Never sent twice, not even after a re-login."""
        return self._begun("/vm", "clone a snapshot", specs.copy_out(snapshot_uuid, directory), "makes the clone")

    def sync_vm(self, vm_uuid: str, snapshot_uuid: str, disks: Sequence[tuple[str, str]] = ()) -> str:
        """Start a SyncVM (`POST /vm/sync`, since v310.21). Never sent twice, not even after a re-login.

        The documents have it stop the VM and start it again, unless it is off or its disks alone are put back. A
        snapshot that is not there is ERR-API-3701 to the VMstore, as whatever else fails, so it is looked for first.
        """
        operation = "put a VM back to a snapshot"
        self._object("GET", f"/snapshot/{_quoted(snapshot_uuid)}", operation)
        return self._begun("/vm/sync", operation, specs.sync(vm_uuid, snapshot_uuid, disks), "puts the VM back")

    def open_sync_tasks(self) -> tuple[Task, ...]:
        """SyncVM tasks that have not ended."""
        return self._open_tasks(words.is_sync)

    def _begun(self, path: str, operation: str, spec: Json, what: str) -> str:
        task = words.first_object(self._call("POST", path, operation, body=spec, again=False).json)
        uuid = words.uuid_of(task)
        if not uuid:
            raise self._no(operation, f"{self.name} did not say which task {what}.")
        return uuid

    def task(self, task_id: str) -> Task:
        """Where a task stands. Ids look like "cloneVM@07-01-18:43:03.653"."""
        return words.task(self._object("GET", f"/task/{_quoted(task_id)}", "read a task"))

    def open_clone_tasks(self) -> tuple[Task, ...]:
        """Clone tasks that have not ended."""
        return self._open_tasks(words.is_clone)

    def _open_tasks(self, is_meant: Callable[[Json], bool]) -> tuple[Task, ...]:
        # No filter goes along: of which type the task of a copy-out clone is, the documentation does not say.
        found = (words.task(item) for item in self._items("/task", "list tasks") if is_meant(item))
        return tuple(task for task in found if not task.is_final)

    # --- calls ---

    def _object(self, method: str, path: str, operation: str) -> Json:
        item = words.first_object(self._call(method, path, operation).json)
        if not item:
            raise self._no(operation, f"{self.name} answered something that is not what its API describes.")
        return item

    def _items(self, path: str, operation: str, **filters: str) -> Iterator[Json]:
        """All items of a collection, asking for one page after the other."""
        params: Mapping[str, str] | None = {**filters, "limit": _PAGE}
        query, asked = "", set[str]()
        while query not in asked:
            asked.add(query)
            answer = self._answer("GET", path + query, operation, params=params)
            if words.error(answer).code == _NOTHING_FOUND:
                return
            page = self._good(answer, operation).json
            items, following = words.page(page)
            if items is None:
                raise self._no(operation, f"{self.name} answered something that is not a list.")
            yield from items
            if not following:
                return
            query, params = f"?{following}", None
        raise self._no(operation, f"{self.name} names the same page as the next one again and again.")

    def _optional(self, path: str, operation: str) -> Json:
        """What not every release or role can be asked for; empty then."""
        try:
            return words.first_object(self._call("GET", path, operation).json)
        except PermanentError:
            return {}

    def _call(self, method: str, path: str, operation: str, *, body: Any = None, again: bool = True) -> Answer:
        return self._good(self._answer(method, path, operation, body=body, again=again), operation)

    def _answer(
        self,
        method: str,
        path: str,
        operation: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        again: bool = True,
    ) -> Answer:
        """Ask within the session. An expired one is renewed once; `again` allows the call to be repeated then."""
        session = self._session or self._renew("")
        answer = self._send(method, path, operation, session, params, body)
        if not self._is_expired(answer):
            return answer
        session = self._renew(session)
        if not again:
            raise TransientError(
                f"The session on {self.name} had expired when it was to {operation}; nothing was done, it is renewed.",
                system=self.name,
                operation=operation,
                code=words.error(answer).code,
            )
        return self._send(method, path, operation, session, params, body)

    def _send(
        self, method: str, path: str, operation: str, session: str, params: Mapping[str, str] | None, body: Any
    ) -> Answer:
        return self._http.send(
            method, _API + path, operation=operation, headers=_cookie(session), params=params, body=body
        )

    def _is_expired(self, answer: Answer) -> bool:
        return answer.status == 401 or (not answer.ok and words.error(answer).code == _SESSION_OVER)

    def _good(self, answer: Answer, operation: str) -> Answer:
        if answer.ok:
            return answer
        raise self._error(answer, operation)

    def _error(self, answer: Answer, operation: str) -> RemoteError:
        error = words.error(answer)
        told = self._cleaned(error.in_brackets) or f" (HTTP status {answer.status})"
        text = f"{self.name} did not {operation}{told}."
        for codes, kind in ((_BUSY, TransientError), (_GONE, MissingError), (_DENIED, DeniedError)):
            if error.code in codes:
                return kind(text, system=self.name, operation=operation, code=error.code)
        if target := answer.headers.get("Location"):
            text = f"{text} It points to {target}: correct `url`."
        return refusal(answer, text, system=self.name, operation=operation, code=error.code)

    def _no(self, operation: str, text: str) -> PermanentError:
        return PermanentError(text, system=self.name, operation=operation)

    def _cleaned(self, text: str) -> str:
        """Without the password, should the other side repeat what it was sent."""
        return text.replace(self._password, "***") if self._password else text


def _cookie(session: str) -> dict[str, str]:
    return {"Cookie": f"JSESSIONID={session}"}


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _near(name: str, names: list[str]) -> tuple[str, ...]:
    """The nearest names; case does not count here."""
    by_folded = {one.casefold(): one for one in names}
    return tuple(by_folded[one] for one in difflib.get_close_matches(name.casefold(), by_folded, n=5, cutoff=0.5))
