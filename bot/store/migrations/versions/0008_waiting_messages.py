"""An index of what waits in the outbox: it is looked at several times a second, and what was sent is kept for ever."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["id"],
        unique=False,
        sqlite_where=sa.text("version > sent_version AND failed IS 0"),
        postgresql_where=sa.text("version > sent_version AND failed IS false"),
    )
