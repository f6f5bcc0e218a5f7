"""Charge filters; what fees keep of filters, groups and minimums."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003a"


def upgrade() -> None:
    schema = Path(__file__).with_name("0004_filters.sql").read_text()
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(schema)  # as a whole, which only the driver takes
