"""The app's manifest: what is pasted into Slack, so that it delivers what Cloudy listens to and allows what it calls.

The one place for commands, events and scopes. Sources: docs.slack.dev/reference/app-manifest, and for the scopes the
pages of the methods and events in docs.slack.dev/reference.
"""

from dataclasses import dataclass

from bot.model import Json
from handlers import ids

_LONG = (
    "Cloudy lifts virtual machines off a Tintri VMstore into your own bucket, and answers who protected what, when and"
    " with whose approval. Type /protect and a VM's name, or open Cloudy's Home; progress comes as a thread in the"
    " channel where you asked. It runs in your own network and speaks with nobody but your VMstores, your bucket and"
    " Slack. Whoever runs it decides who may protect, approve and delete."
)
_COLOUR = "#1f4e79"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlashCommand:
    """One slash command; escaped: Slack gives people as <@U...>, not as typed."""

    name: str
    description: str
    hint: str
    escaped: bool = False


COMMANDS = (
    SlashCommand(
        name="/cloudy",
        description="Everything Cloudy can do; alone, it lists what you may ask for",
        hint="help | status | vms | recovery-points <vm> | audit | ...",
        escaped=True,
    ),
    SlashCommand(
        name="/protect",
        description="Protect VMs into a bucket; alone, it opens a form",
        hint="<vm>[, <vm>...] to <target>",
    ),
    SlashCommand(
        name="/restore",
        description="Bring a VM back from a recovery point; alone, it opens a form",
        hint="<vm|transaction id> [to <VMstore>] [as <name>] [at <7d>] [power on]",
    ),
    SlashCommand(
        name="/drill",
        description="Prove that a VM comes back: restored, started, seen to live, removed",
        hint="<vm|transaction id> [to <VMstore>] [from <target>] | next",
    ),
    SlashCommand(
        name="/verify",
        description="Whether a recovery point is still what was read",
        hint="<transaction id> [deep]",
    ),
    SlashCommand(
        name="/schedule",
        description="Protect, verify, drill by itself; alone, it opens a form",
        hint="protect <vm|@group>[, ...] to <target> every day at 02:00",
    ),
    SlashCommand(
        name="/schedules",
        description="What starts by itself, when next, and how it went",
        hint="[a part of a name]",
    ),
    SlashCommand(
        name="/summary",
        description="How everything stands, and what was done",
        hint="[day|week] [for me]",
    ),
    SlashCommand(
        name="/retention",
        description="What is kept of recovery points and why, and what a change would remove",
        hint="[preview|set|hold|release] ...",
    ),
    SlashCommand(
        name="/vms",
        description="VMs and how they are protected",
        hint="[pattern] [late|unprotected|big]",
    ),
    SlashCommand(name="/recovery-points", description="What a VM can be restored from", hint="<vm>"),
    SlashCommand(
        name="/audit",
        description="Who did what, and when",
        hint="[<id>|<vm>|<user>] [since <7d|2026-11-01>]",
        escaped=True,
    ),
)

# Event -> the scope without which Slack does not deliver it; "": none is needed.
EVENTS = {"app_home_opened": "", "app_mention": "app_mentions:read", "message.im": "im:history"}

# Method of the Web API -> scopes of the bot token for what Cloudy calls it for. Without an entry none is called.
METHODS: dict[str, tuple[str, ...]] = {
    "apps.connections.open": (),  # by the app-level token, scope connections:write
    "auth.test": (),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.history": ("channels:history", "groups:history", "im:history"),
    "conversations.open": ("im:write",),
    "conversations.replies": ("channels:history", "groups:history", "im:history"),
    "files.completeUploadExternal": ("files:write",),
    "files.getUploadURLExternal": ("files:write",),
    "usergroups.users.list": ("usergroups:read",),
    "users.info": ("users:read",),
    "views.open": (),
    "views.publish": (),
    "views.update": (),
}
COMMANDS_SCOPE = "commands"  # slash commands and shortcuts


def scopes() -> tuple[str, ...]:
    """The bot token's scopes: what the commands, events and methods above need, and no other."""
    needed = {COMMANDS_SCOPE, *filter(None, EVENTS.values())}
    return tuple(sorted(needed.union(*METHODS.values())))


def manifest(request_url: str = "") -> Json:
    """The manifest for Socket Mode, or with a request URL for signed HTTP."""
    return {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {
            "name": "Cloudy",
            "description": "Protects the VMs of a VMstore into a bucket, asked for in Slack",
            "long_description": _LONG,
            "background_color": _COLOUR,
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "cloudy", "always_online": True},
            "shortcuts": [
                {"name": name, "type": kind, "callback_id": callback, "description": _SHORTCUTS[callback]}
                for name, callback, kind in ids.SHORTCUTS
            ],
            "slash_commands": [_command(command, request_url) for command in COMMANDS],
        },
        "oauth_config": {"scopes": {"bot": list(scopes())}},
        "settings": {
            "event_subscriptions": _with_url({"bot_events": sorted(EVENTS)}, request_url),
            "interactivity": _interactivity(request_url),
            "org_deploy_enabled": False,
            "socket_mode_enabled": not request_url,
            "token_rotation_enabled": False,
        },
    }


_SHORTCUTS = {
    ids.PROTECT_SHORTCUT: "Choose VMs and targets in a form",
    ids.RESTORE_SHORTCUT: "Choose a recovery point in a form, and where it goes",
    ids.SHOW_SHORTCUT: "Steps, files and outcome of the transaction that this message is about",
}


def _command(command: SlashCommand, request_url: str) -> Json:
    told: Json = {
        "command": command.name,
        "description": command.description,
        "usage_hint": command.hint,
        "should_escape": command.escaped,
    }
    return told | ({"url": request_url} if request_url else {})


def _with_url(part: Json, request_url: str) -> Json:
    return part | ({"request_url": request_url} if request_url else {})


def _interactivity(request_url: str) -> Json:
    """Menus that ask for what they offer have a URL of their own in a manifest; Bolt takes both at one."""
    options = {"message_menu_options_url": request_url} if request_url else {}
    return _with_url({"is_enabled": True}, request_url) | options
