"""Whether an export is there at all, before anybody believes that something on it is not."""

from bot.errors import PermanentError
from bot.ports import Share


def check_mounted(share: Share, vmstore: str, setting: str) -> None:
    """PermanentError: nothing is there, as in a mount point with nothing mounted. An export has its VMs' files."""
    if not share.list(""):
        raise PermanentError(
            f"`{setting}` of {vmstore} is empty: is the export {share.export} mounted there?",
            system="share",
            operation="check",
        )
