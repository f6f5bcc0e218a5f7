"""Rates the usage of many subscriptions at once (spec 1 §§2.3, 2.5, 3.9, 3.11).

Everything that shows or bills usage goes through `rate`, so that current usage at the end of a period and the invoice
for it can't differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from laguna.catalog.priced import PricedCharge
from laguna.metrics.store import UsageQuery, aggregate, known_as_of, rounded
from laguna.pricing.models import CHARGE_MODELS, FeeAmounts, fee_amounts
from laguna.pricing.price import Usage


@dataclass(frozen=True, slots=True)
class Rateable:
    """One subscription's usage to rate: events of its external id with start <= timestamp < until."""

    external_subscription_id: str
    start: datetime
    until: datetime
    currency: str
    charges: Sequence[PricedCharge]


@dataclass(frozen=True, slots=True)
class RatedLine:
    """The usage of one charge and its price. `amounts.units` are the ones shown and billed."""

    charge: PricedCharge
    amounts: FeeAmounts
    events_count: int
    total_aggregated_units: Decimal
    details: Mapping[str, Any]
    evidence: Mapping[str, Any]

    @property
    def is_zero(self) -> bool:
        """Nothing to keep on an invoice (spec 1 §3.11)."""
        return not (self.amounts.units or self.amounts.amount_cents or self.events_count)


async def rate(session: AsyncSession, organization_id: UUID, rateables: Sequence[Rateable]) -> list[list[RatedLine]]:
    """For each rateable, a line for each of its charges, in their order; zero usage included."""
    if not any(item.charges for item in rateables):
        return [[] for _ in rateables]
    arrivals = await known_as_of(session)
    queries = [
        UsageQuery(item.external_subscription_id, charge.metric, item.start, item.until)
        for item in rateables
        for charge in item.charges
    ]
    usages = iter(await aggregate(session, organization_id, queries, arrivals))
    return [[_line(charge, next(usages), item, arrivals) for charge in item.charges] for item in rateables]


def _line(charge: PricedCharge, aggregate: Any, item: Rateable, arrivals: Mapping[str, int]) -> RatedLine:
    units = rounded(charge.metric, aggregate.units)
    usage = Usage(units=units, events_count=aggregate.events_count)
    price = CHARGE_MODELS[charge.charge_model].price(usage, charge.properties)
    amounts = fee_amounts(price, units, item.currency)
    return RatedLine(
        charge=charge,
        amounts=amounts,
        events_count=aggregate.events_count,
        total_aggregated_units=amounts.units,
        details=price.details,
        evidence={
            "metric": charge.metric.code,
            "aggregation_type": charge.metric.aggregation_type,
            "field_name": charge.metric.field_name,
            "rounding": [charge.metric.rounding_function, charge.metric.rounding_precision],
            "external_subscription_id": item.external_subscription_id,
            "aggregated_units": str(aggregate.units),
            "events_count": aggregate.events_count,
            "from": item.start.isoformat(),
            "until": item.until.isoformat(),
            "arrivals": dict(arrivals),
        },
    )
