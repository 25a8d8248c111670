"""Two installations on one VMstore and one bucket, over real sockets: neither touches the other's work, whenever."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.clock import SystemClock
from bot.errors import NotFound
from bot.janitor import Findings, Janitor
from bot.limits import Limits
from bot.model import State
from bot.orphans import Fate, Kind
from bot.ports import Hypervisor, ObjectStore, Share, VMstore
from bot.runner import Runner
from bot.transfer import TransferSettings
from integrations import objectstores, shares, vmstores
from integrations.simulators.vmstore import VmstoreSimulator
from integrations.simulators.vmstore.sample_vms import create_vm
from tests import peers
from tests.workflow.house import House

MIB = 1 << 20
# The calls of a run between which something of it stands outside.
MOMENTS = ("create_snapshot", "clone_files", "task", "put_part", "begin_upload", "complete_upload", "put", "head")

pytestmark = pytest.mark.slow


class Watched:
    """A port whose calls are told after they have been made."""

    def __init__(self, port: Any, told: Callable[[str], None]) -> None:
        self._port = port
        self._told = told

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if name not in MOMENTS:
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            result = value(*args, **kwargs)
            self._told(name)
            return result

        return call


class Outside:
    """The VMstore and the bucket that both use (port: bot.ports.Systems); one of these for each installation."""

    vmstore_names = ("vmstore",)
    target_names = ("s3",)
    hypervisor_names = ()

    def __init__(self, simulator: VmstoreSimulator, url: str, peer: peers.S3Peer) -> None:
        self.told: Callable[[str], None] = lambda _call: None
        self._simulator = simulator
        self._url = url
        self._store = objectstores.OPENERS["s3"]("s3", peer.url("both"), peer.options)

    def open_vmstore(self, name: str) -> VMstore:
        settings = {"url": self._url, "user": "admin", "password": "secret", "ca": self._simulator.ca}
        watched: Any = Watched(vmstores.OPENERS["tintri"](name, **settings), self._tell)
        return watched  # type: ignore[no-any-return]

    def share(self, vmstore: str) -> Share:
        return shares.OPENERS["path"](f"path:{self._simulator.export}", export="/tintri")

    cleanup_share = share
    restore_share = share

    def keep_snapshots(self, vmstore: str) -> int:
        return 0

    def restore_address(self, vmstore: str) -> str:
        return f"path:{self._simulator.export}"

    def restore_setting(self, vmstore: str) -> str:
        return "cleanup_share"

    def hypervisor_address(self, vmstore: str) -> str:
        return ""

    def hypervisor(self, name: str) -> Hypervisor:
        raise NotFound(name)

    def hypervisor_of(self, vmstore: str) -> Hypervisor | None:
        return None

    def target(self, name: str) -> ObjectStore:
        watched: Any = Watched(self._store, self._tell)
        return watched  # type: ignore[no-any-return]

    def may_send(self, targets: Sequence[str], at: datetime) -> datetime | None:
        return at

    def _tell(self, call: str) -> None:
        self.told(call)


class Installation(House):
    """A house of its own over the common outside."""

    def __init__(self, folder: Path, name: str, outside: Outside) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.name = name
        self.outside = outside
        self.systems = outside  # type: ignore[assignment]
        self.clock = SystemClock()  # type: ignore[assignment]

    def process(self) -> Runner:
        def settings(_vmstore: str, _targets: Sequence[str]) -> TransferSettings:
            return TransferSettings(threads=1, part_bytes=5 * MIB)

        limits = Limits(transfer_settings=settings)
        return Runner(self.db, self.outside, self.clock, limits, installation=self.name, version="0")

    def sweep(self) -> Findings:
        """Everything that a janitor and the most impatient person can do."""
        sent = Janitor(self.db, self.outside, self.clock, installation=self.name)
        sent.clear_ledger()
        found = sent.look(older_than=timedelta(0))
        for judged in found.judged:
            if judged.fate is Fate.OURS:
                assert sent.remove(judged.orphan) == ""
        return found


@pytest.fixture(params=[peers.moto, peers.weed], ids=["moto", "weed"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Installation, Installation]]:
    export = tmp_path / "export"
    create_vm(export, "vm01", 6 * MIB, MIB)
    simulator = VmstoreSimulator(export, clone_seconds=0.2)
    url = simulator.start()
    with request.param() as peer:
        yield tuple(  # type: ignore[misc]
            Installation(tmp_path / name, name, Outside(simulator, url, peer)) for name in ("aaaa0000", "bbbb1111")
        )
    simulator.stop()


def test_the_other_sweeps_at_every_moment_of_a_run_and_takes_nothing(both: tuple[Installation, Installation]) -> None:
    one, other = both
    seen: set[tuple[Kind, Fate]] = set()

    def meddle(call: str) -> None:
        one.outside.told = lambda _call: None
        seen.update((judged.orphan.kind, judged.fate) for judged in other.sweep().judged)
        one.outside.told = meddle

    one.outside.told = meddle
    done = one.protect()
    one.outside.told = lambda _call: None
    assert done.state is State.SUCCEEDED, done.failure
    assert done.left_behind == ()
    assert {(Kind.SNAPSHOT, Fate.FOREIGN), (Kind.CLONE, Fate.FOREIGN)} <= seen
    assert not {kind for kind, fate in seen if fate is Fate.OURS}
    assert {kind for kind, _fate in seen} >= {Kind.UPLOAD, Kind.OBJECTS}


def test_what_a_killed_one_left_is_gone_only_by_its_own_hand(both: tuple[Installation, Installation]) -> None:
    one, other = both

    def die(call: str) -> None:
        if call == "put_part":
            raise Killed

    transaction = one.ask()
    one.dispatch()
    one.outside.told = die
    with pytest.raises(Killed):
        one.engine.run_all()
    one.outside.told = lambda _call: None
    before = outside(other)
    assert {kind for kind, _ in before} >= {Kind.SNAPSHOT, Kind.CLONE, Kind.UPLOAD}
    assert other.sweep().promised == ()
    assert outside(other) == before
    with one.db.unit() as unit:  # as after a database was put back from a copy: ended, and the ledger knows nothing
        unit.transactions.update(transaction.id, state=State.FAILED)
        for resource in unit.ledger.open():
            unit.ledger.release(resource.transaction_id, resource.kind, resource.system, resource.name)
    one.sweep()
    assert outside(other) == []


class Killed(BaseException):
    """The process dies here."""


def outside(who: Installation) -> list[tuple[Kind, str]]:
    found = Janitor(who.db, who.outside, who.clock, installation=who.name).look(older_than=timedelta(0))
    assert found.unseen == ()
    return [(judged.orphan.kind, judged.orphan.name) for judged in found.judged]
