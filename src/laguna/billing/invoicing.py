"""Makes the invoices of many subscriptions at once (spec 2 §7.3): rate, tax, total purely; number; write by COPY."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from laguna.billing.news import tell_of_final_invoices, tell_of_invoices
from laguna.billing.parties import Party
from laguna.catalog.priced import PricedCharge, priced_charges
from laguna.invoices.dates import InvoiceDates, Timing, finalized_dates, invoice_dates
from laguna.invoices.documents import FeeDocument, InvoiceDocument, LineDocument
from laguna.invoices.numbering import number_invoices
from laguna.invoices.store import Writing, insert_invoices, replace_contents
from laguna.invoices.totals import totals
from laguna.kernel.context import Context
from laguna.kernel.ids import new_id
from laguna.kernel.money import ZERO
from laguna.models import BillingEntity, Customer
from laguna.subscriptions.amounts import Occasion, subscription_fee
from laguna.subscriptions.grid import first_instant, local_date
from laguna.subscriptions.periods import Ranges
from laguna.taxes.amounts import TaxableFee, fee_taxes
from laguna.taxes.sources import TaxSources, tax_sources
from laguna.usage.rating import Rateable, RatedLine, rate

REASONS: Mapping[Occasion, str] = {
    Occasion.STARTING: "subscription_starting",
    Occasion.PERIODIC: "subscription_periodic",
    Occasion.TERMINATING: "subscription_terminating",
}
OCCASIONS: Mapping[str, Occasion] = {reason: occasion for occasion, reason in REASONS.items()}
SELLER_FIELDS = (
    "name",
    "legal_name",
    "legal_number",
    "tax_identification_number",
    "email",
    "phone",
    "address_line1",
    "address_line2",
    "city",
    "state",
    "zipcode",
    "country",
    "invoice_footer",
    "document_locale",
)
CUSTOMER_FIELDS = (
    "name",
    "firstname",
    "lastname",
    "legal_name",
    "legal_number",
    "tax_identification_number",
    "email",
    "phone",
    "url",
    "address_line1",
    "address_line2",
    "city",
    "state",
    "zipcode",
    "country",
    "shipping_address_line1",
    "shipping_address_line2",
    "shipping_city",
    "shipping_state",
    "shipping_zipcode",
    "shipping_country",
    "external_id",
    "document_locale",
    "timezone",
)


@dataclass(frozen=True, slots=True)
class Billable:
    """What one line of an invoice is made from. `day` is the local date of the boundary it bills."""

    party: Party
    occasion: Occasion
    ranges: Ranges
    due_at: datetime
    day: date
    period_paid: bool = False
    billed_at: datetime | None = None  # of a draft that is made again: when it was first made


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft that is computed again, and maybe finalized with it."""

    id: UUID
    created_at: datetime
    dates: InvoiceDates
    finalize: bool


@dataclass(frozen=True, slots=True)
class Order:
    """One invoice to make: its lines in the order of their names, and the draft it replaces, if any."""

    billables: Sequence[Billable]
    draft: Draft | None = None


async def make_invoices(context: Context, orders: Sequence[Order]) -> list[InvoiceDocument]:
    """Make, number and write the invoices, in the context's transaction; all of new ones or all of drafts."""
    if not orders:
        return []
    documents = await _compose(context, orders)
    await number_invoices(context.session, context.organization_id, documents, context.now)
    writing = Writing(context.session, context.organization_id, context.now)
    if orders[0].draft is None:
        await insert_invoices(writing, documents)
    else:
        await replace_contents(writing, documents)
    await tell_of_final_invoices(context, [document.id for document in documents if document.is_final])
    if orders[0].draft is None:
        drafted = [document.id for document in documents if document.status == "draft"]
        await tell_of_invoices(context, ["invoice.drafted", "invoice.ready_to_finalize"], drafted)
    return documents


async def _compose(context: Context, orders: Sequence[Order]) -> list[InvoiceDocument]:
    billables = [billable for order in orders for billable in order.billables]
    charges = await priced_charges(context.session, {billable.party.plan.id for billable in billables})
    sources = await tax_sources(
        context.session,
        [charge.id for plan_charges in charges.values() for charge in plan_charges],
        charges,
        {billable.party.customer.id for billable in billables},
        {billable.party.own_entity.id for billable in billables},
    )
    rateables = [_rateable(billable, charges[billable.party.plan.id]) for billable in billables]
    rated = iter(await rate(context.session, context.organization_id, rateables))
    return [
        _invoice(context, order, [_line(context, billable, next(rated), sources) for billable in order.billables])
        for order in orders
    ]


def _rateable(billable: Billable, charges: Sequence[PricedCharge]) -> Rateable:
    """The usage a line bills: charges in arrears, over its usage range; none on a starting line (PER-23)."""
    period = billable.ranges.charges
    billed = [] if period is None or period.is_empty else [charge for charge in charges if not charge.pay_in_advance]
    period = period or billable.ranges.subscription
    party = billable.party
    return Rateable(party.subscription.external_id, period.start, period.until, party.plan.amount_currency, billed)


def _line(context: Context, billable: Billable, rated: Sequence[RatedLine], sources: TaxSources) -> LineDocument:
    party, ranges = billable.party, billable.ranges
    fees = [
        *_subscription_fees(billable, sources),
        *(_charge_fee(billable, line, sources) for line in rated if not line.is_zero),
    ]
    return LineDocument(
        subscription_id=party.subscription.id,
        plan_id=party.plan.id,
        invoicing_reason=REASONS[billable.occasion],
        due_at=billable.due_at,
        billed_at=billable.billed_at or context.now,
        timezone=party.timezone,
        from_at=ranges.subscription.start,
        to_at=ranges.subscription.end,
        charges_from_at=ranges.charges.start if ranges.charges else None,
        charges_to_at=ranges.charges.end if ranges.charges else None,
        fixed_charges_from_at=ranges.fixed_charges.start if ranges.fixed_charges else None,
        fixed_charges_to_at=ranges.fixed_charges.end if ranges.fixed_charges else None,
        fees=fees,
    )


def _subscription_fees(billable: Billable, sources: TaxSources) -> list[FeeDocument]:
    """The subscription fee of a line, none where there is none to bill (spec 2 §5.1)."""
    party = billable.party
    plan, period = party.plan, billable.ranges.subscription
    fee = subscription_fee(
        plan.amount_cents,
        plan.amount_currency,
        party.calendar,
        billable.occasion,
        billable.day,
        period,
        period_paid=billable.period_paid,
    )
    if fee is None:
        return []
    taxes = sources.of_fee(None, plan.id, party.customer.id, party.own_entity.id)
    taxable = TaxableFee(fee.amount_cents, fee.precise_amount_cents, taxes=taxes)
    return [
        FeeDocument(
            subscription_id=party.subscription.id,
            charge_id=None,
            terms_id=plan.terms_id,
            fee_type="subscription",
            item_id=party.subscription.id,
            item_type="Subscription",
            item_code=plan.code,
            item_name=plan.name,
            item_description=plan.description,
            invoice_display_name=party.subscription.name or plan.invoice_display_name or plan.name,
            amount_cents=fee.amount_cents,
            precise_amount_cents=fee.precise_amount_cents,
            unit_amount_cents=fee.unit_amount_cents,
            precise_unit_amount=fee.precise_unit_amount,
            units=ZERO + fee.units,
            total_aggregated_units=ZERO + fee.units,
            events_count=None,
            from_at=period.start,
            to_at=period.end,
            pay_in_advance=plan.pay_in_advance,
            invoiceable=True,
            amount_details={"plan_amount_cents": plan.amount_cents},
            evidence={"plan_amount_cents": plan.amount_cents, "days": fee.days, "full_days": fee.full_days},
            taxable=taxable,
            taxes=fee_taxes(taxable),
        )
    ]


def _charge_fee(billable: Billable, line: RatedLine, sources: TaxSources) -> FeeDocument:
    party, charge, amounts = billable.party, line.charge, line.amounts
    period = billable.ranges.charges
    assert period is not None, "usage is only rated over a range"
    taxes = sources.of_fee(charge.id, party.plan.id, party.customer.id, party.own_entity.id)
    taxable = TaxableFee(amounts.amount_cents, amounts.precise_amount_cents, taxes=taxes)
    return FeeDocument(
        subscription_id=party.subscription.id,
        charge_id=charge.id,
        terms_id=charge.terms_id,
        fee_type="charge",
        item_id=charge.metric.id,
        item_type="BillableMetric",
        item_code=charge.metric.code,
        item_name=charge.metric_name,
        item_description=charge.metric_description,
        invoice_display_name=charge.invoice_display_name or charge.metric_name,
        amount_cents=amounts.amount_cents,
        precise_amount_cents=amounts.precise_amount_cents,
        unit_amount_cents=amounts.unit_amount_cents,
        precise_unit_amount=amounts.precise_unit_amount,
        units=amounts.units,
        total_aggregated_units=line.total_aggregated_units,
        events_count=line.events_count,
        from_at=period.start,
        to_at=period.end,
        pay_in_advance=charge.pay_in_advance,
        invoiceable=charge.invoiceable,
        amount_details=line.details,
        evidence=line.evidence,
        taxable=taxable,
        taxes=fee_taxes(taxable),
    )


def _invoice(context: Context, order: Order, lines: Sequence[LineDocument]) -> InvoiceDocument:
    first = order.billables[0]
    party, draft = first.party, order.draft
    recurring = first.occasion is Occasion.PERIODIC
    timing = Timing.RECURRING if recurring else Timing.SUBSCRIPTION
    settings = party.date_settings
    dates = invoice_dates(timing, local_date(first.billed_at or context.now, party.zone), settings)
    if draft is not None and draft.finalize:
        dates = finalized_dates(timing, draft.dates, local_date(context.now, party.zone), settings)
    figures = totals([fee.taxable for line in lines for fee in line.fees])
    waits = settings.grace_period_days > 0 if draft is None else not draft.finalize
    if waits:
        status = "draft"
    elif figures.fees_amount_cents or party.finalizes_zero:
        status = "finalized"
    else:
        status = "closed"
    return InvoiceDocument(
        id=draft.id if draft else new_id(),
        customer_id=party.customer.id,
        customer_sequential_id=party.customer.sequential_id,
        billing_entity_id=party.entity.id,
        invoice_type="subscription",
        status=status,
        currency=party.plan.amount_currency,
        recurring=recurring,
        self_billed=party.customer.account_type == "partner",
        purchase_order_number=party.subscription.purchase_order_number,
        dates=dates,
        net_payment_term=settings.net_payment_term_days,
        finalizes_at=first_instant(dates.expected_finalization_date, party.zone) if waits else None,
        created_at=draft.created_at if draft else context.now,
        lines=lines,
        totals=figures,
        seller=_copy(party.entity, SELLER_FIELDS),
        customer=_copy(party.customer, CUSTOMER_FIELDS),
    )


def _copy(row: BillingEntity | Customer, fields: Sequence[str]) -> dict[str, Any]:
    """What is printed of a party, as it is now."""
    return {name: getattr(row, name) for name in fields}
