"""Current usage of a subscription: the running period, rated as its invoice will be (spec 1 §6.1 to 6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select

from laguna.catalog.priced import priced_charges
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_allowed
from laguna.kernel.outputs import DecimalText, Instant, Output
from laguna.kernel.queries import Query
from laguna.kernel.rows import find
from laguna.models import Customer, Plan, Subscription
from laguna.subscriptions.grid import local_date
from laguna.subscriptions.periods import current_charges_period
from laguna.subscriptions.service import calendar_of, timezones_of
from laguna.taxes.amounts import TaxableFee, invoice_taxes
from laguna.taxes.sources import tax_sources
from laguna.usage.rating import Rateable, RatedLine, rate

# narrowing the answer is not built yet: refused, so that nobody takes the whole for a part
UNSUPPORTED = (
    "charge_id",
    "charge_code",
    "billable_metric_code",
    "filter_by_charge_id",
    "filter_by_charge_code",
    "filter_by_metric_code",
    "filter_by_group",
    "filter_by_presentation",
    "group",
)
UNSUPPORTED_FLAGS = ("full_usage", "skip_grouping")


class UsageChargeObject(Output):
    lago_id: UUID
    code: str
    charge_model: str
    invoice_display_name: str | None


class UsageMetricObject(Output):
    lago_id: UUID
    name: str
    code: str
    aggregation_type: str


class ChargeUsageObject(Output):
    units: DecimalText
    total_aggregated_units: DecimalText
    events_count: int
    amount_cents: int
    amount_currency: str
    pricing_unit_details: None = None
    charge: UsageChargeObject
    billable_metric: UsageMetricObject
    filters: list[Output]
    grouped_usage: list[Output]
    presentation_breakdowns: list[Output]


class CustomerUsageObject(Output):
    from_datetime: Instant
    to_datetime: Instant
    issuing_date: date
    lago_invoice_id: UUID | None
    currency: str
    amount_cents: int
    taxes_amount_cents: int
    total_amount_cents: int
    charges_usage: list[ChargeUsageObject]


class CustomerUsageReply(Output):
    customer_usage: CustomerUsageObject


async def current_usage(context: Context, external_customer_id: str, query: Query) -> CustomerUsageObject:
    """Usage of the running period with taxes: 404 unknown customer, 405 without an active subscription."""
    customer = await find(context, Customer, "customer", external_id=external_customer_id)
    subscription = await _active(context, customer, query.text("external_subscription_id"))
    _refuse_narrowing(query)
    plan = await context.session.get_one(Plan, subscription.plan_id)
    assert subscription.started_at is not None, "an active subscription has started"
    timezone = (await timezones_of(context, [customer.id]))[customer.id]
    calendar = calendar_of(subscription, plan, timezone)
    period = current_charges_period(calendar, subscription.started_at, context.now)
    charges = (await priced_charges(context.session, [plan.id]))[plan.id]
    usage = Rateable(subscription.external_id, period.start, period.until, plan.amount_currency, charges)
    lines = (await rate(context.session, context.organization_id, [usage]))[0]
    taxed = query.boolean("apply_taxes") is not False
    amount = sum(line.amounts.amount_cents for line in lines)
    taxes = await _taxes(context, customer, plan, lines) if taxed else 0
    return CustomerUsageObject(
        from_datetime=period.start,
        to_datetime=period.end,
        issuing_date=local_date(period.end, calendar.timezone),
        lago_invoice_id=None,
        currency=plan.amount_currency,
        amount_cents=amount,
        taxes_amount_cents=taxes,
        total_amount_cents=amount + taxes,
        charges_usage=[
            _charge_usage(line, plan.amount_currency)
            for line in sorted(lines, key=lambda line: line.charge.metric_name.lower())
        ],
    )


def _refuse_narrowing(query: Query) -> None:
    problems = Problems()
    for name in UNSUPPORTED:
        if query.text(name) is not None or query.mapping(name):
            problems.add(name, "unsupported_value")
    for name in UNSUPPORTED_FLAGS:
        if query.boolean(name):
            problems.add(name, "unsupported_value")
    problems.check()


async def _active(context: Context, customer: Customer, external_id: str | None) -> Subscription:
    query = select(Subscription).where(
        Subscription.organization_id == context.organization_id,
        Subscription.customer_id == customer.id,
        Subscription.external_id == (external_id or ""),
        Subscription.status == "active",
    )
    subscription = (await context.session.scalars(query)).one_or_none()
    if subscription is None:
        raise not_allowed("no_active_subscription")
    return subscription


async def _taxes(context: Context, customer: Customer, plan: Plan, lines: Sequence[RatedLine]) -> int:
    """Taxes of the usage, rounded once (spec 1 §6.3)."""
    sources = await tax_sources(
        context.session,
        [line.charge.id for line in lines],
        [plan.id],
        [customer.id],
        [customer.billing_entity_id],
    )
    fees = [
        TaxableFee(
            line.amounts.amount_cents,
            line.amounts.precise_amount_cents,
            taxes=sources.of_fee(line.charge.id, plan.id, customer.id, customer.billing_entity_id),
        )
        for line in lines
    ]
    return invoice_taxes(fees, sum(fee.amount_cents for fee in fees)).taxes_amount_cents


def _charge_usage(line: RatedLine, currency: str) -> ChargeUsageObject:
    charge = line.charge
    return ChargeUsageObject(
        units=line.amounts.units,
        total_aggregated_units=line.total_aggregated_units,
        events_count=line.events_count,
        amount_cents=line.amounts.amount_cents,
        amount_currency=currency,
        charge=UsageChargeObject(
            lago_id=charge.id,
            code=charge.code,
            charge_model=charge.charge_model,
            invoice_display_name=charge.invoice_display_name,
        ),
        billable_metric=UsageMetricObject(
            lago_id=charge.metric.id,
            name=charge.metric_name,
            code=charge.metric.code,
            aggregation_type=charge.metric.aggregation_type,
        ),
        filters=[],
        grouped_usage=[],
        presentation_breakdowns=[],
    )
