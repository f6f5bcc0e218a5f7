"""What the benchmarks of billing bill: one organization, one plan of three charges, its subscriptions, their usage.

Metrics, plan, tax and subscriptions are made by the same services that the API calls. The events are generated inside
the database, as the writer would have stored them: by time, each under the value that its metric derives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laguna.accounts.service import create_organization
from laguna.billing.subscribe import create_subscription
from laguna.catalog.schemas import PlanInput
from laguna.catalog.service import create_plan
from laguna.kernel.context import Context
from laguna.kernel.db import Database
from laguna.kernel.errors import Problems
from laguna.kernel.inputs import parse
from laguna.metrics.schemas import MetricInput
from laguna.metrics.service import create_metric
from laguna.subscriptions.schemas import SubscriptionInput
from laguna.taxes.schemas import TaxInput
from laguna.taxes.service import create_tax

COUNTED, SUMMED, UNIQUE = "requests", "traffic", "seats"
SUBSCRIPTIONS_AT_ONCE = 200

_METRICS: tuple[Mapping[str, Any], ...] = (
    {"name": "Requests", "code": COUNTED, "aggregation_type": "count_agg"},
    {"name": "Traffic", "code": SUMMED, "aggregation_type": "sum_agg", "field_name": "mb"},
    {"name": "Seats", "code": UNIQUE, "aggregation_type": "unique_count_agg", "field_name": "user"},
)
_PRICES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("standard", {"amount": "0.05"}),
    (
        "graduated",
        {
            "graduated_ranges": [
                {"from_value": 0, "to_value": 1000, "per_unit_amount": "0.02", "flat_amount": "1"},
                {"from_value": 1001, "to_value": None, "per_unit_amount": "0.01", "flat_amount": "0"},
            ]
        },
    ),
    ("package", {"amount": "9", "package_size": 5, "free_units": 3}),
)

_STREAMS = text(
    """
    INSERT INTO event_streams (organization_id, external_subscription_id, code)
    SELECT :organization_id, external_id, metric.code
    FROM subscriptions CROSS JOIN unnest(CAST(:codes AS text[])) AS metric (code)
    WHERE organization_id = :organization_id ORDER BY external_id, metric.code
    """
)
# Event n is one of stream n modulo their number, so each stream gets as many, spread over the whole time.
_EVENTS = text(
    """
    INSERT INTO events (seq, stream_id, timestamp, ingested_at, key, value, value_text, transaction_id, properties)
    SELECT n, stream.id, happened.at, happened.at, gen_random_uuid(), sent.value, sent.value_text, 'event-' || n,
        sent.properties
    FROM generate_series(1, CAST(:events AS bigint)) AS n
    JOIN (SELECT id, code, row_number() OVER (ORDER BY id) - 1 AS place
          FROM event_streams WHERE organization_id = :organization_id) AS stream
        ON stream.place = n * 7919 % (SELECT count(*) FROM event_streams WHERE organization_id = :organization_id)
    CROSS JOIN LATERAL (
        SELECT CAST(:start AS timestamptz)
            + (n - 1) * (CAST(:until AS timestamptz) - CAST(:start AS timestamptz)) / :events AS at) AS happened
    CROSS JOIN LATERAL (
        SELECT CASE stream.code WHEN 'traffic' THEN (n % 9973) / 100.0 WHEN 'seats' THEN 1 END AS value,
            CASE stream.code WHEN 'seats' THEN 'user-' || n % 23 END AS value_text,
            CASE stream.code
                WHEN 'traffic' THEN jsonb_build_object('mb', ((n % 9973) / 100.0)::text, 'region', 'eu-west-1')
                WHEN 'seats' THEN jsonb_build_object('user', 'user-' || n % 23)
                ELSE jsonb_build_object('path', '/items/' || n % 10007)
            END AS properties) AS sent
    ORDER BY n
    """
)
_ARRIVED = text("INSERT INTO writer_lanes (lane, last) VALUES (0, :events)")


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is to bill. `events` lie evenly between `start` and `until`, in UTC."""

    subscriptions: int
    events: int
    start: datetime
    until: datetime


async def make_business(url: str, size: Size) -> UUID:
    """A sandbox whose test clock stands at `size.start`, with its usage up to `size.until`: the organization's id."""
    database = Database(url, pool_size=2)
    try:
        return await _make_business(database, size)
    finally:
        await database.close()


async def _make_business(database: Database, size: Size) -> UUID:
    async with database.session() as session:
        created = await create_organization(session, "Benchmark", size.start)
        organization_id = created.organization.id
        context = Context(session, organization_id, size.start, sandbox=True)
        await _make_catalog(context)
    for first in range(0, size.subscriptions, SUBSCRIPTIONS_AT_ONCE):
        async with database.session() as session:
            context = Context(session, organization_id, size.start, sandbox=True)
            for number in range(first, min(first + SUBSCRIPTIONS_AT_ONCE, size.subscriptions)):
                await _subscribe(context, number)
    async with database.session() as session:
        codes = [metric["code"] for metric in _METRICS]
        await session.execute(_STREAMS, {"organization_id": organization_id, "codes": codes})
        parameters = {"organization_id": organization_id, "events": size.events}
        await session.execute(_EVENTS, {**parameters, "start": size.start, "until": size.until})
        await session.execute(_ARRIVED, {"events": size.events})
    return organization_id


async def _make_catalog(context: Context) -> None:
    problems = Problems()
    tax = {"name": "VAT", "code": "vat", "rate": "20", "applied_to_organization": True}
    await create_tax(context, parse(TaxInput, tax, problems), problems)
    charges: list[Mapping[str, Any]] = []
    for metric, (charge_model, properties) in zip(_METRICS, _PRICES, strict=True):
        made = await create_metric(context, parse(MetricInput, metric, problems), problems)
        charges.append(
            {"billable_metric_id": str(made.id), "charge_model": charge_model, "properties": dict(properties)}
        )
    plan: dict[str, Any] = {
        "name": "Business",
        "code": "business",
        "interval": "monthly",
        "amount_cents": 49_00,
        "amount_currency": "EUR",
        "pay_in_advance": False,
        "charges": charges,
    }
    await create_plan(context, parse(PlanInput, plan, problems), problems)


async def _subscribe(context: Context, number: int) -> None:
    subscription = {
        "external_customer_id": f"customer-{number:06d}",
        "external_id": f"subscription-{number:06d}",
        "plan_code": "business",
    }
    problems = Problems()
    await create_subscription(context, parse(SubscriptionInput, subscription, problems), problems)
