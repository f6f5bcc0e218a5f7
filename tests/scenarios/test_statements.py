"""A billing batch takes as many statements with many subscriptions as with one."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import func, select

from laguna.billing.progressive import look_at_usage
from laguna.billing.run import bill_due
from laguna.kernel.context import context_of
from laguna.kernel.db import Database
from laguna.models import AppliedUsageThreshold, Subscription, UsageThreshold
from support.billing import make_customer, make_metric, make_plan, standard, subscribe, use
from support.client import Sandbox

pytestmark = pytest.mark.anyio


async def test_commitments_of_many_subscriptions_are_settled_at_once(
    sandbox: Sandbox, database: Database, statements: list[str]
) -> None:
    counts: list[int] = []
    for count in (1, 30):
        client = sandbox("2024-01-01T00:00:00Z")
        charges = [standard(make_metric(client), "1")]
        for advance in (False, True):
            more: Any = {"pay_in_advance": advance, "minimum_commitment": {"amount_cents": 9000}}
            make_plan(client, f"p{advance}", 100, charges=charges, **more)
        make_customer(client)
        for number in range(count):
            subscribe(client, plan="pFalse", external_id=f"a{number}")
            subscribe(client, plan="pTrue", external_id=f"b{number}")
            use(client, "2024-01-01T00:00:00Z", subscription=f"a{number}")
        async with database.session() as session:
            context = await context_of(session, uuid.UUID(client.organization_id))
            query = select(Subscription).where(Subscription.organization_id == context.organization_id)
            rows = (await session.scalars(query)).all()
            due_at = rows[0].next_billing_at
            assert due_at is not None
            session.expunge_all()
            statements.clear()
            await bill_due(context, due_at, [row.id for row in rows])
            counts.append(len(statements))
    assert counts[0] == counts[1] > 10


async def test_usage_of_many_subscriptions_is_looked_at_at_once(
    sandbox: Sandbox, database: Database, statements: list[str]
) -> None:
    counts: list[int] = []
    for count in (1, 20):
        client = sandbox("2024-01-01T00:00:00Z")
        make_plan(client, charges=[standard(make_metric(client), "1")])
        make_customer(client)
        for number in range(count):
            subscribe(client, external_id=f"s{number}")
            use(client, "2024-01-01T00:00:00Z", subscription=f"s{number}")
        client.put("/plans/plan", {"plan": {"usage_thresholds": [{"amount_cents": 1000}]}})
        async with database.session() as session:
            context = await context_of(session, uuid.UUID(client.organization_id))
            threshold = select(UsageThreshold).where(UsageThreshold.organization_id == context.organization_id)
            (await session.scalars(threshold)).one().amount_cents = 100
            ids = select(Subscription.id).where(Subscription.organization_id == context.organization_id)
            subscription_ids = (await session.scalars(ids)).all()
            session.expunge_all()
            statements.clear()
            await look_at_usage(context, context.now, subscription_ids)
            counts.append(len(statements))
            made = select(func.count()).where(AppliedUsageThreshold.organization_id == context.organization_id)
            assert await session.scalar(made) == count
    assert counts[0] == counts[1]
