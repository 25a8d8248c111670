"""Runs `cloudy demo` as anybody would, and looks at its world from outside: over S3, REST and the recorded calls."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.config import Config

import integrations
from tests.e2e.waiting import until

Json = dict[str, Any]
STEPS = ["check", "connect", "find", "snapshot", "clone", "open", "upload", "verify", "cleanup", "disconnect"]
LEFT_OUT = (".vswp", ".lck")  # files of a VM that no recovery point holds


def cloudy() -> list[str]:
    """The installed console script, else the source's."""
    found = shutil.which("cloudy", path=str(Path(sys.executable).parent))
    return [found] if found else [sys.executable, "-m", "bot"]


def environment() -> dict[str, str]:
    """As a person's, but for this source where nothing is installed."""
    source = str(Path(integrations.__file__).parent.parent)
    return {**os.environ, "PYTHONPATH": source} if len(cloudy()) > 1 else dict(os.environ)


def files_of(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _digest(path) for path in paths}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class Demo:
    """One `cloudy demo --keep` with a script, in a folder of its own."""

    folder: Path
    script: str | None  # None: it does what `tell` says, line by line
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "script").write_text(self.script or "")
        source = "-" if self.script is None else "script"
        options = ["--script", source, "--json", "record.json", "--data", "world", "--keep"]
        with (self.folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [*cloudy(), "demo", *options],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env=environment(),
            )

    # --- its life ---

    def wait(self, seconds: float) -> None:
        """Wait for the end of the script, which must be good."""
        until(lambda: self.has_ended, f"the script has ended:\n{self.script}", seconds)
        assert self.output.splitlines()[-1] == "script: ok", self.output

    def tell(self, line: str, answer: str, seconds: float = 60.0) -> None:
        """Say the next line of a script that is written as it goes; wait until the demo has said that it is done."""
        before = len(self.output)
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()
        until(lambda: answer in self.output[before:] or self.has_ended, f"{line}: {answer}", seconds)
        assert not self.has_ended, self.output

    @property
    def has_ended(self) -> bool:
        """Whether the script has, or the demo."""
        lines = self.output.splitlines()
        return self.process.poll() is not None or bool(lines and lines[-1].startswith("script: "))

    def end(self) -> int:
        """Ask it to end and give the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    @property
    def output(self) -> str:
        """What it printed so far."""
        return (self.folder / "output").read_text()

    @property
    def children(self) -> list[int]:
        """Its processes."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                name, rest = stat.read_text().rsplit(")", 1)
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(rest.split()[1]) == self.process.pid and rest.split()[0] != "Z":
                found.append(int(name.split()[0]))
        return found

    # --- its world ---

    @property
    def data(self) -> Path:
        """The world's folder."""
        return self.folder / "world"

    @property
    def world(self) -> Json:
        """world.json."""
        told: Json = json.loads((self.data / "world.json").read_text())
        return told

    def ask(self, *words: str) -> str:
        """What a reading command says in the world's folder, beside the running bot."""
        done = subprocess.run(
            [*cloudy(), *words], cwd=self.data, env=environment(), capture_output=True, text=True, check=True
        )
        return done.stdout

    def cli(self, *words: str) -> Any:
        """The same of one that answers in JSON."""
        return json.loads(self.ask(*words))

    def transactions(self) -> list[Json]:
        """As `cloudy runs` tells them, newest first."""
        found: list[Json] = self.cli("runs", "--json")["transactions"]
        return found

    def export(self, vmstore: str = "vmstore") -> dict[str, str]:
        """Digests of all files of an export."""
        return files_of(self.data / self.world["vmstores"][vmstore]["export"])

    def s3(self) -> Any:
        """A plain client of the bucket's server."""
        told = self.world["s3"]
        return boto3.client(
            "s3",
            endpoint_url=told["endpoint"],
            region_name=told["region"],
            aws_access_key_id=told["access_key"],
            aws_secret_access_key=told["secret_key"],
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )

    def objects(self) -> list[str]:
        """Keys of all objects, but for Cloudy's own helpers."""
        listed = self.s3().list_objects_v2(Bucket=self.world["s3"]["bucket"]).get("Contents", [])
        return [row["Key"] for row in listed if not row["Key"].startswith(".cloudy/")]

    def digest(self, key: str) -> str:
        """SHA-256 of an object's bytes as the server gives them."""
        body = self.s3().get_object(Bucket=self.world["s3"]["bucket"], Key=key)["Body"]
        digest = hashlib.sha256()
        for piece in body.iter_chunks(1 << 20):
            digest.update(piece)
        return digest.hexdigest()

    def unfinished_uploads(self) -> list[Json]:
        """Multipart uploads that were begun and neither completed nor given up."""
        found: list[Json] = self.s3().list_multipart_uploads(Bucket=self.world["s3"]["bucket"]).get("Uploads", [])
        return found

    def snapshots(self, vmstore: str = "vmstore") -> list[Json]:
        """All snapshots of a VMstore, asked from its REST API."""
        return self._listed(vmstore, "snapshot")

    def vms(self, vmstore: str = "vmstore") -> list[Json]:
        """All live VMs of a VMstore, asked from its REST API."""
        return self._listed(vmstore, "vm?live=TRUE")

    def _listed(self, vmstore: str, what: str) -> list[Json]:
        told = self.world["vmstores"][vmstore]
        session = requests.Session()
        session.trust_env, session.verify = False, str(self.data / told["ca"])
        login = {
            "typeId": "com.tintri.api.rest.vcommon.dto.rbac.RestApiCredentials",
            "username": told["user"],
            "password": told["password"],
        }
        session.post(f"{told['url']}/api/v310/session/login", json=login, timeout=30).raise_for_status()
        answer = session.get(f"{told['url']}/api/v310/{what}", timeout=30)
        answer.raise_for_status()
        found: list[Json] = answer.json()["items"]
        return found

    # --- what was said ---

    def record(self) -> list[Json]:
        """What --json recorded."""
        rows: list[Json] = json.loads((self.folder / "record.json").read_text())
        return rows

    def calls(self, method: str) -> list[Json]:
        """Arguments of the calls of a method that were carried out, with the `ts` of the message."""
        rows = [row for row in self.record() if row["type"] == "call" and row["method"] == method]
        return [{**row["args"], "ts": row["answer"]["ts"]} for row in rows if row["answer"] and row["answer"]["ok"]]

    def plans(self) -> list[Json]:
        """Plan messages as they were posted."""
        return [post for post in self.calls("chat.postMessage") if tasks_of(post)]

    def states(self, plan: Json) -> list[list[str]]:
        """States of the plan's tasks, as posted and after each edit."""
        edits = [edit for edit in self.calls("chat.update") if edit["ts"] == plan["ts"]]
        return [[task["status"] for task in tasks_of(one)] for one in (plan, *edits)]

    def thread(self) -> list[str]:
        """Texts of the replies, in all threads."""
        return [post["text"] for post in self.calls("chat.postMessage") if post.get("thread_ts")]


def tasks_of(message: Json) -> list[Json]:
    """The tasks of a message's plan block; none where it has no such block."""
    blocks = message.get("blocks") or []
    return [task for block in blocks if block["type"] == "plan" for task in block["tasks"]]
