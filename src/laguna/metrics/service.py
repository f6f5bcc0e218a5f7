"""Use cases of billable metrics (spec 1 §2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, select, update

from laguna.kernel import jobs, signals
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, forbidden, is_blank
from laguna.kernel.rows import refuse_taken
from laguna.metrics.evaluation import expression_of
from laguna.metrics.schemas import (
    RECURRING_TYPES,
    WITHOUT_FIELD,
    MetricFilterInput,
    MetricInput,
    MetricObject,
    metric_object,
)
from laguna.metrics.trimming import trim_charge_filters
from laguna.models import BillableMetric, BillableMetricFilter, Charge, EventStream, Organization, Plan
from laguna.webhooks.outbox import emit

FIELDS = (
    "name",
    "code",
    "description",
    "aggregation_type",
    "field_name",
    "recurring",
    "weighted_interval",
    "rounding_function",
    "rounding_precision",
    "expression",
)
ALWAYS_EDITABLE = ("name", "description")  # once a plan uses the metric (spec 1 §2.8)
MANDATORY = ("name", "code", "aggregation_type")
DERIVING = frozenset({"code", "aggregation_type", "field_name"})  # what a stored event's value depends on


async def create_metric(context: Context, data: MetricInput, problems: Problems) -> BillableMetric:
    """A new metric. custom_agg, whose scripts no API can set, is not for sale (spec 1 §2.3): 403."""
    values = data.given()
    _refuse_scripts(values)
    problems.mandatory(values, MANDATORY)
    _check(values, problems)
    _check_filters(data.filters or [], problems)
    await refuse_taken(context, problems, BillableMetric, "code", data.code)
    problems.check()
    metric = BillableMetric(
        organization_id=context.organization_id, created_at=context.now, updated_at=context.now, recurring=False
    )
    _assign(metric, values)
    context.session.add(metric)
    await context.session.flush()
    if data.filters is not None:
        await _replace_filters(context, metric, data.filters)
    await _changed(context, metric, derive=True)
    await _tell(context, "billable_metric.created", metric)
    return metric


async def update_metric(
    context: Context, metric: BillableMetric, data: MetricInput, problems: Problems
) -> BillableMetric:
    """Of a metric that a plan uses only name, description and filters change, the rest is ignored (spec 1 §2.8)."""
    values = data.given()
    if await _is_attached(context, metric):
        problems.ignore(values, [field for field in FIELDS if field not in ALWAYS_EDITABLE], metric)
        values = {field: values[field] for field in ALWAYS_EDITABLE if field in values}
    _refuse_scripts(values)
    problems.mandatory(values, [field for field in MANDATORY if field in values])
    current = {field: getattr(metric, field) for field in FIELDS}
    _check({**current, **values}, problems)
    _check_filters(data.filters or [], problems)
    await refuse_taken(context, problems, BillableMetric, "code", values.get("code"), but=metric.id)
    problems.check()
    changed = {field for field in values if field in FIELDS and values[field] != current[field]}
    _assign(metric, values)
    metric.updated_at = context.now
    await context.session.flush()
    if data.filters is not None:
        await _replace_filters(context, metric, data.filters)
    await _changed(context, metric, derive=bool(changed & DERIVING))
    await _tell(context, "billable_metric.updated", metric)
    return metric


def _refuse_scripts(values: dict[str, Any]) -> None:
    if values.get("aggregation_type") == "custom_agg":
        raise forbidden("feature_unavailable")


def _check(values: dict[str, Any], problems: Problems) -> None:
    kind = values.get("aggregation_type")
    if kind is not None and kind not in WITHOUT_FIELD and is_blank(values.get("field_name")):
        problems.mandatory({}, ("field_name",))
    if values.get("recurring") and kind is not None and kind not in RECURRING_TYPES:
        problems.add("recurring", "not_compatible_with_aggregation_type")
    if not is_blank(values.get("expression")):
        expression_of(values["expression"], problems)


def _check_filters(filters: Sequence[MetricFilterInput], problems: Problems) -> None:
    for item in filters:
        if is_blank(item.key):
            problems.add("key", "value_is_mandatory")
        if not any(not is_blank(value) for value in item.values or []):
            problems.add("values", "value_is_mandatory")
    keys = [item.key for item in filters]
    if len(set(keys)) < len(keys):
        problems.add("key", "value_already_exist")


def _assign(metric: BillableMetric, values: dict[str, Any]) -> None:
    for field in FIELDS:
        if field in values:
            setattr(metric, field, values[field])
    metric.recurring = bool(metric.recurring)
    if is_blank(metric.expression):
        metric.expression = None
    if metric.aggregation_type == "count_agg":
        metric.field_name = None
    if metric.aggregation_type == "weighted_sum_agg":
        metric.weighted_interval = "seconds"


async def _is_attached(context: Context, metric: BillableMetric) -> bool:
    used = (
        exists()
        .where(Charge.billable_metric_id == metric.id, Charge.deleted_at.is_(None))
        .where(Plan.id == Charge.plan_id, Plan.deleted_at.is_(None))
    )
    return bool(await context.session.scalar(select(used)))


async def _replace_filters(context: Context, metric: BillableMetric, filters: Sequence[MetricFilterInput]) -> None:
    """The whole set, matched by key; repeated values count once (spec 1 §2.7)."""
    await context.session.execute(
        delete(BillableMetricFilter).where(BillableMetricFilter.billable_metric_id == metric.id)
    )
    declared: dict[str, list[str]] = {}
    for item in filters:
        values = [value for value in dict.fromkeys(item.values or []) if not is_blank(value)]
        context.session.add(
            BillableMetricFilter(
                billable_metric_id=metric.id,
                key=item.key,
                organization_id=context.organization_id,
                values=values,
            )
        )
        declared[item.key or ""] = values
    await context.session.flush()
    await trim_charge_filters(context, metric.id, declared)


async def delete_metric(context: Context, metric: BillableMetric) -> None:
    """Soft, with all charges that use it, on every plan; past fees keep pointing at it (spec 1 §2.8)."""
    metric.deleted_at = context.now
    await trim_charge_filters(context, metric.id, {})
    await context.session.execute(
        update(Charge)
        .where(Charge.billable_metric_id == metric.id, Charge.deleted_at.is_(None))
        .values(deleted_at=context.now)
    )
    await _changed(context, metric, derive=False)
    await _tell(context, "billable_metric.deleted", metric)


async def _tell(context: Context, webhook_type: str, metric: BillableMetric) -> None:
    async def render() -> list[tuple[UUID, MetricObject]]:
        return [(metric.id, (await metric_objects(context, [metric]))[0])]

    await emit(context, webhook_type, "billable_metric", render)


async def _changed(context: Context, metric: BillableMetric, *, derive: bool) -> None:
    """Make writers see the change with the very next event, and fill in the events that came before.

    Bumping the version waits for the writers' transactions under way: what they commit is older than the change,
    what comes later has read the new version.
    """
    await context.session.execute(
        update(Organization)
        .where(Organization.id == context.organization_id)
        .values(catalog_version=Organization.catalog_version + 1)
    )
    if derive and metric.field_name is not None and await _has_events(context, metric.code):
        metric.values_ready = False
        await context.session.flush()
        await jobs.enqueue(context, "fill_event_values", metric_id=str(metric.id))
    await signals.announce(context, signals.MetricsChanged((metric.id,)))


async def _has_events(context: Context, code: str) -> bool:
    known = exists().where(EventStream.organization_id == context.organization_id, EventStream.code == code)
    return bool(await context.session.scalar(select(known)))


async def metric_objects(context: Context, metrics: Sequence[BillableMetric]) -> list[MetricObject]:
    filters = await filters_of(context, [metric.id for metric in metrics])
    return [metric_object(metric, filters[metric.id]) for metric in metrics]


async def filters_of(context: Context, metric_ids: Iterable[UUID]) -> dict[UUID, list[BillableMetricFilter]]:
    found: dict[UUID, list[BillableMetricFilter]] = {metric_id: [] for metric_id in metric_ids}
    query = select(BillableMetricFilter).where(BillableMetricFilter.billable_metric_id.in_(list(found)))
    for row in await context.session.scalars(query):
        found[row.billable_metric_id].append(row)
    return found
