"""Events that can't be used, until the hour's report tells of them."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE faulty_events (
            key UUID NOT NULL,
            organization_id UUID NOT NULL,
            report_at TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT faulty_events_pkey PRIMARY KEY (key),
            CONSTRAINT faulty_events_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
        )
        """
    )
    op.execute("CREATE INDEX faulty_events_organization_id_report_at_idx ON faulty_events (organization_id, report_at)")
