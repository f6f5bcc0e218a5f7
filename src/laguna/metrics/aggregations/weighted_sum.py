"""weighted_sum_agg: the average over time of a running sum, to the second (spec 1 §5.5)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from laguna.kernel.money import ZERO, round_up
from laguna.metrics.aggregations.base import Aggregate, Aggregation, Row, Shape, numbers
from laguna.metrics.window import Window

PLACES = 20


def _sql(shape: Shape) -> str:
    """Rows: what the sum was at the start, how it changed, each change times its seconds until the end, the count.

    The area under the running sum is linear in the changes, so that combinations add up.
    """
    here = "FILTER (WHERE timestamp >= asked.from_at)"
    return numbers(
        shape,
        f"""
            coalesce(sum(number) FILTER (WHERE timestamp < asked.from_at), 0),
            coalesce(sum(number) {here}, 0),
            coalesce(sum(number * extract(epoch FROM asked.closes_at - timestamp)) {here}, 0),
            count(*) {here}""",
    )


def _combine(shape: Shape, rows: Sequence[Row], window: Window) -> Aggregate:
    """1000 from before, +2 at the start and -2 after an hour of 31 days: 1000 + 2 x 3600 / 2678400 = 1000.00268...

    The last value holds until the end of the window, and the whole period divides: a late start counts for less.
    """
    carried = sum((row[0] for row in rows), ZERO)
    variation = sum((row[1] for row in rows), ZERO)
    area = carried * window.seconds + sum((row[2] for row in rows), ZERO)
    return Aggregate(
        units=round_up(area / Decimal(window.full_seconds), PLACES),
        events_count=sum(row[3] for row in rows),
        total_units=carried + variation,
    )


WEIGHTED_SUM = Aggregation(_sql, _combine)
