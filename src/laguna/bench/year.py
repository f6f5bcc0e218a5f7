"""A year of monthly invoices: a test clock moved from January to January, as the worker moves it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import psycopg
from sqlalchemy import text

from laguna import modules
from laguna.accounts import test_clock
from laguna.bench.business import Size, make_business
from laguna.bench.scratch import scratch
from laguna.kernel import collector
from laguna.kernel.db import Database

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
MONTHS = 12
SECONDS_MOST = 60
assert modules.ROUTERS  # importing the modules registers their timers


def measure(subscriptions: int, events: int, say: Callable[[str], None]) -> None:
    """Bill `subscriptions` for twelve months with `events` in all; no document is rendered."""
    collector.look_rarely()  # as the worker does
    with scratch() as databases:
        url = databases.fresh()
        organization_id = asyncio.run(make_business(url, Size(subscriptions, events, START, END)))
        databases.settle(url)
        seconds = asyncio.run(_move(url, organization_id))
        with psycopg.connect(url) as connection:
            count = "SELECT count(*) FROM invoices WHERE status = 'finalized'"
            (invoices,) = connection.execute(count).fetchone() or (0,)
        assert invoices == subscriptions * MONTHS, f"{invoices} invoices"
    say(
        f"{subscriptions:,} subscriptions, {events:,} events, {invoices:,} invoices: a year in {seconds:.1f} s,"
        f" {invoices / seconds:,.0f} invoices/s (1,000 subscriptions: at most {SECONDS_MOST} s)"
    )


async def _move(url: str, organization_id: UUID) -> float:
    database = Database(url, pool_size=4)
    try:
        async with database.session() as session:
            target = text("UPDATE organizations SET clock_target = :target WHERE id = :id")
            await session.execute(target, {"target": END, "id": organization_id})
        began = time.perf_counter()
        await test_clock.move(database, organization_id)
        return time.perf_counter() - began
    finally:
        await database.close()
