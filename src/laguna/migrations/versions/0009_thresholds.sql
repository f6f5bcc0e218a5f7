CREATE TABLE usage_thresholds (
    plan_id UUID,
    subscription_id UUID,
    amount_cents BIGINT NOT NULL,
    recurring BOOLEAN NOT NULL,
    threshold_display_name TEXT,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT usage_thresholds_pkey PRIMARY KEY (id),
    CONSTRAINT usage_thresholds_owner_check CHECK ((plan_id IS NULL) <> (subscription_id IS NULL)),
    CONSTRAINT usage_thresholds_plan_id_fkey FOREIGN KEY(plan_id) REFERENCES plans (id),
    CONSTRAINT usage_thresholds_subscription_id_fkey FOREIGN KEY(subscription_id) REFERENCES subscriptions (id),
    CONSTRAINT usage_thresholds_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX usage_thresholds_organization_id_idx ON usage_thresholds (organization_id) WHERE deleted_at IS NULL;
CREATE INDEX usage_thresholds_plan_id_idx ON usage_thresholds (plan_id) WHERE deleted_at IS NULL;
CREATE INDEX usage_thresholds_subscription_id_idx ON usage_thresholds (subscription_id) WHERE deleted_at IS NULL;

CREATE TABLE applied_usage_thresholds (
    invoice_id UUID NOT NULL,
    usage_threshold_id UUID NOT NULL,
    lifetime_usage_amount_cents BIGINT NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT applied_usage_thresholds_pkey PRIMARY KEY (id),
    CONSTRAINT applied_usage_thresholds_invoice_id_fkey FOREIGN KEY(invoice_id) REFERENCES invoices (id),
    CONSTRAINT applied_usage_thresholds_usage_threshold_id_fkey FOREIGN KEY(usage_threshold_id)
        REFERENCES usage_thresholds (id),
    CONSTRAINT applied_usage_thresholds_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX applied_usage_thresholds_invoice_id_idx ON applied_usage_thresholds (invoice_id);

CREATE TABLE progressive_credits (
    invoice_id UUID NOT NULL,
    progressive_invoice_id UUID NOT NULL,
    amount_cents BIGINT NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT progressive_credits_pkey PRIMARY KEY (id),
    CONSTRAINT progressive_credits_invoice_id_fkey FOREIGN KEY(invoice_id) REFERENCES invoices (id),
    CONSTRAINT progressive_credits_progressive_invoice_id_fkey FOREIGN KEY(progressive_invoice_id)
        REFERENCES invoices (id),
    CONSTRAINT progressive_credits_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX progressive_credits_invoice_id_idx ON progressive_credits (invoice_id);
CREATE INDEX progressive_credits_progressive_invoice_id_idx ON progressive_credits (progressive_invoice_id);

CREATE TABLE usage_marks (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    organization_id UUID NOT NULL,
    subscription_id UUID NOT NULL,
    marked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT usage_marks_pkey PRIMARY KEY (id),
    CONSTRAINT usage_marks_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX usage_marks_subscription_idx ON usage_marks (organization_id, subscription_id);

DROP INDEX invoice_lines_due_key;
CREATE UNIQUE INDEX invoice_lines_due_key ON invoice_lines (subscription_id, invoicing_reason, due_at)
    WHERE invoicing_reason <> 'progressive_billing';
CREATE INDEX invoice_lines_progressive_idx ON invoice_lines (subscription_id)
    WHERE invoicing_reason = 'progressive_billing';
