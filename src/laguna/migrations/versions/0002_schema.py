"""Organizations, catalogue, customers, subscriptions, events, invoices."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    schema = Path(__file__).with_name("0002_schema.sql").read_text()
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(schema)  # as a whole, which only the driver takes
