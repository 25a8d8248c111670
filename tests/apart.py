"""A server in a network of its own, and a way to it: `python apart.py OUTSIDE=INSIDE ... -- command`.

For servers that want a port mapper, which there can be only one of, on a fixed port. The ports outside are opened
first, so that they stay in the network that this process came from.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time

_APART = 0x00020000 | 0x20000000 | 0x40000000  # CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET of unshare(2)
_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def main(pairs: list[str], command: list[str]) -> None:
    ways = [tuple(map(int, pair.split("="))) for pair in pairs]
    listeners = [(socket.create_server(("127.0.0.1", outside)), inside) for outside, inside in ways]
    system = ctypes.CDLL(None, use_errno=True)
    if system.unshare(_APART) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    # The child is the first process of its own kind of world: when it ends, the kernel ends all the others there. The
    # port mapper gives up root, and with it any other leash.
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    system.prctl(_END_WITH_PARENT, signal.SIGKILL)
    # The port mapper's socket and lock lie in /run.
    for prepare in ("mount --make-rprivate /", "mount -t tmpfs none /run", "ip link set lo up"):
        subprocess.run(prepare.split(), check=True)
    subprocess.Popen(["rpcbind", "-f", "-w"])
    _until_dialled(111)
    server = subprocess.Popen(command)
    for listener, inside in listeners:
        _until_dialled(inside)
        threading.Thread(target=_accept, args=(listener, inside), daemon=True).start()
    server.wait()


def _until_dialled(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)


def _accept(listener: socket.socket, inside: int) -> None:
    while True:
        outer, _ = listener.accept()
        inner = socket.socket()
        if inner.connect_ex(("127.0.0.1", inside)) != 0:
            outer.close()
            continue
        for pair in ((outer, inner), (inner, outer)):
            threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 18):
            sink.sendall(piece)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    at = sys.argv.index("--")
    main(sys.argv[1:at], sys.argv[at + 1 :])
