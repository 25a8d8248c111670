"""What a disk says on its serial port when QEMU boots it."""

import subprocess
from collections.abc import Sequence


def booted(qemu: str, drive: Sequence[str]) -> str:
    """The lines up to the one that says how it went; the disk stays as it is.

    drive: the options that attach it, with id d and snapshot=on.
    """
    command = [qemu, "-accel", "tcg", "-m", "32", "-display", "none", "-serial", "stdio"]
    command += ["-monitor", "none", "-no-reboot", "-nodefaults", *drive]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout
        said = []
        for line in process.stdout:
            said.append(line.strip())
            if "READY" in line or "FAILED" in line:
                break
        return "\n".join(said)
    finally:
        process.kill()
        process.wait()
