"""The event store on PostgreSQL: the usage of many subscriptions and metrics in one statement per shape of query.

A shape is what the text of a statement depends on, `aggregations.Shape`: few, however many queries there are.
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.kernel.db import connection_of
from laguna.kernel.money import PRECISION, ZERO, round_half_up
from laguna.metrics.aggregations import AGGREGATIONS, Aggregate, Detail, Row, Shape
from laguna.metrics.derivation import MetricValues
from laguna.metrics.window import Window
from laguna.models import BillableMetric

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
        CROSS JOIN LATERAL ({AGGREGATIONS[shape.aggregation_type].sql(shape)}) AS found
    """.encode()


async def combinations(
    session: AsyncSession, organization_id: UUID, queries: Sequence[UsageQuery]
) -> list[dict[Combination, list[Row]]]:
    """For each query, in the order given, what its aggregation makes of the events of each combination.

    A combination has a value or None for each of the query's keys; without keys all events are one, (). There are only
    those that events have. Thousands of queries are one call.
    """
    shapes: dict[Shape, dict[UsageQuery, int]] = {}
    for query in queries:
        asked = shapes.setdefault(query.shape, {})
        asked.setdefault(query, len(asked))
    found: dict[UsageQuery, dict[Combination, list[Row]]] = {}
    for shape, asked in shapes.items():
        by_number = list(asked)
        for number, combination, *row in await _run(session, organization_id, shape, by_number):
            found.setdefault(by_number[number], {}).setdefault(tuple(combination), []).append(row)
    return [found.get(query, {}) for query in queries]


async def _run(
    session: AsyncSession, organization_id: UUID, shape: Shape, asked: Sequence[UsageQuery]
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
    }
    for position in range(shape.keys):
        parameters[f"key_{position}"] = [query.keys[position] for query in asked]
    connection = await connection_of(session)
    async with connection.cursor() as cursor:
        await cursor.execute(_statement(shape), parameters)
        return await cursor.fetchall()


async def known_as_of(session: AsyncSession) -> dict[str, int]:
    """How far each lane of arrivals is committed, lane -> n: the evidence of what was counted.

    Read it in the transaction of the aggregation and before it. A lane's arrivals are committed in their order, so
    every event with an n up to the one given is visible to the statements that follow: the figures hold at least
    those. In a REPEATABLE READ transaction they hold exactly those; in READ COMMITTED a group of events committed
    between the two statements is counted although its arrivals lie beyond.
    """
    rows = await session.execute(text("SELECT lane, last FROM writer_lanes ORDER BY lane"))
    return {str(lane): last for lane, last in rows}


_ROUNDING = {"ceil": ROUND_CEILING, "floor": ROUND_FLOOR}


def rounded(metric: MetricValues, units: Decimal) -> Decimal:
    """The units that are priced (spec 1 §2.5). A negative precision rounds to tens: ceil(123.456, -2) -> 200."""
    function, places = metric.rounding_function, metric.rounding_precision or 0
    if function is None:
        return units
    if function == "round":
        result = round_half_up(units, places)
    else:
        context = decimal.Context(prec=PRECISION, rounding=_ROUNDING[function])
        result = units.scaleb(places, context).quantize(Decimal(1), context=context).scaleb(-places, context)
    return Decimal(format(result, "f")) or ZERO  # never -0
