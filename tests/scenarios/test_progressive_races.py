"""Usage is billed once at its threshold, whoever looks at it when, again and at once (spec 2 §7.12)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from laguna.billing.invoicing import Order, make_invoices
from laguna.billing.progressive import look_at_usage
from laguna.invoices.documents import InvoiceDocument
from laguna.kernel.context import Context, context_of
from laguna.kernel.db import Database
from laguna.models import Subscription, UsageMark
from support.billing import make_customer, use
from support.client import Client, Sandbox
from support.progressive import ONE, TWO, consume, on_plan, told

# --- repeated, broken off, and many


async def look(database: Database, client: Client, *, now: datetime | None = None, fail: bool = False) -> None:
    """As the timer does, in a transaction of its own."""
    async with database.session() as session:
        context = await context_of(session, uuid.UUID(client.organization_id))
        context = replace(context, now=now or context.now)
        query = select(Subscription.id).where(Subscription.organization_id == context.organization_id)
        await look_at_usage(context, context.now, (await session.scalars(query)).all())
        if fail:
            raise ZeroDivisionError


@pytest.mark.anyio
async def test_looking_again_and_at_once_bills_nothing_twice(sandbox: Sandbox, database: Database) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, [{"amount_cents": 1000, "recurring": True}])
    consume(client, "2024-01-06")
    assert len(told(client)) == 1
    await asyncio.gather(*(look(database, client) for _ in range(3)))
    assert len(told(client)) == 1
    consume(client, "2024-01-06", 0.1)  # the clock stands still
    assert [total for *_, total in told(client)] == [20_000, 2000]


@pytest.mark.anyio
async def test_what_is_broken_off_is_looked_at_again(sandbox: Sandbox, database: Database) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, ONE)
    async with database.session() as session:
        (subscription,) = await session.scalars(
            select(Subscription).where(Subscription.organization_id == uuid.UUID(client.organization_id))
        )
        # as if the worker had not got to it
        mark = UsageMark(
            organization_id=subscription.organization_id,
            subscription_id=subscription.id,
            marked_at=subscription.created_at.replace(year=2030),
        )
        session.add(mark)
    with pytest.raises(ZeroDivisionError):
        await look(database, client, fail=True)
    async with database.session() as session:
        marks = select(UsageMark).where(UsageMark.organization_id == subscription.organization_id)
        assert len((await session.scalars(marks)).all()) == 1
    await look(database, client)
    async with database.session() as session:
        assert (await session.scalars(marks)).all() == []


# --- what is billed already, and what isn't yet


def test_a_change_of_time_zone_bills_no_usage_of_the_month_before(sandbox: Sandbox) -> None:  # PER-24
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, [{"amount_cents": 10_000, "recurring": True}], timezone="America/New_York")
    client.at("2024-02-01T04:30:00Z")
    use(client, "2024-02-01T04:00:00Z", "units", total=450_000)  # still January there
    client.at("2024-02-01T06:00:00Z")
    make_customer(client, timezone="UTC")
    consume(client, "2024-02-03", 0.3)
    client.at("2024-03-01T01:00:00Z")
    assert told(client)[1:] == [
        ("subscription", 12_100, 0, 12_100),
        ("progressive_billing", 6000, 0, 6000),
        ("subscription", 9100, 6000, 3100),
    ]


def test_a_fixed_threshold_is_passed_once_though_usage_goes_down(sandbox: Sandbox) -> None:  # PGB-7
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, ONE)
    consume(client, "2024-01-06")
    consume(client, "2024-01-07", -0.5)
    consume(client, "2024-02-07", 0.6)
    client.at("2024-03-01T00:00:00Z")
    assert [kind for kind, *_ in told(client)] == ["progressive_billing", "subscription", "subscription"]


@pytest.mark.anyio
async def test_a_period_that_is_not_billed_yet_is_not_forgotten(sandbox: Sandbox, database: Database) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, [{"amount_cents": 20_000, "recurring": True}])
    consume(client, "2024-01-06", 0.75)
    consume(client, "2024-02-06", 0.3)
    use(client, "2024-03-01T00:00:00Z", "units", total=300_000)
    assert [total for *_, total in told(client)] == [18_100, 6000]
    just_after = datetime(2024, 3, 1, 0, 0, 1, tzinfo=UTC)  # the billing run is late
    await look(database, client, now=just_after)
    assert len(told(client)) == 2, "27 000 in all"
    client.at("2024-03-01T00:00:01Z")
    assert [total for *_, total in told(client)] == [18_100, 6000, 3100]


@pytest.mark.anyio
async def test_a_look_that_waited_until_its_period_was_billed_bills_nothing(
    sandbox: Sandbox, database: Database
) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, [{"amount_cents": 1000, "recurring": True}])
    client.put("/subscriptions/sub", {"subscription": {"progressive_billing_disabled": True}})
    consume(client, "2024-01-06")
    client.at("2024-02-01T00:00:00Z")
    client.put("/subscriptions/sub", {"subscription": {"progressive_billing_disabled": False}})
    await look(database, client, now=datetime(2024, 1, 31, 23, 59, 59, tzinfo=UTC))
    assert [total for *_, total in told(client)] == [23_100]


@pytest.mark.anyio
async def test_an_event_stored_while_an_invoice_is_made_is_left_to_the_next(
    sandbox: Sandbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, TWO)

    async def meanwhile(context: Context, orders: Sequence[Order]) -> list[InvoiceDocument]:
        if orders:
            use(client, "2024-01-01T00:00:00Z", "units", total=2_000_000)
        return await make_invoices(context, orders)

    with monkeypatch.context() as patched:
        patched.setattr("laguna.billing.progressive.make_invoices", meanwhile)
        patched.setattr(client, "settle", lambda: None)  # the worker waits for this look
        await look_at_first_event(client, database)
    client.at("2024-01-02T00:00:00Z")
    assert told(client) == [("progressive_billing", 20_000, 0, 20_000), ("progressive_billing", 60_000, 20_000, 40_000)]


async def look_at_first_event(client: Client, database: Database) -> None:
    async with database.session() as session:
        context = await context_of(session, uuid.UUID(client.organization_id))
        owned = select(Subscription).where(Subscription.organization_id == context.organization_id)
        (subscription,) = await session.scalars(owned.with_for_update())
        use(client, "2024-01-01T00:00:00Z", "units", total=1_000_000)
        await look_at_usage(context, context.now, [subscription.id])
