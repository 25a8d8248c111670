"""The Web API: who may call, which method answers, which fault comes first; every call is recorded."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import chat, conversations, scopes
from .call import Call, Envelope, SlackError, arguments, token_of
from .faults import Fault, Faults
from .limits import Limits
from .record import Record
from .tokens import Tokens
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
    "usergroups.list": conversations.list_groups,
    "usergroups.users.list": conversations.list_group_users,
    "users.list": conversations.list_users,
    "users.lookupByEmail": conversations.user_by_email,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back over HTTP; is_lost: the connection is cut instead; is_hung: once the outage is over."""

    body: Json
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_lost: bool = False
    is_hung: bool = False
    delay_s: float = 0.0


class WebApi:
    """Answers calls; safe from any thread."""

    def __init__(self, workspace: Workspace, record: Record, faults: Faults, *, tokens: Tokens, limits: Limits) -> None:
        self._workspace = workspace
        self._record = record
        self._faults = faults
        self._tokens = tokens
        self._limits = limits
        self._methods = dict(METHODS)

    def add_method(self, name: str, method: Method) -> None:
        """Serve one more method."""
        self._methods[name] = method

    def has_method(self, name: str) -> bool:
        """Whether it is served."""
        return name in self._methods

    def answer(self, request: Envelope) -> Reply:
        """Carry one call out and record it; who sees what it did finds it in the record."""
        with self._workspace.lock:
            return self._answer(request)

    def _answer(self, request: Envelope) -> Reply:
        outage = self._faults.outage
        fault = None if outage else self._faults.take(request.method)
        args: Json = {}
        try:
            args = arguments(request)
            reply = _OUTAGES[outage] if outage else self._replied(request, args, fault)
        except SlackError as error:
            reply = Reply(error.to_answer())
        shown = {name: value for name, value in args.items() if name != "token"}
        if token := token_of(request, args):
            shown["token"] = token
        outcome = {"status": reply.status, "is_lost": reply.is_lost, "is_fault": bool(outage or fault)}
        self._record.add("call", request.method, args=shown, answer=reply.body, **outcome)
        return reply

    def headers_of(self, reply: Reply) -> dict[str, str]:
        """HTTP headers of a reply; Bolt reads the scopes from them."""
        return {"x-oauth-scopes": ",".join(sorted(self._tokens.scopes)), **reply.headers}

    def _replied(self, request: Envelope, args: Json, fault: Fault | None) -> Reply:
        if fault is not None and not fault.lose_answer and not fault.delay_s:
            return _refused(fault)
        named = str(args.get("channel", ""))
        channel = self._workspace.find_channel(named)
        wait_s = self._limits.take(request.method, channel.id if channel else named)
        if wait_s:
            return _limited(math.ceil(wait_s))
        answer = self._carry_out(request, args)
        is_lost, delay_s = (fault.lose_answer, fault.delay_s) if fault else (False, 0.0)
        return Reply(answer, is_lost=is_lost, delay_s=delay_s + self._faults.slow_s)

    def _carry_out(self, request: Envelope, args: Json) -> Json:
        method = self._methods.get(request.method)
        if method is None:
            raise SlackError("unknown_method", req_method=request.method)
        is_bot = self._tokens.check(request.method, token_of(request, args))
        granted = self._tokens.scopes
        with self._workspace.lock:
            if is_bot:
                scopes.check(request.method, self._workspace.channels.get(str(args.get("channel", ""))), granted)
            return method(self._workspace, Call(request.method, args, granted))


_OUTAGES = {
    "error": Reply({"ok": False, "error": "service_unavailable"}, 503),
    "hang": Reply({}, is_lost=True, is_hung=True),
    "cut": Reply({}, is_lost=True),
}


def _limited(wait_s: int) -> Reply:
    return Reply({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(wait_s)})


def _refused(fault: Fault) -> Reply:
    if fault.status == 429:
        return _limited(fault.retry_after_s)
    return Reply({"ok": False, "error": fault.error or "internal_error"}, fault.status)
