"""The inventory tells more than names; files that were promised; indexes for questions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.drop_table("inventory")  # a cache: filled again soon after the start
    op.create_table(
        "inventory",
        sa.Column("vmstore", sa.String(), nullable=False),
        sa.Column("vm_uuid", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("folded", sa.String(), nullable=False),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.Column("provisioned_bytes", sa.BigInteger(), nullable=False),
        sa.Column("hypervisor", sa.String(), nullable=False),
        sa.Column("powered", sa.Boolean(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("vmstore", "vm_uuid", name=op.f("pk_inventory")),
    )
    op.create_index(op.f("ix_inventory_folded"), "inventory", ["folded"], unique=False)
    op.create_index(op.f("ix_inventory_vm_uuid"), "inventory", ["vm_uuid"], unique=False)
    op.create_table(
        "looks",
        sa.Column("vmstore", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("well_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("vms", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("vmstore", name=op.f("pk_looks")),
    )
    op.create_table(
        "handouts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_over", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handouts")),
        sa.UniqueConstraint("key", name=op.f("uq_handouts_key")),
    )
    op.create_index(op.f("ix_handouts_is_over"), "handouts", ["is_over"], unique=False)
    op.drop_index(op.f("ix_recovery_points_vm_uuid"), "recovery_points")
    op.create_index("ix_recovery_points_vm_uuid_taken_at", "recovery_points", ["vm_uuid", "taken_at"], unique=False)
    op.create_index(op.f("ix_recovery_points_vm_name"), "recovery_points", ["vm_name"], unique=False)
    op.create_index(op.f("ix_transactions_vm"), "transactions", ["vm"], unique=False)
    op.create_index(op.f("ix_transactions_vm_uuid"), "transactions", ["vm_uuid"], unique=False)
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)
    op.create_index(op.f("ix_audit_actor_id"), "audit", ["actor_id"], unique=False)
    op.create_index(op.f("ix_audit_actor_name"), "audit", ["actor_name"], unique=False)
