"""Retention in force by SLA and by VM, holds, and how long each recovery point is wanted."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "retentions",
        sa.Column("sla", sa.String(), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sla", name="pk_retentions"),
    )
    op.create_table(
        "retained_vms",
        sa.Column("vm_uuid", sa.String(), nullable=False),
        sa.Column("sla", sa.String(), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("vm_uuid", name="pk_retained_vms"),
    )
    op.create_index("ix_retained_vms_sla", "retained_vms", ["sla"])
    op.create_table(
        "holds",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("vm_uuid", sa.String(), nullable=False),
        sa.Column("vm", sa.String(), nullable=False),
        sa.Column("point", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    op.create_index("ix_holds_vm_uuid", "holds", ["vm_uuid"])
    op.create_index("ix_holds_point", "holds", ["point"])
    op.create_index("ix_holds_released_at", "holds", ["released_at"])
    op.add_column("recovery_points", sa.Column("keep_for", sa.String(), nullable=False, server_default=""))
    op.execute(
        "UPDATE recovery_points SET keep_for = COALESCE((SELECT keep_for FROM transactions"
        " WHERE transactions.id = recovery_points.transaction_id), '')"
    )
