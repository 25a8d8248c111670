"""Sends bodies for boto3, which makes, signs and understands everything: only the bytes take a shorter way.

It is asked just before boto3 would send a request itself (botocore's event `before-send`). Where the way leads through
a proxy it is not asked at all, and boto3 sends.
"""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache, partial
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.utils import get_environ_proxies

from integrations.objectstores.body import Body
from integrations.objectstores.s3.options import S3Options
from integrations.objectstores.s3.pipe import Answered, Line
from integrations.objectstores.s3.trust import trusting

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

IDLE_S = 10.0  # then a connection is closed; many a store closes it after 20 s
KEPT = 64  # connections that nobody uses
_REFUSED, _MOST_SAID = 300, 64 << 10


def send_raw(
    client: "S3Client", options: S3Options, *, connect_s: float, silence_s: float, way: "type[RawPut] | None" = None
) -> None:
    """Send the bodies of a client from now on, but where a proxy is on the way."""
    if options.proxy or get_environ_proxies(client.meta.endpoint_url).get(urlsplit(client.meta.endpoint_url).scheme):
        return
    raw = (way or RawPut)(partial(trusting, options), connect_s=connect_s, silence_s=silence_s)
    events: Any = client.meta.events
    events.register("before-send.s3", raw.send)


class RawPut:
    """Sends over connections of its own, which are kept for a while. For many threads."""

    def __init__(self, trust: Callable[[], ssl.SSLContext], *, connect_s: float, silence_s: float) -> None:
        """trust: gives who is trusted, asked once. silence_s: how long the store may neither take nor say anything."""
        self._trusted = cache(trust)
        self._connect_s = connect_s
        self._silence_s = silence_s
        self._idle: list[tuple[float, Line]] = []  # and since when; the one used last is the last
        self._is_swept = False
        self._lock = threading.Lock()

    def send(self, request: AWSPreparedRequest, **_told: Any) -> AWSResponse | None:
        """Send a request with a body of ours and give the answer; None: any other is boto3's own.

        Raises botocore's errors. Where a kept connection breaks and nothing was answered, it is opened anew, once:
        the store has closed it meanwhile, and a PUT may be repeated.
        """
        body: object = request.body
        if not isinstance(body, Body):
            return None
        place = urlsplit(request.url)
        line = self._kept(place)
        if line is not None:
            try:
                return self._sent(line, request, body)
            except (ConnectionClosedError, SSLError):
                body.seek(0)
        return self._sent(self._opened(place, request.url), request, body)

    def _sent(self, line: Line, request: AWSPreparedRequest, body: Body) -> AWSResponse:
        try:
            with talking(request):
                answer, said, was_wanted = _asked(line, request, body)
        except BaseException:
            line.close()
            raise
        if was_wanted and not answer.will_close:
            self._keep(line)
        else:
            line.close()
        headers: Any = dict(answer.getheaders())
        return AWSResponse(request.url, answer.status, headers, _Raw(said))

    def _opened(self, place: SplitResult, url: str) -> Line:
        is_encrypted = place.scheme == "https"
        with _connecting(url):
            line = Line(
                place.hostname or "",
                place.port or (443 if is_encrypted else 80),
                self._trusted() if is_encrypted else None,
                connect_s=self._connect_s,
                silence_s=self._silence_s,
            )
            line.connect()
        return line

    def _kept(self, place: SplitResult) -> Line | None:
        """The one that was used last, if the store has not closed it."""
        while True:
            with self._lock:
                found = next((each for each in reversed(self._idle) if each[1].leads_to(place)), None)
                if found is None:
                    return None
                self._idle.remove(found)
            if found[1].is_open():
                return found[1]
            found[1].close()

    def _keep(self, line: Line) -> None:
        with self._lock:
            has_room, is_swept = len(self._idle) < KEPT, self._is_swept
            if has_room:
                self._idle.append((time.monotonic(), line))
                self._is_swept = True
        if not has_room:
            line.close()
        elif not is_swept:
            threading.Thread(target=self._sweep, name="s3-idle", daemon=True).start()

    def _sweep(self) -> None:
        """Close what nobody uses; ends when there is nothing left."""
        is_over = False
        while not is_over:
            time.sleep(IDLE_S / 2)
            until = time.monotonic() - IDLE_S
            with self._lock:
                old = [line for since, line in self._idle if since <= until]
                self._idle = self._idle[len(old) :]
                is_over = not self._idle
                self._is_swept = not is_over
            for line in old:
                line.close()


class _Raw:
    """What boto3 reads the rest of an answer from."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def _asked(line: Line, request: AWSPreparedRequest, body: Body) -> tuple[HTTPResponse, bytes, bool]:
    """Send it and read the answer, whole; and whether all that was sent was wanted.

    A store that refuses may answer before it has everything, and hang up: what it said is there to be read.
    """
    was_wanted, broken = True, None
    try:
        _put(line, request, body)
    except Answered:
        was_wanted = False
    except TimeoutError:
        raise
    except OSError as error:
        was_wanted, broken = False, error
    try:
        answer = line.getresponse()
        with closing(answer):
            if answer.status < _REFUSED:
                _believe(answer, was_wanted)
            said, is_whole = _said(answer)
        return answer, said, was_wanted and is_whole
    except (OSError, HTTPException) as error:
        raise broken or error from None


def _believe(answer: HTTPResponse, was_wanted: bool) -> None:
    """HTTPException: it is good, and cannot be."""
    if not was_wanted:
        raise HTTPException("the store took what it did not have whole")
    if answer.length is None and not answer.chunked:
        # cut in its headers, which http.client does not mind: a good answer always says how long it is
        raise HTTPException("the answer is not whole")


def _said(answer: HTTPResponse) -> tuple[bytes, bool]:
    """As much of it as can be of use, and whether that is all. IncompleteRead: it was cut."""
    said = answer.read(_MOST_SAID)
    if answer.length and len(said) < _MOST_SAID:
        raise IncompleteRead(said, answer.length)
    return said, answer.isclosed()


def _put(line: Line, request: AWSPreparedRequest, body: Body) -> None:
    place = urlsplit(request.url)
    target = place.path + (f"?{place.query}" if place.query else "")
    line.putrequest(request.method, target, skip_host="host" in request.headers)
    for name, value in request.headers.items():
        line.putheader(name, value)
    line.endheaders()
    for stretch in body.stretches():
        line.put(stretch)


@contextmanager
def _connecting(url: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise SSLError(endpoint_url=url, error=error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(endpoint_url=url, error=error) from error
    except (OSError, UnicodeError) as error:  # the name of a host may be none
        raise EndpointConnectionError(endpoint_url=url, error=error) from error


@contextmanager
def talking(request: AWSPreparedRequest) -> Iterator[None]:
    """Turn what breaks into botocore's errors."""
    try:
        yield
    except ssl.SSLError as error:
        raise SSLError(endpoint_url=request.url, error=error) from error
    except TimeoutError as error:
        raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
    except (OSError, HTTPException) as error:
        raise ConnectionClosedError(endpoint_url=request.url, error=error, request=request) from error
