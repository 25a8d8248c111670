"""Hypervisor adapters by kind; the registry line of each goes here."""

from collections.abc import Callable, Mapping
from importlib import import_module

from bot.errors import ConfigError
from bot.ports import Hypervisor

# (name, url, datastore, the other settings as they stand in the configuration, secrets included) -> hypervisor.
# datastore: how it sees the export of one VMstore, as the kind has it; "": it is only asked what it is.
# Opening asks nothing of the network. ConfigError: settings that it does not understand, a library that is not there.
Opener = Callable[[str, str, str, Mapping[str, object]], Hypervisor]


def _from_extra(kind: str, *libraries: str) -> Opener:
    """The opener `open_<kind>` of a module whose libraries come with the extra of the same name."""

    def opener(name: str, url: str, datastore: str, settings: Mapping[str, object]) -> Hypervisor:
        try:
            opened: Opener = getattr(import_module(f"{__name__}.{kind}"), f"open_{kind}")
            return opened(name, url, datastore, settings)
        except ModuleNotFoundError as error:
            if str(error.name).partition(".")[0] not in libraries:
                raise
            raise ConfigError(
                [f"hypervisors.{name}: {kind} needs a library that is not there: pip install 'cloudy[{kind}]'"]
            ) from error

    return opener


OPENERS: Mapping[str, Opener] = {
    "hyperv": _from_extra("hyperv", "pypsrp", "spnego"),
    "libvirt": _from_extra("libvirt", "libvirt", "libvirt_qemu"),
    "vsphere": _from_extra("vsphere", "pyVmomi"),
}
