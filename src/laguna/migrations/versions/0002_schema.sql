CREATE TABLE events (
    key UUID NOT NULL,
    seq BIGINT NOT NULL,
    stream_id BIGINT NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    ingested_at TIMESTAMP WITH TIME ZONE NOT NULL,
    supersedes UUID,
    value NUMERIC,
    value_text TEXT,
    precise_total_amount_cents NUMERIC,
    transaction_id TEXT NOT NULL,
    properties JSONB NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (key)
);
CREATE INDEX events_stream_id_timestamp_idx ON events (stream_id, timestamp) INCLUDE (value, seq);

CREATE TABLE organizations (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    test_clock TIMESTAMP WITH TIME ZONE,
    clock_target TIMESTAMP WITH TIME ZONE,
    customer_sequence BIGINT NOT NULL,
    catalog_version BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT organizations_pkey PRIMARY KEY (id),
    CONSTRAINT organizations_slug_key UNIQUE (slug)
);
CREATE INDEX organizations_clock_target_idx ON organizations (clock_target) WHERE clock_target IS NOT NULL;
CREATE INDEX organizations_sandbox_idx ON organizations (id) WHERE test_clock IS NOT NULL;

CREATE TABLE writer_lanes (
    lane SMALLINT NOT NULL,
    last BIGINT NOT NULL,
    CONSTRAINT writer_lanes_pkey PRIMARY KEY (lane)
);

CREATE TABLE api_keys (
    name TEXT,
    hash BYTEA NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT api_keys_pkey PRIMARY KEY (id),
    CONSTRAINT api_keys_hash_key UNIQUE (hash),
    CONSTRAINT api_keys_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);

CREATE TABLE billable_metrics (
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    aggregation_type TEXT NOT NULL,
    field_name TEXT,
    recurring BOOLEAN NOT NULL,
    weighted_interval TEXT,
    rounding_function TEXT,
    rounding_precision INTEGER,
    expression TEXT,
    values_ready BOOLEAN NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT billable_metrics_pkey PRIMARY KEY (id),
    CONSTRAINT billable_metrics_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE UNIQUE INDEX billable_metrics_organization_id_code_key ON billable_metrics (organization_id, code) WHERE deleted_at IS NULL;

CREATE TABLE billing_entities (
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    is_default BOOLEAN NOT NULL,
    default_currency TEXT NOT NULL,
    document_locale TEXT NOT NULL,
    document_numbering TEXT NOT NULL,
    document_number_prefix TEXT NOT NULL,
    finalize_zero_amount_invoice BOOLEAN NOT NULL,
    invoice_footer TEXT,
    invoice_grace_period INTEGER NOT NULL,
    subscription_invoice_issuing_date_anchor TEXT NOT NULL,
    subscription_invoice_issuing_date_adjustment TEXT NOT NULL,
    net_payment_term INTEGER NOT NULL,
    timezone TEXT NOT NULL,
    email TEXT,
    email_settings TEXT[] NOT NULL,
    legal_name TEXT,
    legal_number TEXT,
    tax_identification_number TEXT,
    phone TEXT,
    address_line1 TEXT,
    address_line2 TEXT,
    city TEXT,
    state TEXT,
    zipcode TEXT,
    country TEXT,
    invoice_sequence BIGINT NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT billing_entities_pkey PRIMARY KEY (id),
    CONSTRAINT billing_entities_organization_id_code_key UNIQUE (organization_id, code),
    CONSTRAINT billing_entities_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);

CREATE TABLE event_streams (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    organization_id UUID NOT NULL,
    external_subscription_id TEXT,
    code TEXT NOT NULL,
    CONSTRAINT event_streams_pkey PRIMARY KEY (id),
    CONSTRAINT event_streams_organization_id_external_subscription_id_code_key UNIQUE NULLS NOT DISTINCT (organization_id, external_subscription_id, code),
    CONSTRAINT event_streams_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX event_streams_organization_id_code_idx ON event_streams (organization_id, code);

CREATE TABLE taxes (
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    rate NUMERIC NOT NULL,
    description TEXT,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT taxes_pkey PRIMARY KEY (id),
    CONSTRAINT taxes_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE UNIQUE INDEX taxes_organization_id_code_key ON taxes (organization_id, code) WHERE deleted_at IS NULL;

CREATE TABLE terms (
    hash BYTEA NOT NULL,
    kind TEXT NOT NULL,
    properties JSONB NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT terms_pkey PRIMARY KEY (id),
    CONSTRAINT terms_organization_id_hash_key UNIQUE (organization_id, hash),
    CONSTRAINT terms_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);

CREATE TABLE timer_failures (
    timer TEXT NOT NULL,
    item_id UUID NOT NULL,
    organization_id UUID NOT NULL,
    error TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    failed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    retry_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT timer_failures_pkey PRIMARY KEY (timer, item_id),
    CONSTRAINT timer_failures_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX timer_failures_organization_id_idx ON timer_failures (organization_id);

CREATE TABLE billable_metric_filters (
    billable_metric_id UUID NOT NULL,
    key TEXT NOT NULL,
    organization_id UUID NOT NULL,
    values TEXT[] NOT NULL,
    CONSTRAINT billable_metric_filters_pkey PRIMARY KEY (billable_metric_id, key),
    CONSTRAINT billable_metric_filters_billable_metric_id_fkey FOREIGN KEY(billable_metric_id) REFERENCES billable_metrics (id),
    CONSTRAINT billable_metric_filters_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);

CREATE TABLE billing_entity_taxes (
    owner_id UUID NOT NULL,
    tax_id UUID NOT NULL,
    organization_id UUID NOT NULL,
    CONSTRAINT billing_entity_taxes_pkey PRIMARY KEY (owner_id, tax_id),
    CONSTRAINT billing_entity_taxes_owner_id_fkey FOREIGN KEY(owner_id) REFERENCES billing_entities (id),
    CONSTRAINT billing_entity_taxes_tax_id_fkey FOREIGN KEY(tax_id) REFERENCES taxes (id),
    CONSTRAINT billing_entity_taxes_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX billing_entity_taxes_owner_idx ON billing_entity_taxes (owner_id);

CREATE TABLE customers (
    external_id TEXT NOT NULL,
    billing_entity_id UUID NOT NULL,
    sequential_id BIGINT NOT NULL,
    slug TEXT NOT NULL,
    account_type TEXT NOT NULL,
    customer_type TEXT,
    name TEXT,
    firstname TEXT,
    lastname TEXT,
    email TEXT,
    phone TEXT,
    url TEXT,
    logo_url TEXT,
    legal_name TEXT,
    legal_number TEXT,
    tax_identification_number TEXT,
    address_line1 TEXT,
    address_line2 TEXT,
    city TEXT,
    state TEXT,
    zipcode TEXT,
    country TEXT,
    shipping_address_line1 TEXT,
    shipping_address_line2 TEXT,
    shipping_city TEXT,
    shipping_state TEXT,
    shipping_zipcode TEXT,
    shipping_country TEXT,
    currency TEXT,
    timezone TEXT,
    net_payment_term INTEGER,
    finalize_zero_amount_invoice TEXT NOT NULL,
    skip_invoice_custom_sections BOOLEAN NOT NULL,
    external_salesforce_id TEXT,
    invoice_grace_period INTEGER,
    document_locale TEXT,
    subscription_invoice_issuing_date_anchor TEXT,
    subscription_invoice_issuing_date_adjustment TEXT,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT customers_pkey PRIMARY KEY (id),
    CONSTRAINT customers_billing_entity_id_fkey FOREIGN KEY(billing_entity_id) REFERENCES billing_entities (id),
    CONSTRAINT customers_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX customers_organization_id_created_at_idx ON customers (organization_id, created_at, id);
CREATE UNIQUE INDEX customers_organization_id_external_id_key ON customers (organization_id, external_id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX customers_organization_id_sequential_id_key ON customers (organization_id, sequential_id);

CREATE TABLE plans (
    parent_id UUID,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    invoice_display_name TEXT,
    description TEXT,
    interval TEXT NOT NULL,
    pay_in_advance BOOLEAN NOT NULL,
    bill_charges_monthly BOOLEAN,
    bill_fixed_charges_monthly BOOLEAN,
    trial_period NUMERIC,
    amount_cents BIGINT NOT NULL,
    amount_currency TEXT NOT NULL,
    terms_id UUID NOT NULL,
    pending_deletion BOOLEAN NOT NULL,
    metadata JSONB,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT plans_pkey PRIMARY KEY (id),
    CONSTRAINT plans_parent_id_fkey FOREIGN KEY(parent_id) REFERENCES plans (id),
    CONSTRAINT plans_terms_id_fkey FOREIGN KEY(terms_id) REFERENCES terms (id),
    CONSTRAINT plans_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE UNIQUE INDEX plans_organization_id_code_key ON plans (organization_id, code) WHERE deleted_at IS NULL AND parent_id IS NULL;
CREATE INDEX plans_parent_id_idx ON plans (parent_id);

CREATE TABLE terms_history (
    id BIGSERIAL NOT NULL,
    organization_id UUID NOT NULL,
    priced_id UUID NOT NULL,
    terms_id UUID NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT terms_history_pkey PRIMARY KEY (id),
    CONSTRAINT terms_history_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id),
    CONSTRAINT terms_history_terms_id_fkey FOREIGN KEY(terms_id) REFERENCES terms (id)
);
CREATE INDEX terms_history_priced_id_idx ON terms_history (priced_id);

CREATE TABLE charges (
    plan_id UUID NOT NULL,
    parent_id UUID,
    billable_metric_id UUID NOT NULL,
    terms_id UUID NOT NULL,
    code TEXT NOT NULL,
    charge_model TEXT NOT NULL,
    invoice_display_name TEXT,
    pay_in_advance BOOLEAN NOT NULL,
    invoiceable BOOLEAN NOT NULL,
    regroup_paid_fees TEXT,
    prorated BOOLEAN NOT NULL,
    min_amount_cents BIGINT NOT NULL,
    accepts_target_wallet BOOLEAN NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT charges_pkey PRIMARY KEY (id),
    CONSTRAINT charges_plan_id_fkey FOREIGN KEY(plan_id) REFERENCES plans (id),
    CONSTRAINT charges_parent_id_fkey FOREIGN KEY(parent_id) REFERENCES charges (id),
    CONSTRAINT charges_billable_metric_id_fkey FOREIGN KEY(billable_metric_id) REFERENCES billable_metrics (id),
    CONSTRAINT charges_terms_id_fkey FOREIGN KEY(terms_id) REFERENCES terms (id),
    CONSTRAINT charges_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX charges_billable_metric_id_idx ON charges (billable_metric_id);
CREATE INDEX charges_parent_id_idx ON charges (parent_id);
CREATE UNIQUE INDEX charges_plan_id_code_key ON charges (plan_id, code) WHERE deleted_at IS NULL;

CREATE TABLE customer_metadata (
    customer_id UUID NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    display_in_invoice BOOLEAN NOT NULL,
    position INTEGER NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT customer_metadata_pkey PRIMARY KEY (id),
    CONSTRAINT customer_metadata_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customers (id),
    CONSTRAINT customer_metadata_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE UNIQUE INDEX customer_metadata_customer_id_key_key ON customer_metadata (customer_id, key);

CREATE TABLE customer_sequences (
    customer_id UUID NOT NULL,
    billing_entity_id UUID NOT NULL,
    organization_id UUID NOT NULL,
    last BIGINT NOT NULL,
    CONSTRAINT customer_sequences_pkey PRIMARY KEY (customer_id, billing_entity_id),
    CONSTRAINT customer_sequences_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customers (id),
    CONSTRAINT customer_sequences_billing_entity_id_fkey FOREIGN KEY(billing_entity_id) REFERENCES billing_entities (id),
    CONSTRAINT customer_sequences_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);

CREATE TABLE customer_taxes (
    owner_id UUID NOT NULL,
    tax_id UUID NOT NULL,
    organization_id UUID NOT NULL,
    CONSTRAINT customer_taxes_pkey PRIMARY KEY (owner_id, tax_id),
    CONSTRAINT customer_taxes_owner_id_fkey FOREIGN KEY(owner_id) REFERENCES customers (id),
    CONSTRAINT customer_taxes_tax_id_fkey FOREIGN KEY(tax_id) REFERENCES taxes (id),
    CONSTRAINT customer_taxes_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX customer_taxes_owner_idx ON customer_taxes (owner_id);

CREATE TABLE invoices (
    customer_id UUID NOT NULL,
    billing_entity_id UUID NOT NULL,
    invoice_type TEXT NOT NULL,
    status TEXT NOT NULL,
    payment_status TEXT NOT NULL,
    tax_status TEXT,
    number TEXT NOT NULL,
    sequential_id BIGINT,
    entity_sequential_id BIGINT,
    issuing_date DATE NOT NULL,
    payment_due_date DATE NOT NULL,
    net_payment_term INTEGER NOT NULL,
    expected_finalization_date DATE NOT NULL,
    finalizes_at TIMESTAMP WITH TIME ZONE,
    refreshes_at TIMESTAMP WITH TIME ZONE,
    finalized_at TIMESTAMP WITH TIME ZONE,
    voided_at TIMESTAMP WITH TIME ZONE,
    recurring BOOLEAN NOT NULL,
    currency TEXT NOT NULL,
    fees_amount_cents BIGINT NOT NULL,
    progressive_billing_credit_amount_cents BIGINT NOT NULL,
    coupons_amount_cents BIGINT NOT NULL,
    sub_total_excluding_taxes_amount_cents BIGINT NOT NULL,
    taxes_amount_cents BIGINT NOT NULL,
    taxes_rate NUMERIC(10, 5) NOT NULL,
    sub_total_including_taxes_amount_cents BIGINT NOT NULL,
    credit_notes_amount_cents BIGINT NOT NULL,
    prepaid_credit_amount_cents BIGINT NOT NULL,
    total_amount_cents BIGINT NOT NULL,
    total_paid_amount_cents BIGINT NOT NULL,
    payment_overdue BOOLEAN NOT NULL,
    payment_dispute_lost_at TIMESTAMP WITH TIME ZONE,
    self_billed BOOLEAN NOT NULL,
    purchase_order_number TEXT,
    version_number INTEGER NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT invoices_pkey PRIMARY KEY (id),
    CONSTRAINT invoices_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customers (id),
    CONSTRAINT invoices_billing_entity_id_fkey FOREIGN KEY(billing_entity_id) REFERENCES billing_entities (id),
    CONSTRAINT invoices_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX invoices_customer_id_idx ON invoices (customer_id);
CREATE UNIQUE INDEX invoices_customer_sequence_key ON invoices (customer_id, billing_entity_id, sequential_id) WHERE sequential_id IS NOT NULL;
CREATE INDEX invoices_finalizes_at_idx ON invoices (finalizes_at, organization_id) WHERE finalizes_at IS NOT NULL;
CREATE UNIQUE INDEX invoices_number_key ON invoices (billing_entity_id, number) WHERE sequential_id IS NOT NULL;
CREATE INDEX invoices_organization_finalizes_at_idx ON invoices (organization_id, finalizes_at) WHERE finalizes_at IS NOT NULL;
CREATE INDEX invoices_organization_issuing_date_idx ON invoices (organization_id, issuing_date, created_at, id);
CREATE INDEX invoices_refreshes_at_idx ON invoices (organization_id, refreshes_at) WHERE refreshes_at IS NOT NULL;

CREATE TABLE plan_taxes (
    owner_id UUID NOT NULL,
    tax_id UUID NOT NULL,
    organization_id UUID NOT NULL,
    CONSTRAINT plan_taxes_pkey PRIMARY KEY (owner_id, tax_id),
    CONSTRAINT plan_taxes_owner_id_fkey FOREIGN KEY(owner_id) REFERENCES plans (id),
    CONSTRAINT plan_taxes_tax_id_fkey FOREIGN KEY(tax_id) REFERENCES taxes (id),
    CONSTRAINT plan_taxes_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX plan_taxes_owner_idx ON plan_taxes (owner_id);

CREATE TABLE subscriptions (
    customer_id UUID NOT NULL,
    plan_id UUID NOT NULL,
    billing_entity_id UUID,
    previous_subscription_id UUID,
    external_id TEXT NOT NULL,
    name TEXT,
    status TEXT NOT NULL,
    billing_time TEXT NOT NULL,
    subscription_at TIMESTAMP WITH TIME ZONE NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    activated_at TIMESTAMP WITH TIME ZONE,
    terminated_at TIMESTAMP WITH TIME ZONE,
    canceled_at TIMESTAMP WITH TIME ZONE,
    ending_at TIMESTAMP WITH TIME ZONE,
    trial_ended_at TIMESTAMP WITH TIME ZONE,
    cancellation_reason TEXT,
    on_termination_credit_note TEXT,
    on_termination_invoice TEXT NOT NULL,
    progressive_billing_disabled BOOLEAN NOT NULL,
    consolidate_invoice BOOLEAN NOT NULL,
    purchase_order_number TEXT,
    activates_at TIMESTAMP WITH TIME ZONE,
    next_billing_at TIMESTAMP WITH TIME ZONE,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT subscriptions_pkey PRIMARY KEY (id),
    CONSTRAINT subscriptions_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customers (id),
    CONSTRAINT subscriptions_plan_id_fkey FOREIGN KEY(plan_id) REFERENCES plans (id),
    CONSTRAINT subscriptions_billing_entity_id_fkey FOREIGN KEY(billing_entity_id) REFERENCES billing_entities (id),
    CONSTRAINT subscriptions_previous_subscription_id_fkey FOREIGN KEY(previous_subscription_id) REFERENCES subscriptions (id),
    CONSTRAINT subscriptions_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX subscriptions_activates_at_idx ON subscriptions (activates_at, organization_id) WHERE activates_at IS NOT NULL;
CREATE INDEX subscriptions_customer_id_idx ON subscriptions (customer_id);
CREATE INDEX subscriptions_external_id_idx ON subscriptions (organization_id, external_id);
CREATE INDEX subscriptions_next_billing_at_idx ON subscriptions (next_billing_at, organization_id) WHERE next_billing_at IS NOT NULL;
CREATE INDEX subscriptions_organization_activates_at_idx ON subscriptions (organization_id, activates_at) WHERE activates_at IS NOT NULL;
CREATE UNIQUE INDEX subscriptions_organization_id_external_id_key ON subscriptions (organization_id, external_id) WHERE status = 'active';
CREATE INDEX subscriptions_organization_next_billing_at_idx ON subscriptions (organization_id, next_billing_at) WHERE next_billing_at IS NOT NULL;
CREATE INDEX subscriptions_organization_subscription_at_idx ON subscriptions (organization_id, subscription_at);
CREATE INDEX subscriptions_plan_id_idx ON subscriptions (plan_id);

CREATE TABLE charge_taxes (
    owner_id UUID NOT NULL,
    tax_id UUID NOT NULL,
    organization_id UUID NOT NULL,
    CONSTRAINT charge_taxes_pkey PRIMARY KEY (owner_id, tax_id),
    CONSTRAINT charge_taxes_owner_id_fkey FOREIGN KEY(owner_id) REFERENCES charges (id),
    CONSTRAINT charge_taxes_tax_id_fkey FOREIGN KEY(tax_id) REFERENCES taxes (id),
    CONSTRAINT charge_taxes_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX charge_taxes_owner_idx ON charge_taxes (owner_id);

CREATE TABLE fees (
    invoice_id UUID,
    customer_id UUID NOT NULL,
    billing_entity_id UUID NOT NULL,
    subscription_id UUID,
    charge_id UUID,
    terms_id UUID,
    fee_type TEXT NOT NULL,
    item_id UUID NOT NULL,
    item_type TEXT NOT NULL,
    item_code TEXT NOT NULL,
    item_name TEXT NOT NULL,
    item_description TEXT,
    invoice_display_name TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount_cents BIGINT NOT NULL,
    precise_amount_cents NUMERIC(45, 15) NOT NULL,
    unit_amount_cents BIGINT NOT NULL,
    precise_unit_amount NUMERIC(45, 15) NOT NULL,
    units NUMERIC NOT NULL,
    total_aggregated_units NUMERIC NOT NULL,
    events_count BIGINT,
    taxes_amount_cents BIGINT NOT NULL,
    taxes_precise_amount_cents NUMERIC(45, 15) NOT NULL,
    taxes_rate NUMERIC(10, 5) NOT NULL,
    precise_coupons_amount_cents NUMERIC(30, 5) NOT NULL,
    from_at TIMESTAMP WITH TIME ZONE,
    to_at TIMESTAMP WITH TIME ZONE,
    pay_in_advance BOOLEAN NOT NULL,
    invoiceable BOOLEAN NOT NULL,
    payment_status TEXT NOT NULL,
    succeeded_at TIMESTAMP WITH TIME ZONE,
    failed_at TIMESTAMP WITH TIME ZONE,
    refunded_at TIMESTAMP WITH TIME ZONE,
    amount_details JSONB NOT NULL,
    evidence JSONB NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT fees_pkey PRIMARY KEY (id),
    CONSTRAINT fees_invoice_id_fkey FOREIGN KEY(invoice_id) REFERENCES invoices (id),
    CONSTRAINT fees_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customers (id),
    CONSTRAINT fees_billing_entity_id_fkey FOREIGN KEY(billing_entity_id) REFERENCES billing_entities (id),
    CONSTRAINT fees_subscription_id_fkey FOREIGN KEY(subscription_id) REFERENCES subscriptions (id),
    CONSTRAINT fees_charge_id_fkey FOREIGN KEY(charge_id) REFERENCES charges (id),
    CONSTRAINT fees_terms_id_fkey FOREIGN KEY(terms_id) REFERENCES terms (id),
    CONSTRAINT fees_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX fees_customer_id_idx ON fees (customer_id);
CREATE INDEX fees_invoice_id_idx ON fees (invoice_id);
CREATE INDEX fees_organization_id_created_at_idx ON fees (organization_id, created_at, id);
CREATE INDEX fees_subscription_id_fee_type_idx ON fees (subscription_id, fee_type);

CREATE TABLE invoice_lines (
    invoice_id UUID NOT NULL,
    subscription_id UUID NOT NULL,
    organization_id UUID NOT NULL,
    plan_id UUID NOT NULL,
    invoicing_reason TEXT NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    billed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    timezone TEXT NOT NULL,
    position SMALLINT NOT NULL,
    from_at TIMESTAMP WITH TIME ZONE NOT NULL,
    to_at TIMESTAMP WITH TIME ZONE NOT NULL,
    charges_from_at TIMESTAMP WITH TIME ZONE,
    charges_to_at TIMESTAMP WITH TIME ZONE,
    fixed_charges_from_at TIMESTAMP WITH TIME ZONE,
    fixed_charges_to_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT invoice_lines_pkey PRIMARY KEY (invoice_id, subscription_id),
    CONSTRAINT invoice_lines_invoice_id_fkey FOREIGN KEY(invoice_id) REFERENCES invoices (id),
    CONSTRAINT invoice_lines_subscription_id_fkey FOREIGN KEY(subscription_id) REFERENCES subscriptions (id),
    CONSTRAINT invoice_lines_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id),
    CONSTRAINT invoice_lines_plan_id_fkey FOREIGN KEY(plan_id) REFERENCES plans (id)
);
CREATE UNIQUE INDEX invoice_lines_due_key ON invoice_lines (subscription_id, invoicing_reason, due_at);
CREATE INDEX invoice_lines_organization_id_idx ON invoice_lines (organization_id);

CREATE TABLE invoice_parties (
    invoice_id UUID NOT NULL,
    organization_id UUID NOT NULL,
    seller JSONB NOT NULL,
    customer JSONB NOT NULL,
    CONSTRAINT invoice_parties_pkey PRIMARY KEY (invoice_id),
    CONSTRAINT invoice_parties_invoice_id_fkey FOREIGN KEY(invoice_id) REFERENCES invoices (id),
    CONSTRAINT invoice_parties_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);

CREATE TABLE invoice_taxes (
    invoice_id UUID NOT NULL,
    fees_amount_cents BIGINT NOT NULL,
    tax_id UUID,
    tax_code TEXT NOT NULL,
    tax_name TEXT NOT NULL,
    tax_rate NUMERIC NOT NULL,
    tax_description TEXT,
    currency TEXT NOT NULL,
    amount_cents BIGINT NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT invoice_taxes_pkey PRIMARY KEY (id),
    CONSTRAINT invoice_taxes_invoice_id_fkey FOREIGN KEY(invoice_id) REFERENCES invoices (id),
    CONSTRAINT invoice_taxes_tax_id_fkey FOREIGN KEY(tax_id) REFERENCES taxes (id),
    CONSTRAINT invoice_taxes_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX invoice_taxes_invoice_id_idx ON invoice_taxes (invoice_id);

CREATE TABLE fee_taxes (
    fee_id UUID NOT NULL,
    precise_amount_cents NUMERIC(45, 15) NOT NULL,
    tax_id UUID,
    tax_code TEXT NOT NULL,
    tax_name TEXT NOT NULL,
    tax_rate NUMERIC NOT NULL,
    tax_description TEXT,
    currency TEXT NOT NULL,
    amount_cents BIGINT NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT fee_taxes_pkey PRIMARY KEY (id),
    CONSTRAINT fee_taxes_fee_id_fkey FOREIGN KEY(fee_id) REFERENCES fees (id),
    CONSTRAINT fee_taxes_tax_id_fkey FOREIGN KEY(tax_id) REFERENCES taxes (id),
    CONSTRAINT fee_taxes_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX fee_taxes_fee_id_idx ON fee_taxes (fee_id);
