"""Lifetime usage of subscriptions: what was used before they came here."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    schema = Path(__file__).with_name("0006_lifetime.sql").read_text()
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(schema)  # as a whole, which only the driver takes
