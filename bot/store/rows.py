"""The tables; private to this package. What stands in them is read and written by one repository each.

JSON columns get new values, never changes in place: those would silently not be saved. A CRC is kept as 16 hex digits,
since it is unsigned and SQLite's integers are not. States are plain text, so that a new state needs no migration.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Index, MetaData, Text, text
from sqlmodel import Field, SQLModel

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
_RUNNING = text("state = 'running' AND vm_uuid <> ''")


class Table(SQLModel):
    """What the tables have in common: metadata of their own, so that no other library's tables get in."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=_NAMES)


class TransactionRow(Table, table=True):
    """One transaction; `number` is the order of arrival."""

    __tablename__ = "transactions"
    __table_args__ = (
        Index(
            "uq_transactions_running_vm_uuid",
            "vm_uuid",
            unique=True,
            sqlite_where=_RUNNING,
            postgresql_where=_RUNNING,
        ),
    )

    number: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    request_key: str = Field(unique=True)
    workflow: str
    vm: str = Field(index=True)
    targets: list[str] = Field(sa_type=JSON)
    actor_id: str
    actor_name: str
    actor_source: str
    state: str = Field(index=True)
    created_at: datetime
    consistency: str
    note: str = Field(default="", sa_type=Text)
    keep_for: str = ""
    channel: str
    thread: str
    vm_uuid: str = Field(index=True)
    vmstore: str
    frozen: dict[str, Any] = Field(sa_type=JSON)
    plan: dict[str, Any] = Field(sa_type=JSON)
    started_at: datetime | None = None
    ended_at: datetime | None = Field(default=None, index=True)
    stop_asked_by: str
    bytes: dict[str, Any] = Field(sa_type=JSON)
    failure: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    left_behind: list[str] = Field(sa_type=JSON)
    not_before: datetime | None = None


class StepRow(Table, table=True):
    """One step of one transaction."""

    __tablename__ = "steps"

    transaction_id: str = Field(primary_key=True, foreign_key="transactions.id")
    id: str = Field(primary_key=True)
    title: str
    position: int
    state: str
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    done: int = Field(default=0, sa_type=BigInteger)
    total: int = Field(default=0, sa_type=BigInteger)
    outputs: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    failure: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class ResourceRow(Table, table=True):
    """One thing to clean up; `number` is the order of registration."""

    __tablename__ = "resources"
    __table_args__ = (Index("uq_resources_name", "transaction_id", "kind", "system", "name", unique=True),)

    number: int | None = Field(default=None, primary_key=True)
    transaction_id: str = Field(foreign_key="transactions.id")
    kind: str
    system: str
    name: str
    detail: dict[str, Any] = Field(sa_type=JSON)
    registered_at: datetime
    released_at: datetime | None = Field(default=None, index=True)


class PartRow(Table, table=True):
    """One part that a store has."""

    __tablename__ = "parts"

    transaction_id: str = Field(primary_key=True, foreign_key="transactions.id")
    target: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    offset: int = Field(sa_type=BigInteger)
    length: int = Field(sa_type=BigInteger)
    etag: str
    crc64: str
    source: str


class FileRow(Table, table=True):
    """One file as it lies in a target; may be older than this database."""

    __tablename__ = "files"

    transaction_id: str = Field(primary_key=True)
    target: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    path: str
    name: str
    size: int = Field(sa_type=BigInteger)
    crc64: str
    etag: str
    digests: str = ""  # key of its digest object


class PointRow(Table, table=True):
    """One recovery point; may be older than this database."""

    __tablename__ = "recovery_points"
    __table_args__ = (
        Index("ix_recovery_points_vm_uuid_taken_at", "vm_uuid", "taken_at"),
        Index("ix_recovery_points_vm_name_vm_uuid", "vm_name", "vm_uuid"),
    )

    transaction_id: str = Field(primary_key=True)
    target: str = Field(primary_key=True)
    vm_uuid: str
    vm_name: str
    manifest_key: str
    taken_at: datetime
    consistency: str
    size: int = Field(sa_type=BigInteger)
    origin: str = Field(default="", index=True)  # name of the VM that its VM was cloned from
    vmstore: str = ""
    installation: str = ""
    locked_until: datetime | None = None
    keep_for: str = ""
    tier: str = ""


class ProofRow(Table, table=True):
    """What one run found of a recovery point in one target; never changed, and kept when the point goes."""

    __tablename__ = "proofs"
    __table_args__ = (Index("uq_proofs_run", "run", "target", "kind", unique=True),)

    number: int | None = Field(default=None, primary_key=True)
    point: str = Field(index=True)
    target: str
    run: str
    kind: str
    vm_uuid: str = Field(index=True)
    at: datetime
    is_good: bool
    is_damaged: bool
    body: dict[str, Any] = Field(sa_type=JSON)


class SampledRow(Table, table=True):
    """One object whose grains are in the index."""

    __tablename__ = "sampled_objects"
    __table_args__ = (Index("uq_sampled_objects_key", "target", "transaction_id", "key", unique=True),)

    id: int | None = Field(default=None, primary_key=True)
    transaction_id: str
    target: str
    key: str
    grain: int


class SampleRow(Table, table=True):
    """One grain of such an object."""

    __tablename__ = "samples"
    __table_args__ = {"sqlite_with_rowid": False}

    mark: int = Field(primary_key=True, sa_type=BigInteger)
    object: int = Field(primary_key=True, foreign_key="sampled_objects.id", index=True)
    position: int


class InventoryRow(Table, table=True):
    """One VM as last seen on a VMstore."""

    __tablename__ = "inventory"

    vmstore: str = Field(primary_key=True)
    vm_uuid: str = Field(primary_key=True, index=True)
    name: str
    folded: str = Field(index=True)  # the name, so that upper and lower case are the same
    used_bytes: int = Field(sa_type=BigInteger)
    provisioned_bytes: int = Field(sa_type=BigInteger)
    hypervisor: str
    powered: bool | None = None
    seen_at: datetime
    gone_at: datetime | None = None


class HandoutRow(Table, table=True):
    """One file that somebody was promised."""

    __tablename__ = "handouts"

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    person: str
    asked: dict[str, Any] = Field(sa_type=JSON)
    at: datetime
    attempts: int = 0
    not_before: datetime | None = None
    is_over: bool = Field(default=False, index=True)
    error: str = Field(default="", sa_type=Text)


class LookRow(Table, table=True):
    """The last look at the VMs of one VMstore."""

    __tablename__ = "looks"

    vmstore: str = Field(primary_key=True)
    at: datetime
    well_at: datetime | None = None
    vms: int = 0
    error: str = ""


class MessageRow(Table, table=True):
    """One message that should stand in the chat."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_channel_ts", "channel", "ts"),
        Index(
            "ix_outbox_waiting",
            "id",
            sqlite_where=text("version > sent_version AND failed IS 0"),
            postgresql_where=text("version > sent_version AND failed IS false"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    channel: str
    view: dict[str, Any] = Field(sa_type=JSON)
    thread_key: str
    thread_ts: str
    only_for: str
    version: int
    sent_version: int = 0
    ts: str = ""
    intent: str = ""
    attempts: int = 0
    not_before: datetime | None = None
    last_sent_at: datetime | None = None
    failed: bool = False
    error: str = Field(default="", sa_type=Text)


class AuditLink(Table, table=True):
    """One link of the audit chain; triggers in the database refuse any change."""

    __tablename__ = "audit"

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(index=True)
    key: str = Field(unique=True)
    action: str
    actor_id: str = Field(index=True)
    actor_name: str = Field(index=True)
    source: str
    transaction_id: str = Field(index=True)
    body: dict[str, Any] = Field(sa_type=JSON)
    prev: str
    hash: str


class SettingRow(Table, table=True):
    """One small fact of this installation."""

    __tablename__ = "settings"

    name: str = Field(primary_key=True)
    value: str


class DeliveryRow(Table, table=True):
    """One delivery of Slack's that was answered."""

    __tablename__ = "deliveries"

    key: str = Field(primary_key=True)
    at: datetime = Field(index=True)


class MemberRow(Table, table=True):
    """One user in one user group of Slack, as told at that time."""

    __tablename__ = "group_members"

    group_id: str = Field(primary_key=True)
    user_id: str = Field(primary_key=True, index=True)
    at: datetime


class ApprovalRow(Table, table=True):
    """One plan that waits, or waited, for a decision."""

    __tablename__ = "approvals"
    __table_args__ = (Index("uq_approvals_number", "transaction_id", "number", unique=True),)

    id: str = Field(primary_key=True)
    transaction_id: str = Field(foreign_key="transactions.id")
    number: int
    operation: str
    state: str = Field(index=True)
    token: str = Field(unique=True)
    decided: dict[str, Any] = Field(sa_type=JSON)
    estimates: dict[str, Any] = Field(sa_type=JSON)
    plan_hash: str
    requester_id: str
    requester_name: str
    requester_source: str
    reason: str = Field(sa_type=Text)
    needed: int
    created_at: datetime
    expires_at: datetime
    good_for_s: int
    remind_at: datetime | None = None
    good_until: datetime | None = None
    why: str = Field(default="", sa_type=Text)


class DecisionRow(Table, table=True):
    """One person's word on one approval."""

    __tablename__ = "decisions"

    approval_id: str = Field(primary_key=True, foreign_key="approvals.id")
    actor_id: str = Field(primary_key=True)
    actor_name: str
    actor_source: str
    choice: str
    at: datetime
