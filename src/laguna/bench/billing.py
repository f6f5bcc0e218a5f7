"""The billing run, divided by its floor: what PostgreSQL alone needs to aggregate the usage and to store the result.

The run is what the timer `bill_subscriptions` does in the worker, from finding who is due to the last commit. The floor
is one bare statement for each metric, over the same events, and a COPY of the very rows that the run wrote, in one
transaction, into tables with the same indexes (and without foreign keys, defaults or triggers). Every run begins on its
own copy of one database. Both share the machine with PostgreSQL, whose `fsync` is on.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import psycopg
from psycopg import sql

from laguna import modules
from laguna.bench.business import COUNTED, SUMMED, UNIQUE, Size, make_business
from laguna.bench.scratch import Scratch, scratch
from laguna.kernel import collector, timers
from laguna.kernel.db import Database

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
FLOOR_MOST = 6.0  # times the floor
DOUBLE_MOST = 2.2  # times the time, for twice the subscriptions
assert modules.ROUTERS  # importing the modules registers their timers

# what a billing run writes, in this order
_TABLES = ("invoices", "invoice_lines", "fees", "fee_taxes", "invoice_taxes", "invoice_parties")
_AGGREGATIONS: Mapping[str, str] = {
    COUNTED: "count(*)",
    SUMMED: "sum(event.value), count(event.value)",
    UNIQUE: "count(DISTINCT event.value_text)",
}
_BARE = """
SELECT stream.external_subscription_id, {aggregation}
FROM event_streams AS stream JOIN events AS event ON event.stream_id = stream.id
WHERE stream.organization_id = %s AND stream.code = %s AND event.timestamp >= %s AND event.timestamp < %s
GROUP BY stream.external_subscription_id
"""

_BILLED = """
SELECT (SELECT count(*) FROM invoices),
    (SELECT sum(fee.events_count) FROM fees AS fee JOIN charges AS charge ON charge.id = fee.charge_id
     JOIN billable_metrics AS metric ON metric.id = charge.billable_metric_id WHERE metric.code <> %s),
    (SELECT count(*) FROM events AS event JOIN event_streams AS stream ON stream.id = event.stream_id
     WHERE stream.code <> %s)
"""

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: seconds of the billing run, and of the two halves of its floor."""

    invoices: int
    billing_seconds: float
    aggregation_seconds: float
    copy_seconds: float

    @property
    def floor_seconds(self) -> float:
        return self.aggregation_seconds + self.copy_seconds

    @property
    def ratio(self) -> float:
        return self.billing_seconds / self.floor_seconds


def measure(subscriptions: int, events: int, runs: int, say: Callable[[str], None]) -> None:
    """`runs` runs after one to warm up, of so many subscriptions and of twice as many, by turns."""
    collector.look_rarely()  # as the worker does
    with scratch() as databases:
        sizes = [Size(subscriptions * factor, events * factor, START, END) for factor in (1, 2)]
        prepared = [(size, *_prepare(databases, size)) for size in sizes]
        found: dict[int, list[Measured]] = {size.subscriptions: [] for size in sizes}
        for run in range(runs + 1):
            for size, url, organization_id in prepared:
                measured = _run(databases, size, url, organization_id)
                if run > 0:
                    found[size.subscriptions].append(measured)
                    say(_line(run, size, measured))
    one, two = (list(measured) for measured in found.values())
    ratio = statistics.median(each.ratio for each in one)
    double = _median_seconds(two) / _median_seconds(one)
    say(f"{subscriptions / _median_seconds(one):,.0f} invoices/s")
    say(f"median ratio {ratio:.2f} of the floor (at most {FLOOR_MOST})")
    say(f"twice the subscriptions take {double:.2f} times as long (at most {DOUBLE_MOST})")


def _median_seconds(runs: list[Measured]) -> float:
    return statistics.median(each.billing_seconds for each in runs)


def _line(run: int, size: Size, measured: Measured) -> str:
    return (
        f"run {run}, {size.subscriptions:,} subscriptions, {size.events:,} events: billed in"
        f" {measured.billing_seconds:.2f} s, {measured.invoices / measured.billing_seconds:,.0f} invoices/s; floor"
        f" {measured.floor_seconds:.2f} s ({measured.aggregation_seconds:.2f} aggregation,"
        f" {measured.copy_seconds:.2f} COPY); ratio {measured.ratio:.2f}"
    )


def _prepare(databases: Scratch, size: Size) -> tuple[str, UUID]:
    url = databases.fresh()
    organization_id = asyncio.run(make_business(url, size))
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE organizations SET test_clock = %s WHERE id = %s", [END, organization_id])
        for table in _TABLES:
            bare = sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING INDEXES)")
            connection.execute(bare.format(_bare(table), sql.Identifier(table)))
    databases.settle(url)
    return url, organization_id


def _bare(table: str) -> sql.Identifier:
    return sql.Identifier(f"bare_{table}")


def _run(databases: Scratch, size: Size, template: str, organization_id: UUID) -> Measured:
    url = databases.copy(template)
    try:
        billing_seconds = asyncio.run(_bill(url, organization_id))
        with psycopg.connect(url) as connection:
            rows = {table: _rows_of(connection, table) for table in _TABLES}
            invoices = _check(connection, size)
            connection.rollback()
            aggregation_seconds = _aggregate(connection, organization_id)
            copy_seconds = _copy(connection, rows)
        return Measured(invoices, billing_seconds, aggregation_seconds, copy_seconds)
    finally:
        databases.drop(url)


async def _bill(url: str, organization_id: UUID) -> float:
    database = Database(url, pool_size=4)
    try:
        began = time.perf_counter()
        await timers.run_due(database, organization_id, END)
        return time.perf_counter() - began
    finally:
        await database.close()


def _check(connection: Connection, size: Size) -> int:
    """How many invoices there are: one for everybody, which bill every event of the metrics that count events."""
    invoices, billed, sent = connection.execute(_BILLED, [UNIQUE, UNIQUE]).fetchone() or (0, 0, 0)
    assert invoices == size.subscriptions, f"{invoices} invoices"
    assert isinstance(invoices, int)
    assert billed == sent, f"{billed} events billed of {sent}"
    return invoices


def _rows_of(connection: Connection, table: str) -> bytes:
    with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as copy:
        return b"".join(bytes(block) for block in copy)


def _aggregate(connection: Connection, organization_id: UUID) -> float:
    began = time.perf_counter()
    for code, aggregation in _AGGREGATIONS.items():
        statement = _BARE.format(aggregation=aggregation).encode()
        connection.execute(statement, [organization_id, code, START, END]).fetchall()
    return time.perf_counter() - began


def _copy(connection: Connection, rows: Mapping[str, bytes]) -> float:
    began = time.perf_counter()
    for table, lines in rows.items():
        with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(_bare(table))) as copy:
            copy.write(lines)
    connection.commit()
    return time.perf_counter() - began
