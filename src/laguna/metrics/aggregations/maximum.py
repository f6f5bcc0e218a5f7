"""max_agg: the greatest number (spec 1 §2.3)."""

from __future__ import annotations

from collections.abc import Sequence

from laguna.kernel.money import ZERO
from laguna.metrics.aggregations.base import Aggregate, Aggregation, Row, Shape, numbers
from laguna.metrics.window import Window


def _sql(shape: Shape) -> str:
    return numbers(shape, "max(number), count(*)")


def _combine(shape: Shape, rows: Sequence[Row], window: Window) -> Aggregate:
    return Aggregate(max((number for number, _ in rows), default=ZERO), sum(count for _, count in rows))


MAX = Aggregation(_sql, _combine)
