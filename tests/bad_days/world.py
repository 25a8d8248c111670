"""A world in one process: real adapters over real sockets, the real service, planner, runner and store.

Only the engine's durability and Slack's sockets are left out (tests/e2e and tests/chaos have them), and waiting is
quick: what the product waits is counted on a clock of its own.
"""

import contextlib
import io
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.cli.follow import tell
from bot.config import load
from bot.dispatcher import Dispatcher
from bot.limits import Limits
from bot.model import AuditRow, ProtectRequest, Transaction
from bot.planner import Planner
from bot.runner import Runner
from bot.service import Service
from bot.store import Database
from bot.systems import ConfiguredSystems
from bot.transfer import TransferSettings
from bot.worker import shipped_workflow
from handlers import blocks
from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests.peers import S3Peer
from tests.workflow.house import ALICE, OPS, MemoryEngine


class QuickClock:
    """The real time plus all that was slept; a sleep takes a hundredth of its seconds, at most 20 ms."""

    def __init__(self) -> None:
        self._skipped = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return datetime.now(UTC) + self._skipped

    def sleep(self, seconds: float) -> None:
        taken = min(seconds, 0.02)
        time.sleep(taken)
        with self._lock:
            self._skipped += timedelta(seconds=seconds - taken)


@dataclass(frozen=True, kw_only=True)
class Told:
    """How one request ended, as each reader sees it."""

    transaction: Transaction
    thread: str  # everything that stands in the thread or was answered privately, as plain text
    receipt: str  # the receipt alone; empty where there is none
    cli: str  # what `cloudy protect` prints at the end
    audit: tuple[AuditRow, ...]


class World:
    """A VMstore simulator with small VMs, a bucket, cloudy.toml and what one process has."""

    def __init__(self, folder: Path, peer: S3Peer, vms: Sequence[str] = ("web01",)) -> None:
        self.folder = folder
        self.export = folder / "export"
        self.export.mkdir()
        sample_vms.create(self.export, list(vms))
        self.simulator = VmstoreSimulator(self.export, clone_seconds=0.2)
        self.url = self.simulator.start()
        self.peer = replace(peer, bucket=f"bucket-{uuid.uuid4().hex}")
        self.peer.client.create_bucket(Bucket=self.peer.bucket)
        self.clock = QuickClock()
        self.others: dict[str, dict[str, str]] = {}  # VMstores beside it, as `vmstore` is
        self.vmstore = {"url": self.url, "user": "admin", "ca": str(self.simulator.ca)}
        self.vmstore |= {"share": "path:export", "cleanup_share": "path:export"}
        self.target = {"url": f"s3://{self.peer.bucket}", "endpoint": self.peer.endpoint, "region": self.peer.region}
        self.secrets = {
            "VMSTORES__VMSTORE__PASSWORD": "secret",
            "TARGETS__S3__ACCESS_KEY": self.peer.access_key,
            "TARGETS__S3__SECRET_KEY": self.peer.secret_key,
        }
        self.open()

    def open(self) -> None:
        """Write the configuration as `vmstore`, `target` and `secrets` say now, and begin a process with it."""
        lines: list[str] = []
        for name, told in {"vmstore": self.vmstore, **self.others}.items():
            lines += [f"[vmstores.{name}]", *(f'{key} = "{value}"' for key, value in told.items())]
        lines += ["[targets.s3]", *(f'{key} = "{value}"' for key, value in self.target.items())]
        (self.folder / "cloudy.toml").write_text("\n".join(lines) + "\n")
        (self.folder / "secrets.env").write_text("".join(f"CLOUDY_{k}={v}\n" for k, v in self.secrets.items()))
        self.settings = load(self.folder / "cloudy.toml")
        Database.migrate(self.settings.database.path)
        self.db = Database.open(self.settings.database.path, audit_key=b"k" * 32, clock=self.clock)
        self.systems = ConfiguredSystems(self.settings)
        self.service = Service(
            self.db, self.clock, vmstores=self.systems.vmstore_names, targets=self.systems.target_names
        )
        self.engine = MemoryEngine(self)  # type: ignore[arg-type]  # it asks only for a process

    def process(self) -> Runner:
        """A new process: nothing in memory of the ones before."""

        def settings(_vmstore: str, _targets: Sequence[str]) -> TransferSettings:
            return TransferSettings(threads=2, part_bytes=5 << 20, tell_s=0)

        limits = Limits(transfer_settings=settings)
        return Runner(self.db, self.systems, self.clock, limits, installation="test0001", version="0.0")

    def protect(self, vm: str = "web01", *, consistency: str = "crash") -> Told:
        """Ask as alice in #ops, plan, run to the end, read everything."""
        request = ProtectRequest(vms=(vm,), targets=("s3",), consistency=consistency)
        asked = self.service.protect(request, ALICE, request_key=uuid.uuid4().hex, place=OPS)[0]
        self.dispatch()
        self.engine.run_all()
        return self.told(asked.id)

    def dispatch(self) -> None:
        """Plan and hand over what waits, in this thread."""
        planner = Planner(self.db, self.systems, shipped_workflow, self.clock.sleep)
        dispatcher = Dispatcher(self.db, planner, self.engine, self.clock)  # type: ignore[arg-type]
        dispatcher._pool.submit = lambda work, *args: work(*args)  # type: ignore[method-assign,assignment]
        dispatcher.tick()
        dispatcher.tick()

    def told(self, transaction_id: str) -> Told:
        """What the thread, the command line and the audit say."""
        with self.db.read() as unit:
            transaction = unit.transactions.get(transaction_id)
            messages = sorted(unit.outbox.pending(), key=lambda message: message.id)
            audit = unit.audit.list(transaction_id=transaction_id)
        ours = [message for message in messages if message.key.startswith(transaction_id)]
        texts = {message.key.partition(":")[2]: blocks.render(message.view).text for message in ours}
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            tell([transaction])
        return Told(
            transaction=transaction,
            thread="\n".join(texts.values()),
            receipt=texts.get("receipt", texts.get("notice", "")),
            cli=out.getvalue(),
            audit=audit,
        )

    def left(self) -> list[str]:
        """What a run left on the VMstore, on its export and in the bucket that is no recovery point."""
        found = [f"file {path.name}" for path in self.export.iterdir() if path.name[:8].isdigit()]
        found += [f"snapshot {row.name}" for row in (self.folder / "export.state" / "snapshots").glob("*")]
        objects = self.peer.client.list_objects_v2(Bucket=self.peer.bucket).get("Contents", [])
        points = {each["Key"].split("/")[0] for each in objects if each["Key"].endswith("/manifest.json")}
        found += [f"object {each['Key']}" for each in objects if each["Key"].split("/")[0] not in points]
        uploads = self.peer.client.list_multipart_uploads(Bucket=self.peer.bucket).get("Uploads", [])
        return found + [f"upload {each['Key']}" for each in uploads]

    def close(self) -> None:
        """End the world."""
        self.db.close()
        self.simulator.stop()
