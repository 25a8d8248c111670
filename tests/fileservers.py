"""Real file servers as counterparts of the shares: ganesha for NFS 4 and 3, samba; skipped without them, never in CI.

Each has its own ports on loopback and its own folder, can be frozen, killed and started again, and ends with the tests,
also when those are killed.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.peers import _free_ports as free_ports

USER, PASSWORD = "nobody", "peer-secret-never-shown"
HERE = Path(__file__).resolve().parents[1]


@dataclass
class FileServer:
    """A server of a folder. All URLs are the whole folder: writable, read-only, and with root being nobody there."""

    scheme: str
    folder: Path
    command: list[str]
    ports: tuple[int, ...]
    url: str
    readonly: str
    squashed: str = ""
    password: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder.parent / "log"

    def start(self) -> None:
        """Start it and wait until it is dialled."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=os.environ | {"PATH": _PATH},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while not all(_is_dialled(port) for port in self.ports):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.command[0]} did not become ready:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def freeze(self) -> None:
        """Have it answer nothing; connections stay."""
        self._signal(signal.SIGSTOP)
        deadline = time.monotonic() + 60
        while self.process and set(_states(self.process.pid)) != {"T"} and time.monotonic() < deadline:
            time.sleep(0.005)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self.process:
            self.process.wait()
        self.process = None

    def _signal(self, number: signal.Signals) -> None:
        if self.process:
            os.killpg(self.process.pid, number)  # of its own session, so that all of its processes get it


def _states(group: int) -> Iterator[str]:
    """Of each thread of the processes in that group, as proc(5) has it."""
    for found in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getpgid(int(found.name)) == group:
                for task in (found / "task").iterdir():
                    yield (task / "stat").read_text().rpartition(") ")[2][0]


def _is_dialled(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def require(*commands: str) -> None:
    """Skip the test where one is not installed, or this is not root, who alone may serve any files; never in CI."""
    missing = [command for command in commands if shutil.which(command, path=_PATH) is None]
    if not missing and os.geteuid() == 0:
        return
    say = pytest.fail if os.environ.get("CI") and os.geteuid() == 0 else pytest.skip
    say(f"needs root and {' '.join(missing)}: apt-get install nfs-ganesha nfs-ganesha-vfs samba")


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
# Their end comes with that of the tests, by the kernel.
_LEASH = ["setpriv", "--pdeathsig", "KILL", "--"]


@contextmanager
def running(make: Callable[[Path], FileServer], room: int = 0) -> Iterator[FileServer]:
    """A server that runs; room: bytes that fit into what it serves, which nobody else sees then."""
    with tempfile.TemporaryDirectory(prefix="cloudy-files-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "served").mkdir()
        server = make(folder)
        if room:
            small = f'mount -t tmpfs -o size={room} none "$0" && exec "$@"'
            apart = ["unshare", "--mount", "--propagation", "private", "sh", "-c", small, str(server.folder)]
            server.command = [*_LEASH, *apart, *server.command]
        try:
            server.start()
            yield server
        finally:
            server.kill()


def nfs4(folder: Path) -> FileServer:
    """ganesha, NFS 4 only."""
    require("ganesha.nfsd", "setpriv")
    (port,) = free_ports(1)
    (folder / "recovery").mkdir()
    (folder / "conf").write_text(
        f"""
        NFS_CORE_PARAM {{ Protocols = 4; Bind_addr = 127.0.0.1; NFS_Port = {port};
                          Enable_NLM = false; Enable_RQUOTA = false; }}
        NFSv4 {{ Graceless = true; Minor_Versions = 0, 1, 2; RecoveryBackend = fs;
                 RecoveryRoot = "{folder}/recovery"; Only_Numeric_Owners = true; Delegations = false; }}
        {_exports(folder, 4)}
        """
    )

    def url(name: str) -> str:
        return f"nfs://127.0.0.1:{port}/{name}?version=4.1&noresvport=true"

    command = [*_LEASH, *_ganesha(folder)]
    return FileServer("nfs", folder / "served", command, (port,), url("tintri"), url("readonly"), url("squashed"))


def nfs3(folder: Path) -> FileServer:
    """ganesha, NFS 3 only, in a network of its own with a port mapper of its own; see tests/apart.py."""
    require("ganesha.nfsd", "rpcbind", "setpriv", "ip", "mount")
    ports = tuple(free_ports(2))
    (folder / "conf").write_text(
        f"""
        NFS_CORE_PARAM {{ Protocols = 3; NFS_Port = 2049; MNT_Port = 20048; mount_path_pseudo = true;
                          Enable_NLM = false; Enable_RQUOTA = false; }}
        {_exports(folder, 3)}
        """
    )

    def url(name: str) -> str:
        return f"nfs://127.0.0.1:{ports[0]}/{name}?version=3&mountport={ports[1]}&noresvport=true"

    pairs = [f"{outside}={inside}" for outside, inside in zip(ports, (2049, 20048), strict=True)]
    command = [*_LEASH, sys.executable, str(HERE / "tests" / "apart.py"), *pairs, "--", *_ganesha(folder)]
    return FileServer("nfs", folder / "served", command, ports, url("tintri"), url("readonly"), url("squashed"))


def smb(folder: Path) -> FileServer:
    """samba, with all its state in the folder; it takes no session that is not encrypted."""
    require("smbd", "smbpasswd", "setpriv")
    (port,) = free_ports(1)
    places = "private dir", "lock directory", "state directory", "cache directory", "pid directory", "ncalrpc dir"
    for place in places:
        (folder / place.replace(" ", "-")).mkdir(mode=0o700)
    shares = {"tintri": "read only = no", "readonly": "read only = yes", "squashed": "read only = no"}
    (folder / "conf").write_text(
        "\n".join(
            [
                "[global]",
                *(f"{place} = {folder}/{place.replace(' ', '-')}" for place in places),
                f"log file = {folder}/log.smbd",
                f"passdb backend = tdbsam:{folder}/passdb.tdb",
                f"smb ports = {port}",
                *_SAMBA,
                *(
                    line
                    for name, rights in shares.items()
                    for line in (f"[{name}]", f"path = {folder}/served", rights)
                    + (("force user = root",) if name != "squashed" else ())
                ),
            ]
        )
    )
    secret = f"{PASSWORD}\n{PASSWORD}\n".encode()
    subprocess.run(
        ["smbpasswd", "-c", f"{folder}/conf", "-s", "-a", USER], input=secret, check=True, capture_output=True
    )

    def url(name: str) -> str:
        return f"smb://{USER}@127.0.0.1:{port}/{name}"

    command = [*_LEASH, "smbd", "-F", "--no-process-group", "-s", f"{folder}/conf"]
    return FileServer(
        "smb", folder / "served", command, (port,), url("tintri"), url("readonly"), url("squashed"), PASSWORD
    )


_SAMBA = (
    "server role = standalone server",
    "interfaces = 127.0.0.1",
    "bind interfaces only = yes",
    "disable netbios = yes",
    "server min protocol = SMB3_00",
    "smb encrypt = required",
    "load printers = no",
    "map to guest = never",
    "store dos attributes = no",
)


def _exports(folder: Path, version: int) -> str:
    """What tests change in the folder themselves is seen at once: nothing is remembered."""
    exports = [
        ("tintri", "RW", "No_Root_Squash"),
        ("readonly", "RO", "No_Root_Squash"),
        ("squashed", "RW", "Root_Squash"),
    ]
    return f"""
        MDCACHE {{ Dir_Chunk = 0; }}
        EXPORT_DEFAULTS {{ SecType = sys; Transports = TCP; Protocols = {version}; Attr_Expiration_Time = 0; }}
        """ + "".join(
        f"""
        EXPORT {{ Export_Id = {number}; Path = "{folder}/served"; Pseudo = "/{name}"; Tag = "{name}";
                  Access_Type = {access}; Squash = {squash}; FSAL {{ Name = VFS; }} }}
        """
        for number, (name, access, squash) in enumerate(exports, 1)
    )


def _ganesha(folder: Path) -> list[str]:
    return [
        "ganesha.nfsd",
        "-F",
        "-f",
        f"{folder}/conf",
        "-p",
        f"{folder}/pid",
        "-L",
        f"{folder}/log",
        "-N",
        "NIV_WARN",
    ]
