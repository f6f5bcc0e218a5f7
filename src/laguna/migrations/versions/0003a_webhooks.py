"""Webhooks: endpoints, messages, deliveries; secrets of the server; a signing key for each organization."""

from pathlib import Path

from alembic import op

revision = "0003a"
down_revision = "0002"


def upgrade() -> None:
    schema = Path(__file__).with_name("0003a_webhooks.sql").read_text()
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(schema)  # as a whole, which only the driver takes
