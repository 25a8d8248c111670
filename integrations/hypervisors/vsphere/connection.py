"""One session on a vCenter or ESXi host: opened when it is first needed, again when it has ended, closed at the end.

Each request ends when nothing came for the time-out. Tasks are waited for by asking for three of their properties:
their whole record holds more than some servers can tell.
"""

import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pyVmomi import SoapStubAdapter, VmomiSupport, vim, vmodl

from bot.errors import ConfigError, DeniedError, PermanentError, RemoteError, TransientError
from bot.model import LARGEST_DEFINITION
from integrations.http import HttpSession
from integrations.hypervisors.vsphere.failures import RAISED, in_words

T = TypeVar("T")
TASK_FACTOR = 10  # a task may take as many times the time-out of a call: hosts open files, and ask each other
_PAGE = 200  # objects of one answer
_IDLE_S = 20  # a connection that was not used for longer is not used again: the other side may have closed it
_FIRST_LOOK_S, _LAST_LOOK_S = 0.05, 1.0
_QUERY = vmodl.query.PropertyCollector


def id_of(what: Any) -> str:
    """vSphere's own id of an object: "vm-42"."""
    return str(what._moId)  # noqa: SLF001 - the library has no other way to it


class Session:
    """What is asked while one is logged in. Objects of the library know the session that they came from."""

    def __init__(self, stub: Any, http: HttpSession, timeout_s: float) -> None:
        self.stub = stub
        self.http = http
        self.timeout_s = timeout_s
        self.content = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()

    @property
    def cookie(self) -> str:
        """What the datastore's HTTP takes for the same session."""
        return str(self.stub.cookie).partition(";")[0]

    def one(self, what: Any, *paths: str) -> dict[str, Any]:
        """Properties of one object; what it does not have, or we may not see, is left out."""
        return next((found for _, found in self._collect(what, type(what), paths, [])), {})

    def property(self, what: Any, path: str) -> Any:
        """One property that every such object has. NoPermission: we may not see it."""
        found = self.one(what, path).get(path)
        if found is None:
            raise vim.fault.NoPermission(object=what, privilegeId="System.Read")
        return found

    def of(self, what: Any, path: str, kind: Any, *paths: str) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Properties of all objects of the kind that a property of `what` names."""
        way = _QUERY.TraversalSpec(name="way", type=type(what), path=path, skip=False)
        return self._collect(what, kind, paths, [way])

    def below(self, what: Any, kind: Any, *paths: str) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Properties of all objects of the kind that are somewhere below in the inventory."""
        view = self.content.viewManager.CreateContainerView(what, [kind], True)
        try:
            yield from self.of(view, "view", kind, *paths)
        finally:
            with suppress(*RAISED):  # it ends with the session
                view.DestroyView()

    def result(self, task: Any, on_wait: Callable[[], None] = lambda: None) -> Any:
        """Wait until a task has ended; give its result or raise its fault. TimeoutError."""
        end, pause = time.monotonic() + TASK_FACTOR * self.timeout_s, _FIRST_LOOK_S
        while True:
            told = self.one(task, "info.state", "info.error", "info.result")
            if told.get("info.state") == "success":
                return told.get("info.result")
            if told.get("info.state") == "error":
                raise told["info.error"]
            on_wait()
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(pause)
            pause = min(_LAST_LOOK_S, pause * 1.5)

    def _collect(
        self, what: Any, kind: Any, paths: Sequence[str], ways: list[Any]
    ) -> Iterator[tuple[Any, dict[str, Any]]]:
        wanted = _QUERY.FilterSpec(
            propSet=[_QUERY.PropertySpec(type=kind, pathSet=list(paths))],
            objectSet=[_QUERY.ObjectSpec(obj=what, skip=bool(ways), selectSet=ways)],
        )
        collector = self.content.propertyCollector
        page = collector.RetrievePropertiesEx([wanted], _QUERY.RetrieveOptions(maxObjects=_PAGE))
        while page is not None:
            for each in page.objects:
                yield each.obj, {found.name: found.val for found in each.propSet}
            page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None


class Connection:
    """The one session that a hypervisor keeps. Its calls may come from several threads."""

    def __init__(self, name: str, url: str, login: tuple[str, str], ca: str, timeout_s: float) -> None:
        """ConfigError: an address that cannot be one. It asks nothing yet."""
        self._name = name
        self._login = login
        self._ca = Path(ca) if ca else None
        self._timeout_s = timeout_s
        if not re.match("https:", url, re.IGNORECASE):  # not repeated: it may hold a password
            raise ConfigError([f"hypervisors.{name}.url is no address of a vCenter, like https://vcenter.example.com"])
        self._url = re.sub(r"(/sdk)?/*$", "", url)
        self._session: Session | None = None
        self._http = self._dialled()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Connection({self._name!r}, {self._url!r})"

    def ask(self, operation: str, work: Callable[[Session], T]) -> T:
        """Give what the work makes of the session; it is done once more from its beginning if the session had ended.

        Errors of bot.errors only.
        """
        try:
            session = self._opened(None)
            try:
                return work(session)
            except vim.fault.NotAuthenticated:
                return work(self._opened(session))
        except RAISED as error:
            failure = in_words(error, self._name, operation)
            cause: Exception = error
        raise failure from cause

    def close(self) -> None:
        """Log out; the next call logs in again."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            with suppress(*RAISED):  # whoever is gone has no session either
                session.content.sessionManager.Logout()
            session.stub.DropConnections()
        self._http.close()

    def _opened(self, former: Session | None) -> Session:
        """The session, another one than the former."""
        with self._lock:
            if self._session is None or self._session is former:
                ended, self._session = self._session, None
                if ended is not None:
                    ended.stub.DropConnections()
                self._session = self._logged_in()
            return self._session

    def _logged_in(self) -> Session:
        version = self._version()
        parts = urlsplit(self._url)
        stub = SoapStubAdapter(
            host=parts.hostname,
            port=parts.port or 443,
            path="/sdk",
            version=version,
            sslContext=ssl.create_default_context(cafile=str(self._ca) if self._ca else None),
            httpConnectionTimeout=self._timeout_s,
            connectionPoolTimeout=_IDLE_S,
        )
        session = Session(stub, self._http, self._timeout_s)
        session.content.sessionManager.Login(*self._login)
        return session

    def _version(self) -> str:
        """The newest version of the API that both sides speak. PermanentError: there is none."""
        try:
            answer = self._http.send("GET", "/sdk/vimServiceVersions.xml", operation="tell its versions")
        except TransientError:
            raise
        except PermanentError as error:  # TLS
            raise self._failure(DeniedError, error.message) from error
        if answer.status >= 500:
            raise self._failure(TransientError, f"{self._url} is there, and does not work yet (HTTP {answer.status}).")
        theirs = set(re.findall(rb"<version>\s*([\w.]+)\s*</version>", answer.content)) if answer.ok else set()
        for each in VmomiSupport.GetServiceVersions("vim25"):
            if VmomiSupport.versionIdMap.get(each, "").encode() in theirs - {b""}:
                return str(each)
        raise self._failure(PermanentError, f"{self._url} is no vCenter or ESXi host that Cloudy can talk to.")

    def _failure(self, kind: type[RemoteError], message: str) -> RemoteError:
        return kind(message, system=self._name, operation="log in")

    def _dialled(self) -> HttpSession:
        return HttpSession(
            self._url, system=self._name, ca=self._ca, read_s=self._timeout_s, largest=2 * LARGEST_DEFINITION
        )
