"""The charges of plans as values that rating takes: metric, price, filters, and what to call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.metrics.store import MetricValues, metric_values
from laguna.metrics.trimming import ALL_VALUES
from laguna.models import BillableMetric, BillableMetricFilter, Charge, ChargeFilter, Terms


@dataclass(frozen=True, slots=True)
class PricedFilter:
    """A price for the events that have one of the values of each key.

    `values` as configured; in `accepted` the marker for all values is replaced by those the metric declares now.
    """

    id: UUID
    values: Mapping[str, Sequence[str]]
    accepted: Mapping[str, frozenset[str]]
    terms_id: UUID
    properties: Mapping[str, Any]
    invoice_display_name: str | None

    @property
    def display_name(self) -> str:
        return self.invoice_display_name or values_text(self.values)


def values_text(values: Mapping[str, Sequence[str]]) -> str:
    """What a filter without a name is called: its values, a key standing for all of its values (spec 1 §3.5)."""
    return ", ".join(key if list(accepted) == [ALL_VALUES] else ", ".join(accepted) for key, accepted in values.items())


@dataclass(frozen=True, slots=True)
class PricedCharge:
    """A charge and the price it has now. `filters` are in the order of their creation."""

    id: UUID
    plan_id: UUID
    code: str
    metric: MetricValues
    metric_name: str
    metric_description: str | None
    terms_id: UUID
    charge_model: str
    properties: Mapping[str, Any]
    filters: Sequence[PricedFilter]
    invoice_display_name: str | None
    pay_in_advance: bool
    invoiceable: bool
    prorated: bool
    min_amount_cents: int


async def priced_charges(session: AsyncSession, plan_ids: Iterable[UUID]) -> dict[UUID, list[PricedCharge]]:
    """The living charges of each plan, in the plan's order, in a fixed number of statements."""
    found: dict[UUID, list[PricedCharge]] = {plan_id: [] for plan_id in plan_ids}
    query = (
        select(Charge, BillableMetric, Terms)
        .join(BillableMetric, BillableMetric.id == Charge.billable_metric_id)
        .join(Terms, Terms.id == Charge.terms_id)
        .where(Charge.plan_id.in_(list(found)), Charge.deleted_at.is_(None))
        .order_by(Charge.created_at, Charge.id)
    )
    rows = (await session.execute(query)).all()
    filters = await _filters(session, rows)
    for charge, metric, terms in rows:
        found[charge.plan_id].append(
            PricedCharge(
                id=charge.id,
                plan_id=charge.plan_id,
                code=charge.code,
                metric=metric_values(metric),
                metric_name=metric.name,
                metric_description=metric.description,
                terms_id=terms.id,
                charge_model=terms.kind,
                properties=terms.properties,
                filters=filters.get(charge.id, ()),
                invoice_display_name=charge.invoice_display_name,
                pay_in_advance=charge.pay_in_advance,
                invoiceable=charge.invoiceable,
                prorated=charge.prorated,
                min_amount_cents=charge.min_amount_cents,
            )
        )
    return found


async def _filters(session: AsyncSession, rows: Sequence[Any]) -> dict[UUID, list[PricedFilter]]:
    metric_of = {charge.id: metric.id for charge, metric, _ in rows}
    query = (
        select(ChargeFilter, Terms.properties)
        .join(Terms, Terms.id == ChargeFilter.terms_id)
        .where(ChargeFilter.charge_id.in_(list(metric_of)), ChargeFilter.deleted_at.is_(None))
        .order_by(ChargeFilter.created_at, ChargeFilter.id)
    )
    filters = (await session.execute(query)).all()
    if not filters:
        return {}
    declared = await declared_values(session, {metric_of[row.charge_id] for row, _ in filters})
    found: dict[UUID, list[PricedFilter]] = {}
    for row, properties in filters:
        known = declared[metric_of[row.charge_id]]
        accepted = {
            key: frozenset(known.get(key, ()) if values == [ALL_VALUES] else values)
            for key, values in row.values.items()
        }
        found.setdefault(row.charge_id, []).append(
            PricedFilter(row.id, row.values, accepted, row.terms_id, properties, row.invoice_display_name)
        )
    return found


async def declared_values(session: AsyncSession, metric_ids: Iterable[UUID]) -> dict[UUID, dict[str, list[str]]]:
    """Metric id -> key -> the values that charges may price apart."""
    found: dict[UUID, dict[str, list[str]]] = {metric_id: {} for metric_id in metric_ids}
    query = select(BillableMetricFilter).where(BillableMetricFilter.billable_metric_id.in_(list(found)))
    for row in await session.scalars(query):
        found[row.billable_metric_id][row.key] = row.values
    return found
