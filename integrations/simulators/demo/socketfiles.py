"""Files of Unix sockets that SeaweedFS leaves in /tmp, whatever TMPDIR says, also when it ends in order."""

import os
import socket
import time
from collections.abc import Iterable
from pathlib import Path

_FOLDER = Path("/tmp")  # noqa: S108 - where SeaweedFS makes them
_NAMES = "seaweedfs-*-{}.sock"
_QUIET_S = 60.0  # between its making and the first time that it is listened at a file looks like one that is left


def remove(ports: Iterable[int]) -> None:
    """Remove those of a server that has ended and had these ports; repeating is safe."""
    for port in ports:
        for left in _FOLDER.glob(_NAMES.format(port)):
            left.unlink(missing_ok=True)


def remove_dead() -> None:
    """Remove what killed servers of this user have left: files older than a minute that nobody listens at."""
    for left in _FOLDER.glob(_NAMES.format("*")):
        try:
            made = left.lstat()
            is_ours_and_old = made.st_uid == os.getuid() and time.time() - made.st_mtime > _QUIET_S
            if is_ours_and_old and left.is_socket() and _is_dead(left):
                left.unlink()
        except OSError:
            continue  # somebody else has removed it, or may look at it alone


def _is_dead(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        knock.settimeout(1.0)
        try:
            knock.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False
