"""Projected usage: the running period's usage as it will be at its end, if it goes on as it has begun (spec 1 §6.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from laguna.catalog.priced import priced_charges
from laguna.kernel.context import Context
from laguna.kernel.money import ZERO, decimal_text, exponent, round_half_up
from laguna.kernel.queries import Query
from laguna.pricing.models import fee_amounts
from laguna.pricing.price import Price
from laguna.pricing.projection import project, projected_units
from laguna.subscriptions.current_usage import (
    RunningPeriod,
    by_metric_name,
    figures_of,
    metric_object,
    rate_running,
    running_period,
    usage_taxes,
)
from laguna.subscriptions.grid import days, local_date
from laguna.subscriptions.projected_objects import (
    ProjectedChargeFacts,
    ProjectedChargeFactsObject,
    ProjectedChargeObject,
    ProjectedFigures,
    ProjectedUsageObject,
    projected_charge,
)
from laguna.usage.buckets import WHOLE
from laguna.usage.rating import RatedLine


async def projected_usage(context: Context, external_customer_id: str, query: Query) -> ProjectedUsageObject:
    """Usage of the running period, and what it comes to. Refused as current usage is."""
    running = await running_period(context, external_customer_id, query)
    charges = (await priced_charges(context.session, [running.plan.id]))[running.plan.id]
    lines = by_metric_name(await rate_running(context, running, running.window, charges, WHOLE))
    shown = [line for charge in lines for line in charge]
    taxes = await usage_taxes(context, running, shown) if query.boolean("apply_taxes") is not False else 0
    amount = sum(line.amounts.amount_cents for line in shown)
    ratio = passed(context, running)
    projected = [_charge(charge, running.plan.amount_currency, ratio) for charge in lines]
    return ProjectedUsageObject(
        from_datetime=running.window.start,
        to_datetime=running.window.end,
        issuing_date=local_date(running.window.end, running.calendar.timezone),
        lago_invoice_id=None,
        currency=running.plan.amount_currency,
        amount_cents=amount,
        projected_amount_cents=sum(charge.projected_amount_cents for charge in projected),
        taxes_amount_cents=taxes,
        total_amount_cents=amount + taxes,
        charges_usage=projected,
    )


def passed(context: Context, running: RunningPeriod) -> Decimal:
    """The part of the period that has passed, in days, today included: on 10 June 10/30."""
    period = running.period
    if context.now >= period.end:
        return Decimal(1)
    gone = days(period.start, context.now, running.calendar.timezone)
    return min(Decimal(gone) / period.days, Decimal(1)) if period.days else ZERO


def _charge(lines: Sequence[RatedLine], currency: str, ratio: Decimal) -> ProjectedChargeObject:
    charge = lines[0].charge
    facts = ProjectedChargeFacts(
        charge=ProjectedChargeFactsObject(
            lago_id=charge.id, charge_model=charge.charge_model, invoice_display_name=charge.invoice_display_name
        ),
        metric=metric_object(charge),
        currency=currency,
        filtered=bool(charge.filters),
    )
    return projected_charge(facts, [_figures(line, currency, ratio) for line in lines])


def _figures(line: RatedLine, currency: str, ratio: Decimal) -> ProjectedFigures:
    """What a recurring metric holds is there for the whole period already: it stays as it is."""
    now = figures_of(line)
    units, amount_cents, breakdown = now.units, now.amount_cents, now.breakdown
    if not line.charge.metric.recurring:
        units = projected_units(now.units, ratio)
        amount = project(line.charge.charge_model, line.usage, line.properties, ratio)
        amount_cents = fee_amounts(Price(amount, ZERO), units, currency).amount_cents
        breakdown = [_projected_row(row, currency, ratio) for row in now.breakdown]
    return ProjectedFigures(
        units=now.units,
        total_aggregated_units=now.total_aggregated_units,
        events_count=now.events_count,
        amount_cents=now.amount_cents,
        filter=now.filter,
        grouped_by=now.grouped_by,
        breakdown=now.breakdown,
        projected_units=units,
        projected_amount_cents=amount_cents,
        projected_breakdown=breakdown,
    )


def _projected_row(row: Mapping[str, Any], currency: str, ratio: Decimal) -> Mapping[str, Any]:
    units = round_half_up(Decimal(row["units"]) / ratio, exponent(currency)) if ratio else ZERO
    return {**row, "units": decimal_text(units)}
