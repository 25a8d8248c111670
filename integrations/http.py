"""The one place that uses `requests`: a session with time-outs and verified TLS, failing in our own words."""

import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from bot.errors import ConfigError, DeniedError, MissingError, PermanentError, RemoteError, TransientError

_CHUNK = 1 << 16
_NEVER = frozenset({501, 505})  # 5xx that waiting does not cure
_RESTARTING = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: any status, the body whole. Headers may hold a session cookie, so the repr leaves them out."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.content)} bytes)"

    @property
    def ok(self) -> bool:
        """Whether the other side did what was asked."""
        return 200 <= self.status < 300

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is empty or something else."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None

    @property
    def wait_s(self) -> float | None:
        """Seconds that the Retry-After header asks for, which may be a number or a date (RFC 9110, 10.2.3)."""
        value = self.headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdigit():
            return float(value[:9])
        try:
            until = parsedate_to_datetime(value)
            asked_at = parsedate_to_datetime(self.headers.get("Date", ""))
            return max(0.0, (until - asked_at).total_seconds())
        except (ValueError, TypeError):
            return None


class HttpSession:
    """Connections to one server. Safe to use from several threads; never repeats a request, never follows a redirect.

    Neither the environment's proxies nor its CA bundles count: what is verified against is `ca`, or the well-known
    authorities. Cookies are not kept: who needs one sends it.
    """

    def __init__(
        self,
        url: str,
        *,
        system: str,
        ca: Path | None = None,
        connect_s: float = 5.0,
        read_s: float = 30.0,
        largest: int | None = None,
    ) -> None:
        """largest: bytes of an answer, where one could be without end; of more a PermanentError is made."""
        self.url = _checked(url, system)
        self._system = system
        self._ca = ca
        self._largest = largest
        self._timeout = (connect_s, read_s)
        self._total_s = connect_s + 2 * read_s  # for a server that sends a few bytes now and then
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(ca) if ca else True
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=0, pool_connections=1, pool_maxsize=16))

    def __repr__(self) -> str:
        return f"HttpSession({self.url!r})"

    def send(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """Send one request and give whatever came back, refusals too.

        operation: what it is for, in words ("list VMs"); it stands in the error. body: bytes go as they are, all else
        as JSON.
        Raises TransientError: not reached, or too slow. PermanentError: TLS or the address is wrong.
        """
        failure: RemoteError
        try:
            return self._send(method, path, params, headers, body)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failure = self._failure(error, operation)
        # Raised out here: the library's error carries the request, and with it a password.
        raise failure

    def close(self) -> None:
        """Let go of all connections; repeating is safe."""
        self._session.close()

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        body: Any,
    ) -> Answer:
        deadline = time.monotonic() + self._total_s
        with self._session.request(
            method,
            self.url + path,
            params=params,
            headers={"Accept": "application/json", "Content-Type": "application/json", **(headers or {})},
            data=body if body is None or isinstance(body, bytes) else json.dumps(body),
            timeout=self._timeout,
            allow_redirects=False,
            stream=True,
        ) as response:
            content = b"".join(_chunks(response.raw, deadline, self._largest))
            return Answer(response.status_code, response.headers, content)

    def _failure(self, error: Exception, operation: str) -> RemoteError:
        kind, words = self._diagnosis(error)
        return kind(
            f"{self._system} could not be asked to {operation}: {words}", system=self._system, operation=operation
        )

    def _diagnosis(self, error: Exception) -> tuple[type[TransientError | PermanentError], str]:
        chain = tuple(causes(error))
        if self._ca and not self._ca.is_file():
            return PermanentError, f"the CA file {self._ca} is not there. Set `ca` to the right file."
        if tls := next((e for e in chain if isinstance(e, ssl.SSLError)), None):
            if isinstance(tls, _RESTARTING):
                return TransientError, f"{self.url} broke off while TLS began."
            return PermanentError, self._tls_words(tls)
        if isinstance(error, _TooLong):
            return PermanentError, f"{self.url} answers with more than {self._largest} bytes."
        if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
            return TransientError, f"{self.url} did not answer in time."
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
            return PermanentError, f"{self.url} is not an address that can be used. Correct `url`."
        return TransientError, self._connection_words(chain)

    def _tls_words(self, error: ssl.SSLError) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            cure = (
                f"it was checked against {self._ca}; set `ca` to the PEM file of the authority that signed it"
                if self._ca
                else "set `ca` to the PEM file of the authority that signed it (or of the certificate, if self-signed)"
            )
            return f"the certificate of {self.url} was not accepted ({error.verify_message}); {cure}."
        if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"):
            return f"{self.url} does not speak TLS. Correct `url` (port, https or http)."
        reason = error.reason or "unknown reason"
        return f"TLS with {self.url} failed ({reason}). Check `url`, and `ca` ({self._ca or 'not set'})."

    def _connection_words(self, chain: tuple[BaseException, ...]) -> str:
        for error in chain:
            if isinstance(error, ConnectionRefusedError):
                return f"{self.url} refuses the connection; is it running, and is the port right?"
            if isinstance(error, socket.gaierror):
                return f"the name in {self.url} cannot be resolved; is it right, and does DNS work?"
        return f"the connection to {self.url} failed or broke off."


def refusal(answer: Answer, message: str, *, system: str, operation: str, code: str = "") -> RemoteError:
    """The error that an answer with a bad status stands for, to be raised by who asked."""
    told = {"system": system, "operation": operation, "code": code}
    if answer.status == 429 or (answer.status >= 500 and answer.status not in _NEVER):
        return TransientError(message, wait_s=answer.wait_s, **told)
    if answer.status in (401, 403):
        return DeniedError(message, **told)
    if answer.status == 404:
        return MissingError(message, **told)
    return PermanentError(message, **told)


def _checked(url: str, system: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        raise ConfigError([f"{system}: `url` is not an address"]) from None
    if "@" in parts.netloc:
        raise ConfigError([f"{system}: `url` holds a user or password; give them by their own settings"])
    if not usable:
        raise ConfigError([f"{system}: `url` must look like https://host or https://host:port"])
    return url.rstrip("/")


class _TooLong(OSError):  # noqa: N818 - reads as what it says
    """More came than was asked for."""


def _chunks(raw: urllib3.HTTPResponse, deadline: float, largest: int | None) -> Iterator[bytes]:
    size = 0
    while chunk := raw.read1(_CHUNK, decode_content=True):
        yield chunk
        size += len(chunk)
        if largest is not None and size > largest:
            raise _TooLong
        if time.monotonic() > deadline:
            raise TimeoutError


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it wraps: requests and urllib3 keep causes in arguments, in `reason` and in the context."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
