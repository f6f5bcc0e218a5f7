"""Billable metrics in the API (spec 1 §2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from laguna.kernel.inputs import Boolean, FreeObject, Input, ShortText, Text, Texts, decimal, integer, one_of
from laguna.kernel.outputs import Instant, Output
from laguna.models import BillableMetric, BillableMetricFilter

AGGREGATION_TYPES = (
    "count_agg",
    "sum_agg",
    "max_agg",
    "unique_count_agg",
    "weighted_sum_agg",
    "latest_agg",
    "custom_agg",
)
RECURRING_TYPES = frozenset({"sum_agg", "unique_count_agg", "weighted_sum_agg", "custom_agg"})
WITHOUT_FIELD = frozenset({"count_agg", "custom_agg"})
PRECISION_MAX = 30


class MetricFilterInput(Input):
    key: ShortText = None
    values: Texts = None


class MetricInput(Input):
    name: ShortText = None
    code: ShortText = None
    description: Text = None
    aggregation_type: Annotated[str | None, one_of(*AGGREGATION_TYPES)] = None
    field_name: ShortText = None
    recurring: Boolean = None
    weighted_interval: Annotated[str | None, one_of("seconds")] = None
    rounding_function: Annotated[str | None, one_of("round", "ceil", "floor")] = None
    rounding_precision: Annotated[int | None, integer(-PRECISION_MAX, PRECISION_MAX)] = None
    expression: Text = None
    filters: list[MetricFilterInput] | None = None


class EvaluatedEventInput(Input):
    code: Text = None
    timestamp: Annotated[Decimal | None, decimal()] = None
    properties: FreeObject = None


class EvaluationInput(Input):
    expression: Text = None
    event: EvaluatedEventInput | None = None


class ExpressionResult(Output):
    value: str


class EvaluationReply(Output):
    expression_result: ExpressionResult


class MetricFilterObject(Output):
    key: str
    values: list[str]


class MetricObject(Output):
    lago_id: UUID
    name: str
    code: str
    description: str | None
    aggregation_type: str
    weighted_interval: str | None
    recurring: bool
    rounding_function: str | None
    rounding_precision: int | None
    created_at: Instant
    field_name: str | None
    expression: str | None
    active_subscriptions_count: int = 0
    draft_invoices_count: int = 0
    plans_count: int = 0
    filters: list[MetricFilterObject]


class MetricReply(Output):
    billable_metric: MetricObject


def metric_object(metric: BillableMetric, filters: Sequence[BillableMetricFilter]) -> MetricObject:
    return MetricObject(
        lago_id=metric.id,
        name=metric.name,
        code=metric.code,
        description=metric.description,
        aggregation_type=metric.aggregation_type,
        weighted_interval=metric.weighted_interval,
        recurring=metric.recurring,
        rounding_function=metric.rounding_function,
        rounding_precision=metric.rounding_precision,
        created_at=metric.created_at,
        field_name=metric.field_name,
        expression=metric.expression,
        filters=[
            MetricFilterObject(key=item.key, values=sorted(item.values))
            for item in sorted(filters, key=lambda item: item.key)
        ],
    )
