"""What the app offers to a workspace, told to the stand-in for Slack; a real one learns it from the app's manifest."""

from integrations.simulators.slack import Shortcut


def usages() -> tuple[str, ...]:
    """How each command is written."""
    # The handlers bring Bolt along, which no other command waits for.
    from handlers.appmanifest import COMMANDS
    from handlers.usages import USAGES

    said = (*USAGES.values(), "/cloudy help")
    names = {usage.split()[0] for usage in said}
    aliases = (f"{one.name} {one.hint}   {one.description}" for one in COMMANDS if one.name not in names)
    return (*said, *aliases)


def shortcuts() -> tuple[Shortcut, ...]:
    """The entries of Slack's menus."""
    from handlers.ids import SHORTCUTS

    return tuple(Shortcut(label, callback_id, on_message=kind == "message") for label, callback_id, kind in SHORTCUTS)
