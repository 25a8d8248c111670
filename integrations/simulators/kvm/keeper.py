"""The first process of a libvirtd's own world: `keeper.py FOLDER=PLACE ... -- libvirtd ...`, told what to do by lines.

"start" starts it, a signal's name ("STOP") is sent to it; each is answered by a line. When nobody is there any more to
tell it something it ends, and with it, by the kernel, everything in this world: libvirtd and every VM.
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

# The lines from and to the one who tells are the keeper's alone.
_APART = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, 2, 1)]


def main(arguments: list[str]) -> None:
    """Cover the places, then obey."""
    cut = arguments.index("--")
    for pair in arguments[:cut]:
        folder, _, place = pair.partition("=")
        Path(place).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", folder, place], check=True)
    threading.Thread(target=_bury, daemon=True).start()
    daemon = 0
    for line in sys.stdin:
        word = line.strip()
        if word == "start":
            daemon = os.posix_spawnp(arguments[cut + 1], arguments[cut + 1 :], os.environ, file_actions=_APART)
        else:
            os.kill(daemon, getattr(signal, f"SIG{word}"))
        os.write(1, b"done\n")


def _bury() -> None:
    """Take leave of each VM that ended, as the first process must: libvirt waits until nothing is left of it."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            threading.Event().wait(0.05)


if __name__ == "__main__":
    main(sys.argv[1:])
