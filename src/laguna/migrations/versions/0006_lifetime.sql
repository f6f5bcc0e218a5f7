CREATE TABLE lifetime_usages (
    subscription_id UUID NOT NULL,
    historical_usage_amount_cents BIGINT NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    organization_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT lifetime_usages_pkey PRIMARY KEY (id),
    CONSTRAINT lifetime_usages_subscription_id_key UNIQUE (subscription_id),
    CONSTRAINT lifetime_usages_subscription_id_fkey FOREIGN KEY(subscription_id) REFERENCES subscriptions (id),
    CONSTRAINT lifetime_usages_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id)
);

-- lives that follow each other share one, which belongs to the latest
INSERT INTO lifetime_usages (subscription_id, historical_usage_amount_cents, updated_at, id, organization_id, created_at)
SELECT DISTINCT ON (customer_id, external_id, subscription_at)
    id, 0, created_at, gen_random_uuid(), organization_id, created_at
FROM subscriptions
WHERE status <> 'canceled'
ORDER BY customer_id, external_id, subscription_at, status = 'active' DESC, id DESC;
