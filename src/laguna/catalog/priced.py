"""The charges of plans as values that rating takes: metric, price and what to call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.metrics.store import MetricValues, metric_values
from laguna.models import BillableMetric, Charge, Terms


@dataclass(frozen=True, slots=True)
class PricedCharge:
    """A charge and the price it has now. Equal `metric` and period mean equal usage, asked for once."""

    id: UUID
    plan_id: UUID
    code: str
    metric: MetricValues
    metric_name: str
    metric_description: str | None
    terms_id: UUID
    charge_model: str
    properties: Mapping[str, Any]
    invoice_display_name: str | None
    pay_in_advance: bool
    invoiceable: bool


async def priced_charges(session: AsyncSession, plan_ids: Iterable[UUID]) -> dict[UUID, list[PricedCharge]]:
    """The living charges of each plan, in the plan's order, in one statement."""
    found: dict[UUID, list[PricedCharge]] = {plan_id: [] for plan_id in plan_ids}
    query = (
        select(Charge, BillableMetric, Terms)
        .join(BillableMetric, BillableMetric.id == Charge.billable_metric_id)
        .join(Terms, Terms.id == Charge.terms_id)
        .where(Charge.plan_id.in_(list(found)), Charge.deleted_at.is_(None))
        .order_by(Charge.created_at, Charge.id)
    )
    for charge, metric, terms in await session.execute(query):
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
                invoice_display_name=charge.invoice_display_name,
                pay_in_advance=charge.pay_in_advance,
                invoiceable=charge.invoiceable,
            )
        )
    return found
