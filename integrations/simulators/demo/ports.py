"""Free ports on loopback, below the range that outgoing connections are given."""

import random
import socket

_FIRST, _LAST = 15_000, 31_999  # Source: Linux's ip_local_port_range begins at 32768


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on now; somebody may still take one, so the caller tries again then."""
    found: list[int] = []
    for port in random.sample(range(_FIRST, _LAST), _LAST - _FIRST):
        if _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"no {count} free ports on 127.0.0.1 between {_FIRST} and {_LAST}")


def kept_port(port: int) -> int:
    """Give that port if nobody listens there, else 0: any free one. Lines that have just been closed do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return 0
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
