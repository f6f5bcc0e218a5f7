"""The event store on PostgreSQL: the usage of many subscriptions and metrics in one statement per shape of query.

A shape is what the text of a statement depends on, `aggregations.Shape`: few, however many queries there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.kernel.db import connection_of
from laguna.kernel.money import ZERO, round_down, round_half_up, round_up
from laguna.metrics.aggregations import AGGREGATIONS, Aggregate, Detail, Row, Shape
from laguna.metrics.derivation import MetricValues
from laguna.metrics.window import Window
from laguna.models import BillableMetric
from laguna.models.event import LANE_SHIFT

__all__ = [
    "Aggregate",
    "Detail",
    "MetricValues",
    "UsageQuery",
    "combinations",
    "known_as_of",
    "metric_values",
    "rounded",
]

Combination = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """The events of the metric's code on the external id in a window, by the combinations of some properties' values.

    Of a recurring metric all earlier events count, too.
    """

    external_subscription_id: str
    metric: MetricValues
    window: Window
    keys: tuple[str, ...] = ()
    detail: Detail = Detail.TOTALS

    @property
    def shape(self) -> Shape:
        """How it is asked."""
        return Shape(
            self.metric.aggregation_type,
            self.metric.values_ready,
            self.metric.recurring,
            self.detail,
            len(self.keys),
        )


def metric_values(metric: BillableMetric) -> MetricValues:
    """The row as the value that aggregation works with."""
    return MetricValues(
        id=metric.id,
        code=metric.code,
        aggregation_type=metric.aggregation_type,
        field_name=metric.field_name,
        recurring=metric.recurring,
        values_ready=metric.values_ready,
        rounding_function=metric.rounding_function,
        rounding_precision=metric.rounding_precision,
    )


@lru_cache(maxsize=1_000)
def _statement(shape: Shape) -> bytes:
    """One index scan per query: LATERAL with an aggregate keeps the planner from reading other streams."""
    names = [f"key_{position}" for position in range(shape.keys)]
    arrays = "".join(f", %({name})s::text[]" for name in names)
    columns = "".join(f", {name}" for name in names)
    return f"""
        SELECT asked.number, found.*
        FROM unnest(
            %(numbers)s::int[], %(ids)s::text[], %(codes)s::text[], %(fields)s::text[],
            %(from)s::timestamptz[], %(to)s::timestamptz[], %(closes)s::timestamptz[]{arrays}
        ) AS asked(number, external_subscription_id, code, field_name, from_at, to_at, closes_at{columns})
        JOIN event_streams AS stream
            ON stream.organization_id = %(organization_id)s
            AND stream.external_subscription_id = asked.external_subscription_id
            AND stream.code = asked.code
        CROSS JOIN (SELECT %(limits)s::bigint[] AS limits) AS known
        CROSS JOIN LATERAL ({AGGREGATIONS[shape.aggregation_type].sql(shape)}) AS found
    """.encode()


async def combinations(
    session: AsyncSession, organization_id: UUID, queries: Sequence[UsageQuery], arrivals: Mapping[str, int]
) -> list[dict[Combination, list[Row]]]:
    """For each query, in the order given, what its aggregation makes of the events of each combination.

    A combination has a value or None for each of the query's keys; without keys all events are one, (). There are only
    those that events have. Thousands of queries are one call. Events count up to the arrivals given (`known_as_of`):
    the figures are of exactly those, whatever comes meanwhile.
    """
    shapes: dict[Shape, dict[UsageQuery, int]] = {}
    for query in queries:
        asked = shapes.setdefault(query.shape, {})
        asked.setdefault(query, len(asked))
    found: dict[UsageQuery, dict[Combination, list[Row]]] = {}
    limits = _limits(arrivals)
    for shape, asked in shapes.items():
        by_number = list(asked)
        for number, combination, *row in await _run(session, organization_id, shape, by_number, limits):
            found.setdefault(by_number[number], {}).setdefault(tuple(combination), []).append(row)
    return [found.get(query, {}) for query in queries]


def _limits(arrivals: Mapping[str, int]) -> list[int]:
    """The last arrival of each lane as a whole `seq`, by the number of the lane; -1 where none counts."""
    limits = [-1] * (max(map(int, arrivals), default=-1) + 1)
    for lane, last in arrivals.items():
        limits[int(lane)] = int(lane) << LANE_SHIFT | last
    return limits


async def _run(
    session: AsyncSession, organization_id: UUID, shape: Shape, asked: Sequence[UsageQuery], limits: list[int]
) -> list[tuple[Any, ...]]:
    parameters: dict[str, Any] = {
        "organization_id": organization_id,
        "numbers": list(range(len(asked))),
        "ids": [query.external_subscription_id for query in asked],
        "codes": [query.metric.code for query in asked],
        "fields": [query.metric.field_name for query in asked],
        "from": [query.window.start for query in asked],
        "to": [query.window.until for query in asked],
        "closes": [query.window.closes_at for query in asked],
        "limits": limits,
    }
    for position in range(shape.keys):
        parameters[f"key_{position}"] = [query.keys[position] for query in asked]
    connection = await connection_of(session)
    async with connection.cursor() as cursor:
        await cursor.execute(_statement(shape), parameters)
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
