"""Usage of many subscriptions at once, from derived columns and from properties (spec 1 §§2.3 to 2.5)."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from laguna.accounts.service import create_organization
from laguna.kernel.context import context_of
from laguna.kernel.db import Database, copy_rows
from laguna.metrics import backfill
from laguna.metrics.aggregations import AGGREGATIONS, Aggregate
from laguna.metrics.backfill import fill_event_values
from laguna.metrics.derivation import MetricValues, derive
from laguna.metrics.store import UsageQuery, combinations, known_as_of, metric_values, rounded
from laguna.metrics.window import whole
from laguna.models import BillableMetric
from laguna.models.event import LANE_SHIFT

pytestmark = pytest.mark.anyio
D = Decimal
START = datetime(2024, 3, 1, tzinfo=UTC)
END = datetime(2024, 4, 1, tzinfo=UTC)
MONTH = whole(START, END)
STREAM = "organization_id, external_subscription_id, code"
DERIVED = """
    SELECT properties, value, value_text FROM events JOIN event_streams AS stream ON stream.id = stream_id
    WHERE organization_id = :id
"""


@pytest.fixture
async def organization_id(database: Database) -> uuid.UUID:
    async with database.session() as session:
        return (await create_organization(session, "Test", START)).organization.id


def metric(kind: str, code: str = "calls", ready: bool = True) -> MetricValues:
    return MetricValues(uuid.uuid4(), code, kind, None if kind == "count_agg" else "x", values_ready=ready)


LANE = 4096
ARRIVALS = {str(LANE): (1 << LANE_SHIFT) - 1}
_seq = LANE << LANE_SHIFT


async def record(
    database: Database,
    organization_id: uuid.UUID,
    metric: MetricValues | None,
    events: Sequence[tuple[str, datetime, dict[str, Any]]],
    code: str = "calls",
) -> None:
    """Store (subscription, instant, properties) in this order, with what `metric` derives of them."""
    global _seq
    async with database.session() as session:
        streams: dict[str, int] = {}
        for subscription in sorted({subscription for subscription, _, _ in events}):
            parameters = {"id": organization_id, "subscription": subscription, "code": code}
            known = f"SELECT id FROM event_streams WHERE ({STREAM}) = (:id, :subscription, :code)"
            stream = await session.scalar(text(known), parameters)
            if stream is None:
                made = f"INSERT INTO event_streams ({STREAM}) VALUES (:id, :subscription, :code) RETURNING id"
                stream = await session.scalar(text(made), parameters)
            streams[subscription] = stream
        lines: list[list[Any]] = []
        for subscription, instant, properties in events:
            _seq += 1
            value, value_text = derive(metric, properties) if metric is not None else (None, None)
            lines.append(
                [uuid.uuid4(), _seq, streams[subscription], instant, START, value, value_text, f"t{_seq}", properties]
            )
        columns = (
            "key",
            "seq",
            "stream_id",
            "timestamp",
            "ingested_at",
            "value",
            "value_text",
            "transaction_id",
            "properties",
        )
        await copy_rows(session, "events", columns, lines)


async def usage(
    database: Database,
    organization_id: uuid.UUID,
    *queries: UsageQuery,
    arrivals: dict[str, int] | None = None,
) -> list[Aggregate]:
    async with database.session() as session:
        known = ARRIVALS if arrivals is None else arrivals
        found = await combinations(session, organization_id, queries, known)
    return [
        AGGREGATIONS[query.metric.aggregation_type].combine(query.shape, rows.get((), []), query.window)
        for query, rows in zip(queries, found, strict=True)
    ]


async def counted(
    database: Database,
    organization_id: uuid.UUID,
    *queries: UsageQuery,
    arrivals: dict[str, int] | None = None,
) -> list[tuple[Decimal, int]]:
    """Units, and events that count."""
    found = await usage(database, organization_id, *queries, arrivals=arrivals)
    return [(each.units, each.events_count) for each in found]


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2024, 3, day, hour, tzinfo=UTC)


def both(kind: str) -> list[MetricValues]:
    """The metric with its derived columns filled in, and without."""
    ready = metric(kind)
    return [ready, replace(ready, values_ready=False)]


async def test_without_events_there_is_no_usage(database: Database, organization_id: uuid.UUID) -> None:
    queries = [
        UsageQuery("s", each, MONTH)
        for kind in ("count_agg", "sum_agg", "max_agg", "unique_count_agg")
        for each in both(kind)
    ]
    assert await counted(database, organization_id, *queries) == [(D(0), 0)] * 8


@pytest.mark.parametrize(
    ("kind", "units", "events_count"),
    [("count_agg", 6, 6), ("sum_agg", 29, 4), ("max_agg", 12, 4), ("unique_count_agg", 3, 5)],
)
async def test_each_aggregation(
    database: Database, organization_id: uuid.UUID, kind: str, units: int, events_count: int
) -> None:
    values = [{"x": "2.5"}, {"x": D("2.5")}, {"x": 12}, {"x": "12"}, {"x": "foo"}, {}]
    both_ways = both(kind)
    await record(database, organization_id, both_ways[0], [("s", at(day + 1), each) for day, each in enumerate(values)])
    queries = [UsageQuery("s", each, MONTH) for each in both_ways]
    assert await counted(database, organization_id, *queries) == [(D(units), events_count)] * 2


async def test_a_maximum_may_be_negative(database: Database, organization_id: uuid.UUID) -> None:
    maximum = metric("max_agg")
    await record(database, organization_id, maximum, [("s", at(1), {"x": -7}), ("s", at(2), {"x": "-3.5"})])
    assert await counted(database, organization_id, UsageQuery("s", maximum, MONTH)) == [(D("-3.5"), 2)]


async def test_the_start_counts_and_the_end_does_not(database: Database, organization_id: uuid.UUID) -> None:
    count = metric("count_agg")
    instants = [START - timedelta(milliseconds=1), START, END - timedelta(milliseconds=1), END]
    await record(database, organization_id, count, [("s", instant, {}) for instant in instants])
    assert await counted(database, organization_id, UsageQuery("s", count, MONTH)) == [(D(2), 2)]


@pytest.mark.parametrize(
    ("story", "present"),
    [
        ("+a +b", 2),
        ("+a +a", 1),
        ("+a -a", 0),
        ("-a", 0),
        ("-a +a", 1),
        ("+a -a +a", 1),
        ("+a -a -a", 0),
        ("+a +a -a", 0),
        ("+a ?a", 1),
        ("+a -a ?a", 0),
        ("+a -b +c -c", 1),
    ],
)
async def test_a_value_is_present_after_its_last_add(
    database: Database, organization_id: uuid.UUID, story: str, present: int
) -> None:
    signs = {"+": "add", "-": "remove", "?": "nonsense"}
    steps = [(signs[step[0]], step[1]) for step in story.split()]
    both_ways = both("unique_count_agg")
    for subscription, instants in (("spread", [at(day + 1) for day in range(9)]), ("at once", [at(5)] * 9)):
        sent = [
            (subscription, instant, {"x": value, "operation_type": operation})
            for instant, (operation, value) in zip(instants, steps, strict=False)
        ]
        if subscription == "spread":  # the order of arrival decides only between equal timestamps
            sent.reverse()
        await record(database, organization_id, both_ways[0], sent)
        queries = [UsageQuery(subscription, each, MONTH) for each in both_ways]
        events_count = sum(operation != "nonsense" for operation, _ in steps)
        assert await counted(database, organization_id, *queries) == [(D(present), events_count)] * 2


async def test_other_organizations_codes_and_subscriptions_do_not_count(
    database: Database, organization_id: uuid.UUID
) -> None:
    async with database.session() as session:
        other_id = (await create_organization(session, "Other", START)).organization.id
    count = metric("count_agg")
    await record(database, organization_id, count, [("s", at(1), {}), ("other", at(1), {})])
    await record(database, organization_id, count, [("s", at(1), {})], code="other")
    await record(database, other_id, count, [("s", at(1), {})] * 5)
    assert await counted(database, organization_id, UsageQuery("s", count, MONTH)) == [(D(1), 1)]


async def test_thousands_of_queries_agree_with_a_plain_count(database: Database, organization_id: uuid.UUID) -> None:
    chance = random.Random(7)
    total = metric("sum_agg")
    sent = [
        (f"s{chance.randrange(400)}", START + timedelta(minutes=chance.randrange(44_000)), {"x": chance.randrange(100)})
        for _ in range(8_000)
    ]
    await record(database, organization_id, total, sent)
    queries: list[UsageQuery] = []
    for number in range(3_000):
        from_at = START + timedelta(days=chance.randrange(20))
        kind = replace(total, values_ready=number % 5 > 0)
        queries.append(UsageQuery(f"s{chance.randrange(410)}", kind, whole(from_at, from_at + timedelta(days=5))))
    queries += queries[:500]
    expected = [
        [
            properties["x"]
            for subscription, instant, properties in sent
            if subscription == query.external_subscription_id and query.window.start <= instant < query.window.until
        ]
        for query in queries[:300]
    ]
    found = await usage(database, organization_id, *queries)
    assert [(result.units, result.events_count) for result in found[:300]] == [
        (sum(each), len(each)) for each in expected
    ]
    assert found[3_000:] == found[:500]


# ---- the backfill ----


async def stored_metric(database: Database, organization_id: uuid.UUID, kind: str) -> BillableMetric:
    row = BillableMetric(
        organization_id=organization_id,
        code="calls",
        name="Calls",
        aggregation_type=kind,
        field_name="x",
        recurring=False,
        values_ready=False,
        created_at=START,
        updated_at=START,
    )
    async with database.session() as session:
        session.add(row)
    return row


async def run_backfill(database: Database, organization_id: uuid.UUID, metric_id: uuid.UUID) -> None:
    async with database.session() as session:
        await fill_event_values(await context_of(session, organization_id), str(metric_id))


async def is_ready(database: Database, metric_id: uuid.UUID) -> bool:
    async with database.session() as session:
        ready = text("SELECT values_ready FROM billable_metrics WHERE id = :id")
        return bool(await session.scalar(ready, {"id": metric_id}))


@pytest.mark.parametrize("kind", ["sum_agg", "max_agg", "unique_count_agg"])
async def test_a_metric_defined_after_its_events_gives_the_same_figures_before_and_after_the_backfill(
    database: Database, organization_id: uuid.UUID, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "PAGE_ROWS", 7)
    monkeypatch.setattr(backfill, "STREAMS_AT_ONCE", 2)
    chance = random.Random(3)
    values = ["1", "2.5", 3, "x", None, "", True, D("1E+2"), "2.5"]
    operations = ["add", "remove", None, "other"]
    sent = [
        (
            f"s{n % 5}",
            at(1 + chance.randrange(28)),
            {"x": chance.choice(values), "operation_type": chance.choice(operations)},
        )
        for n in range(100)
    ]
    await record(database, organization_id, None, sent)
    row = await stored_metric(database, organization_id, kind)
    waiting = metric_values(row)
    assert not waiting.values_ready
    before = await usage(database, organization_id, *(UsageQuery(f"s{n}", waiting, MONTH) for n in range(5)))
    for _ in range(2):  # safe to repeat
        await run_backfill(database, organization_id, row.id)
        assert await is_ready(database, row.id)
        ready = replace(waiting, values_ready=True)
        after = await usage(database, organization_id, *(UsageQuery(f"s{n}", ready, MONTH) for n in range(5)))
        assert after == before
    assert sum(result.events_count for result in before) > 5
    async with database.session() as session:
        derived = await session.execute(text(DERIVED), {"id": organization_id})
        assert all((value, text_) == derive(waiting, properties) for properties, value, text_ in derived)


async def test_the_backfill_of_a_metric_that_changed_or_vanished_leaves_it_alone(
    database: Database, organization_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "PAGE_ROWS", 2)
    await record(database, organization_id, None, [("s", at(day), {"x": day}) for day in range(1, 11)])
    row = await stored_metric(database, organization_id, "sum_agg")
    definition, looks = backfill._definition, 0

    async def change_meanwhile(session: Any, context: Any, metric_id: uuid.UUID, lock: str) -> Any:
        nonlocal looks
        looks += 1
        if looks == 4:
            async with database.session() as other:
                change = text("UPDATE billable_metrics SET field_name = 'y' WHERE id = :id")
                await other.execute(change, {"id": metric_id})
        return await definition(session, context, metric_id, lock)

    monkeypatch.setattr(backfill, "_definition", change_meanwhile)
    await run_backfill(database, organization_id, row.id)
    assert looks == 4
    assert not await is_ready(database, row.id)
    monkeypatch.setattr(backfill, "_definition", definition)
    async with database.session() as session:
        await session.execute(text("UPDATE billable_metrics SET deleted_at = now() WHERE id = :id"), {"id": row.id})
    await run_backfill(database, organization_id, row.id)
    await run_backfill(database, organization_id, uuid.uuid4())
    assert not await is_ready(database, row.id)


# ---- evidence and rounding ----


@pytest.mark.parametrize("kind", ["count_agg", "sum_agg", "max_agg", "unique_count_agg"])
async def test_what_arrived_later_does_not_count(database: Database, organization_id: uuid.UUID, kind: str) -> None:
    await record(database, organization_id, metric(kind), [("s", at(day), {"x": day}) for day in (1, 2, 3)])
    known = {str(LANE): _seq - (LANE << LANE_SHIFT)}
    await record(database, organization_id, metric(kind), [("s", at(4), {"x": 4})])
    units = {"sum_agg": 6}.get(kind, 3)
    for each in both(kind):
        query = UsageQuery("s", each, MONTH)
        assert await counted(database, organization_id, query, arrivals=known) == [(D(units), 3)]
        assert await counted(database, organization_id, query, arrivals={"0": 1 << 40}) == [(D(0), 0)]
        assert await counted(database, organization_id, query, arrivals={}) == [(D(0), 0)]


async def test_known_as_of_is_a_map_of_lanes(database: Database) -> None:
    async with database.session() as session:
        await session.execute(text("INSERT INTO writer_lanes VALUES (30000, 17) ON CONFLICT DO NOTHING"))
        known = await known_as_of(session)
        assert known["30000"] == 17
        await session.execute(text("DELETE FROM writer_lanes WHERE lane = 30000"))


@pytest.mark.parametrize(
    ("function", "precision", "units", "expected"),
    [
        ("round", 2, "123.456", "123.46"),
        ("round", None, "123.456", "123"),
        ("round", -2, "123.456", "100"),
        ("ceil", 2, "123.456", "123.46"),
        ("ceil", None, "123.456", "124"),
        ("ceil", -2, "123.456", "200"),
        ("floor", 2, "123.456", "123.45"),
        ("floor", None, "123.456", "123"),
        ("floor", -2, "123.456", "100"),
        ("ceil", 2, "48.434", "48.44"),
        ("round", 0, "-0.5", "-1"),
        ("ceil", 0, "-0.5", "0"),
        ("floor", 0, "-0.5", "-1"),
        ("floor", -30, "5", "0"),
        ("ceil", 30, "123456789012345678901234567890.1", "123456789012345678901234567890.1"),
        (None, 2, "123.456", "123.456"),
    ],
)
def test_rounding(function: str | None, precision: int | None, units: str, expected: str) -> None:
    result = rounded(replace(metric("sum_agg"), rounding_function=function, rounding_precision=precision), D(units))
    assert result == D(expected)
    assert "E" not in str(result) or not result
