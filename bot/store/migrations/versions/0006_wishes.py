"""Why a VM is protected, and for how long."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("transactions", sa.Column("note", sa.Text(), nullable=False, server_default=""))
    op.add_column("transactions", sa.Column("keep_for", sa.String(), nullable=False, server_default=""))
