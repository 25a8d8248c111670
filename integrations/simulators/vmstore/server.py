"""The simulator as a whole: an HTTP(S) server and a control endpoint, over an export folder that plays `/tintri`."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from integrations.simulators.ending import asked_to_end
from integrations.simulators.vmstore import tls
from integrations.simulators.vmstore.api import Api
from integrations.simulators.vmstore.control import Control
from integrations.simulators.vmstore.faults import Fault, Faults, TaskFault
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.orders import Orders
from integrations.simulators.vmstore.parts import Parts
from integrations.simulators.vmstore.record import Record
from integrations.simulators.vmstore.serving import Server, config, listen, serve
from integrations.simulators.vmstore.state import State

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
        self.control = ""  # URL of the control endpoint
        self.ca: Path | None = None  # what a client must trust; None without TLS
        self._faults = Faults()
        self._orders = Orders(self._faults, self.options)
        self._record = Record()
        self._parts: Parts | None = None
        self._servers: list[Server] = []
        self._thread: threading.Thread | None = None

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Every request so far: method, path, query, body (passwords masked), status (0: not answered yet), at."""
        return self._record.rows()

    def start(self) -> str:
        """Serve; gives the URL. OSError: a port is taken."""
        self.export.mkdir(parents=True, exist_ok=True)
        options = self.options
        listener = listen(options.host, options.port)
        try:
            control_listener = listen(options.host, options.control_port)
        except OSError:
            listener.close()
            raise
        # A second start, after a stop, comes up at the same addresses.
        options.port, options.control_port = listener.getsockname()[1], control_listener.getsockname()[1]
        self.url = f"{'http' if options.http else 'https'}://{options.host}:{options.port}"
        self.control = f"http://{options.host}:{options.control_port}"
        self._servers = self._built()
        work = serve(*zip(self._servers, (listener, control_listener), strict=True))
        self._thread = threading.Thread(target=asyncio.run, args=(work,), name=options.name, daemon=True)
        self._thread.start()
        if not all(server.ready.wait(_START_S) for server in self._servers):
            raise RuntimeError(f"the VMstore simulator {options.name} did not start within {_START_S:.0f} s")
        return self.url

    def stop(self) -> None:
        """Stop serving and break off clones that are being made; repeating is safe."""
        for server in self._servers:
            server.leave()
        if self._thread:
            self._thread.join()
        if self._parts:
            self._parts.stop()
        self._servers, self._thread, self._parts = [], None, None

    def fail(self, method: str, path: str, *, status: int = 500, **details: Any) -> None:
        """Let the next calls fail; path is a shell pattern, details are fields of Fault: code, times, after, ..."""
        self._faults.order(Fault(method=method, path=path, status=status, **details))

    def hang(self, method: str, path: str, seconds: float, **details: Any) -> None:
        """Let the next calls wait before (or, with after=True, once) they are carried out; details as for fail()."""
        self._faults.order(Fault(method=method, path=path, seconds=seconds, **details))

    def order(self, what: str, times: int = 1) -> None:
        """Order a fault by its name in `orders.listing()`, as the control endpoint does. LookupError: no such name."""
        self._orders.order(what, times)

    def clear_faults(self) -> None:
        """Forget the faults that have not happened yet."""
        self._faults.clear()

    def fail_clones(self, times: int = 1, kind: TaskFault = "fails") -> None:
        """Let the tasks of the next clones fail half-way, or end in another bad way."""
        self._faults.order_task(kind, times)

    def clone(self, vm: str, name: str) -> None:
        """Let a person clone a VM; it is there when this returns. LookupError: no such VM, or a VM has that name."""
        if self._parts is None:
            raise LookupError(f"{self.options.name} is switched off")
        self._parts.cloner.clone(vm, name)

    def expire_sessions(self) -> None:
        """Let every session end now."""
        if self._parts:
            self._parts.sessions.expire_all()

    def _built(self) -> list[Server]:
        """The API's server and the control endpoint's."""
        state = State(self.export.with_name(f"{self.export.name}.state"), self.options.fs_uuid)
        parts = self._parts = Parts(self.export, state, self.options, self._faults)
        control = Control(self._faults, self._orders, self.options, parts.sessions, self._record)
        api = Api(parts.routes, parts.sessions, self._faults, self._record)
        server = Server(config(api, *self._certificate(state.folder)))
        api.cut = server.cut
        return [server, Server(config(control.app))]

    def _certificate(self, folder: Path) -> tuple[Path | None, Path | None]:
        if self.options.http:
            return None, None
        if self.options.tls:
            self.ca = self.ca or self.options.tls[0]
            return self.options.tls
        self.ca, cert, key = tls.ensure(folder, self.options.name)
        return cert, key


def run(export: Path, **settings: Any) -> int:
    """Serve until SIGTERM or SIGINT; settings are fields of Options.

    The lines printed: the URL, "CA: <path>" unless it is plain HTTP, "control: <URL>".
    """
    wait = asked_to_end()
    simulator = VmstoreSimulator(export, **settings)
    print(simulator.start(), flush=True)
    if simulator.ca:
        print(f"CA: {simulator.ca}", flush=True)
    print(f"control: {simulator.control}", flush=True)
    wait()
    simulator.stop()
    return 0
