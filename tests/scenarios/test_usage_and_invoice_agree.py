"""What a customer sees as current usage at the last instant of a period is what the invoice bills."""

from __future__ import annotations

import random
from typing import Any

import pytest

from support.billing import fees, make_customer, make_metric, make_plan, only_invoice, subscribe, unix, usage_of
from support.client import Client, Json, Sandbox

FIELDS = ("units", "total_aggregated_units", "events_count", "amount_cents")


def random_charges(client: Client, rng: random.Random) -> list[Json]:
    """One charge of each model, each on a metric of another aggregation."""
    rounding: Json = rng.choice([{}, {"rounding_function": "ceil", "rounding_precision": 1}])
    metrics = [
        make_metric(client, "count"),
        make_metric(client, "sum", "sum_agg", field_name="size", **rounding),
        make_metric(client, "max", "max_agg", field_name="size"),
        make_metric(client, "unique", "unique_count_agg", field_name="who"),
    ]

    def price() -> str:
        return f"{rng.randint(0, 9999) / 10 ** rng.randint(0, 5):.6f}"

    def ranges() -> list[Json]:
        bounds: list[tuple[int, int | None]] = [(0, 10), (11, 50), (51, None)]
        return [
            {"from_value": low, "to_value": high, "per_unit_amount": price(), "flat_amount": price()}
            for low, high in bounds
        ]

    models: list[tuple[str, Json]] = [
        ("standard", {"amount": price()}),
        ("graduated", {"graduated_ranges": ranges()}),
        ("package", {"amount": price(), "free_units": rng.randint(0, 5), "package_size": rng.randint(1, 20)}),
        ("volume", {"volume_ranges": ranges()}),
    ]
    rng.shuffle(metrics)
    return [
        {"billable_metric_id": metric, "charge_model": model, "properties": properties}
        for metric, (model, properties) in zip(metrics, models, strict=True)
    ]


def random_events(rng: random.Random, first: str, last: str) -> list[Json]:
    start, end = float(unix(first)), float(unix(last))
    instants = [first, last]
    events: list[Json] = []
    for number in range(80):
        at: str = unix(instants[number]) if number < 2 else f"{rng.uniform(start - 86400, end + 86400):.3f}"
        size: Any = rng.choice([rng.randint(0, 30), f"{rng.uniform(0, 9):.7f}", "text", None])
        properties = {"size": size, "who": rng.choice("abcdefg")}
        events.append(
            {
                "transaction_id": f"e{number}",
                "external_subscription_id": "sub",
                "code": rng.choice(["count", "sum", "max", "unique"]),
                "timestamp": at,
                "properties": properties,
            }
        )
    return events


@pytest.mark.parametrize("seed", range(6))
def test_the_invoice_bills_the_usage_that_was_shown_at_the_last_instant(sandbox: Sandbox, seed: int) -> None:
    rng = random.Random(seed)
    zone, first, last, after = rng.choice(
        [
            ("UTC", "2024-01-10T08:00:00.000Z", "2024-01-31T23:59:59.999Z", "2024-02-01T00:00:00Z"),
            ("America/New_York", "2024-03-01T05:00:00.000Z", "2024-04-01T03:59:59.999Z", "2024-04-01T04:00:00Z"),
            ("Asia/Tokyo", "2024-01-15T00:00:00.000Z", "2024-01-31T14:59:59.999Z", "2024-01-31T15:00:00Z"),
        ]
    )
    client = sandbox(first)
    tax = {"name": "VAT", "code": "vat", "rate": 20, "applied_to_organization": True}
    client.post("/taxes", {"tax": tax})
    make_plan(client, currency=rng.choice(["EUR", "JPY", "USD"]), charges=random_charges(client, rng))
    make_customer(client, timezone=zone)
    subscribe(client)
    client.post("/events/batch", {"events": random_events(rng, first, last)})

    client.at(last)
    shown = usage_of(client)
    client.at(after)
    invoice = only_invoice(client)

    assert invoice["billing_periods"][0]["charges_from_datetime"] == first
    assert invoice["billing_periods"][0]["charges_to_datetime"] == last
    billed = {fee["item"]["code"]: {name: fee[name] for name in FIELDS} for fee in fees(invoice)}
    usage = {each["billable_metric"]["code"]: {name: each[name] for name in FIELDS} for each in shown["charges_usage"]}
    assert billed.items() <= usage.items()
    assert all(usage[code]["amount_cents"] == 0 for code in usage.keys() - billed.keys())
    assert invoice["fees_amount_cents"] == shown["amount_cents"]
    assert invoice["taxes_amount_cents"] == shown["taxes_amount_cents"]
    assert invoice["total_amount_cents"] == shown["total_amount_cents"]
    assert invoice["currency"] == shown["currency"]
