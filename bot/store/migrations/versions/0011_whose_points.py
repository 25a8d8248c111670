"""Where the VM of a recovery point was, and which installation made it: the catalogue may be older than this database."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("recovery_points", sa.Column("vmstore", sa.String(), nullable=False, server_default=""))
    op.add_column("recovery_points", sa.Column("installation", sa.String(), nullable=False, server_default=""))
