"""Logos of billing entities."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE logos (
            organization_id UUID NOT NULL,
            digest TEXT NOT NULL,
            content_type TEXT NOT NULL,
            data BYTEA NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT logos_pkey PRIMARY KEY (organization_id, digest),
            CONSTRAINT logos_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
        )
        """
    )
    # what is packed already isn't packed again
    op.execute("ALTER TABLE logos ALTER COLUMN data SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE billing_entities ADD COLUMN logo_digest TEXT")
