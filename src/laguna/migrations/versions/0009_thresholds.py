"""Usage thresholds, and progressive billing."""

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    schema = Path(__file__).with_name("0009_thresholds.sql").read_text()
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(schema)  # as a whole, which only the driver takes
