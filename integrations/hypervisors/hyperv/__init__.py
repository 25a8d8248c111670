"""Microsoft Hyper-V by PowerShell remoting."""

from collections.abc import Mapping

from bot.ports import Hypervisor


def open_hyperv(name: str, url: str, datastore: str, settings: Mapping[str, object]) -> Hypervisor:
    """Open one, see its module; the library is wanted from here on, and not by those that read a definition only."""
    from integrations.hypervisors.hyperv import hypervisor

    return hypervisor.open_hyperv(name, url, datastore, settings)
