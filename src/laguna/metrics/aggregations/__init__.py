"""The aggregations by name: one file each, with its SQL, what its rows add up to, and its prorated form."""

from __future__ import annotations

from collections.abc import Mapping

from laguna.metrics.aggregations.base import (
    Aggregate,
    Aggregation,
    Change,
    Detail,
    Prorated,
    Row,
    Shape,
)
from laguna.metrics.aggregations.count import COUNT
from laguna.metrics.aggregations.latest import LATEST
from laguna.metrics.aggregations.maximum import MAX
from laguna.metrics.aggregations.sum import SUM
from laguna.metrics.aggregations.unique_count import UNIQUE_COUNT
from laguna.metrics.aggregations.weighted_sum import WEIGHTED_SUM

__all__ = ["AGGREGATIONS", "Aggregate", "Aggregation", "Change", "Detail", "Prorated", "Row", "Shape"]

AGGREGATIONS: Mapping[str, Aggregation] = {
    "count_agg": COUNT,
    "sum_agg": SUM,
    "max_agg": MAX,
    "latest_agg": LATEST,
    "unique_count_agg": UNIQUE_COUNT,
    "weighted_sum_agg": WEIGHTED_SUM,
}
