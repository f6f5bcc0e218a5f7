ALTER TABLE organizations ADD COLUMN hmac_key TEXT DEFAULT gen_random_uuid()::text NOT NULL;

CREATE TABLE server_secrets (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT server_secrets_pkey PRIMARY KEY (name)
);

CREATE TABLE webhook_endpoints (
    webhook_url TEXT NOT NULL,
    signature_algo TEXT NOT NULL,
    name TEXT,
    event_types TEXT[],
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_endpoints_organization_id_webhook_url_key UNIQUE (organization_id, webhook_url),
    CONSTRAINT webhook_endpoints_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);

CREATE TABLE webhook_messages (
    webhook_type TEXT NOT NULL,
    object_type TEXT NOT NULL,
    object_id UUID NOT NULL,
    payload TEXT NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT webhook_messages_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_messages_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
CREATE INDEX webhook_messages_organization_id_created_at_idx ON webhook_messages (organization_id, created_at);

CREATE TABLE webhook_deliveries (
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    endpoint_id UUID NOT NULL,
    message_id UUID NOT NULL,
    object_id UUID NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    queued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    next_attempt_at TIMESTAMP WITH TIME ZONE,
    leased_until TIMESTAMP WITH TIME ZONE,
    last_attempt_at TIMESTAMP WITH TIME ZONE,
    http_status INTEGER,
    response TEXT,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_deliveries_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id),
    CONSTRAINT webhook_deliveries_endpoint_id_fkey FOREIGN KEY(endpoint_id) REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    CONSTRAINT webhook_deliveries_message_id_fkey FOREIGN KEY(message_id) REFERENCES webhook_messages (id) ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_due_idx ON webhook_deliveries (endpoint_id, next_attempt_at, id) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX webhook_deliveries_message_id_idx ON webhook_deliveries (message_id);
CREATE INDEX webhook_deliveries_order_idx ON webhook_deliveries (endpoint_id, object_id, id) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX webhook_deliveries_organization_id_idx ON webhook_deliveries (organization_id, id);
