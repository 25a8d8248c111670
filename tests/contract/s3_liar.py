"""A server in front of a real S3 server that can lie, or be as strict as AWS where nothing that runs here is.

What goes through is signed anew, so that a request may be changed on its way.
"""

import base64
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bot.checksum import crc64
from tests.peers import S3Peer

IF_MATCH = "x-amz-copy-source-if-match"
RANGE = "x-amz-copy-source-range"
_SIGNED_ANEW = {"authorization", "x-amz-date", "x-amz-content-sha256", "host", "connection", "content-length"}
_OF_THE_LINE = {"connection", "content-length", "transfer-encoding", "date", "server"}
_CRC = re.compile(rb"<ChecksumCRC64NVME>([^<]*)</ChecksumCRC64NVME>")
_ETAG = re.compile(rb"<ETag>[^<]*</ETag>")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request; names of headers are in lower case."""

    method: str
    path: str  # with its query
    headers: dict[str, str]
    body: bytes

    @property
    def is_copy(self) -> bool:
        """Whether it is to make a part of an object that is there."""
        return self.method == "PUT" and "x-amz-copy-source" in self.headers and "uploadId=" in self.path

    @property
    def is_part(self) -> bool:
        """Whether it brings a part."""
        return self.method == "PUT" and "uploadId=" in self.path and not self.is_copy

    @property
    def is_completion(self) -> bool:
        """Whether it is to make an object of its parts."""
        return self.method == "POST" and "uploadId=" in self.path


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What comes back."""

    status: int
    headers: dict[str, str]
    body: bytes


Pass = Callable[[Asked], Answer]  # hands a request on to the real server
Lie = Callable[[Asked, Pass], Answer]  # in place of it


class Liar(ThreadingHTTPServer):
    """Hands everything on as it is, but for its lies; those may change at any time."""

    daemon_threads = True

    def __init__(self, peer: S3Peer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.peer = peer
        self.lies: list[Lie] = []
        self.asked: list[Asked] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def options(self) -> dict[str, object]:
        """Settings of a target there."""
        return {**self.peer.options, "endpoint": self.url}

    def answer(self, asked: Asked) -> Answer:
        """Let the first lie that wants to answer, else the real server."""
        self.asked.append(asked)
        passing: Pass = self._pass
        for lie in self.lies:
            passing = _through(lie, passing)
        return passing(asked)

    def _pass(self, asked: Asked) -> Answer:
        signed = self._signed(asked)
        place = urlsplit(self.peer.endpoint)
        connection = HTTPConnection(place.hostname or "", place.port, timeout=120)
        try:
            connection.request(asked.method, asked.path, body=asked.body, headers=signed)
            got = connection.getresponse()
            return Answer(status=got.status, headers=dict(got.getheaders()), body=got.read())
        finally:
            connection.close()

    def _signed(self, asked: Asked) -> dict[str, str]:
        headers = {name: value for name, value in asked.headers.items() if name not in _SIGNED_ANEW}
        request = AWSRequest(asked.method, self.peer.endpoint + asked.path, headers=headers, data=asked.body)
        S3SigV4Auth(Credentials(self.peer.access_key, self.peer.secret_key), "s3", self.peer.region).add_auth(request)
        return dict(request.headers.items())


def _through(lie: Lie, passing: Pass) -> Pass:
    return lambda asked: lie(asked, passing)


class _Handler(BaseHTTPRequestHandler):
    server: Liar
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        answer = self.server.answer(Asked(method=self.command, path=self.path, headers=headers, body=body))
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _OF_THE_LINE or (self.command == "HEAD" and name.lower() == "content-length"):
                self.send_header(name, value)
        self.send_header("Date", self.date_time_string())
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def liar(peer: S3Peer) -> Iterator[Liar]:
    """Start one in front of a server."""
    with Liar(peer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


# --- lies ---


def another_crc(asked: Asked, passing: Pass) -> Answer:
    """Copies rightly, and says another checksum."""
    answer = passing(asked)
    return _with_body(answer, _CRC.sub(_crc_of(1), answer.body)) if asked.is_copy else answer


def no_crc(asked: Asked, passing: Pass) -> Answer:
    """Copies rightly, and says no checksum."""
    answer = passing(asked)
    return _with_body(answer, _CRC.sub(b"", answer.body)) if asked.is_copy else answer


def other_bytes(asked: Asked, passing: Pass) -> Answer:
    """Copies a byte further on, and says truly what it copied."""
    return passing(_shifted(asked)) if asked.is_copy else passing(asked)


def other_bytes_said_to_be_right(asked: Asked, passing: Pass) -> Answer:
    """Copies a byte further on, and says the checksum of what it was asked for."""
    if not asked.is_copy:
        return passing(asked)
    right, wrong = passing(asked), passing(_shifted(asked))
    etag = _ETAG.search(wrong.body)
    return _with_body(right, _ETAG.sub(etag[0] if etag else b"", right.body))


def whole_source(asked: Asked, passing: Pass) -> Answer:
    """Copies the whole object whatever range is asked for."""
    return passing(_without(asked, RANGE)) if asked.is_copy else passing(asked)


def no_if_match(asked: Asked, passing: Pass) -> Answer:
    """Copies whatever lies there."""
    return passing(_without(asked, IF_MATCH)) if asked.is_copy else passing(asked)


def flips_a_bit(asked: Asked, passing: Pass) -> Answer:
    """Lets a bit of each part flip on its way; the checksum with it is still that of what was sent."""
    return passing(_flipped(asked)) if asked.is_part else passing(asked)


def takes_flipped_parts(asked: Asked, passing: Pass) -> Answer:
    """Lets a bit flip and does not see it, as a store that checks no parts."""
    if not asked.is_part:
        return passing(asked)
    wrong = _flipped(asked)
    value = base64.b64encode(crc64(wrong.body).to_bytes(8, "big")).decode()
    return passing(replace(wrong, headers={**wrong.headers, "x-amz-checksum-crc64nvme": value}))


def refuses_copies(status: int, code: str, message: str = "No.") -> Lie:
    """Answers every copy so; with 200 the error comes inside a good answer, as at AWS."""

    def lie(asked: Asked, passing: Pass) -> Answer:
        return error(status, code, message) if asked.is_copy else passing(asked)

    return lie


def says_of_copies(body: bytes) -> Lie:
    """Copies, and gives this for an answer."""

    def lie(asked: Asked, passing: Pass) -> Answer:
        return _with_body(passing(asked), body) if asked.is_copy else passing(asked)

    return lie


# --- as strict as others ---


def wants_equal_parts(asked: Asked, passing: Pass) -> Answer:
    """Completes only what is of equal parts but for the last.

    Source: Cloudflare R2, "Multipart upload", limitations.
    """
    if asked.is_completion:
        sizes = part_sizes(asked, passing)
        if len(set(sizes[:-1])) > 1 or (sizes and sizes[-1] > sizes[0]):
            return error(400, "InvalidPart", "All non-trailing parts must have the same length.")
    return passing(asked)


def knows_no_if_match(asked: Asked, passing: Pass) -> Answer:
    """Does not know the condition. Source: Cloudflare R2, "S3 API compatibility", UploadPartCopy."""
    if asked.is_copy and IF_MATCH in asked.headers:
        return error(501, "NotImplemented", f"Header '{IF_MATCH}' not implemented")
    return passing(asked)


def wants_large_sources(asked: Asked, passing: Pass) -> Answer:
    """Copies ranges only from more than 5 MiB. Source: API_UploadPartCopy, x-amz-copy-source-range."""
    if asked.is_copy:
        source = asked.headers["x-amz-copy-source"]
        seen = passing(Asked(method="HEAD", path=f"/{source.lstrip('/')}", headers={}, body=b""))
        if int(seen.headers.get("Content-Length", 0)) <= 5 << 20:
            return error(
                400, "InvalidRequest", "The specified copy source is not supported as a byte-range copy source"
            )
    return passing(asked)


def wants_the_right_size(asked: Asked, passing: Pass) -> Answer:
    """Completes only what has the size that was said. Source: API_CompleteMultipartUpload, x-amz-mp-object-size."""
    if asked.is_completion:
        said = asked.headers.get("x-amz-mp-object-size")
        if said is not None and int(said) != sum(part_sizes(asked, passing)):
            return error(400, "InvalidRequest", "The provided 'x-amz-mp-object-size' does not match what was computed.")
    return passing(asked)


def part_sizes(asked: Asked, passing: Pass) -> list[int]:
    """Lengths of the parts of the upload that a request is about, in order."""
    upload = parse_qs(urlsplit(asked.path).query)["uploadId"][0]
    listed = passing(Asked(method="GET", path=f"{urlsplit(asked.path).path}?uploadId={upload}", headers={}, body=b""))
    return [int(size) for size in re.findall(rb"<Size>([0-9]+)</Size>", listed.body)]


def error(status: int, code: str, message: str) -> Answer:
    """Make an error as S3 writes it."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status=status, headers={"Content-Type": "application/xml"}, body=text.encode())


def _crc_of(value: int) -> bytes:
    return b"<ChecksumCRC64NVME>" + base64.b64encode(value.to_bytes(8, "big")) + b"</ChecksumCRC64NVME>"


def _with_body(answer: Answer, body: bytes) -> Answer:
    return replace(answer, body=body)


def _without(asked: Asked, header: str) -> Asked:
    return replace(asked, headers={name: value for name, value in asked.headers.items() if name != header})


def _shifted(asked: Asked) -> Asked:
    first, last = (int(number) for number in asked.headers[RANGE].removeprefix("bytes=").split("-"))
    return replace(asked, headers={**asked.headers, RANGE: f"bytes={first + 1}-{last + 1}"})


def _flipped(asked: Asked) -> Asked:
    return replace(asked, body=bytes([asked.body[0] ^ 1]) + asked.body[1:])
