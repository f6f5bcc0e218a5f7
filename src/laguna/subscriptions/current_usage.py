"""Current usage of a subscription: the running period, rated as its invoice will be (spec 1 §6.1 to 6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import select

from laguna.catalog.priced import PricedCharge, priced_charges
from laguna.kernel.context import Context
from laguna.kernel.db import from_json
from laguna.kernel.errors import Problems, not_allowed, not_found
from laguna.kernel.ids import parse_id
from laguna.kernel.queries import Query
from laguna.kernel.rows import find
from laguna.metrics.window import Window
from laguna.models import Customer, Plan, Subscription
from laguna.subscriptions.grid import Calendar, local_date
from laguna.subscriptions.periods import Range, current_charges_period
from laguna.subscriptions.service import calendar_of, timezones_of
from laguna.subscriptions.usage_objects import (
    ChargeFacts,
    ChargeUsageObject,
    CustomerUsageObject,
    Figures,
    FilterFacts,
    UsageChargeObject,
    UsageMetricObject,
    charge_usage,
)
from laguna.subscriptions.windows import usage_window
from laguna.taxes.amounts import TaxableFee, invoice_taxes
from laguna.taxes.sources import tax_sources
from laguna.usage.buckets import Narrowing
from laguna.usage.rating import Rateable, RatedLine, rate


@dataclass(frozen=True, slots=True)
class RunningPeriod:
    """An active subscription of a customer, and its usage period of now."""

    customer: Customer
    subscription: Subscription
    plan: Plan
    calendar: Calendar
    period: Range

    @property
    def started_at(self) -> datetime:
        assert self.subscription.started_at is not None, "an active subscription has started"
        return self.subscription.started_at

    @property
    def window(self) -> Window:
        return usage_window(self.period, self.calendar.timezone)


async def running_period(context: Context, external_customer_id: str, query: Query) -> RunningPeriod:
    """What a usage request is about: 404 unknown customer, 405 without an active subscription."""
    customer = await find(context, Customer, "customer", external_id=external_customer_id)
    statement = select(Subscription).where(
        Subscription.organization_id == context.organization_id,
        Subscription.customer_id == customer.id,
        Subscription.external_id == (query.text("external_subscription_id") or ""),
        Subscription.status == "active",
    )
    subscription = (await context.session.scalars(statement)).one_or_none()
    if subscription is None:
        raise not_allowed("no_active_subscription")
    return await running_period_of(context, subscription)


async def running_period_of(context: Context, subscription: Subscription) -> RunningPeriod:
    """The usage period of now of an active subscription."""
    customer = await context.session.get_one(Customer, subscription.customer_id)
    plan = await context.session.get_one(Plan, subscription.plan_id)
    timezone = (await timezones_of(context, [customer.id]))[customer.id]
    calendar = calendar_of(subscription, plan, timezone)
    assert subscription.started_at is not None, "an active subscription has started"
    period = current_charges_period(calendar, subscription.started_at, context.now)
    return RunningPeriod(customer, subscription, plan, calendar, period)


async def current_usage(context: Context, external_customer_id: str, query: Query) -> CustomerUsageObject:
    """Usage of the running period with taxes, as far as the query asks to see it."""
    running = await running_period(context, external_customer_id, query)
    charges = (await priced_charges(context.session, [running.plan.id]))[running.plan.id]
    chosen = _chosen(charges, query)
    narrowing = _narrowing(query)
    asked = charges if chosen is None else chosen
    window = _window(running, query, asked, narrowed=chosen is not None or bool(narrowing.group))
    lines = await rate_running(context, running, window, asked, narrowing)
    shown = [line for charge in lines for line in charge]
    taxes = await usage_taxes(context, running, shown) if query.boolean("apply_taxes") is not False else 0
    amount = sum(line.amounts.amount_cents for line in shown)
    if chosen is None:
        lines = by_metric_name(lines)
    return CustomerUsageObject(
        from_datetime=window.start,
        to_datetime=window.end,
        issuing_date=local_date(window.end, running.calendar.timezone),
        lago_invoice_id=None,
        currency=running.plan.amount_currency,
        amount_cents=amount,
        taxes_amount_cents=taxes,
        total_amount_cents=amount + taxes,
        charges_usage=[rated_charge(charge, running.plan.amount_currency) for charge in lines],
    )


def by_metric_name(lines: Sequence[list[RatedLine]]) -> list[list[RatedLine]]:
    """The lines of charges in the order in which they are shown."""
    return sorted(lines, key=lambda charge: charge[0].charge.metric_name.lower())


def _chosen(charges: Sequence[PricedCharge], query: Query) -> list[PricedCharge] | None:
    """The charges that the query names, None where it names none: the first way to name them counts."""
    if (identifier := query.text("charge_id", "filter_by_charge_id")) is not None:
        wanted = parse_id(identifier)
        chosen = [charge for charge in charges if charge.id == wanted]
    elif (code := query.text("charge_code", "filter_by_charge_code")) is not None:
        chosen = [charge for charge in charges if charge.code == code]
    elif (metric_code := query.text("billable_metric_code", "filter_by_metric_code")) is not None:
        chosen = [charge for charge in charges if charge.metric.code == metric_code]
    else:
        return None
    if not chosen:
        raise not_found("charge")
    return chosen


def _narrowing(query: Query) -> Narrowing:
    problems = Problems()
    group = _group(query, problems)
    presentation = _presentation(query, problems)
    problems.check()
    return Narrowing(
        group=tuple(sorted(group.items())),
        skip_grouping=query.boolean("skip_grouping") is True,
        presentation=presentation,
    )


def _group(query: Query, problems: Problems) -> dict[str, frozenset[str]]:
    """`group[region]=eu`, `group[region][]=eu`, or JSON text {"region": "eu"} or {"region": ["eu"]}."""
    for name in ("group", "filter_by_group"):
        if mapped := query.mapping_of_lists(name):
            return {key: frozenset(values) for key, values in mapped.items()}
        if (text := query.text(name)) is not None:
            given = _json(text)
            if isinstance(given, dict):
                lists = {key: value if isinstance(value, list) else [value] for key, value in cast(Any, given).items()}
                if all(isinstance(value, str) for values in lists.values() for value in values):
                    return {key: frozenset(values) for key, values in lists.items()}
            problems.add(name, "invalid_type")
    return {}


def _presentation(query: Query, problems: Problems) -> frozenset[str] | None:
    text = query.text("filter_by_presentation")
    keys: Any = query.array("filter_by_presentation") if text is None or not text.startswith("[") else _json(text)
    if text is None and not keys:
        return None
    if isinstance(keys, list) and all(isinstance(key, str) for key in cast(list[Any], keys)):
        return frozenset(cast(list[str], keys))
    problems.add("filter_by_presentation", "invalid_type")
    return None


def _json(text: str) -> Any:
    try:
        return from_json(text)
    except msgspec.DecodeError:
        return None


def _window(running: RunningPeriod, query: Query, charges: Sequence[PricedCharge], *, narrowed: bool) -> Window:
    """The running period; with `full_usage` everything since the subscription started."""
    window = running.window
    if not query.boolean("full_usage"):
        return window
    if not narrowed or any(charge.prorated for charge in charges):
        raise not_allowed("full_usage_not_allowed")
    return replace(window, start=running.started_at)


async def rate_running(
    context: Context,
    running: RunningPeriod,
    window: Window,
    charges: Sequence[PricedCharge],
    narrowing: Narrowing,
) -> list[list[RatedLine]]:
    """The lines of each charge; of a plan without charges nothing."""
    usage = Rateable(running.subscription.external_id, window, running.plan.amount_currency, charges, narrowing)
    lines = (await rate(context.session, context.organization_id, [usage]))[0]
    by_charge: dict[Any, list[RatedLine]] = {charge.id: [] for charge in charges}
    for line in lines:
        by_charge[line.charge.id].append(line)
    return list(by_charge.values())


async def usage_taxes(context: Context, running: RunningPeriod, lines: Sequence[RatedLine]) -> int:
    """Taxes of usage, rounded once (spec 1 §6.3)."""
    customer, plan = running.customer, running.plan
    issuer = running.subscription.billing_entity_id or customer.billing_entity_id
    sources = await tax_sources(
        context.session,
        {line.charge.id for line in lines},
        [plan.id],
        [customer.id],
        [issuer],
    )
    fees = [
        TaxableFee(
            line.amounts.amount_cents,
            line.amounts.precise_amount_cents,
            taxes=sources.of_fee(line.charge.id, plan.id, customer.id, issuer),
        )
        for line in lines
    ]
    return invoice_taxes(fees, sum(fee.amount_cents for fee in fees)).taxes_amount_cents


def rated_charge(lines: Sequence[RatedLine], currency: str) -> ChargeUsageObject:
    """The lines of one charge as the API shows them."""
    charge = lines[0].charge
    facts = ChargeFacts(
        charge=UsageChargeObject(
            lago_id=charge.id,
            code=charge.code,
            charge_model=charge.charge_model,
            invoice_display_name=charge.invoice_display_name,
        ),
        metric=metric_object(charge),
        currency=currency,
        filtered=bool(charge.filters),
    )
    return charge_usage(facts, [figures_of(line) for line in lines])


def metric_object(charge: PricedCharge) -> UsageMetricObject:
    return UsageMetricObject(
        lago_id=charge.metric.id,
        name=charge.metric_name,
        code=charge.metric.code,
        aggregation_type=charge.metric.aggregation_type,
    )


def figures_of(line: RatedLine) -> Figures:
    """What usage shows of a line."""
    priced = line.filter
    return Figures(
        units=line.amounts.units,
        total_aggregated_units=line.total_aggregated_units,
        events_count=line.events_count,
        amount_cents=line.amounts.amount_cents,
        filter=FilterFacts(priced.id, priced.values, priced.invoice_display_name) if priced else FilterFacts(),
        grouped_by=line.grouped_by,
        breakdown=line.breakdown,
    )
