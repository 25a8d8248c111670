"""libvirtd with a folder of its own for everything: it knows nothing of the machine's VMs and leaves nothing behind."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

# What libvirtd takes as given; each is covered by a folder of its own, in a mount namespace that only it sees.
_PLACES = {"run": "/run/libvirt", "lib": "/var/lib/libvirt", "etc": "/etc/libvirt", "cache": "/var/cache/libvirt"}
_PLACES |= {"log": "/var/log/libvirt"}
# QEMU as the user who runs this, with nothing that asks for systemd or more rights.
_QEMU = """
stdio_handler = "file"
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
"""
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_READY_S = 60.0  # the first time, it tries what each QEMU can do
_END_S = 10.0


class PrivateLibvirt:
    """One libvirtd below a folder, which should have a short name: a socket's path has 107 characters at most.

    cache: a folder in which several keep what they found out about QEMU.
    """

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        self.folder = folder
        self._places = {name: folder / name for name in _PLACES}
        if cache is not None:
            self._places["cache"] = cache
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str:
        """What this machine lacks for it; empty: nothing."""
        if os.geteuid() != 0:
            return "root"
        wanted = ("libvirtd", "qemu-system-x86_64", "qemu-img", "unshare")
        return ", ".join(name for name in wanted if not shutil.which(name, path=_PATH))

    @property
    def url(self) -> str:
        """What libvirt's clients dial."""
        return f"qemu+unix:///system?socket={self.folder / 'run' / 'libvirt-sock'}"

    @property
    def log(self) -> Path:
        """What it wrote."""
        return self.folder / "libvirtd.log"

    def start(self) -> None:
        """Start it, also again, and wait until it can be dialled. TimeoutError carries what it wrote."""
        for place in self._places.values():
            place.mkdir(parents=True, exist_ok=True)
        (self.folder / "etc" / "qemu.conf").write_text(_QEMU)
        (self.folder / "etc" / "libvirtd.conf").write_text('auth_unix_rw = "none"\nauth_unix_ro = "none"\n')
        binds = [
            f"mkdir -p {_PLACES[name]}; mount --bind '{place}' {_PLACES[name]}" for name, place in self._places.items()
        ]
        script = "\n".join(["set -e", *binds, f"exec libvirtd -p '{self.folder}/libvirtd.pid'"])
        place = self.folder / "run" / "libvirt-sock"
        place.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "-m", "--propagation", "private", "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"PATH": _PATH},
                start_new_session=True,
            )
        deadline = time.monotonic() + _READY_S
        while not _is_dialled(place):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"libvirtd did not become ready:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def freeze(self) -> None:
        """Have it answer nothing; connections stay."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a power cut would; VMs stay, as they do with a real one, and are known again after `start`."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it and every VM of it."""
        self.thaw()
        for pid_file in (self.folder / "run" / "qemu").glob("*.pid"):
            with suppress(ProcessLookupError, ValueError):
                os.kill(int(pid_file.read_text()), signal.SIGKILL)
        self._signal(signal.SIGTERM)
        if self._process is not None:
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)


def _is_dialled(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(place))
        except OSError:
            return False
        return True
