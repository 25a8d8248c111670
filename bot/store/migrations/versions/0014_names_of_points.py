"""The names that VMs had in their recovery points, read from an index alone: somebody types, and waits for them."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_index("ix_recovery_points_vm_name_vm_uuid", "recovery_points", ["vm_name", "vm_uuid"])
    op.drop_index("ix_recovery_points_vm_name", "recovery_points")
