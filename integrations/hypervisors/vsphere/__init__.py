"""VMware vSphere by vCenter, or by a single ESXi host."""

from collections.abc import Mapping

from bot.ports import Hypervisor


def open_vsphere(name: str, url: str, datastore: str, settings: Mapping[str, object]) -> Hypervisor:
    """Open one, see its module; VMware's library is wanted from here on, and not by those that read a .vmx only."""
    from integrations.hypervisors.vsphere import hypervisor

    return hypervisor.open_vsphere(name, url, datastore, settings)
