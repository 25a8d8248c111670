"""What the app offers to a workspace, told to the stand-in for Slack; a real one learns it from the app's manifest."""

from integrations.simulators.slack import Shortcut


def usages() -> tuple[str, ...]:
    """How each command is written."""
    from handlers.parse import USAGES  # the handlers bring Bolt along, which no other command waits for

    return (*USAGES.values(), "/cloudy help")


def shortcuts() -> tuple[Shortcut, ...]:
    """The entries of Slack's menus."""
    from handlers.ids import SHORTCUTS

    return tuple(Shortcut(label, callback_id, on_message=kind == "message") for label, callback_id, kind in SHORTCUTS)
