"""Reading usage costs by the usage there is, not by what is configured: the number of statements is fixed."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from laguna.kernel.context import context_of
from laguna.kernel.db import Database
from laguna.kernel.queries import Query
from laguna.subscriptions.current_usage import current_usage
from laguna.subscriptions.projected_usage import projected_usage
from support.billing import make_customer, make_metric, make_plan, subscribe
from support.client import Client, Json, Sandbox

pytestmark = pytest.mark.anyio


def subscribed(client: Client, charges: int, filters: int) -> None:
    """To a plan of so many charges, each on a metric of its own, with so many filters each."""
    values = [f"v{number}" for number in range(filters)]
    priced: list[Json] = []
    for number in range(charges):
        metric = make_metric(client, f"m{number}", "sum_agg", field_name="x", filters=[{"key": "k", "values": values}])
        prices = [{"values": {"k": [value]}, "properties": {"amount": "1"}} for value in values]
        priced.append(
            {
                "billable_metric_id": metric,
                "charge_model": "standard",
                "code": f"c{number}",
                "properties": {"amount": "1"},
                "filters": prices,
            }
        )
    make_plan(client, charges=priced)
    make_customer(client)
    subscribe(client)


@pytest.mark.parametrize("read", [current_usage, projected_usage])
async def test_fifty_charges_of_thirty_filters_take_as_many_statements_as_one_charge_with_one(
    sandbox: Sandbox, database: Database, statements: list[str], read: Any
) -> None:
    counts: list[int] = []
    for charges, filters in ((1, 1), (50, 30)):
        client = sandbox()
        subscribed(client, charges, filters)
        async with database.session() as session:
            context = await context_of(session, uuid.UUID(client.organization_id))
            statements.clear()
            began = time.perf_counter()
            usage = await read(context, "acme", Query(b"external_subscription_id=sub"))
            counts.append(len(statements))
            print(f"{charges} x {filters}: {len(statements)} statements, {time.perf_counter() - began:.3f} s")
        assert [len(charge.filters) for charge in usage.charges_usage] == [filters + 1] * charges
    assert counts[0] == counts[1] <= 16
