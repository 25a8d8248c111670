"""Where the digests of a stored file lie, so that the next run of its VM knows what changed."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("files", sa.Column("digests", sa.String(), nullable=False, server_default=""))
