"""The queue of jobs: procrastinate's schema, a frozen copy of version 3.10."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    schema = Path(__file__).with_name("0001_procrastinate_3_10.sql").read_text()
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(schema)  # as a whole, which only the driver takes
    # what is pending for an organization, asked at every step of its test clock
    op.execute(
        """
        CREATE INDEX procrastinate_jobs_organization_idx ON procrastinate_jobs ((args ->> 'organization_id'))
        WHERE status IN ('todo', 'doing')
        """
    )
