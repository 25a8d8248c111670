"""How soon `/cloudy status` is acknowledged: `python -m tests.bench.ack [--json FILE]`; exit status 1 if one was lost.

The real bot as a child, over signed HTTP and Socket Mode, with nothing to do and with 20 transactions running at full
speed against a VMstore simulator and a real S3 server on the same machine.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from bot.config import load
from bot.errors import BusyError
from bot.model import Actor, ProtectRequest, State
from bot.opening import open_database, service_for
from bot.service import Service
from integrations.simulators.demo.bot import cloudy_command
from integrations.simulators.demo.children import Child, environment
from integrations.simulators.demo.ports import free_ports
from integrations.simulators.demo.s3server import Account, S3Server
from integrations.simulators.slack import LocalSlack
from integrations.simulators.vmstore import VmstoreSimulator, sample_vms, tls
from tests.bench.knocking import Knocks, knock, over_http
from tests.e2e.waiting import until

RUNNING = 20
VMS = [f"load{number:02}" for number in range(1, RUNNING + 1)]
DISK_BYTES = 32 << 20
AIM_MS = 100.0
HTTP = {1: 200, 20: 2000, 100: 4000}  # people at once: requests
SOCKET = {50: 2000}
PERSON = Actor(id="bench", name="bench", source="cli")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    way: str
    load: str
    at_once: int
    requests: int
    lost: int
    per_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float

    @classmethod
    def of(cls, way: str, load: str, at_once: int, knocks: Knocks) -> "Row":
        return cls(
            way=way, load=load, at_once=at_once, requests=len(knocks.seconds), lost=knocks.lost,
            per_s=round(knocks.per_s), p50_ms=round(knocks.at(0.5), 1), p99_ms=round(knocks.at(0.99), 1),
            worst_ms=round(max(knocks.seconds) * 1000, 1),
        )  # fmt: skip


class World:
    """What the bot needs, in one folder; the S3 server is asked directly, nothing is throttled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.slack = LocalSlack()
        self.account = Account(access_key="bench", secret_key="bench-secret-never-shown", bucket="cloudy-bench")
        self.s3 = S3Server(folder, self.account)
        for vm in VMS:
            sample_vms.create_vm(folder / "vmstore" / "export", vm, DISK_BYTES, DISK_BYTES)
        certificate_authority, certificate, key = tls.ensure(folder, "bench")
        self.vmstore = VmstoreSimulator(
            folder / "vmstore" / "export", name="vmstore", user="cloudy", password="bench-password",
            tls=(certificate, key), clone_seconds=0.5,
        )  # fmt: skip
        self._ca = certificate_authority

    def start(self) -> None:
        self.s3.start()
        self.vmstore.start()
        self.s3.wait_ready(30)
        step_back(self.s3.pid)
        self.slack.start()
        self._configure()

    def stop(self) -> None:
        for end in (self.vmstore.stop, self.slack.stop, self.s3.stop):
            end()

    def _configure(self) -> None:
        (self.folder / "cloudy.toml").write_text(f"""
            [slack]
            api_url = "{self.slack.url}"
            [vmstores.vmstore]
            url = "{self.vmstore.url}"
            user = "cloudy"
            ca = "{self._ca}"
            share = "path:vmstore/export"
            cleanup_share = "path:vmstore/export"
            parallel = {RUNNING}
            [targets.s3]
            url = "s3://{self.account.bucket}"
            endpoint = "http://127.0.0.1:{self.s3.port}"
            region = "{self.account.region}"
        """)
        secrets = {
            "SLACK__BOT_TOKEN": self.slack.bot_token,
            "SLACK__APP_TOKEN": self.slack.app_token,
            "SLACK__SIGNING_SECRET": self.slack.signing_secret,
            "VMSTORES__VMSTORE__PASSWORD": "bench-password",
            "TARGETS__S3__ACCESS_KEY": self.account.access_key,
            "TARGETS__S3__SECRET_KEY": self.account.secret_key,
        }
        lines = [f"CLOUDY_{name}={value}\n" for name, value in secrets.items()]
        (self.folder / "secrets.env").write_text("".join(lines))

    @contextmanager
    def bot(self, *options: str) -> Iterator[Child]:
        """`cloudy serve` with these options, from ready until drained."""
        command = [*cloudy_command(), "serve", "--config", str(self.folder / "cloudy.toml"), *options]
        child = Child(command, log=self.folder / "bot.log", env=environment(), cwd=self.folder, pipe=True)
        try:
            if child.output.readline() != b"cloudy: ready\n":
                raise RuntimeError(f"the bot did not get ready:\n{child.tail()}")
            yield child
        finally:
            child.stop(20)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep 20 transactions running: as soon as one has ended, its VM is protected again."""
        settings = load(self.folder / "cloudy.toml")
        db = open_database(settings)
        service, over = service_for(settings, db), threading.Event()

        def top_up() -> None:
            while not over.is_set():
                busy = {transaction.vm for transaction in service.status().active}
                for vm in VMS:
                    if vm not in busy:
                        request = ProtectRequest(vms=(vm,), targets=("s3",))
                        with suppress(BusyError):  # it is asked for again in a moment
                            service.protect(request, PERSON, request_key=f"bench:{time.time_ns()}")
                over.wait(0.2)

        feeder = threading.Thread(target=top_up, name="feeder")
        feeder.start()
        try:
            until(lambda: running_in(service) >= RUNNING - 2, "the transactions run", 120)
            yield
        finally:
            over.set()
            feeder.join()
            db.close()


def step_back(s3: int) -> None:
    """Give VMstore and S3 server what the bot leaves of this machine: in life they have machines of their own.

    What they begin later inherits it. The main thread, and so the bot and the people, stay as they are.
    """
    for process in (os.getpid(), s3):
        for thread in Path(f"/proc/{process}/task").iterdir():
            if int(thread.name) != os.getpid():
                os.setpriority(os.PRIO_PROCESS, int(thread.name), 10)


def running_in(service: Service) -> int:
    """How many transactions run."""
    return sum(transaction.state is State.RUNNING for transaction in service.status().active)


def measure_http(world: World) -> Iterator[Row]:
    (port,) = free_ports(1)
    with world.bot("--http", "--port", str(port)), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as people:

        def ask(at_once: int, count: int) -> Knocks:
            return people.submit(over_http, port, world.slack.signing_secret, at_once, count).result()

        ask(4, 50)  # the first ones of a process are no measure
        for at_once, count in HTTP.items():
            yield Row.of("HTTP", "idle", at_once, ask(at_once, count))
        with world.running():
            for at_once, count in HTTP.items():
                yield Row.of("HTTP", f"{RUNNING} running", at_once, ask(at_once, count))


def measure_socket(world: World) -> Iterator[Row]:
    with world.bot():
        world.slack.ready()

        def ask(_person: int) -> bool:
            return world.slack.command("alice", "ops", "/cloudy status").ok

        knock(ask, 4, 50)
        for at_once, count in SOCKET.items():
            yield Row.of("Socket Mode", "idle", at_once, knock(ask, at_once, count))
        with world.running():
            for at_once, count in SOCKET.items():
                yield Row.of("Socket Mode", f"{RUNNING} running", at_once, knock(ask, at_once, count))


HEAD = "| way | load | at once | requests | lost | per s | p50 ms | p99 ms | worst ms |\n" + 9 * "|---" + "|"


def line(row: Row) -> str:
    return "| " + " | ".join(str(value) for value in asdict(row).values()) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ack")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--way", choices=["http", "socket"])
    options = parser.parse_args()
    rows: list[Row] = []
    ways = {"http": measure_http, "socket": measure_socket}
    with tempfile.TemporaryDirectory(prefix="cloudy-ack-", ignore_cleanup_errors=True) as folder:
        world = World(Path(folder))
        world.start()
        try:
            print(HEAD, flush=True)
            for name, measure in ways.items():
                if options.way in (None, name):
                    for row in measure(world):
                        rows.append(row)
                        print(line(row), flush=True)
        finally:
            world.stop()
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    told = json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]})
    print(told)
    if options.json:
        options.json.write_text(told + "\n")
    return 1 if any(row.lost for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
