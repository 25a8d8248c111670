"""What verifications and drills found of recovery points; rows are only ever added."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

NEVER_CHANGED = """
CREATE TRIGGER proofs_never_changed BEFORE UPDATE ON proofs
BEGIN SELECT RAISE(ABORT, 'a proof is never changed'); END;
"""
NEVER_REMOVED = """
CREATE TRIGGER proofs_never_removed BEFORE DELETE ON proofs
BEGIN SELECT RAISE(ABORT, 'a proof is never removed'); END;
"""


def upgrade() -> None:
    op.create_table(
        "proofs",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("point", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("vm_uuid", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_good", sa.Boolean(), nullable=False),
        sa.Column("is_damaged", sa.Boolean(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_proofs"),
    )
    op.create_index("uq_proofs_run", "proofs", ["run", "target", "kind"], unique=True)
    op.create_index("ix_proofs_point", "proofs", ["point"])
    op.create_index("ix_proofs_vm_uuid", "proofs", ["vm_uuid"])
    op.execute(NEVER_CHANGED)
    op.execute(NEVER_REMOVED)
