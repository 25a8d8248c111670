"""Signed HTTP: commands and interactions as forms, events as JSON, each to one request URL.

Source: https://docs.slack.dev/authentication/verifying-requests-from-slack and https://docs.slack.dev/apis/events-api.
"""

import contextlib
import hashlib
import hmac
import http.client
import json
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from .delivery import COMMAND, EVENT, Outcome, Request
from .record import Record

Json = dict[str, Any]

_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
_MOST_AT_ONCE = 150
_LOOK_S = 0.05
# What the person sees, by why the app did not acknowledge.
_SHOWN = {"http_timeout": "operation_timeout", "connection_failed": "dispatch_failed"}


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the app answered; why is Slack's x-slack-retry-reason when it is no acknowledgement."""

    why: str = ""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


class SignedHttp:
    """Posts to a request URL and takes the answer as the acknowledgement."""

    def __init__(
        self, record: Record, url: str, secret: str, *, deadline_s: float, event_retry_s: tuple[float, ...]
    ) -> None:
        self._record = record
        self._url = urlsplit(url)
        self._secret = secret
        self._deadline_s = deadline_s
        self._event_retry_s = event_retry_s
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="signed-http")
        self._is_over = threading.Event()

    def send(self, request: Request) -> None:
        """Post it, in a thread of its own; events are posted again until they are acknowledged."""
        with contextlib.suppress(RuntimeError):  # the pool takes nothing more once the stand-in has ended
            self._pool.submit(self._deliver, request, request.attempt)

    def ready(self, timeout_s: float) -> bool:
        """Wait until the app answers a url_verification."""
        deadline = time.monotonic() + timeout_s
        while not self.verify():
            if time.monotonic() >= deadline:
                return False
            self._is_over.wait(_LOOK_S)
        return True

    def verify(self) -> bool:
        """Send one url_verification; whether the challenge came back."""
        challenge = secrets.token_urlsafe(32)
        body = json.dumps({"token": "verification", "challenge": challenge, "type": "url_verification"})
        answer = self._post(body, _JSON, {})
        is_verified = not answer.why and challenge in answer.body
        if not answer.why:
            self._record.add("request", "url_verification", answer={"status": answer.status}, is_verified=is_verified)
        return is_verified

    def stop(self) -> None:
        """Send nothing more; repeating is safe."""
        self._is_over.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _deliver(self, request: Request, attempt: int) -> None:
        body, kind = _encoded(request)
        again = {"x-slack-retry-num": str(attempt), "x-slack-retry-reason": request.reason} if attempt else {}
        self._record.add("request", request.kind, args={"payload": request.payload, "headers": again})
        headers = self._signed(body)
        if request.is_event:
            self._retry_later(request, attempt)
        for _ in range(1, request.copies):
            self._pool.submit(self._take, request, attempt, (body, kind, {**headers, **again}))
        self._take(request, attempt, (body, kind, {**headers, **again}))

    def _take(self, request: Request, attempt: int, sent: tuple[str, str, dict[str, str]]) -> None:
        """Post it and settle the request by what comes back."""
        answer = self._post(*sent)
        if not answer.why:
            outcome = Outcome(payload=_payload(answer))
        else:
            outcome = Outcome(error=_SHOWN.get(answer.why, "dispatch_unknown_error"))
        request.reason = answer.why or request.reason
        is_final = not answer.why or not request.is_event or answer.headers.get("x-slack-no-retry") == "1"
        shown = {"status": answer.status, "body": answer.body[:10_000]}

        def tell(in_time: bool) -> None:
            kind = "failure" if answer.why else "ack"
            self._record.add(kind, request.kind, answer=shown, in_time=in_time, reason=answer.why, attempt=attempt)

        if is_final:
            request.settle(outcome, tell)
        else:
            tell(False)

    def _retry_later(self, request: Request, attempt: int) -> None:
        if attempt < len(self._event_retry_s):
            timer = threading.Timer(self._event_retry_s[attempt], self._again, (request, attempt))
            timer.daemon = True
            timer.start()

    def _again(self, request: Request, attempt: int) -> None:
        if not request.is_settled and request.attempt == attempt and not self._is_over.is_set():
            request.attempt += 1
            self.send(request)

    def _signed(self, body: str) -> dict[str, str]:
        stamp = str(int(time.time()))
        digest = hmac.new(self._secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}

    def _post(self, body: str, kind: str, headers: dict[str, str]) -> _Answer:
        headers = {"Content-Type": kind, "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)", **headers}
        headers = headers if "X-Slack-Signature" in headers else {**headers, **self._signed(body)}
        https = self._url.scheme == "https"
        line = http.client.HTTPSConnection if https else http.client.HTTPConnection
        connection = line(self._url.hostname or "", self._url.port, timeout=self._deadline_s)
        try:
            path = self._url.path or "/"
            connection.request("POST", path, body=body.encode(), headers=headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            given = {name.lower(): value for name, value in answer.getheaders()}
            return _Answer("" if answer.status == 200 else "http_error", answer.status, given, text)
        except TimeoutError:
            return _Answer("http_timeout")
        except (OSError, http.client.HTTPException):
            return _Answer("connection_failed")
        finally:
            connection.close()


def _encoded(request: Request) -> tuple[str, str]:
    if request.kind == EVENT:
        return json.dumps(request.payload), _JSON
    if request.kind == COMMAND:
        return urlencode(request.payload), _FORM
    return urlencode({"payload": json.dumps(request.payload)}), _FORM


def _payload(answer: _Answer) -> Json | None:
    if not answer.body.strip():
        return None
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    return {"text": answer.body}  # Slack shows a plain body as text
