"""Minimum commitments of plans, and their taxes."""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    schema = Path(__file__).with_name("0008_commitments.sql").read_text()
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(schema)  # as a whole, which only the driver takes
