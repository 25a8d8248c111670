"""The app's two tokens, the bot token's scopes, and whether they still open anything."""

import secrets
from dataclasses import dataclass, field

from .call import SlackError
from .scopes import DEFAULT

_FOR_APP_TOKEN = "apps.connections.open"  # noqa: S105 - a method's name
_WITHOUT_TOKEN = "api.test"  # noqa: S105


@dataclass(slots=True, repr=False)
class Tokens:
    """Tokens by kind, "bot" and "app"; refused has Slack's word for those that were taken away."""

    bot: str = field(default_factory=lambda: f"xoxb-local-{secrets.token_hex(12)}")
    app: str = field(default_factory=lambda: f"xapp-1-local-{secrets.token_hex(12)}")
    scopes: frozenset[str] = DEFAULT
    refused: dict[str, str] = field(default_factory=dict)

    def revoke(self, kind: str, error: str) -> None:
        """Refuse it from now on. LookupError: there is no such kind."""
        if kind not in ("bot", "app"):
            raise LookupError(f"There is no {kind!r} token; there are: bot, app.")
        self.refused[kind] = error

    def restore(self) -> None:
        """Let both work again; repeating is safe."""
        self.refused.clear()

    def check(self, method: str, token: str) -> bool:
        """Whether it is the bot token.

        SlackError: not_authed, invalid_auth, not_allowed_token_type, or the word that it was taken away with.
        """
        if method == _WITHOUT_TOKEN:
            return False
        if not token:
            raise SlackError("not_authed")
        if token not in (self.bot, self.app):
            raise SlackError("invalid_auth")
        kind = "app" if token == self.app else "bot"
        if kind in self.refused:
            raise SlackError(self.refused[kind])
        if (kind == "app") != (method == _FOR_APP_TOKEN):
            raise SlackError("not_allowed_token_type")
        return kind == "bot"
