"""Runs of schedules that were asked for and have not begun are found at each look, however many fires there are."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    asked = sa.text("state = 'asked for'")
    op.create_index("ix_fires_asked", "fires", ["at"], sqlite_where=asked, postgresql_where=asked)
