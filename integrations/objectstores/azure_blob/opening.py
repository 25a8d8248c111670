"""Opens a target of scheme azure; its library is loaded only where there is one."""

from collections.abc import Mapping

from bot.ports import ObjectStore
from integrations.objectstores.azure_blob.options import read_options, read_url


def open_azure(name: str, url: str, options: Mapping[str, object]) -> ObjectStore:
    """Open the target `name` at "azure://account/container/prefix". ConfigError lists what is wrong with it."""
    location, known = read_url(name, url), read_options(name, options)
    from integrations.objectstores.azure_blob.ranged import RangedContainer
    from integrations.objectstores.azure_blob.store import AzureStore

    return AzureStore(name, RangedContainer(name, location, known))
