"""Asks the agent in a guest. Commands: https://qemu-project.gitlab.io/qemu/interop/qemu-ga-ref.html."""

import json
from typing import Any

import libvirt
import libvirt_qemu

_WAIT_S = 3  # a guest that is still starting has nobody who answers


def answer(domain: Any) -> str | None:
    """What the guest's agent says of the guest; None: none answers, or the VM has no channel for one."""
    try:
        libvirt_qemu.qemuAgentCommand(domain, '{"execute": "guest-ping"}', _WAIT_S, 0)
    except libvirt.libvirtError:
        return None
    try:
        told = json.loads(libvirt_qemu.qemuAgentCommand(domain, '{"execute": "guest-get-osinfo"}', _WAIT_S, 0))
        system = str(told["return"].get("pretty-name") or told["return"].get("name") or "")
    except (libvirt.libvirtError, ValueError, LookupError, TypeError, AttributeError):  # older ones do not know it
        system = ""
    return f"The guest's agent answers{': ' + system if system else ''}."
