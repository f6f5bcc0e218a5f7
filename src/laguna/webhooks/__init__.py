"""Webhooks: endpoints, the outbox of deliveries, signatures, the sender."""
