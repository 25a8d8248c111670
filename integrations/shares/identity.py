"""Another user's rights on files, for one thread and a moment: Linux's setfsuid and setfsgid.

They were made for file servers: both count for the calling thread alone (setfsuid(2), "C library/kernel differences";
seteuid of the C library changes all threads), and an NFS client sends them with each call. Needed: CAP_SETUID and
CAP_SETGID, which root has; `AmbientCapabilities=CAP_SETUID CAP_SETGID` gives them to a service.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bot.errors import DeniedError

_ASK = -1  # no id: nothing is changed, the one in force is given


class Identity:
    """Whose rights count. None: the process's own. Supplementary groups stay those of the process."""

    def __init__(self, uid: int | None, gid: int | None) -> None:
        self._uid = uid
        self._gid = gid

    @property
    def uid(self) -> int:
        """The user whose rights count."""
        return os.geteuid() if self._uid is None else self._uid

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Act as that user in this thread; may be nested. DeniedError: this process may not."""
        before: list[tuple[str, int]] = []
        try:
            for call, wanted in (("setfsgid", self._gid), ("setfsuid", self._uid)):
                if wanted is not None:
                    before.append((call, _change(call, wanted)))
            yield
        finally:
            for call, former in reversed(before):
                _change(call, former)


def _change(call: str, wanted: int) -> int:
    """Change it and give what it was; the calls report no failure, so it is asked for."""
    if sys.platform != "linux":
        raise DeniedError("`share_uid` and `share_gid` need Linux.", system="share", operation="change user")
    change = getattr(ctypes.CDLL(None), call)
    former = int(change(ctypes.c_uint(wanted)))
    now = int(change(ctypes.c_uint(_ASK & 0xFFFFFFFF)))
    if now != wanted:
        name, right = ("share_uid", "CAP_SETUID") if call == "setfsuid" else ("share_gid", "CAP_SETGID")
        raise DeniedError(
            f"Cloudy may not read as `{name}` = {wanted}: it runs as uid {os.geteuid()} without {right}. "
            f"Run it as root, or give its service AmbientCapabilities=CAP_SETUID CAP_SETGID.",
            system="share",
            operation="change user",
        )
    return former
