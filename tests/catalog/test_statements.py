"""Changing a plan takes as many statements with many charges, filters and overrides as with few."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import pytest

from laguna.billing.overrides import overriding
from laguna.catalog.schemas import PlanInput
from laguna.catalog.service import Lock, find_plan, plan_objects, update_plan
from laguna.kernel.context import Context, context_of
from laguna.kernel.db import Database
from laguna.kernel.errors import Problems
from laguna.kernel.inputs import parse
from laguna.metrics.schemas import MetricInput
from laguna.metrics.service import update_metric
from laguna.models import BillableMetric
from support.billing import make_customer, make_metric, make_plan, standard, subscribe
from support.client import Client, Json, Sandbox

pytestmark = pytest.mark.anyio


def charges(metric: str, count: int, amount: str, ids: list[str | None]) -> list[Json]:
    filters = [{"values": {"k": [f"v{number}"]}, "properties": {"amount": amount}} for number in range(count)]
    return [
        standard(metric, amount, filters=filters, tax_codes=["t"], **({"id": each} if each else {})) for each in ids
    ]


def fill(client: Client, count: int) -> tuple[str, list[str | None]]:
    """A plan of so many charges with so many filters each, and as many overrides of it: the metric, the charges."""
    client.post("/taxes", {"tax": {"name": "T", "code": "t", "rate": 1}})
    declared = [{"key": "k", "values": [f"v{number}" for number in range(count)]}]
    metric = make_metric(client, "m", "sum_agg", field_name="x", filters=declared)
    plan = make_plan(client, charges=charges(metric, count, "1", [None] * count))
    make_customer(client)
    subscribe(client)
    for number in range(count):
        subscribe(client, external_id=f"own-{number}", plan_overrides={})
    return metric, [each["lago_id"] for each in plan["charges"]]


async def show(context: Context, count: int, metric: str, ids: list[str | None]) -> None:
    (shown,) = await plan_objects(context, [await find_plan(context, "plan")])
    assert len(shown.charges) == len(shown.charges[-1].filters) == count


async def reprice(context: Context, count: int, metric: str, ids: list[str | None]) -> None:
    body = {"cascade_updates": True, "charges": charges(metric, count, "2", ids), "amount_cents": 7}
    problems = Problems()
    data = parse(PlanInput, body, problems)
    await update_plan(context, await find_plan(context, "plan", Lock.EDIT), data, problems)


async def exchange(context: Context, count: int, metric: str, ids: list[str | None]) -> None:
    """Every charge removed, and as many made, here and in every override."""
    await reprice(context, count, metric, [None] * count)


async def override(context: Context, count: int, metric: str, ids: list[str | None]) -> None:
    async with overriding(context, "sub", None) as plan:
        assert plan.parent_id is not None


async def trim(context: Context, count: int, metric: str, ids: list[str | None]) -> None:
    row = await context.session.get_one(BillableMetric, uuid.UUID(metric))
    problems = Problems()
    await update_metric(context, row, parse(MetricInput, {"filters": []}, problems), problems)


Work = Callable[[Context, int, str, list[str | None]], Awaitable[None]]


@pytest.mark.parametrize("work", [show, reprice, exchange, override, trim])
async def test_fifteen_of_everything_take_as_many_statements_as_two(
    sandbox: Sandbox, database: Database, statements: list[str], work: Work
) -> None:
    counts: list[int] = []
    for count in (2, 15):
        client = sandbox()
        metric, ids = fill(client, count)
        async with database.session() as session:
            context = await context_of(session, uuid.UUID(client.organization_id))
            statements.clear()
            await work(context, count, metric, ids)
            await session.flush()
            counts.append(len(statements))
    assert counts[0] == counts[1]
