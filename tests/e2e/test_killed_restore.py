"""SIGKILL at random moments of restores, in the demo: always one whole VM or none, registered once, and nothing else.

What is looked at lies outside of the bot: the exports, what the VMstores and libvirt list, the bucket, the databases.
"""

import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from bot.model import State, StepState, Transaction
from bot.store import Database, load_audit_key
from tests.chaos.facts import engine_of
from tests.e2e.demo import LEFT_OUT, Demo, cloudy, environment, files_of
from tests.libvirt_world import require_libvirt

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
SLOW = "1MiB/s"  # so that a download of 1 MiB takes about as long as the steps around it
LONGEST_S = 4.0  # a restore that nobody kills has ended by then
SHORT = ("verify", "place", "register", "record", "start", "cleanup")  # steps that a moment by chance seldom meets
REACHED_S = 20.0
STOPS = 0.25  # of the restores are stopped, too


@dataclass
class World:
    """A demo with a recovery point of kvm01, whose files are gone."""

    demo: Demo
    before: dict[str, str]
    objects: dict[str, str]
    db: Database
    kills: int = 0
    told: list[str] = field(default_factory=list)

    def export(self, vmstore: str) -> Path:
        place: str = self.demo.world["vmstores"][vmstore]["export"]
        return self.demo.data / place

    def transactions(self) -> list[Transaction]:
        with self.db.read() as unit:
            return [each for each in unit.transactions.list(limit=1000) if each.workflow == "restore"]

    def domains(self) -> Counter[str]:
        libvirt = import_module("libvirt")
        line = libvirt.open(self.demo.world["kvm"]["url"])
        try:
            return Counter(domain.name() for domain in line.listAllDomains())
        finally:
            line.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    require_libvirt()
    demo = Demo(tmp_path_factory.mktemp("killed") / "demo", None)
    try:
        demo.tell("world users", "users: alice", 120)
        demo.tell("alice> /protect kvm01 to s3", "Asked for")
        demo.tell('wait done 240\nexpect "is protected"\nworld users', "users: alice", 260)
        digests = files_of(demo.data / demo.world["vmstores"]["vmstore"]["export"] / "kvm01")
        before = {name: digest for name, digest in digests.items() if not name.endswith(LEFT_OUT)}
        demo.tell("world destroy kvm01\nworld users", "users: alice")
        demo.tell(f"world slow s3 {SLOW}\nworld users", "users: alice")
        key = load_audit_key(demo.data / "audit.key", create=False)
        db = Database.open(demo.data / "cloudy.db", audit_key=key)
        yield World(demo, before, stored(demo), db)
        db.close()
    finally:
        demo.end()


def stored(demo: Demo) -> dict[str, str]:
    return {key: demo.digest(key) for key in demo.objects()}


def play(world: World, kills: int, seed: int) -> None:
    """Restore after restore, until the bot was killed so often while one was under way."""
    choice, number, wanted = random.Random(seed), 0, world.kills + kills
    while world.kills < wanted:
        number += 1
        name = f"kvm01-{seed}-{number}"
        vmstore = choice.choice(("vmstore", "vmstore2"))
        world.demo.tell(f"alice> /restore kvm01 to {vmstore} as {name}", "Asked for")
        while world.kills < wanted and under_way(world, name):
            await_moment(world, name, choice)
            is_stopped = choice.random() < STOPS
            if is_stopped:
                stop(world, name)
                time.sleep(choice.uniform(0, 1))
            if not (step := where(world, name)):
                break
            world.demo.tell("restart kill", "the bot is ready again", 120)
            world.kills += 1
            world.told.append(f"{name} killed in {step}{', stopped before' if is_stopped else ''}")
        world.demo.tell("wait done 240\nworld users", "users: alice", 260)
        world.told.append(f"{name}: {look(world, name, vmstore)}")


def await_moment(world: World, name: str, choice: random.Random) -> None:
    """By chance; every second time soon after a step has begun that is over in no time."""
    if choice.random() < 0.5:
        time.sleep(choice.uniform(0, LONGEST_S))
        return
    later = SHORT[choice.randrange(len(SHORT)) :]
    deadline = time.monotonic() + REACHED_S
    while time.monotonic() < deadline and where(world, name) not in ("", *later):
        time.sleep(0.01)
    time.sleep(choice.uniform(0, 0.2))


def of_name(world: World, name: str) -> Transaction | None:
    return next((each for each in world.transactions() if each.request.get("as") == name), None)


def under_way(world: World, name: str) -> bool:
    found = of_name(world, name)
    return found is not None and not found.state.is_final


def where(world: World, name: str) -> str:
    """The step that it is in; "": it has ended."""
    found = of_name(world, name)
    if found is None or found.state.is_final:
        return ""
    with world.db.read() as unit:
        running = [step.id for step in unit.steps.of(found.id) if step.state is StepState.RUNNING]
    return running[0] if running else found.state.value


def stop(world: World, name: str) -> None:
    found = of_name(world, name)
    if found is not None:
        command = [*cloudy(), "stop", found.id]
        subprocess.run(command, check=False, cwd=world.demo.data, env=environment(), capture_output=True, timeout=60)


def look(world: World, name: str, vmstore: str) -> str:
    """After it has ended: it is whole and known once, or not there at all. Gives how it ended."""
    ended = of_name(world, name)
    assert ended is not None
    story = "\n".join(world.told)
    assert ended.state in (State.SUCCEEDED, State.PARTIAL, State.STOPPED), (ended.failure, story)
    is_there = ended.state in (State.SUCCEEDED, State.PARTIAL)
    folder = world.export(vmstore) / name
    assert files_of(folder) == (world.before if is_there else {}), story
    assert folder.exists() == is_there, story
    assert world.domains()[name] == is_there, story
    listed = Counter(vm_name(vm) for vm in world.demo.vms(vmstore))
    assert listed[name] == is_there, (listed, story)
    assert ended.left_behind == (), story
    return ended.state.value


def vm_name(vm: dict[str, Any]) -> str:
    return str(vm["vmware"]["name"])


def look_at_all(world: World) -> None:
    """Nothing lies anywhere that no restore of the list explains."""
    story = "\n".join(world.told)
    ended = world.transactions()
    wanted = {str(each.settled["name"]) for each in ended if each.state in (State.SUCCEEDED, State.PARTIAL)}
    for vmstore in ("vmstore", "vmstore2"):
        lying = {path.name for path in world.export(vmstore).iterdir()}
        assert not [name for name in lying if name.startswith(".cloudy-")], story
        assert {name for name in lying if name.startswith("kvm01")} <= wanted, story
    assert world.domains() == Counter(wanted), story
    assert world.demo.unfinished_uploads() == []
    assert stored(world.demo) == world.objects, story
    look_at_databases(world, [each.id for each in ended])


def look_at_databases(world: World, ids: list[str]) -> None:
    with world.db.read() as unit:
        assert unit.ledger.open() == ()
        assert unit.transactions.active() == ()
        assert unit.audit.verify().broken_at is None
        for each in ids:
            rows = [row for row in unit.audit.list(transaction_id=each, limit=1000) if row.action == "outcome"]
            assert len(rows) == 1, each
    states = engine_of(world.demo.data / "engine.db")
    assert {state for state, _ in states.values()} == {"SUCCESS"}


def test_three_deaths_leave_one_whole_vm_or_none(world: World) -> None:
    play(world, 3, seed=1)
    look_at_all(world)


@pytest.mark.long
def test_twenty_deaths_leave_one_whole_vm_or_none(world: World) -> None:
    play(world, 20, seed=2)
    look_at_all(world)
    print("\n".join(world.told))
