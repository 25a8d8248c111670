"""Who and what there is in the local workspace: users, the app's bot user, channels."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

TEAM_ID = "T0LOCAL001"
TEAM_DOMAIN = "cloudy-local"
APP_ID = "A0CLOUDY01"
BOT_ID = "B0CLOUDY01"
BOT_USER_ID = "U0CLOUDY01"
SLACKBOT_ID = "USLACKBOT"


@dataclass(frozen=True, slots=True)
class User:
    """One member; title says what the demo uses the person for."""

    id: str
    name: str
    title: str = ""
    is_bot: bool = False

    @property
    def email(self) -> str:
        """Address, for users.lookupByEmail."""
        return f"{self.name}@cloudy.example"

    def to_api(self) -> Json:
        """As users.info gives it."""
        profile: Json = {"real_name": self.name.capitalize(), "display_name": self.name, "title": self.title}
        if self.is_bot:
            profile |= {"bot_id": BOT_ID, "api_app_id": APP_ID}
        return {
            "id": self.id,
            "team_id": TEAM_ID,
            "name": self.name,
            "real_name": self.name.capitalize(),
            "deleted": False,
            "is_bot": self.is_bot,
            "is_admin": self.title == "admin",
            "tz": "Etc/UTC",
            "tz_offset": 0,
            "profile": profile | ({} if self.is_bot else {"email": self.email}),
        }


@dataclass(slots=True)
class Channel:
    """One conversation; a direct one has `user` instead of a name of its own."""

    id: str
    name: str
    members: list[str] = field(default_factory=list)
    user: str = ""
    is_private: bool = False
    is_archived: bool = False

    @property
    def is_direct(self) -> bool:
        """Whether it is between one user and the bot."""
        return bool(self.user)

    def to_api(self) -> Json:
        """As conversations.info gives it."""
        if self.is_direct:
            return {
                "id": self.id,
                "is_im": True,
                "is_archived": self.is_archived,
                "user": self.user,
                "created": 1767225600,
            }
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": not self.is_private,
            "is_group": self.is_private,
            "is_im": False,
            "is_private": self.is_private,
            "is_archived": self.is_archived,
            "is_general": self.name == "general",
            "is_member": BOT_USER_ID in self.members,
            "created": 1767225600,
            "creator": "U0DAVE0001",
            "num_members": len(self.members),
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


@dataclass(slots=True)
class UserGroup:
    """People who are mentioned together."""

    id: str
    handle: str
    users: list[str] = field(default_factory=list)

    def to_api(self, *, with_users: bool, with_count: bool) -> Json:
        """As usergroups.list gives it."""
        return {
            "id": self.id,
            "team_id": TEAM_ID,
            "is_usergroup": True,
            "name": self.handle.replace("-", " ").capitalize(),
            "handle": self.handle,
            "description": "",
            "is_external": False,
            "date_create": 1767225600,
            "date_delete": 0,
            "prefs": {"channels": [], "groups": []},
            **({"users": list(self.users)} if with_users else {}),
            **({"user_count": len(self.users)} if with_count else {}),
        }


def default_users() -> list[User]:
    """The cast of the demo."""
    return [
        User("U0ALICE001", "alice", "operator"),
        User("U0BOB00001", "bob", "approver"),
        User("U0CAROL001", "carol", "viewer"),
        User("U0DAVE0001", "dave", "admin"),
        User(BOT_USER_ID, "cloudy", is_bot=True),
        User(SLACKBOT_ID, "slackbot"),
    ]


def default_channels() -> list[Channel]:
    """The stage of the demo; ops comes first and is where people are unless they say otherwise."""
    everybody = [user.id for user in default_users() if user.id != SLACKBOT_ID]
    named = (("C0OPS00001", "ops"), ("C0BACKUPS1", "backups"), ("C0GENERAL1", "general"))
    return [Channel(channel_id, name, list(everybody)) for channel_id, name in named]
