"""KVM and QEMU by libvirt."""

from collections.abc import Mapping

from bot.ports import Hypervisor


def open_libvirt(name: str, url: str, datastore: str, settings: Mapping[str, object]) -> Hypervisor:
    """Open one, see its module; libvirt's library is wanted from here on, and not by those that read XML only."""
    from integrations.hypervisors.libvirt import hypervisor

    return hypervisor.open_libvirt(name, url, datastore, settings)
