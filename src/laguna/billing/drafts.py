"""Drafts: computed again where something under them changed, finalized when their grace period is over (spec 2 §7.5).

A draft's lines keep their ranges; fees, taxes and dates are computed as of now, from plan, usage and settings.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, exists, false, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from laguna.accounts.test_clock import wake
from laguna.billing.fees import Billable
from laguna.billing.handover import taken_over
from laguna.billing.invoicing import Draft, Order, make_invoices
from laguna.billing.parties import Party, entities_of, parties_of
from laguna.billing.schedule import last_lines, next_billing_at, schedule_ending
from laguna.invoices.dates import InvoiceDates
from laguna.invoices.schemas import VISIBLE_STATUSES
from laguna.kernel import signals, timers
from laguna.kernel.context import Context
from laguna.kernel.errors import forbidden, not_found
from laguna.kernel.ids import parse_id
from laguna.models import Charge, Customer, CustomerTax, Invoice, InvoiceLine, Subscription
from laguna.subscriptions.amounts import Occasion, paid_before_creation
from laguna.subscriptions.grid import Kind, days, first_instant, local_date, period_containing
from laguna.subscriptions.periods import Range, Ranges, exclusive_end

IN_ORDER = (Invoice.issuing_date, Invoice.created_at, Invoice.id)
# settings of a billing entity that dates of drafts follow, where a customer has none of its own (CUS-10 to CUS-15)
INHERITED: Mapping[str, InstrumentedAttribute[Any]] = {
    "invoice_grace_period": Customer.invoice_grace_period,
    "net_payment_term": Customer.net_payment_term,
    "subscription_invoice_issuing_date_anchor": Customer.subscription_invoice_issuing_date_anchor,
    "subscription_invoice_issuing_date_adjustment": Customer.subscription_invoice_issuing_date_adjustment,
}


async def finalize_due(context: Context, due_at: datetime, invoice_ids: Sequence[UUID]) -> None:
    """The timer of drafts whose grace period is over: late usage counts, then they are final (DRF-3)."""
    await _recompute(context, Invoice.finalizes_at == due_at, invoice_ids, finalize=True)


async def refresh_due(context: Context, due_at: datetime, invoice_ids: Sequence[UUID]) -> None:
    """The timer of drafts under which a price, tax, metric or setting changed (DRF-2)."""
    await _recompute(context, Invoice.refreshes_at == due_at, invoice_ids, finalize=False)


async def _recompute(
    context: Context, still_due: ColumnElement[bool], invoice_ids: Sequence[UUID], *, finalize: bool
) -> None:
    query = (
        select(Invoice)
        .where(
            Invoice.organization_id == context.organization_id,
            Invoice.id.in_(invoice_ids),
            Invoice.status == "draft",
            still_due,
        )
        .order_by(*IN_ORDER)
        .with_for_update(key_share=True)
    )
    drafts = (await context.session.scalars(query)).all()
    await make_invoices(context, await _orders(context, drafts, finalize=finalize))


async def refresh(context: Context, identifier: str) -> Invoice:
    """Compute a draft again, as of now; any other invoice stays as it is (DRF-1)."""
    invoice = await _locked(context, identifier)
    if invoice.invoice_type != "subscription":
        raise forbidden("invoice_not_refreshable")
    await _remake(context, invoice, finalize=False)
    return invoice


async def finalize(context: Context, identifier: str) -> Invoice:
    """Make a draft final before its time; what is no draft is not found (DRF-3)."""
    invoice = await _locked(context, identifier)
    if invoice.status != "draft":
        raise not_found("invoice")
    await _remake(context, invoice, finalize=True)
    return invoice


async def _locked(context: Context, identifier: str) -> Invoice:
    query = (
        select(Invoice)
        .where(
            Invoice.organization_id == context.organization_id,
            Invoice.id == parse_id(identifier),
            Invoice.status.in_(VISIBLE_STATUSES),
        )
        .with_for_update(key_share=True)
    )
    invoice = (await context.session.scalars(query)).one_or_none()
    if invoice is None:
        raise not_found("invoice")
    context.check_follows(invoice.updated_at)
    return invoice


async def _remake(context: Context, invoice: Invoice, *, finalize: bool) -> None:
    if invoice.status == "draft":
        await make_invoices(context, await _orders(context, [invoice], finalize=finalize))
        await context.session.refresh(invoice)


async def _orders(context: Context, drafts: Sequence[Invoice], *, finalize: bool) -> list[Order]:
    query = (
        select(InvoiceLine, Subscription)
        .join(Subscription, Subscription.id == InvoiceLine.subscription_id)
        .where(InvoiceLine.invoice_id.in_([draft.id for draft in drafts]))
        .order_by(InvoiceLine.invoice_id, InvoiceLine.position)
    )
    rows = (await context.session.execute(query)).all()
    parties = await parties_of(context, [subscription for _, subscription in rows])
    succeeded = await taken_over(context, [subscription.id for _, subscription in rows])
    entities = await entities_of(context)
    issuers = {draft.id: entities[draft.billing_entity_id] for draft in drafts}  # they stay, whoever would issue by now
    billables: dict[UUID, list[Billable]] = {draft.id: [] for draft in drafts}
    for (line, _), party in zip(rows, parties, strict=True):
        issued = replace(party, entity=issuers[line.invoice_id])
        billables[line.invoice_id].append(_billable(line, issued, party.subscription.id in succeeded))
    return [
        Order(
            billables[draft.id],
            Draft(
                id=draft.id,
                created_at=draft.created_at,
                dates=InvoiceDates(draft.issuing_date, draft.expected_finalization_date, draft.payment_due_date),
                finalize=finalize,
            ),
        )
        for draft in drafts
    ]


def _billable(line: InvoiceLine, party: Party, succeeded: bool) -> Billable:
    """A line as it was, from what is stored of it. What has `succeeded` it since has the millisecond of its end."""
    subscription = party.subscription
    assert subscription.started_at is not None
    day = local_date(line.due_at, ZoneInfo(line.timezone))
    calendar = party.calendar
    stored = _Stored(party, ZoneInfo(line.timezone), succeeded or line.occasion == Occasion.UPGRADED)
    return Billable(
        party=party,
        occasion=Occasion(line.occasion),
        ranges=Ranges(
            stored.range(Kind.SUBSCRIPTION, line.from_at, line.to_at),
            stored.optional_range(Kind.CHARGES, line.charges_from_at, line.charges_to_at),
            stored.optional_range(Kind.FIXED_CHARGES, line.fixed_charges_from_at, line.fixed_charges_to_at),
        ),
        due_at=line.due_at,
        day=day,
        period_paid=paid_before_creation(
            calendar, subscription.started_at, subscription.created_at, day, subscription.trial_ends_at
        ),
        billed_at=line.billed_at,
    )


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the ranges of a line are made again from."""

    party: Party
    zone: ZoneInfo
    succeeded: bool

    def range(self, kind: Kind, start: datetime, end: datetime) -> Range:
        return Range(
            start=start,
            end=end,
            until=exclusive_end(start, end, succeeded=self.succeeded),
            days=days(start, end, self.zone),
            full_days=period_containing(self.party.calendar, local_date(start, self.zone), kind).days,
        )

    def optional_range(self, kind: Kind, start: datetime | None, end: datetime | None) -> Range | None:
        return None if start is None or end is None else self.range(kind, start, end)


# --- what makes drafts and due dates stale


async def _flag(context: Context, condition: ColumnElement[bool]) -> None:
    """Have drafts computed again as soon as the worker gets to it. They are locked in the order in which the worker
    locks them."""
    stale = (
        select(Invoice.id)
        .where(Invoice.organization_id == context.organization_id, Invoice.status == "draft", condition)
        .order_by(*IN_ORDER)
        .with_for_update(key_share=True)
        .cte("stale")
    )
    flagged = await context.session.execute(
        update(Invoice)
        .where(Invoice.id == stale.c.id)
        .values(refreshes_at=context.now)
        .returning(Invoice.id)
        .execution_options(synchronize_session=False)
    )
    if flagged.first() is not None:
        await wake(context)


async def _hold(context: Context, condition: ColumnElement[bool]) -> None:
    """Wait for whoever bills these subscriptions, and let nobody begin: after that, every draft made under the old
    settings can be seen."""
    held = (
        select(Subscription.id)
        .where(
            Subscription.organization_id == context.organization_id,
            Subscription.status.in_(["active", "pending"]),
            condition,
        )
        .order_by(Subscription.id)
        .with_for_update(key_share=True)
    )
    await context.session.execute(held)


@signals.receives(signals.TaxesChanged)
async def _taxes_changed(context: Context, _: signals.Fact) -> None:
    await _flag(context, Invoice.id.is_not(None))  # whose fees have which taxes is what recomputing finds out


@signals.receives(signals.PlansChanged)
async def _plans_changed(context: Context, fact: signals.Fact) -> None:
    lines = select(InvoiceLine.invoice_id).where(InvoiceLine.plan_id.in_(fact.ids))
    await _flag(context, Invoice.id.in_(lines))


@signals.receives(signals.SubscriptionsChanged)
async def _subscriptions_changed(context: Context, fact: signals.Fact) -> None:
    lines = select(InvoiceLine.invoice_id).where(InvoiceLine.subscription_id.in_(fact.ids))
    await _flag(context, Invoice.id.in_(lines))


@signals.receives(signals.MetricsChanged)
async def _metrics_changed(context: Context, fact: signals.Fact) -> None:
    plans = select(Charge.plan_id).where(Charge.billable_metric_id.in_(fact.ids))
    lines = select(InvoiceLine.invoice_id).where(InvoiceLine.plan_id.in_(plans))
    await _flag(context, Invoice.id.in_(lines))


@signals.receives(signals.CustomersChanged)
async def _customers_changed(context: Context, fact: signals.Fact) -> None:
    await _hold(context, Subscription.customer_id.in_(fact.ids))
    await _flag(context, Invoice.customer_id.in_(fact.ids))
    await _reschedule(context, Subscription.customer_id.in_(fact.ids))


@signals.receives(signals.BillingEntitiesChanged)
async def _entities_changed(context: Context, fact: signals.Fact) -> None:
    """What the entity issues to customers who inherit what changed is concerned (CUS-20, W-22, spec 4 §3.4), and by a
    new time zone all of those who are its own."""
    assert isinstance(fact, signals.BillingEntitiesChanged)
    inherits: list[ColumnElement[bool]] = [
        column.is_(None) for name, column in INHERITED.items() if name in fact.fields
    ]
    if "tax_codes" in fact.fields:
        inherits.append(~exists().where(CustomerTax.owner_id == Customer.id))
    of_organization = select(Customer.id).where(Customer.organization_id == context.organization_id)
    inheriting = of_organization.where(or_(false(), *inherits))
    moved = of_organization.where(
        Customer.billing_entity_id.in_(fact.ids) & Customer.timezone.is_(None) if "timezone" in fact.fields else false()
    )
    if not inherits and "timezone" not in fact.fields:
        return
    of_moved = Subscription.customer_id.in_(moved)
    await _hold(context, of_moved | (_issued_by(fact.ids) & Subscription.customer_id.in_(inheriting)))
    issued = Invoice.billing_entity_id.in_(fact.ids) & Invoice.customer_id.in_(inheriting)
    await _flag(context, Invoice.customer_id.in_(moved) | issued)
    if "timezone" in fact.fields:
        await _reschedule(context, of_moved)


def _issued_by(entity_ids: Collection[UUID]) -> ColumnElement[bool]:
    """Subscriptions whose invoices come from one of these entities (BEN-2)."""
    customers = select(Customer.id).where(Customer.billing_entity_id.in_(entity_ids))
    return Subscription.billing_entity_id.in_(entity_ids) | (
        Subscription.billing_entity_id.is_(None) & Subscription.customer_id.in_(customers)
    )


async def _reschedule(context: Context, condition: ColumnElement[bool]) -> None:
    """Set the due instants of subscriptions again: their local midnights move with the time zone (CUS-19)."""
    query = (
        select(Subscription)
        .where(
            Subscription.organization_id == context.organization_id,
            condition,
            or_(
                Subscription.next_billing_at.is_not(None),
                Subscription.activates_at.is_not(None),
                Subscription.terminates_at.is_not(None),
            ),
        )
        .order_by(Subscription.id)
        .with_for_update(key_share=True)
    )
    subscriptions = (await context.session.scalars(query)).all()
    if not subscriptions:
        return
    lines = await last_lines(context, [subscription.id for subscription in subscriptions])
    for party in await parties_of(context, subscriptions):
        subscription = party.subscription
        if subscription.activates_at is not None:
            day = local_date(subscription.subscription_at, party.zone)
            subscription.activates_at = first_instant(day, party.zone)
        elif subscription.next_billing_at is not None:
            subscription.next_billing_at = next_billing_at(party, lines.get(subscription.id))
        schedule_ending(subscription, party.zone, context.now)
    await context.session.flush()
    await wake(context)


FINALIZATION = timers.register(
    timers.Timer(
        name="finalize_invoices",
        rank=50,
        due="""
            SELECT organization_id, finalizes_at AS due_at, id AS item_id
            FROM invoices WHERE finalizes_at IS NOT NULL
        """,
        run=finalize_due,
    )
)
REFRESH = timers.register(
    timers.Timer(
        name="refresh_invoices",
        rank=45,
        due="""
            SELECT organization_id, refreshes_at AS due_at, id AS item_id
            FROM invoices WHERE refreshes_at IS NOT NULL
        """,
        run=refresh_due,
    )
)
