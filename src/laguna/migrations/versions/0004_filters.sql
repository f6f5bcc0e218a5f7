CREATE TABLE charge_filters (
    charge_id UUID NOT NULL,
    parent_id UUID,
    terms_id UUID NOT NULL,
    invoice_display_name TEXT,
    "values" JSONB NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT charge_filters_pkey PRIMARY KEY (id),
    CONSTRAINT charge_filters_charge_id_fkey FOREIGN KEY(charge_id) REFERENCES charges (id),
    CONSTRAINT charge_filters_parent_id_fkey FOREIGN KEY(parent_id) REFERENCES charge_filters (id),
    CONSTRAINT charge_filters_terms_id_fkey FOREIGN KEY(terms_id) REFERENCES terms (id),
    CONSTRAINT charge_filters_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX charge_filters_charge_id_idx ON charge_filters (charge_id);
CREATE INDEX charge_filters_parent_id_idx ON charge_filters (parent_id);

ALTER TABLE fees
    ADD COLUMN charge_filter_id UUID,
    ADD COLUMN true_up_parent_fee_id UUID,
    ADD COLUMN filter_display_name TEXT,
    ADD COLUMN filter_values JSONB,
    ADD COLUMN grouped_by JSONB NOT NULL DEFAULT '{}',
    ADD COLUMN presentation_breakdowns JSONB NOT NULL DEFAULT '[]',
    ADD CONSTRAINT fees_charge_filter_id_fkey FOREIGN KEY(charge_filter_id) REFERENCES charge_filters (id),
    ADD CONSTRAINT fees_true_up_parent_fee_id_fkey FOREIGN KEY(true_up_parent_fee_id) REFERENCES fees (id);
ALTER TABLE fees
    ALTER COLUMN grouped_by DROP DEFAULT,
    ALTER COLUMN presentation_breakdowns DROP DEFAULT;
CREATE INDEX fees_true_up_parent_fee_id_idx ON fees (true_up_parent_fee_id) WHERE true_up_parent_fee_id IS NOT NULL;
