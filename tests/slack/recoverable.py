"""A running bot without a worker whose catalogue has recovery points, and its Slack: for tests of what restores."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.clock import SystemClock
from bot.model import Proof, ProofKind, RecoveryPoint, Transaction, Vm
from bot.policy import Operation, Policy, Role, Rule
from bot.service import Service
from bot.store import Database
from handlers import ids
from handlers.homes import Homes
from integrations.simulators.slack import LocalSlack, Shortcut
from tests.slack.local import Hand, bot_on, client_of, database, until

NOW = datetime.now(UTC)
SHORTCUTS = [Shortcut(label, callback, kind == "message") for label, callback, kind in ids.SHORTCUTS]


@dataclass
class World:
    """A running bot without a worker, and its Slack."""

    db: Database
    slack: LocalSlack
    service: Service

    def point(self, vm: str, uuid: str, days: float, *targets: str, vmstore: str = "vmstore") -> str:
        """Put a recovery point into the catalogue, that many days old."""
        taken = NOW - timedelta(days=days)
        made = f"{taken:%Y%m%dT%H%M%SZ}-{uuid[:6]:0<6}"
        with self.db.unit() as unit:
            for target in targets or ("s3",):
                unit.points.put(
                    RecoveryPoint(
                        transaction_id=made, target=target, vm_uuid=uuid, vm_name=vm, manifest_key="m",
                        taken_at=taken, consistency="crash", size=20 << 30, vmstore=vmstore,
                    )
                )  # fmt: skip
        return made

    def looked(self, vm: str, point: str, kind: ProofKind, *, good: bool = True) -> None:
        """Note what was found of it."""
        proof = Proof(
            point=point, target="s3", run=f"{kind}{good}", kind=kind, at=NOW, is_good=good, is_damaged=not good, vm=vm
        )  # fmt: skip
        with self.db.unit() as unit:
            assert unit.proofs.append(proof)

    def open(self, text: str = "/restore", user: str = "alice") -> None:
        assert self.slack.command(user, "ops", text).ok
        self.await_form(user)

    def await_form(self, user: str = "alice") -> None:
        self.shows("As name", user)

    def shows(self, words: str, user: str = "alice") -> None:
        until(lambda: words in (self.slack.modal(user) or ""), f"the form shows {words}")

    def choose_vm(self, label: str) -> None:
        """Choose it and wait for its recovery points."""
        assert self.slack.fill("alice", "VM", label).ok
        self.shows("Recovery point")

    def orders(self) -> tuple[Transaction, ...]:
        return tuple(made for made in self.service.runs(100) if made.workflow == "restore")

    def said(self, words: str, place: str = "ops") -> int:
        return sum(words in change.text for change in self.slack.conversation(place))


@contextmanager
def recoverable_world(folder: Path, *, is_strict: bool = False, policy: Policy | None = None) -> Iterator[World]:
    """is_strict: alice alone is an operator, and VMs called prod* are an admin's to restore."""
    with database(folder) as db, LocalSlack(clock=Hand(), shortcuts=SHORTCUTS) as slack:
        rule = Rule(name="rule 1 of policy.rules", operation=Operation.RESTORE, vm="prod*", role=Role.ADMIN)
        strict = Policy(grants={slack.user_id("alice"): Role.OPERATOR}, rules=(rule,))
        policy = strict if is_strict else policy
        stores, targets = ("vmstore", "vmstore2"), ("s3", "azure")
        service = Service(db, SystemClock(), vmstores=stores, targets=targets, policy=policy)
        with db.unit() as unit:
            unit.inventory.refresh("vmstore", [Vm(uuid="uuid-vm01", name="vm01", vmstore="vmstore")])
        homes = Homes(client_of(slack), service)
        with bot_on(slack, service, homes):
            yield World(db, slack, service)
        homes.close()


def typed(world: World, text: str, user: str = "alice") -> str:
    """What the one who typed it alone is answered."""
    ack = world.slack.command(user, "ops", text)
    assert ack.ok, ack
    return ack.text or ""
