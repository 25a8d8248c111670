"""What a running action may use, and nothing else of the house."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.bases import Index
from bot.model import (
    Bytes,
    Claim,
    Json,
    Proof,
    RecoveryPoint,
    Resource,
    ResourceKind,
    Shift,
    StoredFile,
    Tier,
    Transaction,
)
from bot.ports import Clock, Hypervisor, ObjectStore, Share, VMstore
from bot.transfer import Journal, TransferSettings


class Ledger(Protocol):
    """The clean-up ledger of one transaction: a row is written before the call that makes the thing."""

    def register(self, kind: ResourceKind, system: str, name: str, **detail: object) -> bool:
        """Promise the clean-up; True if it was not promised before. detail: `url`, of the target as it is now."""

    def describe(self, kind: ResourceKind, system: str, name: str, **detail: object) -> None:
        """Add what the other system called it."""

    def open(self, kind: ResourceKind | None = None) -> tuple[Resource, ...]:
        """What is not cleaned up yet, in order of registration."""

    def overwriting(self, vmstore: str, vm_uuid: str) -> str:
        """Another transaction that overwrites that VM, or has still to put it back; "": none does."""

    def release(self, resource: Resource) -> None:
        """It is gone; with it goes what is kept of its parts and files."""

    def keep(self, resources: Sequence[Resource], what: Json) -> None:
        """They are to stay, all of them at once; `what` is the audit's word for it. Repeating is safe."""

    def keep_snapshots(self, vmstore: str, newest: int) -> tuple[Resource, ...]:
        """Once there is a recovery point: so many of the VM's snapshots stay, older ones are promised again.

        Gives those of this transaction that stay.
        """


class Keeper(Protocol):
    """Retention as it is in force."""

    def apply(self, transaction: Transaction) -> int:
        """Do what it was approved for; gives how many VMs or holds it concerns. Repeating is safe.

        MissingError: what it is about is not there any more.
        """

    def passed(self, points: Sequence[str], target: str, own: str, now: datetime) -> Mapping[str, str]:
        """Of these recovery points those that stay at that time, with the reason. own: the transaction that removes."""

    def held(self, point: str, target: str) -> str:
        """Why a hold keeps it from being deleted by hand, too; "": none does."""

    def claim(self, point: str, target: str, own: str, now: datetime) -> Claim | None:
        """Whether it may go at that time; None: it is not there any more."""

    def stuck(self, point: str, own: str, why: str) -> None:
        """Note that it could not be removed, whatever becomes of the round: the next one begins with others."""

    def gone(self, point: str, target: str, own: str) -> None:
        """Note that it is no recovery point any more, in the audit too. Repeating is safe."""


class Mover(Protocol):
    """Tiers, as the SLAs say them, of the recovery points in one target."""

    def passed(self, points: Sequence[str], now: datetime) -> Mapping[str, str]:
        """Of these recovery points those that are not to be moved at that time, with the reason."""

    def shift(self, point: str, now: datetime) -> Shift:
        """Where it is to go at that time."""

    def promise(self, point: str, key: str, url: str, now: datetime) -> str:
        """Promise, before an object of it is moved, that nothing is left of that; gives why it stays: then it does not.

        Until `settle` nobody else begins with the recovery point. Whoever began before is found in the same unit.
        """

    def settle(self, key: str) -> None:
        """The object lies where it is to, or as it did. Repeating is safe."""

    def moved(self, point: str, tier: Tier) -> None:
        """Note that its objects lie in that tier, in the audit too. Repeating is safe."""


class Catalogue(Protocol):
    """Recovery points and their files, as the database caches them."""

    def commit(self, point: RecoveryPoint, files: Sequence[StoredFile]) -> None:
        """Note that the recovery point exists; the objects under its prefix are no longer to be cleaned up."""

    def withdraw(self, point: str, target: str) -> None:
        """Note that the recovery point of that transaction does not exist in that target any more."""

    def locked(self, point: str, target: str, until: datetime | None) -> None:
        """Note until when it is locked there, as the target tells it now."""

    def found(self, proof: Proof) -> None:
        """Note what was found of a recovery point; repeating is safe."""

    def stands(self, point: str, target: str) -> None:
        """Note that it was to go from that target and did not: nothing of it is to be cleaned up any more."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """One step of one transaction, as its action sees it. Ports are wrapped: transient errors are retried in them.

    check raises Stopped once somebody asked for it; pause waits and checks; progress takes absolute values, so that
    telling it twice is harmless.
    """

    transaction: Transaction
    attempt: int  # from 1; above 1 the step was begun before and its result was not kept
    installation: str
    version: str
    clock: Clock
    open_vmstore: Callable[[str], VMstore]  # a client of its own, not logged in
    session: Callable[[str], VMstore]  # this transaction's session, logged in at the first use in this process
    end_session: Callable[[str], None]
    share: Callable[[str], Share]
    cleanup_share: Callable[[str], Share | None]
    restore_share: Callable[[str], Share | None]
    keeps: Callable[[str], int] = lambda _name: 0  # so many snapshots of one VM stay on a VMstore
    restore_address: Callable[[str], str]  # the URL of that one, by the configuration
    restore_setting: Callable[[str], str]  # the name of the setting that has it
    hypervisor: Callable[[str], Hypervisor | None]  # that runs a VMstore's VMs
    hypervisor_address: Callable[[str], str]  # which one that is, in words
    target: Callable[[str], ObjectStore]
    ledger: Ledger
    catalogue: Catalogue
    keeper: Keeper
    mover: Callable[[str], Mover]  # of a target
    journal: Journal
    transfer_settings: Callable[[Sequence[str]], TransferSettings]
    check: Callable[[], None]
    may_send: Callable[[Sequence[str]], None]  # raises Paused outside of the hours in which these targets are sent to
    pause: Callable[[float], None]
    progress: Callable[[int, int], None]
    moved: Callable[[Bytes], None]  # bytes of this attempt so far
    before: Json = field(default_factory=dict)  # what this step kept when it was paused
    index: Index | None = None  # of what other objects hold
    leave_behind: Callable[[Sequence[str]], None]  # what could not be removed, each with the way to remove it

    @property
    def id(self) -> str:
        """The transaction's id: the label of everything it makes."""
        return self.transaction.id


Action = Callable[[Context, Json], Json]
