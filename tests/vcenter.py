"""The vCenter simulator as a counterpart of the hypervisor: built from Debian's govmomi when it is first wanted.

Without a Go compiler and the library the test is skipped, never in CI. See tests/vcsim/main.go for what it does beyond
the library's.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import SoapStubAdapter, vim

from integrations.simulators.vmstore import tls
from tests.peers import _free_ports as free_ports

SOURCE = Path(__file__).resolve().parent / "vcsim" / "main.go"
CACHE = Path(tempfile.gettempdir()) / f"cloudy-vcsim-{os.getuid()}"
USER, PASSWORD = "cloudy@vsphere.local", "hunter22"


def binary() -> Path:
    """The simulator, built once for all tests of this machine; a test run at the same time waits for it."""
    library = _library()
    made = CACHE / f"vcsim-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}"
    CACHE.mkdir(mode=0o700, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            environment = os.environ | {"GOPATH": library, "GO111MODULE": "off", "GOPROXY": "off", "GOFLAGS": ""}
            environment |= {"GOCACHE": str(CACHE / "cache"), "HOME": str(CACHE)}
            draft = made.with_suffix(".new")
            build = ["go", "build", "-o", str(draft), str(SOURCE)]
            done = subprocess.run(build, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            draft.rename(made)
    return made


def _library() -> str:
    """Where Debian's govmomi lies; skip where it cannot be had."""
    found = Path("/usr/share/gocode")
    lacking = [] if shutil.which("go") else ["golang-go"]
    lacking += (
        [] if (found / "src/github.com/vmware/govmomi/simulator").is_dir() else ["golang-github-vmware-govmomi-dev"]
    )
    if lacking:
        say = pytest.fail if os.environ.get("CI") and os.geteuid() == 0 else pytest.skip
        say(f"the vCenter simulator cannot be built here: apt-get install {' '.join(lacking)}")
    return str(found)


class VCenter:
    """One that runs, with a datastore "tintri" that is a folder, on two hosts."""

    def __init__(self, folder: Path) -> None:
        self._program = binary()
        self._folder = folder
        self.export = folder / "tintri"
        self.export.mkdir()
        self.ca, self._cert, self._key = tls.ensure(folder, "vcenter")
        self._process: subprocess.Popen[str] | None = None
        (self._port,) = free_ports(1)
        self._line: Any = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it; one that was killed knows nothing any more, at the same address."""
        rest = self._folder / "rest"  # what it leaves when it is killed
        shutil.rmtree(rest, ignore_errors=True)
        rest.mkdir()
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", "--", str(self._program)),
                    *("-listen", f"127.0.0.1:{self._port}", "-cert", str(self._cert), "-key", str(self._key)),
                    *("-user", USER),
                ],
                env=os.environ | {"VCSIM_PASSWORD": PASSWORD, "TMPDIR": str(rest)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout
        ready = self._process.stdout.readline()
        assert ready.startswith("ready "), (self._folder / "log").read_text()[-2000:]
        self._port = int(ready.rpartition(":")[2])
        self._line = None
        spec = vim.host.NasVolume.Specification(
            remoteHost="127.0.0.1", remotePath="/tintri", localPath=str(self.export), accessMode="readWrite", type="NFS"
        )
        for host in self.hosts:
            with suppress(vim.fault.DuplicateName, vim.fault.AlreadyExists):  # one datastore, on both
                host.configManager.datastoreSystem.CreateNasDatastore(spec)

    @property
    def content(self) -> Any:
        """The tests' own way in, by the library that the adapter uses, too: there is no other one."""
        if self._line is None:
            context = ssl.create_default_context(cafile=str(self.ca))
            stub = SoapStubAdapter(
                host="127.0.0.1",
                port=self._port,
                sslContext=context,
                version="vim.version.version11",
                httpConnectionTimeout=30,
            )
            self._line = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()
            self._line.sessionManager.Login(USER, PASSWORD)
        return self._line

    @property
    def center(self) -> Any:
        return self.content.rootFolder.childEntity[0]

    @property
    def hosts(self) -> list[Any]:
        return [host for each in self.center.hostFolder.childEntity for host in each.host]

    def vm(self, vm_id: str) -> Any:
        return vim.VirtualMachine(vm_id, self.content.rootFolder._stub)

    def register(self, path: str, name: str) -> Any:
        """A VM that Cloudy did not register."""
        host = self.hosts[0]
        pool = host.parent.resourcePool
        return self.done(self.center.vmFolder.RegisterVM_Task(f"[tintri] {path}", name, False, pool, host))

    def change(self, vm: Any, **changes: Any) -> None:
        self.done(vm.ReconfigVM_Task(vim.vm.ConfigSpec(**changes)))

    def set(self, vm: Any, **extra: str) -> None:
        """Give settings to a VM; `SET__guest__hostName` is of the simulator itself."""
        options = [vim.option.OptionValue(key=key.replace("__", "."), value=value) for key, value in extra.items()]
        self.change(vm, extraConfig=options)

    def add(self, vm: Any, *devices: Any) -> None:
        for device in devices:
            self.change(vm, deviceChange=[vim.vm.device.VirtualDeviceSpec(operation="add", device=device)])

    def done(self, task: Any) -> Any:
        """The simulator's tasks have ended when the call comes back."""
        assert task.info.state == "success", task.info.error
        return task.info.result

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._end()

    def stop(self) -> None:
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        self._end()

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)
            deadline = time.monotonic() + 60
            while number == signal.SIGSTOP and _state(self._process.pid) != "T" and time.monotonic() < deadline:
                time.sleep(0.005)

    def _end(self) -> None:
        if self._process:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()
        self._process = None


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
