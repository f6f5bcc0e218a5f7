CREATE TABLE commitments (
    plan_id UUID NOT NULL,
    terms_id UUID NOT NULL,
    amount_cents BIGINT NOT NULL,
    invoice_display_name TEXT,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT commitments_pkey PRIMARY KEY (id),
    CONSTRAINT commitments_plan_id_fkey FOREIGN KEY(plan_id) REFERENCES plans (id),
    CONSTRAINT commitments_terms_id_fkey FOREIGN KEY(terms_id) REFERENCES terms (id),
    CONSTRAINT commitments_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE UNIQUE INDEX commitments_plan_id_key ON commitments (plan_id) WHERE deleted_at IS NULL;

CREATE TABLE commitment_taxes (
    owner_id UUID NOT NULL,
    tax_id UUID NOT NULL,
    organization_id UUID NOT NULL,
    CONSTRAINT commitment_taxes_pkey PRIMARY KEY (owner_id, tax_id),
    CONSTRAINT commitment_taxes_owner_id_fkey FOREIGN KEY(owner_id) REFERENCES commitments (id),
    CONSTRAINT commitment_taxes_tax_id_fkey FOREIGN KEY(tax_id) REFERENCES taxes (id),
    CONSTRAINT commitment_taxes_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX commitment_taxes_owner_idx ON commitment_taxes (owner_id);
