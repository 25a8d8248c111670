"""Until when a recovery point is locked, as it was when its objects were asked last."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("recovery_points", sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True))
