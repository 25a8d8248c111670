"""The simulator as a whole: an HTTP(S) server in a thread, over an export folder that plays `/tintri`."""

import asyncio
import signal
import socket
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn

from integrations.simulators.vmstore import tls
from integrations.simulators.vmstore.api import Api
from integrations.simulators.vmstore.appliance import Appliance
from integrations.simulators.vmstore.calls import Route
from integrations.simulators.vmstore.cinder import Cinder
from integrations.simulators.vmstore.clones import Cloner
from integrations.simulators.vmstore.faults import Fault, Faults
from integrations.simulators.vmstore.ids import Ids
from integrations.simulators.vmstore.inventory import Inventory
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.record import Record
from integrations.simulators.vmstore.sessions import Sessions
from integrations.simulators.vmstore.snapshots import Snapshots
from integrations.simulators.vmstore.state import State
from integrations.simulators.vmstore.tasks import Tasks
from integrations.simulators.vmstore.vms import Vms

_KEEP_ALIVE_S = 60
_START_S = 10.0


class VmstoreSimulator:
    """One VMstore on loopback.

    What it remembers (ids, snapshots' frozen files, its CA) lies in `<export>.state/`, so one that is started again on
    the same export is the same VMstore. The switches in `options` may be changed while it runs.
    """

    def __init__(self, export: Path, options: Options | None = None, **settings: Any) -> None:
        """Settings are fields of Options and win over those given in options."""
        self.export = Path(export).resolve()
        self.options = replace(options or Options(), **settings)
        self.url = ""
        self.ca: Path | None = None  # what a client must trust; None without TLS
        self._faults = Faults()
        self._record = Record()
        self._sessions = Sessions(self.options)
        self._cloner: Cloner | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Every request so far: method, path, query, body (passwords masked), status (0: not answered yet), at."""
        return self._record.rows()

    def start(self) -> str:
        """Serve; gives the URL. OSError: the port is taken."""
        self.export.mkdir(parents=True, exist_ok=True)
        state = State(self.export.with_name(f"{self.export.name}.state"), self.options.fs_uuid)
        listener = _listen(self.options)
        api = Api(self._routes(state), self._sessions, self._faults, self._record)
        self._server = _Server(self._config(api, state.folder))
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._server.serve(sockets=[listener]),), name=self.options.name, daemon=True
        )
        self._thread.start()
        if not self._server.ready.wait(_START_S):
            raise RuntimeError(f"the VMstore simulator {self.options.name} did not start within {_START_S:.0f} s")
        # A second start, after a stop, comes up at the same address.
        self.options.port = listener.getsockname()[1]
        self.url = f"{'http' if self.options.http else 'https'}://{self.options.host}:{self.options.port}"
        return self.url

    def stop(self) -> None:
        """Stop serving and break off clones that are being made; repeating is safe."""
        if self._server and self._thread and self._cloner:
            self._server.leave()
            self._thread.join()
            self._cloner.stop()
        self._server = self._thread = self._cloner = None

    def fail(self, method: str, path: str, *, status: int = 500, **details: Any) -> None:
        """Let the next calls fail; path is a shell pattern, details are fields of Fault: code, times, after, ..."""
        self._faults.order(Fault(method=method, path=path, status=status, **details))

    def hang(self, method: str, path: str, seconds: float, **details: Any) -> None:
        """Let the next calls wait before (or, with after=True, once) they are carried out; details as for fail()."""
        self._faults.order(Fault(method=method, path=path, seconds=seconds, **details))

    def clear_faults(self) -> None:
        """Forget the faults that have not happened yet."""
        self._faults.clear()

    def fail_clones(self, times: int = 1) -> None:
        """Let the tasks of the next clones fail half-way."""
        if self._cloner is None:
            raise RuntimeError("the VMstore simulator is not running")
        self._cloner.doom(times)

    def expire_sessions(self) -> None:
        """Let every session end now."""
        self._sessions.expire_all()

    def _routes(self, state: State) -> Sequence[Route]:
        ids, options = Ids(state.document.fs_uuid), self.options
        vms = Vms(self.export, state, Inventory(self.export, state, options.vms), ids, options)
        snapshots = Snapshots(self.export, state, vms, ids, options)
        self._cloner = Cloner(self.export, state, snapshots, ids, options)
        cinder = Cinder(self.export, state, snapshots)
        appliance, tasks = Appliance(self.export, ids, options), Tasks(state, ids)
        parts = (self._sessions, appliance, vms, snapshots, self._cloner, cinder, tasks)
        return [route for part in parts for route in part.routes]

    def _config(self, api: Api, folder: Path) -> uvicorn.Config:
        cert: Path | None = None
        key: Path | None = None
        if not self.options.http:
            if self.options.tls:
                cert, key = self.options.tls
                self.ca = self.ca or cert
            else:
                self.ca, cert, key = tls.ensure(folder, self.options.name)
        return uvicorn.Config(
            api,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
            ssl_certfile=cert,
            ssl_keyfile=str(key) if key else None,
        )


class _Server(uvicorn.Server):
    """uvicorn without its clock that ticks ten times a second: an idle simulator sleeps."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._leave: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._leave, self._loop = asyncio.Event(), asyncio.get_running_loop()
        self.ready.set()
        await self._leave.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Pull the plug: a polite end would wait for every idle client."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # lets the connections notice
        for task in list(self.server_state.tasks):
            task.cancel()
        await super().shutdown(sockets)

    def leave(self) -> None:
        """End, from any thread."""
        if self._loop and self._leave:
            self._loop.call_soon_threadsafe(self._leave.set)


def run(
    export: Path,
    port: int = 0,
    http: bool = False,
    user: str = "admin",
    password: str = "secret",  # noqa: S107 - a stand-in's
    fs_uuid: str | None = None,
    vms: int = 0,
) -> int:
    """Serve until SIGTERM or SIGINT. The first line printed is the URL."""
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    options = Options(port=port, http=http, user=user, password=password, fs_uuid=fs_uuid, vms=vms)
    simulator = VmstoreSimulator(export, options)
    print(simulator.start(), flush=True)
    if simulator.ca:
        print(f"CA: {simulator.ca}", flush=True)
    done.wait()
    simulator.stop()
    return 0


def _listen(options: Options) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in options.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
    except OSError:
        listener.close()
        raise
    return listener
