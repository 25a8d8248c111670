"""The gate of signed HTTP: only what Slack has signed, whole and well-formed, gets to the listeners.

It verifies, parses and hands Bolt the payload as a socket would. Bolt 1.30 itself parses before it verifies, so anybody
could make it answer 500; and it loses a command whose text has the word "payload". Source of the signature:
https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hmac
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from slack_bolt import App, BoltRequest, BoltResponse

from bot.model import Json
from handlers import shapes

if TYPE_CHECKING:
    from wsgiref.types import InputStream, StartResponse, WSGIEnvironment

_log = logging.getLogger(__name__)

PATH, HEALTH = "/slack/events", "/healthz"
MOST_BYTES = 512 << 10  # a view has at most 250 KB, and comes back escaped
_WINDOW_S = 300
_MOST_FIELDS = 200
_SAY_EVERY_S = 60.0
_TEXT = ("content-type", "text/plain; charset=utf-8")
_JSON = ("content-type", "application/json; charset=utf-8")


class _Refused(Exception):  # noqa: N818 - an answer, not an error
    """The request does not get in; `why` is for the log, since whoever sent it may be anybody."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Gate:
    """A WSGI application; any number of threads."""

    def __init__(
        self,
        app: App,
        *,
        signing_secret: str,
        health: Callable[[], Mapping[str, bool]],
        now: Callable[[], float] = time.time,
    ) -> None:
        """health: what is well and what is not, for a balancer; now: Unix seconds."""
        self._app = app
        self._secret = signing_secret.encode()
        self._health = health
        self._now = now
        self._lock = threading.Lock()
        self._said_at = 0.0
        self._unsaid = 0

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request; never raises."""
        try:
            status, header, body = self._answer(environ)
        except _Refused as refused:
            self._say(refused)
            status, header, body = refused.status, _TEXT, f"{refused.status.phrase}\n"
        except Exception:  # noqa: BLE001 - the server would answer, but without a word in our log
            _log.exception("a request could not be answered", extra={"action": "gate"})
            status, header, body = HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, "see the log\n"
        raw = body.encode("utf-8", "replace")
        headers = [header, ("content-length", str(len(raw)))]
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("allow", "GET, HEAD" if environ.get("PATH_INFO") == HEALTH else "POST"))
        start_response(f"{status.value} {status.phrase}", headers)
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [raw]

    def _answer(self, environ: "WSGIEnvironment") -> tuple[HTTPStatus, tuple[str, str], str]:
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD", "")
        if path == HEALTH:
            _allow(method, "GET", "HEAD")
            return self._told_health()
        if path != PATH:
            raise _Refused(HTTPStatus.NOT_FOUND, "no such path")
        _allow(method, "POST")
        raw = _body(environ)
        self._verify(environ, raw)
        payload = parse(raw)
        if payload.get("ssl_check") == "1":
            return HTTPStatus.OK, _TEXT, ""
        if payload.get("type") == "url_verification":
            return HTTPStatus.OK, _JSON, json.dumps({"challenge": payload.get("challenge", "")})
        if flaw := shapes.flaw(payload):
            raise _Refused(HTTPStatus.BAD_REQUEST, flaw)
        return _told(self._app.dispatch(_request(environ, payload)))

    def _told_health(self) -> tuple[HTTPStatus, tuple[str, str], str]:
        health = self._health()
        status = HTTPStatus.OK if all(health.values()) else HTTPStatus.SERVICE_UNAVAILABLE
        return status, _JSON, json.dumps({name: "ok" if well else "failed" for name, well in health.items()})

    def _verify(self, environ: "WSGIEnvironment", raw: bytes) -> None:
        timestamp = str(environ.get("HTTP_X_SLACK_REQUEST_TIMESTAMP", ""))
        if not re.fullmatch("[0-9]{1,12}", timestamp, re.ASCII) or abs(self._now() - int(timestamp)) > _WINDOW_S:
            raise _Refused(HTTPStatus.UNAUTHORIZED, "the timestamp is missing, or more than 5 minutes away")
        signed = b"v0:" + timestamp.encode() + b":" + raw
        wanted = "v0=" + hmac.new(self._secret, signed, "sha256").hexdigest()
        given = str(environ.get("HTTP_X_SLACK_SIGNATURE", ""))
        if not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace")):
            raise _Refused(HTTPStatus.UNAUTHORIZED, "not signed with CLOUDY_SLACK__SIGNING_SECRET")

    def _say(self, refused: _Refused) -> None:
        """Log, but let nobody fill the log from outside."""
        with self._lock:
            self._unsaid += 1
            if abs(time.monotonic() - self._said_at) < _SAY_EVERY_S and self._said_at:
                return
            count, self._unsaid, self._said_at = self._unsaid, 0, time.monotonic()
        facts = {"action": "gate", "status": refused.status.value, "error": str(refused), "count": count}
        _log.warning("requests were refused; of those in one minute the first is told", extra=facts)


def parse(raw: bytes) -> Json:
    """Read a body: JSON for events, a form for commands, a form with JSON in `payload` for interactions."""
    try:
        text = raw.decode()
        if text.lstrip()[:1] in ("{", "["):
            payload = json.loads(text)
        else:
            fields = dict(
                parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict",
                          max_num_fields=_MOST_FIELDS)
            )  # fmt: skip
            payload = json.loads(fields["payload"]) if "payload" in fields and "command" not in fields else fields
        json.dumps(payload, ensure_ascii=False).encode()  # half a surrogate pair is no text: no database keeps it
    except (ValueError, RecursionError):
        raise _Refused(HTTPStatus.BAD_REQUEST, "the body is neither JSON nor a form") from None
    if not isinstance(payload, dict):
        raise _Refused(HTTPStatus.BAD_REQUEST, "the payload is no JSON object")
    return payload


def _allow(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, "another method than the path has")


def _body(environ: "WSGIEnvironment") -> bytes:
    length = str(environ.get("CONTENT_LENGTH") or "0")
    if not re.fullmatch("[0-9]+", length, re.ASCII):
        raise _Refused(HTTPStatus.BAD_REQUEST, "the content length is no number")
    if len(length) > 9 or int(length) > MOST_BYTES:
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MOST_BYTES} bytes")
    source: InputStream = environ["wsgi.input"]
    raw = source.read(int(length))
    if len(raw) != int(length):
        raise _Refused(HTTPStatus.BAD_REQUEST, "the body ends early")
    return raw


def _request(environ: "WSGIEnvironment", payload: Json) -> BoltRequest:
    retry = {
        name: str(environ[key])
        for name, key in (
            ("x-slack-retry-num", "HTTP_X_SLACK_RETRY_NUM"),
            ("x-slack-retry-reason", "HTTP_X_SLACK_RETRY_REASON"),
        )
        if key in environ
    }
    # "socket_mode": already verified and parsed.
    return BoltRequest(mode="socket_mode", body=payload, headers=dict(retry))


def _told(response: BoltResponse) -> tuple[HTTPStatus, tuple[str, str], str]:
    content_type = next(iter(response.headers.get("content-type", ())), _TEXT[1])
    return HTTPStatus(response.status), ("content-type", content_type), response.body or ""
