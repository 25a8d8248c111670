"""What can be done to the local Slack beside using it: faults, outages, channels, tokens, bad delivery."""

from collections.abc import Iterable

from .disturbance import Disturbed
from .faults import Fault, Faults
from .limits import Limits
from .people import BOT_USER_ID, Channel, UserGroup
from .scopes import DEFAULT
from .socket_mode import SocketMode
from .tokens import Tokens
from .webapi import WebApi
from .workspace import Workspace


class Disturbing:
    """Everything here may be called from any thread; channels and users by name or id."""

    _workspace: Workspace
    _faults: Faults
    _limits: Limits
    _tokens: Tokens
    _sockets: SocketMode
    _delivery: Disturbed
    _api: WebApi

    # --- the Web API ---

    def fail_next(
        self,
        method: str,
        count: int = 1,
        *,
        error: str = "",
        status: int = 200,
        retry_after_s: int = 1,
        lose_answer: bool = False,
        delay_s: float = 0.0,
    ) -> None:
        """Let the next calls of a method ("*": any) fail.

        error: Slack's word for it; status: 429 carries Retry-After, 500 and others say internal_error;
        lose_answer: the call is carried out, then the connection is cut before the answer; delay_s: the call is carried
        out, and the answer comes so much later. LookupError: no such method.
        """
        if method != "*" and not self._api.has_method(method):
            raise LookupError(f"The local Slack has no method {method} that could fail.")
        self._faults.add(Fault(method, count, error, status, retry_after_s, lose_answer, delay_s))

    def clear_faults(self) -> None:
        """Forget the faults that have not happened yet."""
        self._faults.clear()

    def begin_outage(self, how: str = "error", *, sockets: bool = False) -> None:
        """Let every call fail until `end_outage`: "error" is 503, "hang" answers nothing until then, "cut" hangs up.

        sockets: close the Socket Mode connections too, which then cannot come back. ValueError: no such way.
        """
        self._faults.begin_outage(how)
        if sockets:
            self._sockets.drop()

    def end_outage(self) -> None:
        """Let calls work again; those that hang are cut, not carried out. Repeating is safe."""
        self._faults.end_outage()

    def slow(self, seconds: float) -> None:
        """Let every answer of the Web API come so much later; 0 ends it. ValueError: not from 0 to 60 seconds."""
        if not 0 <= seconds <= 60:
            raise ValueError(f"An answer may come 0 to 60 seconds later, not {seconds}.")
        self._faults.slow_s = seconds

    def limit_rates(self, is_on: bool = True) -> None:
        """Count calls by Slack's tiers and posts by channel, and answer 429 with Retry-After beyond; off at first."""
        self._limits.switch(is_on)

    def set_scopes(self, scopes: Iterable[str] | None = None) -> None:
        """Give the bot token exactly these scopes; None: those that it had at first."""
        self._tokens.scopes = DEFAULT if scopes is None else frozenset(scopes)

    def remove_scopes(self, *scopes: str) -> None:
        """Take scopes away from the bot token; repeating is safe."""
        self._tokens.scopes -= set(scopes)

    def revoke_token(self, kind: str = "bot", error: str = "token_revoked") -> None:
        """Refuse the "bot" or "app" token from now on, with that word. LookupError: no such kind."""
        self._tokens.revoke(kind, error)

    def restore_tokens(self) -> None:
        """Let both tokens work again; repeating is safe."""
        self._tokens.restore()

    # --- delivery ---

    def duplicate(self, is_on: bool = True) -> None:
        """Deliver every command, interaction and event twice, with the same ids."""
        self._delivery.duplicate(is_on)

    def reorder(self, is_on: bool = True) -> None:
        """Let every second delivery overtake the one before it."""
        self._delivery.reorder(is_on)

    def refresh_connections(self) -> None:
        """Ask every Socket Mode client to connect anew, as Slack does about hourly."""
        self._sockets.refresh()

    def drop_connections(self) -> None:
        """Close every Socket Mode connection without notice."""
        self._sockets.drop()

    # --- channels and groups ---

    def archive(self, channel: str, is_on: bool = True) -> None:
        """Archive a channel, or take it out of the archive. LookupError: there is none of that name."""
        self._channel(channel).is_archived = is_on

    def remove_bot(self, channel: str) -> None:
        """Remove the bot from a channel; repeating is safe. LookupError: there is none of that name."""
        with self._workspace.lock:
            members = self._channel(channel).members
            if BOT_USER_ID in members:
                members.remove(BOT_USER_ID)

    def invite_bot(self, channel: str) -> None:
        """Make the bot a member of a channel; repeating is safe. LookupError: there is none of that name."""
        with self._workspace.lock:
            members = self._channel(channel).members
            if BOT_USER_ID not in members:
                members.append(BOT_USER_ID)

    def add_channel(self, name: str, *, is_private: bool = False, with_bot: bool = True) -> str:
        """Make a channel of everybody; returns its id. ValueError: there is one of that name."""
        with self._workspace.lock:
            name = name.removeprefix("#")
            if self._workspace.find_channel(name) is not None:
                raise ValueError(f"There is a channel #{name} in the local Slack already.")
            people = [user.id for user in self._workspace.users.values() if user.title]
            members = [*people, *([BOT_USER_ID] if with_bot else [])]
            channel = Channel(self._workspace.new_id("C0LOCAL"), name, members, is_private=is_private)
            self._workspace.add_channel(channel)
            return channel.id

    def delete_channel(self, channel: str) -> None:
        """Delete a channel with all that was said in it. LookupError: there is none of that name."""
        self._workspace.remove_channel(self._channel(channel))

    def add_group(self, handle: str, users: Iterable[str]) -> str:
        """Make a user group, or set who is in it; returns its id. LookupError: no such user."""
        with self._workspace.lock:
            handle = handle.removeprefix("@")
            known = self._workspace.find_group(handle)
            group = known or UserGroup(self._workspace.new_id("S0LOCAL"), handle)
            group.users = [self._user(user) for user in users]
            self._workspace.groups[group.id] = group
            return group.id

    def _user(self, name: str) -> str:
        user = self._workspace.find_user(name)
        if user is None:
            raise LookupError(f"There is no user {name!r} in the local Slack.")
        return user.id

    def _channel(self, name: str) -> Channel:
        channel = self._workspace.find_channel(name)
        if channel is None:
            raise LookupError(f"There is no channel {name!r} in the local Slack.")
        return channel
