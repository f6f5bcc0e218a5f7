"""Makes the invoices of many subscriptions at once (spec 2 §7.3): rate, tax, total purely; number; write by COPY."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from laguna.billing.commitments import add_commitments
from laguna.billing.fees import Billable, BilledLine, subscription_fees, usage_fees
from laguna.billing.news import tell_of_final_invoices, tell_of_invoices
from laguna.billing.usage_credits import add_credits
from laguna.catalog.commitments import commitments_of
from laguna.catalog.priced import PricedCharge, priced_charges
from laguna.invoices.dates import InvoiceDates, Timing, finalized_dates, invoice_dates
from laguna.invoices.documents import AppliedThreshold, InvoiceDocument, LineDocument
from laguna.invoices.numbering import number_invoices
from laguna.invoices.store import Writing, insert_invoices, replace_contents
from laguna.invoices.totals import totals
from laguna.kernel.context import Context
from laguna.kernel.ids import new_id
from laguna.models import BillingEntity, Customer, Subscription
from laguna.subscriptions.amounts import Occasion
from laguna.subscriptions.grid import first_instant, local_date
from laguna.taxes.sources import tax_sources
from laguna.usage.buckets import PRINTED
from laguna.usage.rating import Rateable, rate

REASONS: Mapping[Occasion, str] = {
    Occasion.STARTING: "subscription_starting",
    Occasion.PERIODIC: "subscription_periodic",
    Occasion.TERMINATING: "subscription_terminating",
    Occasion.UPGRADED: "subscription_terminating",
    Occasion.DOWNGRADED: "subscription_terminating",
    Occasion.PROGRESSIVE: "progressive_billing",
}
LEFT_OPEN = timedelta(minutes=5)  # how long drafts of a deleted customer still wait
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
    "logo_digest",
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
    "timezone",
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft that is computed again, and maybe finalized with it."""

    id: UUID
    created_at: datetime
    dates: InvoiceDates
    finalize: bool


@dataclass(frozen=True, slots=True)
class Order:
    """One invoice to make: its lines in the order of their names, the draft it replaces, if any, and the thresholds
    that it is made for."""

    billables: Sequence[Billable]
    draft: Draft | None = None
    thresholds: Sequence[AppliedThreshold] = ()


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
    taking_over = await _plans_taking_over(context, billables)
    plan_ids = {billable.party.plan.id for billable in billables} | set(taking_over.values())
    charges = await priced_charges(context.session, plan_ids)
    commitments = await commitments_of(context.session, {billable.party.plan.id for billable in billables})
    sources = await tax_sources(
        context.session,
        [charge.id for plan_charges in charges.values() for charge in plan_charges],
        charges,
        {billable.party.customer.id for billable in billables},
        {billable.party.entity.id for billable in billables},
        [commitment.id for commitment in commitments.values()],
    )
    followed = {
        subscription_id: {charge.metric.id for charge in charges[plan_id]}
        for subscription_id, plan_id in taking_over.items()
    }
    rateables = [
        _rateable(item, charges[item.party.plan.id], followed.get(item.party.subscription.id, set()))
        for item in billables
        if item.rated is None
    ]
    rated = iter(await rate(context.session, context.organization_id, rateables))
    usage = [next(rated) if billable.rated is None else billable.rated for billable in billables]
    billed = [
        BilledLine(billable, [*subscription_fees(billable, sources), *usage_fees(billable, lines, sources)])
        for billable, lines in zip(billables, usage, strict=True)
    ]
    drafts = [order.draft.id for order in orders if order.draft]
    await add_credits(context, billed, drafts)
    await add_commitments(context, billed, commitments, sources, drafts)
    lines = iter(billed)
    return [_invoice(context, order, [_line(context, next(lines)) for _ in order.billables]) for order in orders]


async def _plans_taking_over(context: Context, billables: Sequence[Billable]) -> dict[UUID, UUID]:
    """Subscription id -> the plan that took over from it at once."""
    upgraded = [item.party.subscription.id for item in billables if item.occasion is Occasion.UPGRADED]
    if not upgraded:
        return {}
    query = select(Subscription.previous_subscription_id, Subscription.plan_id).where(
        Subscription.organization_id == context.organization_id,
        Subscription.previous_subscription_id.in_(upgraded),
        Subscription.status != "canceled",
    )
    rows = await context.session.execute(query)
    return {previous_id: plan_id for previous_id, plan_id in rows if previous_id is not None}


def _rateable(billable: Billable, charges: Sequence[PricedCharge], followed: set[UUID]) -> Rateable:
    """The usage a line bills: charges in arrears, over its usage range; none on a starting line (PER-23).

    What is held from period to period and not paid by the day is the new plan's, where that has the metric, too: it is
    `followed` (UPG-6).
    """
    period, party = billable.ranges.charges, billable.party
    billed = [
        charge
        for charge in charges
        if not charge.pay_in_advance
        and not (charge.metric.recurring and not charge.prorated and charge.metric.id in followed)
    ]
    if period is None or period.is_empty:
        billed = []
    return Rateable(party.subscription.external_id, billable.window, party.plan.amount_currency, billed, PRINTED)


def _line(context: Context, line: BilledLine) -> LineDocument:
    billable = line.billable
    party, ranges = billable.party, billable.ranges
    return LineDocument(
        subscription_id=party.subscription.id,
        plan_id=party.plan.id,
        invoicing_reason=REASONS[billable.occasion],
        occasion=billable.occasion,
        due_at=billable.due_at,
        billed_at=billable.billed_at or context.now,
        timezone=party.timezone,
        from_at=ranges.subscription.start,
        to_at=ranges.subscription.end,
        charges_from_at=ranges.charges.start if ranges.charges else None,
        charges_to_at=ranges.charges.end if ranges.charges else None,
        fixed_charges_from_at=ranges.fixed_charges.start if ranges.fixed_charges else None,
        fixed_charges_to_at=ranges.fixed_charges.end if ranges.fixed_charges else None,
        fees=line.fees,
        credit=line.credit,
    )


def _invoice(context: Context, order: Order, lines: Sequence[LineDocument]) -> InvoiceDocument:
    first = order.billables[0]
    party, draft = first.party, order.draft
    recurring = first.occasion in (Occasion.PERIODIC, Occasion.DOWNGRADED)
    progressive = first.occasion is Occasion.PROGRESSIVE
    timing = Timing.RECURRING if recurring else Timing.IMMEDIATE if progressive else Timing.SUBSCRIPTION
    settings = party.date_settings
    dates = invoice_dates(timing, local_date(first.billed_at or context.now, party.zone), settings)
    if draft is not None and draft.finalize:
        dates = finalized_dates(timing, draft.dates, local_date(context.now, party.zone), settings)
    figures = totals(
        [fee.taxable for line in lines for fee in line.fees],
        progressive_billing_credit_amount_cents=sum(line.credit.amount_cents for line in lines if line.credit),
    )
    waits = settings.grace_period_days > 0 and not progressive if draft is None else not draft.finalize
    if waits:
        status = "draft"
    elif figures.fees_amount_cents or party.finalizes_zero or progressive:
        status = "finalized"
    else:
        status = "closed"
    return InvoiceDocument(
        id=draft.id if draft else new_id(),
        customer_id=party.customer.id,
        customer_sequential_id=party.customer.sequential_id,
        billing_entity_id=party.entity.id,
        invoice_type="progressive_billing" if progressive else "subscription",
        status=status,
        currency=party.plan.amount_currency,
        recurring=recurring,
        self_billed=party.customer.account_type == "partner",
        purchase_order_number=party.subscription.purchase_order_number,
        dates=dates,
        net_payment_term=settings.net_payment_term_days,
        finalizes_at=_finalizes_at(context, order, dates) if waits else None,
        created_at=draft.created_at if draft else context.now,
        lines=lines,
        totals=figures,
        seller=_copy(party.entity, SELLER_FIELDS),
        customer={**_copy(party.customer, CUSTOMER_FIELDS), "document_locale": party.document_locale},
        thresholds=order.thresholds,
    )


def _finalizes_at(context: Context, order: Order, dates: InvoiceDates) -> datetime:
    """The end of the grace period; sooner where customer or plan were deleted (CUS-41, PLN-20)."""
    party = order.billables[0].party
    ends: list[datetime] = [first_instant(dates.expected_finalization_date, party.zone)]
    if party.customer.deleted_at is not None:
        ends.append(party.customer.deleted_at + LEFT_OPEN)
    if any(billable.party.plan.pending_deletion for billable in order.billables):
        ends.append(context.now)
    return min(ends)


def _copy(row: BillingEntity | Customer, fields: Sequence[str]) -> dict[str, Any]:
    """What is printed of a party, as it is now."""
    return {name: getattr(row, name) for name in fields}
