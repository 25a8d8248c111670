"""A libvirtd that the first who dials it starts: it costs nothing before, and nobody need know whether it runs."""

import shutil
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from integrations.simulators.kvm.daemon import PrivateLibvirt

_LONGEST = 85  # bytes of the folder's path, so that sockets below it have names that can be dialled
_PIECE = 64 << 10
_VIRSH_S = 60.0


class LibvirtOnDemand:
    """One private libvirtd behind a socket of ours; VMs that are defined stay in the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemon = PrivateLibvirt(folder)
        self._ear: socket.socket | None = None
        self._starting = threading.Lock()
        self._is_started = False

    @staticmethod
    def missing() -> list[str]:
        """What this machine lacks for it."""
        lacking = [name for name in PrivateLibvirt.missing().split(", ") if name]
        return lacking if shutil.which("virsh") else [*lacking, "virsh"]

    @staticmethod
    def fits(folder: Path) -> bool:
        """Whether sockets below it could be dialled."""
        return len(bytes(folder)) <= _LONGEST

    @property
    def url(self) -> str:
        """What libvirt's clients dial."""
        return f"qemu+unix:///{self._daemon.kind}?socket={quote(str(self._socket))}"

    @property
    def _socket(self) -> Path:
        return self.folder / "dial"

    def knows(self, name: str) -> bool:
        """Whether a VM of that name is defined."""
        return self._definition(name).exists()

    def define(self, name: str, xml: str) -> None:
        """Let it know a VM from its start on; of one that has started already use its own interface."""
        place = self._definition(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(xml)

    def _definition(self, name: str) -> Path:
        return self._daemon.definitions / f"{name}.xml"

    def undefine(self, name: str) -> None:
        """Forget a VM, off first if it is on; one that is not known is fine. OSError: it would not."""
        with self._starting:
            if not self._is_started:
                self._definition(name).unlink(missing_ok=True)
                return
        self._virsh("destroy", name)
        told = self._virsh("undefine", name, "--nvram")
        if told.returncode and "failed to get domain" not in told.stderr:
            raise OSError(f"libvirt did not forget {name}: {told.stderr.strip()}")

    def _virsh(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["virsh", "-c", self.url, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_VIRSH_S)

    def start(self) -> None:
        """Listen. OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        ear = socket.socket(socket.AF_UNIX)
        ear.bind(str(self._socket))
        ear.listen()
        self._ear = ear
        threading.Thread(target=self._hear, args=(ear,), name="kvm", daemon=True).start()

    def stop(self) -> None:
        """End it and every VM of it; repeating is safe."""
        ear, self._ear = self._ear, None
        if ear is not None:
            with suppress(OSError):
                ear.shutdown(socket.SHUT_RDWR)  # whoever waits in accept is told
            ear.close()
            self._socket.unlink(missing_ok=True)
        with self._starting:
            self._daemon.stop()
            self._is_started = False

    def _hear(self, ear: socket.socket) -> None:
        while True:
            try:
                line, _ = ear.accept()
            except OSError:  # it is closed
                return
            threading.Thread(target=self._connect, args=(line,), name="kvm", daemon=True).start()

    def _connect(self, line: socket.socket) -> None:
        """Join the one who dials with the daemon. One that does not start is a line that ends; its log says why."""
        far = socket.socket(socket.AF_UNIX)
        try:
            self._wake()
            far.connect(str(self._daemon.socket))
        except (OSError, RuntimeError):
            far.close()
            line.close()
            return
        back = threading.Thread(target=_pump, args=(far, line), name="kvm", daemon=True)
        back.start()
        _pump(line, far)
        back.join()
        line.close()
        far.close()

    def _wake(self) -> None:
        with self._starting:
            if self._ear is None:
                raise RuntimeError("it was stopped")
            if not self._is_started:
                self._daemon.start()
                self._is_started = True


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes, until one of them ends; then both do."""
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
