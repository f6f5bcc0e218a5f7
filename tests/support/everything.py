"""An organization with one of everything, whose identifiers and names all carry one mark."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import psycopg

from support.billing import make_customer, make_metric, make_plan, standard, subscribe, use
from support.client import Client
from support.pictures import encoded, png

MARK = "alpha-secret"
NOW = "2024-01-10T00:00:00Z"  # where its test clock has to start

# The only tables that are not one organization's alone.
SHARED_TABLES = {
    "organizations",  # they are the tenants
    "events",  # an organization's by its stream
    "writer_lanes",  # the server's
    "server_secrets",  # the server's
}

# What stands in the path for its objects.
PARAMETERS = {
    "/billable_metrics/{code}": f"{MARK}-metric",
    "/billing_entities/{code}": f"{MARK}-entity",
    "/customers/{external_id}": f"{MARK}-customer",
    "/customers/{external_id}/current_usage": f"{MARK}-customer",
    "/customers/{external_id}/invoices": f"{MARK}-customer",
    "/customers/{external_id}/past_usage": f"{MARK}-customer",
    "/customers/{external_id}/projected_usage": f"{MARK}-customer",
    "/customers/{external_id}/subscriptions": f"{MARK}-customer",
    "/events/{transaction_id}": f"{MARK}-event",
    "/fees/{lago_id}": "fee",
    "/fees/{lago_id}/explanation": "fee",
    "/invoices/{lago_id}": "invoice",
    "/invoices/{lago_id}/download": "invoice",
    "/invoices/{lago_id}/download_pdf": "invoice",
    "/invoices/{lago_id}/finalize": "draft",
    "/invoices/{lago_id}/refresh": "draft",
    "/plans/{code}": f"{MARK}-plan",
    "/plans/{code}/charges": f"{MARK}-plan",
    "/plans/{code}/charges/{charge_code}": f"{MARK}-plan",
    "/plans/{code}/charges/{charge_code}/filters": f"{MARK}-plan",
    "/plans/{code}/charges/{charge_code}/filters/{lago_id}": f"{MARK}-plan",
    "/plans/{code}/metadata": f"{MARK}-plan",
    "/plans/{code}/metadata/{key}": f"{MARK}-plan",
    "/subscriptions/{external_id}": f"{MARK}-subscription",
    "/subscriptions/{external_id}/charges": f"{MARK}-subscription",
    "/subscriptions/{external_id}/charges/{charge_code}": f"{MARK}-subscription",
    "/subscriptions/{external_id}/charges/{charge_code}/filters": f"{MARK}-subscription",
    "/subscriptions/{external_id}/charges/{charge_code}/filters/{lago_id}": f"{MARK}-subscription",
    "/subscriptions/{external_id}/lifetime_usage": f"{MARK}-subscription",
    "/taxes/{code}": f"{MARK}-tax",
    "/webhook_deliveries/{lago_id}": "delivery",
    "/webhook_deliveries/{lago_id}/retry": "delivery",
    "/webhook_endpoints/{lago_id}": "endpoint",
    "/webhook_endpoints/{lago_id}/replay": "endpoint",
}
# Queries that ask for what is its own.
QUERIES = {
    "/customers": {"external_id": f"{MARK}-customer"},
    "/customers/{external_id}/current_usage": {"external_subscription_id": f"{MARK}-subscription"},
    "/customers/{external_id}/past_usage": {"external_subscription_id": f"{MARK}-subscription"},
    "/customers/{external_id}/projected_usage": {"external_subscription_id": f"{MARK}-subscription"},
    "/events": {"external_subscription_id": f"{MARK}-subscription"},
    "/fees": {"external_customer_id": f"{MARK}-customer"},
    "/invoices": {"external_customer_id": f"{MARK}-customer"},
    "/plans": {"search_term": MARK},
    "/subscriptions": {"external_customer_id": f"{MARK}-customer"},
}


@dataclass
class Tenant:
    """The organization, with the ids of its objects."""

    client: Client
    ids: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)

    def path(self, route: str) -> str:
        """The route's path with A's identifiers in it."""
        path = route.replace("{charge_code}", f"{MARK}-metric").replace("{key}", "tier")
        if "/filters/" in path:
            path = path.replace("{lago_id}", self.ids["filter"])
        return re.sub(r"{\w+}", lambda _: self.parameters[route], path)


def make_everything(client: Client) -> Tenant:
    """One of every kind of object, and of every status that this version knows."""
    client.put("/organizations", {"organization": {"name": f"{MARK} company", "legal_name": f"{MARK} Ltd"}})
    tenant = Tenant(client, parameters=dict(PARAMETERS))
    tax = {"name": f"{MARK} VAT", "code": f"{MARK}-tax", "rate": 20, "applied_to_organization": True}
    tenant.ids["tax"] = client.post("/taxes", {"tax": tax})["tax"]["lago_id"]
    entity = {
        "code": f"{MARK}-entity",
        "name": f"{MARK} branch",
        "tax_codes": [f"{MARK}-tax"],
        "logo": encoded(png(2, 2)),
    }
    client.post("/billing_entities", {"billing_entity": entity})
    filters = [{"key": "region", "values": [f"{MARK}-europe"]}]
    tenant.ids["metric"] = make_metric(client, f"{MARK}-metric", "sum_agg", field_name="size", filters=filters)
    filters = [{"values": {"region": [f"{MARK}-europe"]}, "properties": {"amount": "3"}}]
    charge = standard(tenant.ids["metric"], "2", tax_codes=[f"{MARK}-tax"], filters=filters)
    commitment = {"amount_cents": 5000, "invoice_display_name": f"{MARK} least", "tax_codes": [f"{MARK}-tax"]}
    plan = make_plan(
        client,
        f"{MARK}-plan",
        1000,
        charges=[charge],
        tax_codes=[f"{MARK}-tax"],
        minimum_commitment=commitment,
        metadata={"tier": MARK},
    )
    tenant.ids |= {"plan": plan["lago_id"], "charge": plan["charges"][0]["lago_id"]}
    tenant.ids["filter"] = plan["charges"][0]["filters"][0]["lago_id"]
    endpoint = {"webhook_url": f"https://{MARK}.example.com", "event_types": ["customer.created"]}
    tenant.ids["endpoint"] = client.post("/webhook_endpoints", {"webhook_endpoint": endpoint})["webhook_endpoint"][
        "lago_id"
    ]
    metadata = [{"key": "k", "value": MARK, "display_in_invoice": True}]
    customer = make_customer(client, f"{MARK}-customer", name=MARK, metadata=metadata, tax_codes=[f"{MARK}-tax"])
    tenant.ids |= {"customer": customer["lago_id"], "metadata": customer["metadata"][0]["lago_id"]}
    client.put(f"/webhook_endpoints/{tenant.ids['endpoint']}", {"webhook_endpoint": {"event_types": []}})
    tenant.ids["delivery"] = client.get("/webhook_deliveries")["webhook_deliveries"][0]["lago_id"]
    give_up_webhooks(client)
    make_customer(
        client, f"{MARK}-slow", billing_entity_code=f"{MARK}-entity", billing_configuration={"invoice_grace_period": 20}
    )
    for external_id, more in (
        ("subscription", {}),
        ("ended", {}),
        ("later", {"subscription_at": "2030-01-01T00:00:00Z"}),
        ("drafted", {"external_customer_id": f"{MARK}-slow"}),
    ):
        subscribe(client, f"{MARK}-customer", f"{MARK}-plan", f"{MARK}-{external_id}", **more)
    client.put(f"/subscriptions/{MARK}-later", {"subscription": {"plan_overrides": {"amount_cents": 900}}})
    event = {
        "transaction_id": f"{MARK}-event",
        "external_subscription_id": f"{MARK}-subscription",
        "code": f"{MARK}-metric",
        "properties": {"size": 3, "note": MARK},
    }
    client.post("/events", {"event": event})
    client.delete(f"/subscriptions/{MARK}-ended")
    thresholds = [{"amount_cents": 100, "threshold_display_name": f"{MARK} first"}]
    client.put(f"/plans/{MARK}-plan", {"plan": {"usage_thresholds": thresholds}})
    client.at("2024-02-02T00:00:00Z")
    use(client, "2024-02-02T00:00:00Z", f"{MARK}-metric", f"{MARK}-subscription", size=5)
    use(client, "2024-02-02T00:00:00Z", f"{MARK}-unknown", f"{MARK}-subscription")
    by_status = {each["status"]: each["lago_id"] for each in client.get("/invoices")["invoices"]}
    assert set(by_status) == {"draft", "finalized"}
    tenant.ids |= {"invoice": by_status["finalized"], "draft": by_status["draft"]}
    tenant.ids["fee"] = client.get("/fees")["fees"][0]["lago_id"]
    for route in ("/invoices/{lago_id}", "/invoices/{lago_id}/download", "/invoices/{lago_id}/download_pdf"):
        tenant.parameters[route] = tenant.ids["invoice"]
    client.post(f"/invoices/{tenant.ids['invoice']}/download")
    for route in ("/invoices/{lago_id}/finalize", "/invoices/{lago_id}/refresh"):
        tenant.parameters[route] = tenant.ids["draft"]
    for route in ("/fees/{lago_id}", "/fees/{lago_id}/explanation"):
        tenant.parameters[route] = tenant.ids["fee"]
    for route in ("/webhook_endpoints/{lago_id}", "/webhook_endpoints/{lago_id}/replay"):
        tenant.parameters[route] = tenant.ids["endpoint"]
    for route in ("/webhook_deliveries/{lago_id}", "/webhook_deliveries/{lago_id}/retry"):
        tenant.parameters[route] = tenant.ids["delivery"]
    return tenant


def give_up_webhooks(client: Client) -> None:
    """Nothing of the outbox is tried again, so that its rows rest."""
    with psycopg.connect(client.server.database_url) as connection:
        connection.execute(
            "UPDATE webhook_deliveries SET status = 'failed', next_attempt_at = NULL, leased_until = NULL"
            " WHERE organization_id = %s",
            [client.organization_id],
        )
