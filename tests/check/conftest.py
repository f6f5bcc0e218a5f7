"""A healthy database with something of everything, which no server works on any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from support.billing import make_customer, make_metric, make_plan, standard, subscribe, unix, use
from support.client import START, Client, Json, new_organization
from support.database import Databases
from support.receiver import receiving
from support.server import running_server

TIERS = [
    {"from_value": 0, "to_value": 10, "per_unit_amount": "0.13", "flat_amount": "1"},
    {"from_value": 11, "to_value": None, "per_unit_amount": "0.07", "flat_amount": "0"},
]


METERED = ("stock", "level", "load", "members", "seats", "paid", "priced")
"""The codes of charges whose fees have filters, groups, days or single events."""


def divided_charges(client: Client) -> list[Json]:
    """Each aggregation with filters and groups, recurring and by the day, and prices that read single events."""
    regions = [{"key": "region", "values": ["eu", "us"]}]

    def charge(code: str, kind: str, model: str, properties: Json, metric: Json, **more: Any) -> Json:
        metric_id = make_metric(client, code, kind, field_name="x", filters=regions, **metric)
        grouped = {"pricing_group_keys": ["team"], **properties}
        filters = [
            {"values": {"region": ["eu"]}, "properties": grouped},
            {"values": {"region": ["__ALL_FILTER_VALUES__"]}, "properties": properties},
        ]
        return {
            "billable_metric_id": metric_id,
            "charge_model": model,
            "properties": {**properties, "presentation_group_keys": [{"value": "user"}]},
            "filters": filters,
            **more,
        }

    by_the_day = {"prorated": True, "min_amount_cents": 50_000}
    bounded = {"rate": "10", "fixed_amount": "0.1", "free_units_per_events": 1, "per_transaction_max_amount": "0.4"}
    return [
        charge("stock", "sum_agg", "graduated", {"graduated_ranges": TIERS}, {"recurring": True}, **by_the_day),
        charge("level", "latest_agg", "standard", {"amount": "1.5"}, {"rounding_function": "ceil"}),
        charge("load", "weighted_sum_agg", "standard", {"amount": "2"}, {"recurring": True}),
        charge("members", "unique_count_agg", "standard", {"amount": "3"}, {"recurring": True}, prorated=True),
        charge("seats", "unique_count_agg", "package", {"amount": "3", "free_units": 1, "package_size": 2}, {}),
        charge("paid", "sum_agg", "percentage", bounded, {}, min_amount_cents=500),
        charge("priced", "sum_agg", "dynamic", {}, {}),
    ]


def use_parts(client: Client, month: str, external_id: str) -> None:
    events = [
        {
            "transaction_id": f"{code}-{month}-{number}",
            "external_subscription_id": external_id,
            "code": code,
            "timestamp": unix(f"{month}-{3 + 5 * number:02d}T21:00:00.{number}00Z"),
            "precise_total_amount_cents": "12.5",
            "properties": {"x": f"{number}.5", "region": region, "team": team, "user": f"u{number % 2}"},
        }
        for code in METERED
        for number, (region, team) in enumerate([("eu", "a"), ("eu", "b"), ("us", "a"), ("mars", "b"), ("eu", "a")])
    ]
    client.post("/events/batch", {"events": events})


def fill(client: Client, webhook_url: str) -> None:
    """Three months of three customers: every aggregation, taxes, drafts, an end, a start to come, late usage."""
    endpoint = {"webhook_url": webhook_url, "signature_algo": "hmac"}  # a JWT, with all of a long invoice, is no header
    client.post("/webhook_endpoints", {"webhook_endpoint": endpoint})
    for code, rate in (("vat", 19.6), ("city", 2.25)):
        client.post("/taxes", {"tax": {"name": code, "code": code, "rate": rate}})
    calls = make_metric(client, "calls")
    rounding = {"rounding_function": "ceil", "rounding_precision": 1}
    traffic = make_metric(client, "traffic", "sum_agg", field_name="gb", **rounding)
    peak = make_metric(client, "peak", "max_agg", field_name="seats")
    users = make_metric(client, "users", "unique_count_agg", field_name="user")
    charges = [
        standard(calls, "0.015", tax_codes=["city"]),
        {"billable_metric_id": traffic, "charge_model": "graduated", "properties": {"graduated_ranges": TIERS}},
        {
            "billable_metric_id": peak,
            "charge_model": "package",
            "min_amount_cents": 50_000,
            "properties": {"amount": "3", "free_units": 1, "package_size": 2},
        },
        {"billable_metric_id": users, "charge_model": "volume", "properties": {"volume_ranges": TIERS}},
        {
            "billable_metric_id": traffic,
            "charge_model": "percentage",
            "properties": {"rate": "1.5", "free_units_per_events": 1, "pricing_group_keys": ["region"]},
        },
    ]
    make_plan(client, "parts", charges=divided_charges(client))
    make_plan(client, "arrears", 3100, charges=charges, tax_codes=["vat", "city"])
    commitment = {"amount_cents": 90_000, "tax_codes": ["city"]}
    make_plan(client, "advance", 999, pay_in_advance=True, charges=charges[:2], minimum_commitment=commitment)
    thresholds = [{"amount_cents": 2, "recurring": True}]
    metered = {"charges": [standard(calls, "0.02")], "minimum_commitment": {"amount_cents": 4000}}
    make_plan(client, "metered", 0, usage_thresholds=thresholds, **metered)
    make_plan(client, "free", 0)
    make_customer(client, "a", tax_codes=["vat"])
    make_customer(client, "b", billing_configuration={"invoice_grace_period": 5})
    make_customer(client, "d", timezone="Asia/Tokyo")
    make_customer(client, "c", finalize_zero_amount_invoice="skip", timezone="America/New_York")
    for customer, plan, external_id in (
        ("a", "arrears", "a1"),
        ("a", "advance", "a2"),
        ("b", "arrears", "b1"),
        ("c", "free", "c1"),
        ("c", "advance", "c2"),
        ("d", "parts", "d1"),
        ("b", "metered", "m1"),
    ):
        subscribe(client, customer, plan, external_id)
    subscribe(client, "a", "arrears", "later", subscription_at="2030-01-01T00:00:00Z")
    for month in (1, 2, 3):
        for external_id in ("a1", "a2", "b1", "c2", "m1"):
            for day in (3, 15, 28):
                at = f"2024-{month:02d}-{day:02d}T10:00:00Z"
                use(client, at, "calls", external_id)
                use(client, at, "traffic", external_id, gb=f"{day}.123")
                use(client, at, "peak", external_id, seats=day)
                use(client, at, "users", external_id, user=f"u{day % 2}", operation_type="add")
        use_parts(client, f"2024-{month:02d}", "d1")
        client.at(f"2024-{month + 1:02d}-02T12:00:00Z")
    late = {
        "transaction_id": "late",
        "external_subscription_id": "a1",
        "code": "calls",
        "timestamp": unix("2024-03-28T10:00:00Z"),
    }
    client.post("/events", {"event": late})
    client.delete("/subscriptions/a2")


@pytest.fixture(scope="package")
def healthy(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the healthy database."""
    url, folder = databases.clone(), tmp_path_factory.mktemp("healthy")
    with (
        receiving() as receiver,
        httpx.Client(timeout=60) as http,
        running_server(url, folder, LAGUNA_WEBHOOK_ALLOW_PRIVATE="true") as server,
    ):
        for name, numbering in (("Acme", "per_customer"), ("Bolt", "per_organization")):
            client = new_organization(server, http, name, START)
            client.put("/organizations", {"organization": {"document_numbering": numbering}})
            fill(client, f"{receiver.url}/{name}")
        wait_until_told(url)
    yield url
    databases.drop(url)


def wait_until_told(url: str) -> None:
    """Until nothing is left in the outbox."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            """
            DO $$ BEGIN WHILE EXISTS (SELECT FROM webhook_deliveries WHERE next_attempt_at IS NOT NULL) LOOP
                PERFORM pg_sleep(0.02); END LOOP; END $$
            """
        )
