"""latest_agg: the number of the last event, of two at the same time the one received last (spec 1 §2.3)."""

from __future__ import annotations

from collections.abc import Sequence

from laguna.kernel.money import ZERO
from laguna.metrics.aggregations.base import Aggregate, Aggregation, Row, Shape
from laguna.metrics.window import Window


def _sql(shape: Shape) -> str:
    return f"""
        SELECT DISTINCT ON (combination) combination, timestamp, seq, number, count(*) OVER (PARTITION BY combination)
        FROM (SELECT {shape.number} AS number, {shape.combination} AS combination, timestamp, seq {shape.events})
            AS numbers
        WHERE number IS NOT NULL
        ORDER BY combination, timestamp DESC, seq DESC"""


def _combine(shape: Shape, rows: Sequence[Row], window: Window) -> Aggregate:
    """A negative number is none."""
    if not rows:
        return Aggregate()
    _, _, number, _ = _last(rows)
    return Aggregate(max(number, ZERO), sum(count for *_, count in rows))


def _last(rows: Sequence[Row]) -> Row:
    return max(rows, key=lambda row: (row[0], row[1]))


LATEST = Aggregation(_sql, _combine, deciding=_last)
