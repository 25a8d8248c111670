"""The local Slack as one object: start it, point a bot at it, act as its users, read what happened."""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from . import payloads
from .acting import Acting
from .answers import Answers
from .asking import Ack, Asking
from .call import Call
from .control import routes
from .delivery import EVENT, Request
from .disturbance import Disturbed
from .disturbing import Disturbing
from .faults import Faults
from .files import Files
from .limits import Limits
from .page import Page
from .pagefeed import Feed
from .pageshapes import Offered, Troubles
from .people import BOT_USER_ID
from .pointing import Pointing
from .record import Record
from .server import Pieces, Server
from .shortcuts import Shortcut, Shortcuts
from .signed_http import SignedHttp
from .socket_mode import SocketMode
from .surfaces import Surfaces
from .tokens import Tokens
from .triggers import Triggers
from .views import Views
from .webapi import WebApi
from .workspace import Change, Subscriber, Workspace

Json = dict[str, Any]

ACK_DEADLINE_S = 3.0  # https://docs.slack.dev/interactivity/handling-user-interaction
EVENT_RETRY_S = (3.0, 60.0, 300.0)  # https://docs.slack.dev/apis/events-api: at once, after 1 min, after 5 min


class LocalSlack(Disturbing):
    """A Slack on loopback with four people, three channels and one app. Every method may be called from any thread.

    request_url: deliver by signed HTTP to that URL instead of Socket Mode. clock: seconds, for trigger ids,
    response_urls and rate limits; a test may give its own. `events` names what the app has subscribed to, shortcuts
    those of its manifest, usages its commands ("/protect <vm> to <target>") for the page to complete.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        ack_deadline_s: float = ACK_DEADLINE_S,
        event_retry_s: tuple[float, ...] = EVENT_RETRY_S,
        request_url: str = "",
        clock: Callable[[], float] = time.monotonic,
        shortcuts: Sequence[Shortcut] = (),
        usages: Sequence[str] = (),
    ) -> None:
        self.signing_secret = secrets.token_hex(16)
        self.bot_user_id = BOT_USER_ID
        self.events = {"app_mention", "message.im", "app_home_opened"}
        self._port = port
        self._tokens = Tokens()
        self._record = Record()
        self._faults = Faults()
        self._limits = Limits(clock)
        self._workspace = Workspace()
        self._answers = Answers(self._workspace, self._record, clock)
        self._sockets = SocketMode(self._record, event_retry_s)
        self._http = self._signed_http(request_url, ack_deadline_s, event_retry_s) if request_url else None
        self._delivery = Disturbed(self._http or self._sockets)
        triggers = Triggers(clock)
        self._views = Views(self._workspace, triggers)
        self._files = Files(self._workspace)
        asking = Asking(
            self._workspace, self._record, self._answers, triggers, self._delivery, self.events, ack_deadline_s
        )
        self._acting = Acting(asking)
        self._surfaces = Surfaces(asking, self._views)
        self._shortcuts = Shortcuts(self._surfaces, self._workspace, shortcuts)
        self._pointing = Pointing(asking, self._surfaces, self._views)
        self._offered = Offered(usages, shortcuts)
        self._api = WebApi(self._workspace, self._record, self._faults, tokens=self._tokens, limits=self._limits)
        self._api.add_method("apps.connections.open", self._open_connection)
        for name, method in {**self._views.methods(), **self._files.methods()}.items():
            self._api.add_method(name, method)
        self._server: Server | None = None

    # --- running ---

    def start(self) -> str:
        """Serve, and return the base URL of the Web API."""
        self._server = Server(self._port)
        self._workspace.url = self._server.url
        pieces = Pieces(self._api, self._answers, self._files, self._faults, self._sockets)
        self._server.start(pieces, [*routes(self), *self._page().routes()])
        return self.url

    def stop(self) -> None:
        """End it; repeating is safe."""
        self._faults.end_outage()  # else a call that hangs would hold the server
        if self._http is not None:
            self._http.stop()
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

    @property
    def page_url(self) -> str:
        """Where a browser shows the workspace, "http://127.0.0.1:<port>/"."""
        return self._workspace.url

    @property
    def bot_token(self) -> str:
        """The token for the Web API."""
        return self._tokens.bot

    @property
    def app_token(self) -> str:
        """The token for Socket Mode."""
        return self._tokens.app

    def ready(self, timeout_s: float = 10.0) -> bool:
        """Wait until a Socket Mode client is connected, or the request URL verifies; False when not by then."""
        return self._delivery.ready(timeout_s)

    # --- acting as a user; channels and users by name or id ---

    def command(self, user: str, channel: str, text: str) -> Ack:
        """Type a slash command; returns when it is acknowledged, or after the deadline."""
        return self._acting.command(user, channel, text)

    def click(self, user: str, label: str, channel: str = "ops") -> Ack:
        """Click the newest button or menu entry of that label: in the open modal, else there ("home": the App Home).

        LookupError: the user sees none.
        """
        return self._surfaces.click(user, label, channel)

    def choose(self, user: str, name: str, value: str, channel: str = "ops") -> Ack:
        """Choose a value in the newest menu or picker called so (label, placeholder or action_id); as click."""
        return self._surfaces.choose(user, name, value, channel)

    def fill(self, user: str, name: str, value: str) -> Ack:
        """Fill in a field of the open modal; several values are parted by commas. LookupError: no such field."""
        return self._surfaces.fill(user, name, value)

    def submit(self, user: str) -> Ack:
        """Submit the open modal; text is what the app found wrong with it. LookupError: none is open."""
        return self._surfaces.submit(user)

    def close(self, user: str) -> Ack:
        """Close the open modal without submitting it. LookupError: none is open."""
        return self._surfaces.close(user)

    def open_home(self, user: str) -> Ack:
        """Look at the App Home; text is what it shows when the app has acknowledged that."""
        return self._surfaces.open_home(user)

    def options(self, user: str, name: str, text: str, channel: str = "ops") -> list[str]:
        """What the app suggests when that text is typed into a menu. LookupError: no such menu, or no answer."""
        return self._surfaces.options(user, name, text, channel)

    def shortcut(self, user: str, callback_id: str, channel: str = "", ts: str = "") -> Ack:
        """Use a global shortcut, or with channel and ts that of a message."""
        return self._surfaces.shortcut(user, callback_id, channel, ts)

    def menu(self, user: str, label: str, channel: str = "ops") -> Ack:
        """Use the app's shortcut of that label; one for messages on the app's newest message there.

        LookupError: the app has no such shortcut, or has written nothing there.
        """
        return self._shortcuts.use(user, label, channel)

    def mention(self, user: str, text: str, channel: str = "ops", thread_ts: str | None = None) -> Ack:
        """Write "@cloudy <text>"."""
        return self._acting.mention(user, text, channel, thread_ts)

    def say(self, user: str, text: str, channel: str = "ops", thread_ts: str | None = None) -> Ack:
        """Write any message; in the channel "@cloudy" to the bot alone."""
        return self._acting.say(user, text, channel, thread_ts)

    def send_event(self, event: Json) -> None:
        """Send any event ({"type": ..., ...}) without waiting; it is sent again until it is acknowledged."""
        payload = payloads.event(event)
        self._record.add("event", str(event.get("type")), args=payload)
        self._delivery.send(Request(EVENT, payload))

    # --- looking ---

    def newest_thread(self, channel: str = "ops") -> str:
        """The ts of the newest thread's root. LookupError: there is none."""
        return self._acting.newest_thread(channel)

    def conversation(self, channel: str = "ops") -> list[Change]:
        """All that can be seen there now: each root, then its thread. A user's name is that one's DM with the bot."""
        return self._workspace.conversation(self.channel_id(channel))

    def modal(self, user: str) -> str | None:
        """The user's open modal as text, with what was filled in; None where none is open."""
        return self._surfaces.modal(user)

    def home(self, user: str) -> str | None:
        """The user's App Home as text; None where the app has published none."""
        return self._surfaces.home(user)

    def file(self, name: str) -> bytes:
        """The bytes of an uploaded and shared file. LookupError: there is none of that name."""
        return self._files.content(name)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Be called with every visible change, in order; returns the way to leave. See Workspace.subscribe."""
        return self._workspace.subscribe(subscriber)

    @property
    def record(self) -> list[Json]:
        """Every call, envelope, acknowledgement and act so far: a copy, without tokens; see record_since."""
        return self._record.since(0)

    @property
    def record_length(self) -> int:
        """How many rows there are."""
        return len(self._record)

    def record_since(self, start: int) -> list[Json]:
        """The rows of the record from number `start` on; costs only what it gives."""
        return self._record.since(start)

    def channel_id(self, name: str) -> str:
        """Id of a channel. LookupError: there is none of that name."""
        return self._channel(name).id

    def user_id(self, name: str) -> str:
        """Id of a user. LookupError: there is none of that name."""
        return self._user(name)

    def _page(self) -> Page:
        troubles = Troubles(self._faults, self._limits, self._delivery)
        feed = Feed(self._workspace, self._views, self._offered, troubles, self._is_bot_connected)
        acting, surfaces, pointing = self._acting, self._surfaces, self._pointing
        return Page(acting, surfaces, pointing, self, self._files, self._record, feed)

    def _is_bot_connected(self) -> bool | None:
        return None if self._http else self._sockets.is_reachable

    def _signed_http(self, url: str, deadline_s: float, event_retry_s: tuple[float, ...]) -> SignedHttp:
        return SignedHttp(self._record, url, self.signing_secret, deadline_s=deadline_s, event_retry_s=event_retry_s)

    def _open_connection(self, workspace: Workspace, _call: Call) -> Json:
        url = workspace.url.replace("http://", "ws://", 1)
        return {"ok": True, "url": f"{url}link/?ticket={self._sockets.open_ticket()}&app_id=local"}
