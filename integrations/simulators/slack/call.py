"""One call of the Web API: its arguments, whatever way they were encoded, and the errors that it may end with."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

Json = dict[str, Any]


class SlackError(Exception):
    """An answer with ok: false; more fields of the answer may go with it."""

    def __init__(self, code: str, **fields: Any) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields

    def to_answer(self) -> Json:
        """The body of the answer."""
        return {"ok": False, "error": self.code, **self.fields}


@dataclass(frozen=True, slots=True)
class Call:
    """A method and its arguments; forms carry everything as text, JSON bodies carry values."""

    method: str
    args: Json = field(default_factory=dict)
    scopes: frozenset[str] = frozenset()  # of the token

    def text(self, name: str, default: str = "") -> str:
        """An argument as text."""
        value = self.args.get(name)
        return default if value is None else str(value)

    def flag(self, name: str) -> bool:
        """An argument as yes or no; absent is no."""
        return str(self.args.get(name, "")).lower() in ("1", "true")

    def number(self, name: str, default: int, most: int) -> int:
        """An argument as a whole number from 1 to most; what does not fit is invalid_limit."""
        value = self.text(name)
        if not value:
            return default
        if not value.isdigit() or not 1 <= int(value) <= most:
            raise SlackError(f"invalid_{name}")
        return int(value)

    def structure(self, name: str, error: str) -> Any:
        """An argument that is JSON inside a form and a value inside JSON; None where absent."""
        value = self.args.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value else None
        except ValueError:
            raise SlackError(error) from None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What came over HTTP, before it is understood."""

    method: str
    content_type: str
    authorization: str
    query: str
    body: bytes


def arguments(request: Envelope) -> Json:
    """All arguments of a request. SlackError: a body that cannot be read."""
    args: Json = dict(parse_qsl(request.query, keep_blank_values=True))
    if not request.body:
        return args
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        raise SlackError("invalid_charset") from None
    if request.content_type.startswith("application/json"):
        return args | _json_object(text)
    return args | dict(parse_qsl(text, keep_blank_values=True))


def token_of(request: Envelope, args: Json) -> str:
    """The token, from the header or a form; a JSON body is no place for it, as Slack has it."""
    scheme, _, token = request.authorization.partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return "" if request.content_type.startswith("application/json") else str(args.get("token", ""))


def _json_object(text: str) -> Json:
    try:
        value = json.loads(text)
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(value, dict):
        raise SlackError("json_not_object")
    return value
