"""The S3 proxy passes everything on unchanged, counts it, slows it and fails it when asked."""

import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from integrations.simulators.demo.proxy import S3Proxy
from integrations.simulators.demo.throttle import Throttle, TokenBucket
from integrations.simulators.demo.wire import Wire
from tests.e2e.waiting import until


class Upstream(BaseHTTPRequestHandler):
    """Tells back what arrived; some paths behave in their own way."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        if self.path == "/refuse-at-once":
            self.close_connection = True
            self.send_error(403, "AccessDenied")
            return
        body = self._body()
        self._answer({"host": self.headers["Host"], "size": len(body), "sum": sum(body) % 65521})

    def do_GET(self) -> None:
        if self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n")
        elif self.path == "/until-close":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"all of it")
        elif self.path == "/large":
            self._answer_bytes(LARGE)
        else:
            self._answer({"path": self.path})

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "12345")
        self.end_headers()

    def do_DELETE(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, value: object) -> None:
        self._answer_bytes(json.dumps(value).encode())

    def _answer_bytes(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


LARGE = os.urandom(1 << 20) * 3


class Quiet(ThreadingHTTPServer):
    """Clients may hang up."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[S3Proxy]:
    server = Quiet(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    made = S3Proxy(("127.0.0.1", server.server_address[1]), counts=Wire(tmp_path / "wire.json").of("s3"))
    made.start()
    yield made
    made.stop()
    server.shutdown()
    server.server_close()


def connect(proxy: S3Proxy) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", int(proxy.url.rsplit(":", 1)[1]), timeout=60)


def test_bodies_arrive_whole_and_are_counted_both_ways(proxy: S3Proxy) -> None:
    client = connect(proxy)
    client.request("PUT", "/b/k", body=LARGE)
    told = json.loads(client.getresponse().read())
    assert (told["size"], told["sum"]) == (len(LARGE), sum(LARGE) % 65521)
    client.request("GET", "/large")
    assert client.getresponse().read() == LARGE
    counts = proxy.counts.snapshot()
    assert (counts["PUT"]["requests"], counts["PUT"]["up"]) == (1, len(LARGE))
    assert counts["GET"] == {"requests": 1, "up": 0, "down": len(LARGE)}


def test_the_host_header_is_the_clients_so_that_signatures_hold(proxy: S3Proxy) -> None:
    client = connect(proxy)
    client.request("PUT", "/b/k", body=b"x", headers={"Host": "s3.example.test:1234"})
    assert json.loads(client.getresponse().read())["host"] == "s3.example.test:1234"


def test_one_connection_carries_requests_of_all_kinds(proxy: S3Proxy) -> None:
    client = connect(proxy)
    for method, path, expected in (
        ("GET", "/chunked", b"hello!"),
        ("HEAD", "/b/k", b""),
        ("DELETE", "/b/k", b""),
        ("GET", "/b", b'{"path": "/b"}'),
    ):
        client.request(method, path)
        answer = client.getresponse()
        assert answer.read() == expected
        assert client.sock is not None, "still the same connection"
    assert proxy.counts.snapshot()["GET"]["down"] == len("hello!") + len('{"path": "/b"}')
    assert proxy.counts.snapshot()["HEAD"] == {"requests": 1, "up": 0, "down": 0}


def test_a_chunked_request_is_passed_on_and_only_its_content_is_counted(proxy: S3Proxy) -> None:
    client = connect(proxy)
    client.request("PUT", "/b/k", body=iter([b"one", b"three"]), encode_chunked=True)
    assert json.loads(client.getresponse().read())["size"] == 8
    assert proxy.counts.snapshot()["PUT"]["up"] == 8


def test_an_answer_that_ends_with_the_connection_is_passed_on(proxy: S3Proxy) -> None:
    client = connect(proxy)
    client.request("GET", "/until-close")
    assert client.getresponse().read() == b"all of it"


def read_answer(client: socket.socket) -> bytes:
    told = b""
    while b"\r\n\r\n" not in told:
        told += client.recv(4096)
    return told


def test_a_client_that_waits_for_100_continue_gets_it(proxy: S3Proxy) -> None:
    with socket.create_connection(("127.0.0.1", int(proxy.url.rsplit(":", 1)[1])), timeout=60) as client:
        client.sendall(b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert b"100 Continue" in read_answer(client)
        client.sendall(b"abc")
        assert b"200 OK" in read_answer(client)


def test_a_refusal_before_the_body_reaches_the_client(proxy: S3Proxy) -> None:
    client = connect(proxy)
    client.request("PUT", "/refuse-at-once", body=LARGE * 4)
    assert client.getresponse().status == 403


def test_the_next_requests_fail_as_often_as_asked(proxy: S3Proxy) -> None:
    proxy.fail(503, 2)
    client = connect(proxy)
    told = []
    for _ in range(3):
        client.request("PUT", "/b/k", body=LARGE)
        answer = client.getresponse()
        told.append((answer.status, b"<Code>SlowDown</Code>" in answer.read()))
    assert told == [(503, True), (503, True), (200, False)]


def test_a_server_that_is_gone_is_a_503(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connecting is refused
        proxy = S3Proxy(("127.0.0.1", taken.getsockname()[1]), counts=Wire(tmp_path / "wire.json").of("s3"))
        proxy.start()
        client = connect(proxy)
        client.request("GET", "/b")
        assert client.getresponse().status == 503
        proxy.stop()


def test_the_counts_are_in_the_file(proxy: S3Proxy, tmp_path: Path) -> None:
    client = connect(proxy)
    client.request("PUT", "/b/k", body=b"12345")
    client.getresponse().read()

    def told() -> dict[str, dict[str, int]]:
        file = tmp_path / "wire.json"
        return json.loads(file.read_text()) if file.exists() else {}

    until(lambda: told().get("PUT", {}).get("up") == 5, "wire.json has the bytes")


def test_the_file_tells_the_sum_of_all_targets_and_each(tmp_path: Path) -> None:
    wire = Wire(tmp_path / "wire.json")
    for target, method, size in (("s3", "PUT", 5), ("azure", "PUT", 7), ("azure", "GET", 1)):
        wire.of(target).add(method, "up", size)
    wire.write()
    told = json.loads((tmp_path / "wire.json").read_text())
    assert (told["PUT"]["up"], told["GET"]["up"]) == (12, 1)
    assert {name: row["PUT"]["up"] for name, row in told["targets"].items()} == {"s3": 5, "azure": 7}


def test_nonsense_ends_the_connection_and_nothing_else(proxy: S3Proxy) -> None:
    with socket.create_connection(("127.0.0.1", int(proxy.url.rsplit(":", 1)[1])), timeout=60) as wire:
        wire.sendall(b"hello\r\n\r\n")
        assert wire.recv(100) == b""
    client = connect(proxy)
    client.request("GET", "/b")
    assert client.getresponse().status == 200


def test_a_bucket_lets_no_more_than_its_rate_through() -> None:
    bucket, now, passed = TokenBucket(1000, now=0.0), 0.0, 0
    while now < 10:
        wait_s = bucket.take(100, now)
        passed += 0 if wait_s else 100
        now += wait_s
    assert 9_900 <= passed <= 10_200


def test_an_idle_time_is_not_saved_up() -> None:
    bucket = TokenBucket(1000, now=0.0)
    taken = 0
    while not bucket.take(100, 3600.0):
        taken += 100
    assert taken <= 200


def test_a_lifted_limit_frees_those_who_wait() -> None:
    throttle = Throttle()
    throttle.limit(1)
    throttle.take(1_000_000)  # now some eleven days in debt
    waiter = threading.Thread(target=throttle.take, args=(1,), daemon=True)
    waiter.start()
    throttle.limit(None)
    waiter.join(60)
    assert not waiter.is_alive()


def test_pieces_get_small_on_a_slow_wire() -> None:
    throttle = Throttle()
    assert throttle.piece(256 << 10) == 256 << 10
    throttle.limit(100 << 10)
    assert throttle.piece(256 << 10) == (100 << 10) // 20
    assert throttle.piece(10) == 10
