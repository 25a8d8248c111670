"""VMstore adapters; the registry line of each goes here."""

from collections.abc import Callable

from bot.ports import VMstore
from integrations.vmstores.tintri import TintriVMstore

# Kind of VMstore -> opener(name, *, url, user, password, ca=None, export="/tintri", timeout_s=30). It asks nothing yet.
OPENERS: dict[str, Callable[..., VMstore]] = {
    "tintri": TintriVMstore,
}
