"""Past usage: the periods that a subscription was billed for, from the fees of its invoices (spec 1 §6.5).

Only charge fees of the subscription count, in the totals, too (W21). A true-up is an amount without units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy import Select, func, select

from laguna.catalog.priced import values_text
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems
from laguna.kernel.money import ZERO
from laguna.kernel.outputs import Meta
from laguna.kernel.queries import Query, paginate
from laguna.kernel.rows import find
from laguna.models import (
    BillableMetric,
    Charge,
    ChargeFilter,
    Customer,
    Fee,
    Invoice,
    InvoiceLine,
    Subscription,
    Terms,
)
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

BILLED = ("draft", "finalized", "pending", "failed")  # what was voided is not usage that was billed
NEWEST_FIRST = (InvoiceLine.charges_from_at.desc(), InvoiceLine.billed_at.desc(), InvoiceLine.invoice_id.desc())


@dataclass(frozen=True, slots=True)
class _BilledFee:
    """A charge fee with what the API shows of its charge and metric. `filtered`: its charge had filters then."""

    fee: Fee
    charge_code: str
    charge_model: str
    aggregation_type: str
    filtered: bool


async def past_usage(
    context: Context, external_customer_id: str, query: Query
) -> tuple[list[CustomerUsageObject], Meta]:
    """The page of periods that the query asks for, the newest first; nothing of what isn't known.

    No subscription named: 422 `value_is_mandatory`. A metric that isn't known: 404.
    """
    problems = Problems()
    external_id = query.text("external_subscription_id")
    if not (external_id or "").strip():
        problems.add("external_subscription_id", "value_is_mandatory")
    periods_count = query.integer("periods_count", problems)
    if periods_count is not None and periods_count < 0:
        problems.add("periods_count", "value_is_invalid")
    problems.check()
    metric_id: UUID | None = None
    if code := query.text("billable_metric_code"):
        metric_id = (await find(context, BillableMetric, "billable_metric", code=code)).id
    statement = _periods(context, external_customer_id, external_id or "", periods_count)
    lines, meta = await paginate(context.session, statement, query, NEWEST_FIRST)
    return await _periods_shown(context, lines, metric_id), meta


def _periods(
    context: Context, external_customer_id: str, external_id: str, periods_count: int | None
) -> Select[InvoiceLine]:
    """The lines that billed usage: not those of a start, whose range is empty, nor those of progressive invoices."""
    keys = (
        select(InvoiceLine.invoice_id, InvoiceLine.subscription_id)
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .join(Subscription, Subscription.id == InvoiceLine.subscription_id)
        .join(Customer, Customer.id == Subscription.customer_id)
        .where(
            InvoiceLine.organization_id == context.organization_id,
            Customer.external_id == external_customer_id,
            Customer.deleted_at.is_(None),
            Subscription.external_id == external_id,
            InvoiceLine.charges_to_at > InvoiceLine.charges_from_at,
            Invoice.invoice_type == "subscription",
            Invoice.status.in_(BILLED),
        )
        .order_by(*NEWEST_FIRST)
    )
    newest = (keys if periods_count is None else keys.limit(periods_count)).subquery()
    return select(InvoiceLine).join(
        newest,
        (newest.c.invoice_id == InvoiceLine.invoice_id) & (newest.c.subscription_id == InvoiceLine.subscription_id),
    )


async def _periods_shown(
    context: Context, lines: Sequence[InvoiceLine], metric_id: UUID | None
) -> list[CustomerUsageObject]:
    if not lines:
        return []
    ids = {line.invoice_id for line in lines}
    invoices = {row.id: row for row in await context.session.scalars(select(Invoice).where(Invoice.id.in_(ids)))}
    fees = await _fees(context, lines, metric_id)
    return [
        _period(line, invoices[line.invoice_id], fees.get((line.invoice_id, line.subscription_id), []))
        for line in lines
    ]


async def _fees(
    context: Context, lines: Sequence[InvoiceLine], metric_id: UUID | None
) -> dict[tuple[UUID | None, UUID | None], list[_BilledFee]]:
    """The charge fees of lines, by invoice and subscription, those of a charge together."""
    query = (
        select(Fee, Charge.code, Terms.kind, BillableMetric.aggregation_type)
        .join(Charge, Charge.id == Fee.charge_id)
        .join(Terms, Terms.id == Fee.terms_id)
        .join(BillableMetric, BillableMetric.id == Fee.item_id)
        .where(
            Fee.organization_id == context.organization_id,
            Fee.invoice_id.in_({line.invoice_id for line in lines}),
            Fee.subscription_id.in_({line.subscription_id for line in lines}),
            Fee.fee_type == "charge",
            Fee.deleted_at.is_(None),
        )
        .order_by(func.lower(Fee.item_name), Fee.charge_id, Fee.id)
    )
    if metric_id is not None:
        query = query.where(Fee.item_id == metric_id)
    rows = (await context.session.execute(query)).all()
    lives = await _filters(context, {fee.charge_id for fee, *_ in rows})
    found: dict[tuple[UUID | None, UUID | None], list[_BilledFee]] = {}
    for fee, code, model, aggregation_type in rows:
        filtered = any(
            made <= fee.created_at and (gone is None or gone > fee.created_at)
            for made, gone in lives.get(fee.charge_id, ())
        )
        found.setdefault((fee.invoice_id, fee.subscription_id), []).append(
            _BilledFee(fee, code, model, aggregation_type, filtered or fee.charge_filter_id is not None)
        )
    return found


async def _filters(
    context: Context, charge_ids: set[UUID | None]
) -> dict[UUID | None, list[tuple[datetime, datetime | None]]]:
    """From when to when the charges had filters."""
    found: dict[UUID | None, list[tuple[datetime, datetime | None]]] = {}
    query = select(ChargeFilter.charge_id, ChargeFilter.created_at, ChargeFilter.deleted_at).where(
        ChargeFilter.charge_id.in_(charge_ids)
    )
    for charge_id, made, gone in await context.session.execute(query):
        found.setdefault(charge_id, []).append((made, gone))
    return found


def _period(line: InvoiceLine, invoice: Invoice, fees: Sequence[_BilledFee]) -> CustomerUsageObject:
    assert line.charges_from_at is not None, "only lines with usage are selected"
    assert line.charges_to_at is not None
    amount = sum(each.fee.amount_cents for each in fees)
    taxes = sum(each.fee.taxes_amount_cents for each in fees)
    return CustomerUsageObject(
        from_datetime=line.charges_from_at,
        to_datetime=line.charges_to_at,
        issuing_date=invoice.issuing_date,
        lago_invoice_id=invoice.id,
        currency=invoice.currency,
        amount_cents=amount,
        taxes_amount_cents=taxes,
        total_amount_cents=amount + taxes,
        charges_usage=[_charge(list(each)) for _, each in groupby(fees, key=lambda each: each.fee.charge_id)],
    )


def _charge(fees: Sequence[_BilledFee]) -> ChargeUsageObject:
    first, fee = fees[0], fees[0].fee
    assert fee.charge_id is not None, "charge fees have a charge"
    named = fee.invoice_display_name if fee.invoice_display_name != fee.item_name else None
    facts = ChargeFacts(
        charge=UsageChargeObject(
            lago_id=fee.charge_id,
            code=first.charge_code,
            charge_model=first.charge_model,
            invoice_display_name=named,
        ),
        metric=UsageMetricObject(
            lago_id=fee.item_id,
            name=fee.item_name,
            code=fee.item_code,
            aggregation_type=first.aggregation_type,
        ),
        currency=fee.currency,
        filtered=any(each.filtered for each in fees),
    )
    by_id = {each.fee.id: each.fee for each in fees}
    return charge_usage(facts, [_figures(each.fee, by_id) for each in fees])


def _figures(fee: Fee, by_id: dict[UUID, Fee]) -> Figures:
    """A fee as usage; a true-up has only its amount, in the filter and group of the fee it completes."""
    if fee.true_up_parent_fee_id is not None:
        parent = by_id[fee.true_up_parent_fee_id]
        return Figures(ZERO, ZERO, 0, fee.amount_cents, _filter(parent), parent.grouped_by)
    return Figures(
        units=fee.units,
        total_aggregated_units=fee.total_aggregated_units,
        events_count=fee.events_count or 0,
        amount_cents=fee.amount_cents,
        filter=_filter(fee),
        grouped_by=fee.grouped_by,
        breakdown=fee.presentation_breakdowns,
    )


def _filter(fee: Fee) -> FilterFacts:
    if fee.filter_values is None:
        return FilterFacts()
    named = fee.filter_display_name if fee.filter_display_name != values_text(fee.filter_values) else None
    return FilterFacts(fee.charge_filter_id, fee.filter_values, named)
