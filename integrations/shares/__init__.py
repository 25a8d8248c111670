"""Ways to reach the files of an export; the registry line of each goes here."""

from collections.abc import Callable

from bot.ports import Share
from integrations.shares.path import open_path

# Scheme of a share's URL -> opener(url, *, export="/tintri", uid=None, gid=None, timeout_s=60). It touches nothing yet.
OPENERS: dict[str, Callable[..., Share]] = {
    "path": open_path,
}
