"""Documents: what the PDFs of invoices say, and the secret that signs the links to them."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE invoice_pdfs (
            invoice_id UUID NOT NULL,
            organization_id UUID NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL,
            content JSONB NOT NULL,
            parties JSONB NOT NULL,
            CONSTRAINT invoice_pdfs_pkey PRIMARY KEY (invoice_id),
            CONSTRAINT invoice_pdfs_invoice_id_fkey FOREIGN KEY(invoice_id) REFERENCES invoices (id),
            CONSTRAINT invoice_pdfs_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
        )
        """
    )
    op.execute("CREATE INDEX invoice_pdfs_organization_id_idx ON invoice_pdfs (organization_id)")
    # 244 random bits
    op.execute(
        "INSERT INTO server_secrets (name, value) VALUES ('documents', gen_random_uuid()::text || gen_random_uuid())"
    )
