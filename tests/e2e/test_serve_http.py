"""`cloudy serve --http` as a process: ready, well, drained by SIGTERM, and none the worse for SIGKILL."""

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.demo import cloudy
from tests.e2e.waiting import until
from tests.peers import _free_ports as free_ports
from tests.slack.signing import FORM, PATH, Answer, command, headers, post

SECRET = "signing-secret-of-this-test"
CONFIG = """
[slack]
api_url = "http://127.0.0.1:9/api/"
[vmstores.vmstore]
url = "https://127.0.0.1:9"
user = "cloudy"
share = "path:export"
cleanup = "manual"
[targets.s3]
url = "s3://bucket"
endpoint = "http://127.0.0.1:9"
"""
SECRETS = {
    "CLOUDY_SLACK__BOT_TOKEN": "xoxb-1",
    "CLOUDY_SLACK__SIGNING_SECRET": SECRET,
    "CLOUDY_VMSTORES__VMSTORE__PASSWORD": "x",
}
# The same, but that what hangs is not cut short when it ends.
PATIENT = """
import sys
from bot import cli, main
from handlers import webserver
main.DRAIN_S = webserver._ANSWER_WITHIN_S = 600.0
sys.exit(cli.main())
"""

pytestmark = pytest.mark.slow


class Served:
    """The bot as a child, without any other system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "cloudy.toml").write_text(CONFIG)
        (folder / "export").mkdir()
        (self.port,) = free_ports(1)
        self.process: subprocess.Popen[str] | None = None

    def start(self, *more: str, is_patient: bool = False, **environment: str) -> subprocess.Popen[str]:
        program = [sys.executable, "-c", PATIENT] if is_patient else cloudy()
        self.process = subprocess.Popen(
            [*program, "serve", *(more or ("--http", "--port", str(self.port)))],
            cwd=self.folder, env={**os.environ, **SECRETS, **environment}, text=True,
            stdout=subprocess.PIPE, stderr=(self.folder / "log").open("a"),
        )  # fmt: skip
        return self.process

    def wait_ready(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "cloudy: ready\n", (self.folder / "log").read_text()

    def send(self, body: bytes) -> Answer:
        return post(self.port, body, headers(SECRET, body, FORM))

    def has_read(self, asking: http.client.HTTPConnection) -> bool:
        """Whether nothing that was sent waits at its end, by proc(5): net/tcp."""
        ends = f":{self.port:04X}", f":{asking.sock.getsockname()[1]:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        waiting = [row[4] for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1])]
        return [each.rpartition(":")[2] for each in waiting] == ["00000000"]

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.end()


def test_it_serves_says_that_it_is_well_and_ends_after_sigterm(served: Served) -> None:
    process = served.start()
    served.wait_ready()
    assert "Nothing is active" in served.send(command("/cloudy status")).text
    assert post(served.port, b"", {}, "/healthz", "GET").status == 200
    assert post(served.port, b"{", {}).status == 401
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert "Traceback" not in (served.folder / "log").read_text()


def test_the_port_comes_from_the_environment_as_hosts_give_it(served: Served) -> None:
    served.start("--http", PORT=str(served.port))
    served.wait_ready()
    assert served.send(command("/cloudy help")).status == 200


def test_a_request_that_waits_for_the_database_when_sigterm_comes_is_answered(served: Served) -> None:
    process = served.start(is_patient=True)
    served.wait_ready()
    held = sqlite3.connect(served.folder / "cloudy.db", isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    asking = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    body = command("/protect vm01 to s3")
    asking.request("POST", PATH, body=body, headers=headers(SECRET, body, FORM))
    until(lambda: served.has_read(asking), "the request is in")
    process.send_signal(signal.SIGTERM)
    answer = asking.getresponse().read().decode()
    held.close()
    assert "nothing was started" in answer
    assert process.wait(60) == 0


def test_a_kill_loses_nothing_that_was_acknowledged_and_a_replay_doubles_nothing(served: Served) -> None:
    process = served.start()
    served.wait_ready()
    body = command("/protect vm01 to s3")
    first = served.send(body)
    process.kill()
    process.wait()
    served.start()
    served.wait_ready()
    again = served.send(body)
    shown = subprocess.run([*cloudy(), "runs", "--json"], cwd=served.folder, capture_output=True, check=True)
    (only,) = json.loads(shown.stdout)["transactions"]
    assert only["id"] in first.text
    assert only["id"] in again.text


def test_a_kept_connection_does_not_hold_the_drain(served: Served) -> None:
    process = served.start(is_patient=True)
    served.wait_ready()
    kept = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    body = command("/cloudy status")
    kept.request("POST", PATH, body=body, headers=headers(SECRET, body, FORM))
    assert kept.getresponse().read()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    kept.close()
    assert '"message": "drained"' in (served.folder / "log").read_text()


def test_what_keeps_it_from_serving_is_said(served: Served) -> None:
    with socket.create_server(("127.0.0.1", served.port)):
        process = served.start()
        assert process.wait(60) == 1
    assert f"Cannot listen on 127.0.0.1:{served.port}: Address already in use" in (served.folder / "log").read_text()
    process = served.start(CLOUDY_SLACK__SIGNING_SECRET="")
    assert process.wait(60) == 1
    assert "CLOUDY_SLACK__SIGNING_SECRET is not set" in (served.folder / "log").read_text()
