"""libvirt's event loop: one for the process, in a thread of its own that ends with it."""

import threading

import libvirt

_lock = threading.Lock()
_begun = False


def begin() -> None:
    """See that it runs; must come before the first connection, which else notices no broken line."""
    global _begun  # noqa: PLW0603 - libvirt has one for the process
    with _lock:
        if not _begun:
            libvirt.registerErrorHandler(_hear, None)
            libvirt.virEventRegisterDefaultImpl()
            threading.Thread(target=_run, name="libvirt-events", daemon=True).start()
            _begun = True


def _run() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def _hear(_context: object, _error: object) -> None:
    """Errors are raised as well; libvirt would write them to standard error."""
