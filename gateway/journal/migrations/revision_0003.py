"""A row of a vendor's that could not be read is in quarantine once, known by its digest."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0003"
down_revision = "0002"


def upgrade(op: Operations) -> None:
    op.add_column("quarantine", sa.Column("digest", sa.LargeBinary))
    op.create_index("quarantine_by_digest", "quarantine", ["digest"], unique=True)
