"""The Web API: who may call, which method answers, which fault comes first; every call is recorded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import chat, conversations
from .call import Call, Envelope, SlackError, arguments, token_of
from .faults import Fault, Faults
from .record import Record
from .workspace import Workspace

Json = dict[str, Any]
Method = Callable[[Workspace, Call], Json]

METHODS: dict[str, Method] = {
    "api.test": conversations.check_api,
    "auth.test": conversations.whoami,
    "blocks.validate": chat.validate_blocks,
    "bots.info": conversations.bot_info,
    "chat.delete": chat.delete,
    "chat.getPermalink": chat.permalink,
    "chat.postEphemeral": chat.post_ephemeral,
    "chat.postMessage": chat.post_message,
    "chat.update": chat.update,
    "conversations.history": conversations.history,
    "conversations.info": conversations.info,
    "conversations.list": conversations.list_channels,
    "conversations.members": conversations.members,
    "conversations.open": conversations.open_direct,
    "conversations.replies": conversations.replies,
    "reactions.add": chat.add_reaction,
    "users.info": conversations.user_info,
    "users.list": conversations.list_users,
}
_FOR_APP_TOKEN = "apps.connections.open"  # noqa: S105 - a method's name
_WITHOUT_TOKEN = "api.test"  # noqa: S105
_SCOPES = (
    "app_mentions:read,channels:history,channels:read,chat:write,commands,"
    "im:history,im:write,reactions:write,users:read"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back over HTTP; is_lost: the connection is cut instead."""

    body: Json
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_lost: bool = False


class WebApi:
    """Answers calls; safe from any thread."""

    def __init__(self, workspace: Workspace, record: Record, faults: Faults, tokens: tuple[str, str]) -> None:
        self._workspace = workspace
        self._record = record
        self._faults = faults
        self._bot_token, self._app_token = tokens
        self._methods = dict(METHODS)

    def add_method(self, name: str, method: Method) -> None:
        """Serve one more method."""
        self._methods[name] = method

    def has_method(self, name: str) -> bool:
        """Whether it is served."""
        return name in self._methods

    def answer(self, request: Envelope) -> Reply:
        """Carry one call out and record it."""
        fault = self._faults.take(request.method)
        args: Json = {}
        try:
            args = arguments(request)
            reply = self._faulty(request, args, fault) if fault else Reply(self._carry_out(request, args))
        except SlackError as error:
            reply = Reply(error.to_answer())
        shown = {name: value for name, value in args.items() if name != "token"}
        if token := token_of(request, args):
            shown["token"] = token
        outcome = {"status": reply.status, "is_lost": reply.is_lost, "is_fault": fault is not None}
        self._record.add("call", request.method, args=shown, answer=reply.body, **outcome)
        return reply

    def _carry_out(self, request: Envelope, args: Json) -> Json:
        method = self._methods.get(request.method)
        if method is None:
            raise SlackError("unknown_method", req_method=request.method)
        self._check_token(request.method, token_of(request, args))
        with self._workspace.lock:
            return method(self._workspace, Call(request.method, args))

    def _check_token(self, method: str, token: str) -> None:
        if method == _WITHOUT_TOKEN:
            return
        if not token:
            raise SlackError("not_authed")
        if token not in (self._bot_token, self._app_token):
            raise SlackError("invalid_auth")
        if (token == self._app_token) != (method == _FOR_APP_TOKEN):
            raise SlackError("not_allowed_token_type")

    def _faulty(self, request: Envelope, args: Json, fault: Fault) -> Reply:
        if fault.lose_answer:
            return Reply(self._carry_out(request, args), is_lost=True)
        if fault.status == 429:
            return Reply({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(fault.retry_after_s)})
        return Reply({"ok": False, "error": fault.error or "internal_error"}, fault.status)


def headers_of(reply: Reply) -> dict[str, str]:
    """HTTP headers of a reply; Bolt reads the scopes from them."""
    return {"x-oauth-scopes": _SCOPES, **reply.headers}
