"""The event store on PostgreSQL: the usage of many subscriptions and metrics in one statement per shape of query.

A shape is an aggregation and whether it may read the derived columns, which an index holds (spec 1 §2.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.kernel.db import connection_of
from laguna.kernel.money import ZERO, round_down, round_half_up, round_up
from laguna.metrics.derivation import MetricValues, number_sql, operation_sql, text_sql
from laguna.models import BillableMetric
from laguna.models.event import LANE_SHIFT

__all__ = [
    "Aggregate",
    "MetricValues",
    "UsageQuery",
    "aggregate",
    "aggregation_sql",
    "known_as_of",
    "metric_values",
    "rounded",
]


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Which events: those of the metric's code on the external id, from `from_at` to just before `to_at`."""

    external_subscription_id: str
    metric: MetricValues
    from_at: datetime
    to_at: datetime


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Units, not rounded yet, and how many events made them."""

    units: Decimal
    events_count: int


def metric_values(metric: BillableMetric) -> MetricValues:
    """The row as the value that aggregation works with."""
    return MetricValues(
        id=metric.id,
        code=metric.code,
        aggregation_type=metric.aggregation_type,
        field_name=metric.field_name,
        values_ready=metric.values_ready,
        rounding_function=metric.rounding_function,
        rounding_precision=metric.rounding_precision,
    )


# One index scan per query: LATERAL with an aggregate keeps the planner from reading other streams.
_STATEMENT = """
SELECT asked.number, found.units, found.events_count
FROM unnest(
    %(numbers)s::int[], %(ids)s::text[], %(codes)s::text[], %(fields)s::text[],
    %(from)s::timestamptz[], %(to)s::timestamptz[]
) AS asked(number, external_subscription_id, code, field_name, from_at, to_at)
JOIN event_streams AS stream
    ON stream.organization_id = %(organization_id)s
    AND stream.external_subscription_id = asked.external_subscription_id
    AND stream.code = asked.code
CROSS JOIN (SELECT %(limits)s::bigint[] AS limits) AS known
CROSS JOIN LATERAL ({aggregation}) AS found
"""

# `known.limits` is the last arrival that counts of each lane, lane 0 first; what came later isn't known yet
_EVENTS = f"""
    FROM events WHERE stream_id = stream.id AND timestamp >= asked.from_at AND timestamp < asked.to_at
        AND seq <= known.limits[(seq >> {LANE_SHIFT})::int + 1]"""
_VALUE = "value"
_NUMBER = number_sql("properties", "asked.field_name")
_OPERATION = operation_sql("properties")
_TEXT = text_sql("properties", "asked.field_name")


def _numeric(function: str, value: str) -> str:
    return f"""
        SELECT {function}(number) AS units, count(number) AS events_count
        FROM (SELECT {value} AS number {_EVENTS}) AS numbers"""


def _unique(value: str, value_text: str) -> str:
    """Present is a value whose last event is an add: an add of a present one and a leading remove change nothing."""
    return f"""
        SELECT count(*) AS units, count(*) AS events_count
        FROM (
            SELECT DISTINCT ON (value_text) change
            FROM (SELECT {value} AS change, {value_text} AS value_text, timestamp, seq {_EVENTS}) AS changes
            WHERE value_text IS NOT NULL
            ORDER BY value_text, timestamp DESC, seq DESC
        ) AS latest
        WHERE change > 0"""


_COUNT = f"SELECT count(*) AS units, count(*) AS events_count {_EVENTS}"
_AGGREGATIONS = {  # (aggregation, whether the derived columns are filled in)
    ("count_agg", True): _COUNT,
    ("count_agg", False): _COUNT,
    ("sum_agg", True): _numeric("sum", _VALUE),
    ("sum_agg", False): _numeric("sum", _NUMBER),
    ("max_agg", True): _numeric("max", _VALUE),
    ("max_agg", False): _numeric("max", _NUMBER),
    ("unique_count_agg", True): _unique(_VALUE, "value_text"),
    ("unique_count_agg", False): _unique(_OPERATION, _TEXT),
}
_STATEMENTS = {shape: _STATEMENT.format(aggregation=aggregation) for shape, aggregation in _AGGREGATIONS.items()}


def aggregation_sql(aggregation_type: str) -> str | None:
    """A subquery of units and events_count from the properties of events; None for an unknown aggregation.

    It refers to `stream.id`, `asked.field_name`, `asked.from_at`, `asked.to_at` and `known.limits`.
    """
    return _AGGREGATIONS.get((aggregation_type, False))


async def aggregate(
    session: AsyncSession, organization_id: UUID, queries: Sequence[UsageQuery], arrivals: Mapping[str, int]
) -> list[Aggregate]:
    """The usage of each query, in the order given; without events it is zero. Thousands of queries are one call.

    Events count up to the arrivals given (`known_as_of`): the figures are of exactly those, whatever comes meanwhile.
    sum_agg over 2.5, 2.5, 12, 12, "foo" -> 29 units of 4 events (spec 1 §2.3).
    """
    shapes: dict[tuple[str, bool], dict[UsageQuery, int]] = {}
    for query in queries:
        shape = (query.metric.aggregation_type, query.metric.values_ready)
        asked = shapes.setdefault(shape, {})
        asked.setdefault(query, len(asked))
    found: dict[UsageQuery, Aggregate] = {}
    limits = _limits(arrivals)
    for shape, asked in shapes.items():
        rows = await _run(session, organization_id, _STATEMENTS[shape], list(asked), limits)
        by_number = list(asked)
        for number, units, events_count in rows:
            found[by_number[number]] = Aggregate(ZERO if units is None else Decimal(units), events_count)
    nothing = Aggregate(ZERO, 0)
    return [found.get(query, nothing) for query in queries]


def _limits(arrivals: Mapping[str, int]) -> list[int]:
    """The last arrival of each lane as a whole `seq`, by the number of the lane; -1 where none counts."""
    limits = [-1] * (max(map(int, arrivals), default=-1) + 1)
    for lane, last in arrivals.items():
        limits[int(lane)] = int(lane) << LANE_SHIFT | last
    return limits


async def _run(
    session: AsyncSession, organization_id: UUID, statement: str, asked: Sequence[UsageQuery], limits: list[int]
) -> list[tuple[int, Decimal | int | None, int]]:
    parameters: dict[str, Any] = {
        "organization_id": organization_id,
        "numbers": list(range(len(asked))),
        "ids": [query.external_subscription_id for query in asked],
        "codes": [query.metric.code for query in asked],
        "fields": [query.metric.field_name for query in asked],
        "from": [query.from_at for query in asked],
        "to": [query.to_at for query in asked],
        "limits": limits,
    }
    connection = await connection_of(session)
    async with connection.cursor() as cursor:
        await cursor.execute(statement.encode(), parameters)
        return await cursor.fetchall()


async def known_as_of(session: AsyncSession) -> dict[str, int]:
    """How far each lane of arrivals is committed, lane -> n: the evidence of what is counted.

    Read it in the transaction of the aggregation and before it. A lane's arrivals are committed in their order, so
    every event with an n up to the one given is visible to the statements that follow.
    """
    rows = await session.execute(text("SELECT lane, last FROM writer_lanes ORDER BY lane"))
    return {str(lane): last for lane, last in rows}


_ROUNDING = {"round": round_half_up, "ceil": round_up, "floor": round_down}


def rounded(metric: MetricValues, units: Decimal) -> Decimal:
    """The units that are priced (spec 1 §2.5). A negative precision rounds to tens: ceil(123.456, -2) -> 200."""
    if metric.rounding_function is None:
        return units
    result = _ROUNDING[metric.rounding_function](units, metric.rounding_precision or 0)
    return Decimal(format(result, "f")) or ZERO  # never -0
