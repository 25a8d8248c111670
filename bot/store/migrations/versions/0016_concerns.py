"""What people decided about what is not as it should be, and numbers by day, from which a forecast is made."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "concerns",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by_id", sa.String(), nullable=False),
        sa.Column("by_name", sa.String(), nullable=False),
        sa.Column("by_source", sa.String(), nullable=False),
        sa.Column("assigned", sa.String(), nullable=False),
        sa.Column("assigned_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", name="pk_concerns"),
    )
    op.create_index("ix_concerns_until", "concerns", ["until"])
    op.create_index("ix_concerns_assigned", "concerns", ["assigned"])
    op.create_table(
        "measures",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "day", name="pk_measures"),
    )
    op.create_index("ix_transactions_ended_at", "transactions", ["ended_at"])
