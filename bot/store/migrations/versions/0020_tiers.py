"""In which tier a recovery point lies."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("recovery_points", sa.Column("tier", sa.String(), nullable=False, server_default=""))
