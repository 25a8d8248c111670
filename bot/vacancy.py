"""Whether a restored VM can go somewhere: its name is free, its files fit, who reads them takes their names.

It only looks; the answers are words, "" where nothing is in the way.
"""

from bot.errors import AmbiguousName, NotFound
from bot.ports import Hypervisor, Share, VMstore
from bot.words import size_text

_BY_SMB = "smb:"  # begins the address of a share
_ON_WINDOWS = "hyperv"  # kind of the hypervisor that reads files as Windows does, whoever wrote them


def taken(name: str, share: Share, client: VMstore, host: Hypervisor | None) -> str:
    """What has the name already: a folder of the export, a VM of the VMstore or of the hypervisor."""
    if share.exists(name):
        return f"a folder called {name}"
    if host is not None and host.find(name):
        return f"a VM called {name} with {host.name}"
    try:
        client.find_vm(name, is_quick=True)
    except NotFound:
        return ""
    except AmbiguousName:
        return f"more than one VM called {name}"
    return f"a VM called {name}"


def lack(free: int | None, room: int, vmstore: str) -> str:
    """Why so many bytes do not fit. free: what the share told."""
    if free is None or free >= room:
        return ""
    return f"It does not fit: {vmstore} has {size_text(free)} left, and it takes {size_text(room)} with the margin."


def is_for_windows(address: str, host: Hypervisor | None) -> bool:
    """Whether files there are read as Windows reads them. address: of the share that is written through."""
    return address.startswith(_BY_SMB) or (host is not None and host.kind == _ON_WINDOWS)
