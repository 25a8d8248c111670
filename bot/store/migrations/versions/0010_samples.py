"""What VMs were cloned from, and a choice of the grains of their objects: so that one of another VM is a base."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("recovery_points", sa.Column("origin", sa.String(), nullable=False, server_default=""))
    op.create_index("ix_recovery_points_origin", "recovery_points", ["origin"])
    op.create_table(
        "sampled_objects",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("transaction_id", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("grain", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sampled_objects"),
    )
    op.create_index("uq_sampled_objects_key", "sampled_objects", ["target", "transaction_id", "key"], unique=True)
    op.create_table(
        "samples",
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("object", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["object"], ["sampled_objects.id"], name="fk_samples_object"),
        sa.PrimaryKeyConstraint("mark", "object", name="pk_samples"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_samples_object", "samples", ["object"])
