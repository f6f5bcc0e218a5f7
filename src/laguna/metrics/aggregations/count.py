"""count_agg: how many events there are (spec 1 §2.3)."""

from __future__ import annotations

from collections.abc import Sequence

from laguna.kernel.money import ZERO
from laguna.metrics.aggregations.base import Aggregate, Aggregation, Row, Shape
from laguna.metrics.window import Window


def _sql(shape: Shape) -> str:
    return f"""
        SELECT combination, count(*) FROM (SELECT {shape.combination} AS combination {shape.events}) AS counted
        GROUP BY combination"""


def _combine(shape: Shape, rows: Sequence[Row], window: Window) -> Aggregate:
    count = sum(count for (count,) in rows)
    return Aggregate(ZERO + count, count)


COUNT = Aggregation(_sql, _combine)
