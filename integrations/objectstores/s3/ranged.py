"""Ranges of objects, read straight into memory that is there; and objects that are brought back from an archive."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, SSLError

from bot.errors import PermanentError
from integrations.objectstores.s3.answers import etag_in
from integrations.objectstores.s3.client import CONNECT_S
from integrations.objectstores.s3.keeping import KeepingBucket
from integrations.objectstores.s3.options import S3Options
from integrations.objectstores.s3.pipe import Line
from integrations.objectstores.s3.rawput import RawPut, send_raw, talking

_PIECE = 1 << 20  # bytes that go by the pace at once
_SILENCE_S = 30  # the store may bring nothing so long
_REFUSED, _MOST_SAID = 300, 64 << 10
_UNDER_WAY = ("RestoreAlreadyInProgress", "ObjectAlreadyInActiveTierError")
_TIERED = "INTELLIGENT_TIERING"  # it goes back to its usual tier, for good


class _Landed:
    """Memory for an answer, and whether it is there."""

    def __init__(self, view: memoryview, options: S3Options) -> None:
        self.view = view
        self.is_there = False
        self._pace = options.pace

    def fill(self, source: Any) -> None:
        """Read all of it. HTTPException: the answer ends before."""
        for at in range(0, len(self.view), _PIECE):
            with self.view[at : at + _PIECE] as piece:
                self._pace(len(piece))
                done = 0
                while done < len(piece):
                    got = source.readinto(piece[done:])
                    if not got:
                        raise HTTPException(f"the answer ends after {at + done} of {len(self.view)} bytes")
                    done += got
        self.is_there = True


_landing: ContextVar[_Landed | None] = ContextVar("landing", default=None)


class RangedBucket(KeepingBucket):
    """A bucket whose objects are read into the caller's memory."""

    def __init__(self, target: str, bucket: str, prefix: str, options: S3Options) -> None:
        super().__init__(target, bucket, prefix, options)
        send_raw(self._client, options, connect_s=CONNECT_S, silence_s=_SILENCE_S, way=RawGet)

    def get_into(self, key: str, offset: int, buffer: memoryview, *, etag: str) -> None:
        """Fill the buffer from offset. ChangedError: there is another object by now, or it ends before."""
        asked, wanted = self.asked("read", key), len(buffer)
        landed = _Landed(buffer, self._options)
        try:
            with self._asking("read", key), _into(landed):
                answer: Mapping[str, Any] = self._client.get_object(
                    Bucket=self._bucket,
                    Key=self._root + key,
                    Range=f"bytes={offset}-{offset + wanted - 1}",
                    IfMatch=f'"{etag}"',
                )
                told, size = etag_in(answer), int(answer.get("ContentLength", -1))
                is_right = told in ("", etag) and size == wanted and _begin(answer, offset) == offset
                if is_right and not landed.is_there:
                    _filled(landed, answer["Body"])
        except HTTPException as error:
            raise asked.unreachable(str(error)) from error
        except PermanentError as error:
            raise asked.copy_refused(error) from error
        if is_right:
            return
        if told not in ("", etag) or 0 <= size < wanted:
            raise asked.changed(f"what lies there has etag {told} and {size} of {wanted} bytes from {offset} on.")
        raise asked.wrong(f"the store gave {size} bytes, and not the {wanted} from {offset} on that it was asked for.")

    def restore(self, key: str, days: int, storage_class: str) -> None:
        """Have an archived object brought back for so many days; one that comes already is fine.

        Source: API_RestoreObject; objects of INTELLIGENT_TIERING take no days.
        """
        wanted: Any = {} if storage_class == _TIERED else {"Days": days}
        try:
            with self._asking("bring back", key):
                self._client.restore_object(Bucket=self._bucket, Key=self._root + key, RestoreRequest=wanted)
        except PermanentError as error:
            if error.code not in _UNDER_WAY:
                raise


class RawGet(RawPut):
    """The other way round: what is read goes straight into the memory where it is wanted."""

    def send(self, request: AWSPreparedRequest, **_told: Any) -> AWSResponse | None:
        """Ask, and read what comes if it is what was wanted; None: boto3 does it.

        Raises botocore's errors. Where a kept connection breaks before an answer, it is opened anew, once.
        """
        landed = _landing.get()
        if landed is None or request.method != "GET":
            return None
        place = urlsplit(request.url)
        target, line = place.path + (f"?{place.query}" if place.query else ""), self._kept(place)
        if line is not None:
            try:
                return self._read(line, self._asked(line, request, target), request, landed)
            except (ConnectionClosedError, SSLError):
                pass  # the store has closed it meanwhile
        line = self._opened(place, request.url)
        return self._read(line, self._asked(line, request, target), request, landed)

    def _asked(self, line: Line, request: AWSPreparedRequest, target: str) -> HTTPResponse:
        try:
            with talking(request):
                headers: Any = request.headers
                line.request("GET", target, headers=headers)
                return line.getresponse()
        except BaseException:
            line.close()
            raise

    def _read(self, line: Line, answer: HTTPResponse, request: AWSPreparedRequest, landed: _Landed) -> AWSResponse:
        said, is_usable = b"", False
        try:
            with talking(request):
                if answer.status >= _REFUSED:
                    said = answer.read(_MOST_SAID)
                elif answer.length == len(landed.view):
                    line.expect(len(landed.view))
                    landed.fill(answer)
                    line.expect(0)
            is_usable = answer.isclosed() and not answer.will_close
        finally:
            if is_usable:
                self._keep(line)
            else:
                line.close()
        headers: Any = dict(answer.getheaders())
        return AWSResponse(request.url, answer.status, headers, _Said(said))


class _Said:
    """What boto3 reads the rest of an answer from."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


@contextmanager
def _into(landed: _Landed) -> Iterator[None]:
    token = _landing.set(landed)
    try:
        yield
    finally:
        _landing.reset(token)


def _filled(landed: _Landed, body: Any) -> None:
    with body:
        landed.fill(body)


def _begin(answer: Mapping[str, Any], offset: int) -> int:
    """Where the bytes begin that came; a store that does not say gave all of the object, or what it was asked for."""
    told = str(answer.get("ContentRange", "")).removeprefix("bytes ").partition("-")[0]
    is_partial = answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    return int(told) if told.isdigit() else offset if is_partial else 0
