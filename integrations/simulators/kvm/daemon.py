"""libvirtd with a folder of its own for everything: it knows nothing of the machine's VMs and leaves nothing behind.

Root starts one as the system has it; anybody else one of the kind that each user has.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path

# What libvirtd takes as given; each is covered by a folder of its own, in a mount namespace that only it sees.
_PLACES = {"run": "/run/libvirt", "lib": "/var/lib/libvirt", "etc": "/etc/libvirt", "cache": "/var/cache/libvirt"}
_PLACES |= {"log": "/var/log/libvirt", "lock": "/run/lock"}
# Of a user's own it is told them by its environment.
_OWN_PLACES = {"run": "XDG_RUNTIME_DIR", "etc": "XDG_CONFIG_HOME", "cache": "XDG_CACHE_HOME", "lib": "XDG_DATA_HOME"}
# QEMU as the user who runs this, with nothing that asks for systemd or more rights.
_QEMU = """
stdio_handler = "file"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
"""
_AS_ROOT = 'user = "root"\ngroup = "root"\n'
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_APART = ["unshare", *(() if os.geteuid() == 0 else ("--user", "--map-current-user")), "--mount"]
_READY_S = 60.0  # the first time, it tries what each QEMU can do


class PrivateLibvirt:
    """One libvirtd below a folder, which should have a short name: a socket's path has 107 characters at most.

    cache: a folder in which several keep what they found out about QEMU. settings: what libvirtd.conf says; with
    a line that lets it listen it does.
    """

    def __init__(self, folder: Path, cache: Path | None = None, settings: str = "") -> None:
        self.folder = folder
        self._settings = settings
        self._is_system = os.geteuid() == 0
        self._places = {name: folder / name for name in (_PLACES if self._is_system else _OWN_PLACES)}
        if cache is not None:
            self._places["cache"] = cache
        self._world: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str:
        """What this machine lacks for it; empty: nothing."""
        wanted = ("libvirtd", "qemu-system-x86_64", "qemu-img", "unshare")
        lacking = [name for name in wanted if not shutil.which(name, path=_PATH)]
        if not lacking and os.geteuid() != 0 and not _can_be_apart():
            lacking = ["root, or user namespaces"]
        return ", ".join(lacking)

    @property
    def url(self) -> str:
        """What libvirt's clients dial."""
        return f"qemu+unix:///{self.kind}?socket={self.socket}"

    @property
    def kind(self) -> str:
        """Whose it is, as libvirt's addresses have it."""
        return "system" if self._is_system else "session"

    @property
    def socket(self) -> Path:
        """Where it is dialled."""
        return self._below("run") / "libvirt-sock"

    @property
    def definitions(self) -> Path:
        """Where it keeps those of VMs, as NAME.xml."""
        return self._below("etc") / "qemu"

    def _below(self, name: str) -> Path:
        return self._places[name] / ("" if self._is_system else "libvirt")

    @property
    def log(self) -> Path:
        """What it wrote."""
        return self.folder / "libvirtd.log"

    def start(self) -> None:
        """Start it, also again after `kill`, and wait until it is dialled. TimeoutError carries what it wrote."""
        if self._world is None:
            self._world = self._made_world()
        self.socket.unlink(missing_ok=True)
        self._tell("start")
        deadline = time.monotonic() + _READY_S
        while not _is_dialled(self.socket):
            if time.monotonic() > deadline:
                raise TimeoutError(f"libvirtd did not become ready:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def freeze(self) -> None:
        """Have it answer nothing; connections stay."""
        self._tell("STOP")

    def thaw(self) -> None:
        """Have it go on."""
        self._tell("CONT")

    def kill(self) -> None:
        """End it as a power cut would; VMs stay, as they do with a real one, and are known again after `start`."""
        self._tell("KILL")

    def stop(self) -> None:
        """End it and every VM of it; repeating is safe. They end, too, when the process that started them does."""
        if self._world is not None:
            world, self._world = self._world, None
            with world:  # closes its ears, and waits
                pass

    def _made_world(self) -> subprocess.Popen[bytes]:
        for place in self._places.values():
            place.mkdir(parents=True, exist_ok=True)
        # Screens of VMs of several of these take ports at the same time: each has a hundred of its own.
        port = 20_000 + 100 * (zlib.crc32(str(self.folder).encode()) % 400)
        screens = f"remote_display_port_min = {port}\nremote_display_port_max = {port + 99}\n"
        etc = self._below("etc")
        etc.mkdir(exist_ok=True)
        (etc / "qemu.conf").write_text(_QEMU + screens + (_AS_ROOT if self._is_system else ""))
        settings = self._settings or 'auth_unix_rw = "none"\n'
        (etc / "libvirtd.conf").write_text(settings)
        listens = ["--listen"] if "listen_" in settings else []
        pairs = [f"{place}={_PLACES[name]}" for name, place in self._places.items()] if self._is_system else []
        apart = [*_APART, "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
        keeper = [sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py")), *pairs]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*apart, *keeper, "--", "libvirtd", *listens, "-p", str(self.folder / "libvirtd.pid")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | {"PATH": _PATH} | self._own_environment(),
                start_new_session=True,
            )

    def _own_environment(self) -> dict[str, str]:
        """Of a user's own: where it has everything."""
        if self._is_system:
            return {}
        return {"HOME": str(self.folder), **{_OWN_PLACES[name]: str(at) for name, at in self._places.items()}}

    def _tell(self, word: str) -> None:
        world = self._world
        if world is None or world.stdin is None or world.stdout is None:
            raise RuntimeError("it does not run")
        world.stdin.write(f"{word}\n".encode())
        world.stdin.flush()
        if not world.stdout.readline():
            raise RuntimeError(f"libvirtd's world ended:\n{self.log.read_text()[-2000:]}")


def _can_be_apart() -> bool:
    """Whether this user may have namespaces; there are systems that forbid it."""
    tried = subprocess.run([*_APART, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return tried.returncode == 0


def _is_dialled(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(place))
        except OSError:
            return False
        return True
