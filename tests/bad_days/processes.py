"""A world of real processes: `cloudy serve` and `cloudy ...` as children, the local Slack, a VMstore, a bucket.

The two databases lie in a folder of their own, which may be a small disk.
"""

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import integrations
from integrations.simulators.slack import LocalSlack
from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests.e2e.waiting import until
from tests.peers import S3Peer

SOURCE = {**os.environ, "PYTHONPATH": str(Path(integrations.__file__).parents[1])}
ENDED = ("succeeded", "partial", "failed", "stopped", "refused")


class Processes:
    """What one installation has; `serve` starts the bot."""

    def __init__(self, folder: Path, peer: S3Peer, *, vms: Sequence[str] = ("web01", "vm02")) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.export = folder / "export"
        self.export.mkdir()
        sample_vms.create(self.export, list(vms))
        self.simulator = VmstoreSimulator(self.export, clone_seconds=0.2)
        self.url = self.simulator.start()
        self.peer = replace(peer, bucket=f"bucket-{uuid.uuid4().hex}")
        self.peer.client.create_bucket(Bucket=self.peer.bucket)
        self.slack = LocalSlack()
        self.slack.start()
        self.bot: subprocess.Popen[str] | None = None
        self.log = folder / "bot.log"
        self._write_papers()

    def _write_papers(self) -> None:
        (self.folder / "cloudy.toml").write_text(
            f"""
            [database]
            path = "data/cloudy.db"
            engine = "data/engine.db"
            [slack]
            api_url = "{self.slack.url}"
            [vmstores.vmstore]
            url = "{self.url}"
            user = "admin"
            ca = "{self.simulator.ca}"
            share = "path:export"
            cleanup_share = "path:export"
            [targets.s3]
            url = "s3://{self.peer.bucket}"
            endpoint = "{self.peer.endpoint}"
            region = "{self.peer.region}"
            """
        )
        secrets = {
            "SLACK__BOT_TOKEN": self.slack.bot_token,
            "SLACK__APP_TOKEN": self.slack.app_token,
            "SLACK__SIGNING_SECRET": self.slack.signing_secret,
            "VMSTORES__VMSTORE__PASSWORD": "secret",
            "TARGETS__S3__ACCESS_KEY": self.peer.access_key,
            "TARGETS__S3__SECRET_KEY": self.peer.secret_key,
        }
        (self.folder / "secrets.env").write_text("".join(f"CLOUDY_{k}={v}\n" for k, v in secrets.items()))

    # --- processes ---

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        with self.log.open("a") as log:
            return subprocess.Popen(_cloudy(*arguments), cwd=self.folder, stdout=log, stderr=log, text=True, env=SOURCE)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            _cloudy(*arguments),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=SOURCE,
        )

    def serve(self, *options: str) -> None:
        """Start the bot and wait until it is ready."""
        self.log.write_text("")
        self.bot = self.start("serve", *options)
        until(lambda: "cloudy: ready" in self.logged or self.has_ended, "the bot is ready", 120)
        assert not self.has_ended, self.logged
        assert options or self.slack.ready(60)

    def end(self, number: int = signal.SIGTERM) -> None:
        """End the bot, if it runs."""
        if self.bot is not None:
            self.bot.send_signal(number)
            self.bot.wait(30)

    @property
    def has_ended(self) -> bool:
        """Whether the bot has."""
        return self.bot is not None and self.bot.poll() is not None

    @property
    def logged(self) -> str:
        """What the bot wrote."""
        return self.log.read_text()

    # --- what is said ---

    def command(self, text: str) -> str:
        """Type it in #ops as alice; the answer that she alone sees."""
        before = len(self.conversation())
        ack = self.slack.command("alice", "ops", text)
        assert ack.ok, ack
        until(lambda: ack.text or len(self.conversation()) > before, "an answer")
        return ack.text or self.conversation()[-1]

    def conversation(self) -> list[str]:
        """Texts in #ops, threads included."""
        return [change.text for change in self.slack.conversation("ops")]

    def thread_says(self, words: str, seconds: float = 90) -> str:
        """Wait for a message that holds the words, and give it."""

        def found() -> list[str]:
            return [text for text in self.conversation() if words in text]

        until(found, f"{words!r} in {self.conversation()}\n{self.logged[-3000:]}", seconds)
        return found()[-1]

    # --- what is true ---

    def runs(self) -> list[Any]:
        """As `cloudy runs` tells them, newest first."""
        told: list[Any] = json.loads(self.run("runs", "--json").stdout)["transactions"]
        return told

    def until_ended(self, count: int = 1, seconds: float = 120) -> list[Any]:
        """Wait until so many transactions have ended, and none is under way."""

        def ended() -> bool:
            states = self._states()
            return len(states) >= count and all(state in ENDED for state in states)

        until(ended, f"{count} ended\n{self.logged[-3000:]}", seconds)
        return self.runs()

    def _states(self) -> list[str]:
        """Of all transactions, read beside Cloudy: a command that is asked again and again takes a core for itself."""
        try:
            with closing(sqlite3.connect(f"{self.data.as_uri()}/cloudy.db?mode=ro", uri=True)) as connection:
                return [state for (state,) in connection.execute("SELECT state FROM transactions")]
        except sqlite3.Error:
            return []  # it is being made, or cannot be read now

    def audit(self) -> list[Any]:
        """All rows."""
        rows: list[Any] = json.loads(self.run("audit", "list", "--json").stdout)["audit"]
        return rows

    def asked(self, method: str, path: str) -> list[Any]:
        """Calls that the VMstore got."""
        rows = self.simulator.requests
        return [row for row in rows if row["method"] == method and row["path"].endswith(path)]

    def until_cloning(self, seconds: float = 60) -> None:
        """Wait until a clone was asked for."""
        until(lambda: self.asked("POST", "/vm"), "a clone is asked for", seconds)

    def points(self) -> list[str]:
        """Ids of the recovery points, as any S3 tool finds them."""
        listed = self.peer.client.list_objects_v2(Bucket=self.peer.bucket).get("Contents", [])
        return sorted(row["Key"].split("/")[0] for row in listed if row["Key"].endswith("/manifest.json"))

    def left(self) -> list[str]:
        """What stands on export, VMstore and bucket that is no recovery point."""
        found = [f"file {path.name}" for path in self.export.iterdir() if path.name[:8].isdigit()]
        found += [f"snapshot {path.name}" for path in (self.folder / "export.state" / "snapshots").glob("*")]
        listed = self.peer.client.list_objects_v2(Bucket=self.peer.bucket).get("Contents", [])
        prefixes = {row["Key"].split("/")[0] for row in listed if not row["Key"].startswith(".cloudy/")}
        found += [f"objects {prefix}" for prefix in sorted(prefixes - set(self.points()))]
        uploads = self.peer.client.list_multipart_uploads(Bucket=self.peer.bucket).get("Uploads", [])
        return found + [f"upload {row['Key']}" for row in uploads]

    def close(self) -> None:
        """End all of it."""
        if self.bot is not None and self.bot.poll() is None:
            self.bot.kill()
            self.bot.wait()
        self.slack.stop()
        self.simulator.stop()


def _cloudy(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bot", *arguments]


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator["Disk"]:
    """A disk of its own size at the folder; PermissionError: this user may mount nothing."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "cloudy-small", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PermissionError(done.stderr)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Disk:
    """A mounted disk that can be filled and made read-only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def make_room(self) -> None:
        self._filler.unlink()

    def remount(self, how: str) -> None:
        """how: "ro" or "rw"."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self._folder)], check=True)


@contextmanager
def no_file_may_grow(pid: int) -> Iterator[None]:
    """Let the process write nothing beyond the first 4 KiB of any file, as a disk that fails (setrlimit(2))."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def held(database: Path) -> Iterator[None]:
    """Another program has the database open for writing."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30.0)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
