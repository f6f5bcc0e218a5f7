"""The plan of the spec's examples of progressive billing (spec 2 §7.12), its usage, and what is billed of it."""

from __future__ import annotations

from typing import Any

from support.billing import invoices, make_customer, make_metric, make_plan, standard, subscribe, use
from support.client import Client, Json

MILLION = 20_000  # cents for a million units
ONE = [{"amount_cents": 20_000}]
TWO = [{"amount_cents": 20_000}, {"amount_cents": 50_000}]


def on_plan(client: Client, thresholds: list[Json], **customer: Any) -> None:
    """The plan of the spec's examples, and its subscriber."""
    charges = [standard(make_metric(client, "units", "sum_agg", field_name="total"), "0.0002")]
    make_plan(client, amount_cents=3100, charges=charges, usage_thresholds=thresholds)
    make_customer(client, **customer)
    subscribe(client)


def consume(client: Client, day: str, millions: float = 1, subscription: str = "sub") -> None:
    """So many millions of units, on that day."""
    client.at(f"{day}T00:00:00Z")
    use(client, f"{day}T00:00:00Z", "units", subscription, total=int(millions * 1_000_000))


def told(client: Client) -> list[tuple[str, int, int, int]]:
    """Type, fees, credit and total of all invoices, in the order in which they were made."""
    return [
        (
            invoice["invoice_type"],
            invoice["fees_amount_cents"],
            invoice["progressive_billing_credit_amount_cents"],
            invoice["total_amount_cents"],
        )
        for invoice in invoices(client)
    ]
