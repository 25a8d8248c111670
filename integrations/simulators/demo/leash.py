"""Runs a command that dies with its parent, also when the parent is SIGKILLed: `leash.py [--parent PID] -- cmd ...`.

Kept to the smallest imports, since each child of the demo starts through it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # Source: prctl(2); Linux only, kept over execve(2)


def arm(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent's starting thread ends; die at once if it has ended already.

    Elsewhere than on Linux nothing is armed: the child then ends by the demo's own clean-up only.
    """
    prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    if prctl is None:
        return
    if prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it died between fork and prctl, so no signal will come
        os._exit(1)


def main(arguments: list[str]) -> None:
    """Arm the leash, then become the command."""
    parent = os.getppid()
    if arguments[:1] == ["--parent"]:
        parent, arguments = int(arguments[1]), arguments[2:]
    if arguments[:1] != ["--"] or len(arguments) < 2:
        sys.exit("usage: leash [--parent PID] -- command ...")
    arm(parent)
    command = arguments[1:]
    try:
        os.execvp(command[0], command)  # noqa: S606 - becoming the command is the point
    except OSError as error:
        sys.exit(f"leash: {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
