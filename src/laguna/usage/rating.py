"""Rates the usage of many subscriptions at once (spec 1 §§2.3, 2.5, 3.5 to 3.11, 5).

Everything that shows or bills usage goes through `rate`, so that current usage at the end of a period and the invoice
for it can't differ. What it costs depends on the usage there is, not on what is configured: charges, filters and groups
are one statement for each shape of query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from laguna.catalog.priced import PricedCharge, PricedFilter
from laguna.kernel.money import decimal_text, subunits
from laguna.metrics.aggregations import AGGREGATIONS, Aggregate, Detail, Row, Shape
from laguna.metrics.store import Combination, MetricValues, UsageQuery, combinations, known_as_of, rounded
from laguna.metrics.window import Window
from laguna.pricing.models import CHARGE_MODELS, FeeAmounts, fee_amounts
from laguna.pricing.price import Reads, Step, Usage
from laguna.usage.buckets import WHOLE, Bucket, Group, Narrowing, Sorting, sorting_of

CHANGES_KEPT = 100  # of what is held, as evidence of a prorated fee: the first ones


@dataclass(frozen=True, slots=True)
class Rateable:
    """One subscription's usage to rate: the events of its external id in a window, in the currency of its plan."""

    external_subscription_id: str
    window: Window
    currency: str
    charges: Sequence[PricedCharge]
    narrowing: Narrowing = WHOLE


@dataclass(frozen=True, slots=True)
class RatedLine:
    """The usage of one charge, filter and group, and its price. `amounts.units` are the ones shown and billed.

    `usage` is what was priced, by the `properties` of the bucket. `breakdown` are units by presentation group.
    """

    charge: PricedCharge
    filter: PricedFilter | None
    terms_id: UUID
    properties: Mapping[str, Any]
    grouped_by: Mapping[str, str | None]
    usage: Usage
    amounts: FeeAmounts
    events_count: int
    total_aggregated_units: Decimal
    details: Mapping[str, Any]
    breakdown: Sequence[Mapping[str, Any]]
    evidence: Callable[[], Mapping[str, Any]]  # only invoices keep it

    @property
    def is_zero(self) -> bool:
        """Nothing to keep on an invoice (spec 1 §3.11)."""
        return not (self.amounts.units or self.amounts.amount_cents or self.events_count)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A charge of a rateable, and how its events are asked for and sorted."""

    item: Rateable
    charge: PricedCharge
    sorting: Sorting
    query: UsageQuery


async def rate(session: AsyncSession, organization_id: UUID, rateables: Sequence[Rateable]) -> list[list[RatedLine]]:
    """For each rateable, the lines of each of its charges in their order: each filter, last what no filter matches, and
    within them each group. Zero usage included."""
    if not any(item.charges for item in rateables):
        return [[] for _ in rateables]
    arrivals = await known_as_of(session)
    sortings: dict[tuple[UUID, Narrowing], Sorting] = {}
    asked = [[_ask(item, charge, sortings) for charge in item.charges] for item in rateables]
    queries = [each.query for charges in asked for each in charges]
    condensed = iter(await combinations(session, organization_id, queries, arrivals))
    return [[line for each in charges for line in _lines(each, next(condensed), arrivals)] for charges in asked]


def _ask(item: Rateable, charge: PricedCharge, sortings: dict[tuple[UUID, Narrowing], Sorting]) -> _Asked:
    known = (charge.id, item.narrowing)
    sorting = sortings.get(known)
    if sorting is None:
        sorting = sortings[known] = sorting_of(charge, item.narrowing)
    detail = _detail(charge, sorting)
    query = UsageQuery(item.external_subscription_id, charge.metric, item.window, sorting.keys, detail)
    return _Asked(item, charge, sorting, query)


def _detail(charge: PricedCharge, sorting: Sorting) -> Detail:
    """How much of the events the charge's prices read."""
    if charge.prorated:
        return Detail.EVENTS
    if charge.metric.aggregation_type != "sum_agg":
        return Detail.TOTALS
    model = CHARGE_MODELS[charge.charge_model]
    reads = Reads.UNITS
    for bucket in sorting.buckets:
        reads |= model.reads(bucket.properties)
    if Reads.VALUES in reads:
        return Detail.EVENTS
    return Detail.AMOUNTS if Reads.AMOUNTS in reads else Detail.TOTALS


def _lines(asked: _Asked, condensed: Mapping[Combination, list[Row]], arrivals: Mapping[str, int]) -> list[RatedLine]:
    sorting = asked.sorting
    return [
        _line(asked, bucket, group, rows, arrivals)
        for bucket, groups in zip(sorting.buckets, sorting.sort(condensed), strict=True)
        for group, rows in groups.items()
    ]


def _line(
    asked: _Asked,
    bucket: Bucket,
    group: Group,
    by_combination: Mapping[Combination, list[Row]],
    arrivals: Mapping[str, int],
) -> RatedLine:
    charge, item = asked.charge, asked.item
    rows = [row for condensed in by_combination.values() for row in condensed]
    counting = Counting(charge.metric, charge.prorated, asked.query.shape, item.window, item.currency)
    aggregate, usage = usage_of(counting, rows)
    price = CHARGE_MODELS[charge.charge_model].price(usage, bucket.properties)
    shown = usage.units if usage.units < 0 else usage.held
    amounts = fee_amounts(price, shown, item.currency)
    total = aggregate.total_units
    return RatedLine(
        charge=charge,
        filter=bucket.filter,
        terms_id=bucket.terms_id,
        properties=bucket.properties,
        grouped_by=dict(group),
        usage=usage,
        amounts=amounts,
        events_count=aggregate.events_count,
        total_aggregated_units=amounts.units if total is None else total,
        details=price.details,
        breakdown=_breakdown(asked, bucket, by_combination) if bucket.breakdown_keys else (),
        evidence=partial(_evidence, asked, bucket, aggregate, usage, arrivals),
    )


def _evidence(
    asked: _Asked, bucket: Bucket, aggregate: Aggregate, usage: Usage, arrivals: Mapping[str, int]
) -> Mapping[str, Any]:
    """What a fee keeps so that it can be explained and computed again: figures as text, exactly."""
    metric, window = asked.charge.metric, asked.item.window
    evidence: dict[str, Any] = {
        "metric": metric.code,
        "aggregation_type": metric.aggregation_type,
        "field_name": metric.field_name,
        "rounding": [metric.rounding_function, metric.rounding_precision],
        "recurring": metric.recurring,
        "prorated": asked.charge.prorated,
        "keys": list(asked.sorting.keys),
        "external_subscription_id": asked.item.external_subscription_id,
        "aggregated_units": str(aggregate.units),
        "units": str(usage.units),
        "events_count": aggregate.events_count,
        "from": window.start.isoformat(),
        "until": window.until.isoformat(),
        "days": window.days,
        "full_days": window.full_days,
        "arrivals": dict(arrivals),
    }
    if usage.events_count != aggregate.events_count:
        evidence["paying_events"] = usage.events_count
    if usage.total_amount:
        evidence["total_amount"] = str(usage.total_amount)
    if usage.steps is not None:
        evidence["full_units"] = str(usage.held)
        evidence["changes_count"] = len(usage.steps)
        evidence["changes"] = [[str(step.full), str(step.prorated)] for step in usage.steps[:CHANGES_KEPT]]
    if formula := CHARGE_MODELS[asked.charge.charge_model].evidence(usage, bucket.properties):
        evidence["formula"] = formula
    return evidence


@dataclass(frozen=True, slots=True)
class Counting:
    """What makes priced usage of condensed rows: the metric, the shape that they were asked for in, and the window."""

    metric: MetricValues
    prorated: bool
    shape: Shape
    window: Window
    currency: str


def usage_of(counting: Counting, rows: Sequence[Row]) -> tuple[Aggregate, Usage]:
    """What is priced, and the aggregate before it was rounded (spec 1 §2.5)."""
    metric, window = counting.metric, counting.window
    aggregation = AGGREGATIONS[metric.aggregation_type]
    if counting.prorated and aggregation.prorate is not None:
        prorated = aggregation.prorate(rows, window)
        usage = Usage(
            units=rounded(metric, prorated.units),
            events_count=prorated.events_count,
            aggregation_type=metric.aggregation_type,
            full_units=rounded(metric, prorated.full_units),
            steps=[Step(change.full, change.prorated) for change in prorated.changes],
        )
        return Aggregate(prorated.units, prorated.events_count), usage
    aggregate = aggregation.combine(counting.shape, rows, window)
    usage = Usage(
        units=rounded(metric, aggregate.units),
        events_count=aggregate.events_count if aggregate.paying_events is None else aggregate.paying_events,
        aggregation_type=metric.aggregation_type,
        values=aggregate.values,
        total_amount=aggregate.amount_cents / subunits(counting.currency),
    )
    return aggregate, usage


def _breakdown(asked: _Asked, bucket: Bucket, rows: Mapping[Combination, list[Row]]) -> list[Mapping[str, Any]]:
    """Units of each presentation group, neither prorated nor rounded: rounding is for the whole (spec 1 §§2.5, 3.7).

    Where one event decides, it makes the only row.
    """
    window, shape = asked.query.window, asked.query.shape
    aggregation = AGGREGATIONS[asked.charge.metric.aggregation_type]
    groups = asked.sorting.breakdown(bucket, rows)
    if aggregation.deciding is not None and groups:
        decisive = aggregation.deciding([row for condensed in groups.values() for row in condensed])
        groups = {shown: condensed for shown, condensed in groups.items() if decisive in condensed}
    return [
        {"presentation_by": dict(shown), "units": decimal_text(aggregation.combine(shape, condensed, window).units)}
        for shown, condensed in groups.items()
    ]
