"""A change of a billing entity takes as many statements with many customers and drafts as with few."""

from __future__ import annotations

import uuid

import pytest

from laguna.accounts.entities import change_entity, entity_by_code
from laguna.billing.drafts import refresh_due
from laguna.kernel.context import context_of
from laguna.kernel.db import Database
from laguna.models import Invoice
from support.billing import invoices, make_customer, make_plan, subscribe
from support.client import Client, Json, Sandbox

pytestmark = pytest.mark.anyio


def drafted(sandbox: Sandbox, count: int) -> Client:
    client = sandbox()
    grace: Json = {"invoice_grace_period": 20}
    entity = {"code": "north", "name": "North", "billing_configuration": grace}
    client.post("/billing_entities", {"billing_entity": entity})
    make_plan(client, amount_cents=1000)
    for number in range(count):
        make_customer(client, f"c{number}", billing_entity_code="north")
        subscribe(client, customer=f"c{number}", external_id=f"s{number}", ending_at="2030-01-01T00:00:00Z")
    client.at("2024-02-03T00:00:00Z")
    return client


async def test_fifteen_drafts_take_as_many_statements_as_two(
    sandbox: Sandbox, database: Database, statements: list[str]
) -> None:
    counts: list[int] = []
    for count in (2, 15):
        client = drafted(sandbox, count)
        ids = [uuid.UUID(each["lago_id"]) for each in invoices(client)]
        async with database.session() as session:
            context = await context_of(session, uuid.UUID(client.organization_id))
            statements.clear()
            change = {"net_payment_term": 9, "invoice_grace_period": 25, "timezone": "Asia/Tokyo"}
            await change_entity(context, await entity_by_code(context, "north"), change)
            await refresh_due(context, context.now, ids)
            counts.append(len(statements))
            found = [await session.get_one(Invoice, each, populate_existing=True) for each in ids]
            assert {(f"{each.issuing_date}", each.net_payment_term) for each in found} == {("2024-02-26", 9)}
    assert counts[0] == counts[1]
