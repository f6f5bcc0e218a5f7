"""What most stories need and none cares about: a metric, a plan, a customer, some usage, the invoices in order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from support.client import Client, Json

_numbers = itertools.count(1)


def unix(instant: str) -> str:
    """Unix seconds, with milliseconds, of an ISO 8601 instant."""
    moment = datetime.fromisoformat(instant.replace("Z", "+00:00"))
    return str(Decimal(round(moment.timestamp() * 1000)) / 1000)


def make_metric(client: Client, code: str = "calls", aggregation_type: str = "count_agg", **more: Any) -> str:
    """A billable metric; its lago_id."""
    body = {"name": code.capitalize(), "code": code, "aggregation_type": aggregation_type, **more}
    return client.post("/billable_metrics", {"billable_metric": body})["billable_metric"]["lago_id"]


def standard(metric_id: str, amount: str = "1", **more: Any) -> Json:
    """A charge of `amount` a unit."""
    return {
        "billable_metric_id": metric_id,
        "charge_model": "standard",
        "properties": {"amount": amount},
        **more,
    }


def make_plan(
    client: Client,
    code: str = "plan",
    amount_cents: int = 0,
    *,
    interval: str = "monthly",
    currency: str = "EUR",
    pay_in_advance: bool = False,
    charges: Sequence[Json] = (),
    **more: Any,
) -> Json:
    body: Json = {
        "name": code.capitalize(),
        "code": code,
        "interval": interval,
        "amount_cents": amount_cents,
        "amount_currency": currency,
        "pay_in_advance": pay_in_advance,
        "charges": [*charges],
        **more,
    }
    return client.post("/plans", {"plan": body})["plan"]


def make_customer(client: Client, external_id: str = "acme", **more: Any) -> Json:
    return client.post("/customers", {"customer": {"external_id": external_id, **more}})["customer"]


def subscribe(
    client: Client, customer: str = "acme", plan: str = "plan", external_id: str = "sub", **more: Any
) -> Json:
    body = {"external_customer_id": customer, "plan_code": plan, "external_id": external_id, **more}
    return client.post("/subscriptions", {"subscription": body})["subscription"]


def use(client: Client, at: str, code: str = "calls", subscription: str = "sub", **properties: Any) -> None:
    """One event at the instant `at`."""
    event = {
        "transaction_id": f"t{next(_numbers)}",
        "external_subscription_id": subscription,
        "code": code,
        "timestamp": unix(at),
        "properties": properties,
    }
    client.post("/events", {"event": event})


def usage_of(client: Client, customer: str = "acme", subscription: str = "sub") -> Json:
    """The current usage."""
    path = f"/customers/{customer}/current_usage"
    return client.get(path, {"external_subscription_id": subscription})["customer_usage"]


def invoices(client: Client, **filters: Any) -> list[Json]:
    """All invoices with their fees, in the order in which they were made."""
    found = client.get("/invoices", {"per_page": 1000, **filters})["invoices"]
    return [client.get(f"/invoices/{each['lago_id']}")["invoice"] for each in reversed(found)]


def only_invoice(client: Client, **filters: Any) -> Json:
    found = invoices(client, **filters)
    assert len(found) == 1, [(each["number"], each["issuing_date"], each["total_amount_cents"]) for each in found]
    return found[0]


def only_period(invoice: Json) -> Json:
    assert len(invoice["billing_periods"]) == 1
    return invoice["billing_periods"][0]


def fees(invoice: Json, kind: str = "charge") -> list[Json]:
    return [fee for fee in invoice["fees"] if fee["item"]["type"] == kind]


def subscription_amount(invoice: Json) -> int | None:
    """The amount of its one subscription fee; None where there is no such fee."""
    found = fees(invoice, "subscription")
    assert len(found) <= 1
    return found[0]["amount_cents"] if found else None


FACTS_BESIDE = ("subscriptions", "customer")  # shown as they are now


def figures(invoice: Json) -> Json:
    """What of an invoice may never change once it is final."""
    return {name: value for name, value in invoice.items() if name not in FACTS_BESIDE}


def covers(invoice: Json) -> tuple[str, str]:
    """From when to when its one subscription is billed, by day as shown in UTC."""
    period = only_period(invoice)
    return period["subscription_from_datetime"], period["subscription_to_datetime"]
