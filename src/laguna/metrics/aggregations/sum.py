"""sum_agg: the sum of the numbers; of a recurring metric since ever (spec 1 §§2.3, 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from laguna.kernel.money import ZERO, round_up
from laguna.metrics.aggregations.base import (
    PRORATED_PLACES,
    Aggregate,
    Aggregation,
    Change,
    Detail,
    Prorated,
    Row,
    Shape,
    numbers,
)
from laguna.metrics.window import Window

_COUNT_OF_PERIOD = "count(*) FILTER (WHERE timestamp >= asked.from_at)"


def _sql(shape: Shape) -> str:
    """Rows of totals: sum, count, count of the period, and amounts where wanted. Rows of events: number, count, and
    when each came; what was carried over from before the period is one row without a time."""
    totals = f"sum(number), count(*), {_COUNT_OF_PERIOD if shape.recurring else 'count(*)'}"
    if shape.detail is Detail.TOTALS:
        return numbers(shape, totals)
    if shape.detail is Detail.AMOUNTS:
        return numbers(shape, f"{totals}, sum(precise_total_amount_cents)", rest=", precise_total_amount_cents")
    events = f"""
        SELECT combination, number, 1, timestamp, seq
        FROM (SELECT {shape.number} AS number, {shape.combination} AS combination, timestamp, seq {shape.of_period})
            AS numbers
        WHERE number IS NOT NULL"""
    if not shape.recurring:
        return events
    carried = f"""
        SELECT combination, sum(number), count(*), NULL::timestamptz, NULL::bigint
        FROM (SELECT {shape.number} AS number, {shape.combination} AS combination {shape.before_period}) AS numbers
        WHERE number IS NOT NULL
        GROUP BY combination"""
    return f"{carried} UNION ALL {events}"


def _combine(shape: Shape, rows: Sequence[Row], window: Window) -> Aggregate:
    """An amount per event is due for those of the period, once, not again for what is carried over (W14)."""
    values = [row[0] for row in _by_time(rows)] if shape.detail is Detail.EVENTS else ()
    return Aggregate(
        units=sum((row[0] for row in rows), ZERO),
        events_count=sum(row[1] for row in rows),
        paying_events=len(values) if shape.detail is Detail.EVENTS else sum(row[2] for row in rows),
        values=values,
        amount_cents=sum((row[3] or ZERO for row in rows), ZERO) if shape.detail is Detail.AMOUNTS else ZERO,
    )


def _by_time(rows: Sequence[Row]) -> list[Row]:
    """The period's events in their order, without what was carried over."""
    return sorted((row for row in rows if row[2] is not None), key=lambda row: (row[2], row[3]))


def _prorate(rows: Sequence[Row], window: Window) -> Prorated:
    """What was carried over for the days of the window, what came in it for the days that were left.

    31 days, 5 carried over, 24 on the 26th: 5 + 24 x 6/31 = 9.64517 of 29.
    """
    carried = sum((row[0] for row in rows if row[2] is None), ZERO)
    changes = [Change(carried, carried * window.ratio)] if carried else []
    weighted = carried * window.days
    full = carried
    for number, _, timestamp, _ in _by_time(rows):
        days = window.days_left(timestamp)
        weighted += number * days
        full += number
        changes.append(Change(number, number * days / window.full_days))
    units = round_up(weighted / Decimal(window.full_days), PRORATED_PLACES)
    return Prorated(units, full, sum(row[1] for row in rows), changes)


SUM = Aggregation(_sql, _combine, _prorate)
