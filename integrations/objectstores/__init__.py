"""Object stores by the scheme of a target's url; a new one is a line in OPENERS."""

from collections.abc import Callable, Mapping

from bot.ports import ObjectStore
from integrations.objectstores.azure_blob.opening import open_azure
from integrations.objectstores.s3.store import open_s3

# (name of the target, its url, its other settings as they stand in the configuration, secrets included) -> store.
# Opening asks nothing of the network. ConfigError: settings that the store does not understand.
Opener = Callable[[str, str, Mapping[str, object]], ObjectStore]

OPENERS: Mapping[str, Opener] = {"azure": open_azure, "s3": open_s3}
