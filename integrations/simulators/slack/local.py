"""The local Slack as one object: start it, point a bot at it, act as its users, read what happened."""

import secrets
from collections.abc import Callable
from typing import Any

from .acting import Ack, Acting
from .answers import Answers
from .call import Call
from .control import routes
from .faults import Fault, Faults
from .people import BOT_USER_ID
from .record import Record
from .server import Server
from .socket_mode import SocketMode
from .webapi import WebApi
from .workspace import Change, Subscriber, Workspace

Json = dict[str, Any]

ACK_DEADLINE_S = 3.0  # https://docs.slack.dev/interactivity/handling-user-interaction
EVENT_RETRY_S = (3.0, 60.0, 300.0)  # https://docs.slack.dev/apis/events-api: at once, after 1 min, after 5 min


class LocalSlack:
    """A Slack on loopback with four people, three channels and one app. Every method may be called from any thread."""

    def __init__(
        self,
        *,
        port: int = 0,
        ack_deadline_s: float = ACK_DEADLINE_S,
        event_retry_s: tuple[float, ...] = EVENT_RETRY_S,
    ) -> None:
        self.bot_token = f"xoxb-local-{secrets.token_hex(12)}"
        self.app_token = f"xapp-1-local-{secrets.token_hex(12)}"
        self.signing_secret = secrets.token_hex(16)
        self.bot_user_id = BOT_USER_ID
        self._port = port
        self._record = Record()
        self._faults = Faults()
        self._workspace = Workspace()
        self._answers = Answers(self._workspace, self._record)
        self._sockets = SocketMode(self._record, event_retry_s)
        self._acting = Acting(self._workspace, self._record, self._answers, self._sockets, ack_deadline_s)
        self._api = WebApi(self._workspace, self._record, self._faults, (self.bot_token, self.app_token))
        self._api.add_method("apps.connections.open", self._open_connection)
        self._server: Server | None = None

    # --- running ---

    def start(self) -> str:
        """Serve, and return the base URL of the Web API."""
        self._server = Server(self._port)
        self._workspace.url = self._server.url
        self._server.start(self._api, self._answers, self._sockets, routes(self))
        return self.url

    def stop(self) -> None:
        """End it; repeating is safe."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> "LocalSlack":
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Base URL of the Web API, "http://127.0.0.1:<port>/api/"."""
        return f"{self._workspace.url}api/"

    def ready(self, timeout_s: float = 10.0) -> bool:
        """Wait until a Socket Mode client is connected; False when none is by then."""
        return self._sockets.ready(timeout_s)

    # --- acting as a user; channels and users by name or id ---

    def command(self, user: str, channel: str, text: str) -> Ack:
        """Type a slash command; returns when it is acknowledged, or after the deadline."""
        return self._acting.command(user, channel, text)

    def click(self, user: str, label: str, channel: str = "ops") -> Ack:
        """Click the newest button of that label that the user sees there. LookupError: there is none."""
        return self._acting.click(user, label, channel)

    def mention(self, user: str, text: str, channel: str = "ops", thread_ts: str | None = None) -> Ack:
        """Write "@cloudy <text>"."""
        return self._acting.mention(user, text, channel, thread_ts)

    def say(self, user: str, text: str, channel: str = "ops", thread_ts: str | None = None) -> Ack:
        """Write any message."""
        return self._acting.say(user, text, channel, thread_ts)

    # --- looking ---

    def newest_thread(self, channel: str = "ops") -> str:
        """The ts of the newest thread's root. LookupError: there is none."""
        return self._acting.newest_thread(channel)

    def conversation(self, channel: str = "ops") -> list[Change]:
        """All that can be seen there now: each root, then its thread."""
        return self._workspace.conversation(self.channel_id(channel))

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Be called with every visible change, in order; returns the way to leave. See Workspace.subscribe."""
        return self._workspace.subscribe(subscriber)

    @property
    def record(self) -> list[Json]:
        """Every call, envelope, acknowledgement and act so far: a copy, without tokens."""
        return self._record.rows()

    def channel_id(self, name: str) -> str:
        """Id of a channel. LookupError: there is none of that name."""
        channel = self._workspace.find_channel(name)
        if channel is None:
            raise LookupError(f"There is no channel {name!r} in the local Slack.")
        return channel.id

    def user_id(self, name: str) -> str:
        """Id of a user. LookupError: there is none of that name."""
        user = self._workspace.find_user(name)
        if user is None:
            raise LookupError(f"There is no user {name!r} in the local Slack.")
        return user.id

    # --- disturbing ---

    def fail_next(
        self,
        method: str,
        count: int = 1,
        *,
        error: str = "",
        status: int = 200,
        retry_after_s: int = 1,
        lose_answer: bool = False,
    ) -> None:
        """Let the next calls of a method ("*": any) fail.

        error: Slack's word for it; status: 429 carries Retry-After, 500 and others say internal_error;
        lose_answer: the call is carried out, then the connection is cut before the answer. LookupError: no such method.
        """
        if method != "*" and not self._api.has_method(method):
            raise LookupError(f"The local Slack has no method {method} that could fail.")
        self._faults.add(Fault(method, count, error, status, retry_after_s, lose_answer))

    def clear_faults(self) -> None:
        """Forget the faults that have not happened yet."""
        self._faults.clear()

    def refresh_connections(self) -> None:
        """Ask every Socket Mode client to connect anew, as Slack does about hourly."""
        self._sockets.refresh()

    def drop_connections(self) -> None:
        """Close every Socket Mode connection without notice."""
        self._sockets.drop()

    def _open_connection(self, workspace: Workspace, _call: Call) -> Json:
        url = workspace.url.replace("http://", "ws://", 1)
        return {"ok": True, "url": f"{url}link/?ticket={self._sockets.open_ticket()}&app_id=local"}
