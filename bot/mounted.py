"""Whether an export is there at all, before anybody believes that something on it is not."""

from bot.errors import PermanentError
from bot.ports import Share


def check_mounted(share: Share, vmstore: str, setting: str) -> None:
    """PermanentError: nothing is there, and it may be a mount point with nothing mounted.

    An export that has no VM yet is one all the same, where a server or a mount says that it is there.
    """
    if not share.list("") and share.may_be_unmounted:
        raise PermanentError(
            f"`{setting}` of {vmstore} is empty: is the export {share.export} mounted there?",
            system="share",
            operation="check",
        )
