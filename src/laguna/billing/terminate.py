"""Ending subscriptions, with their final invoice (spec 2 §3.7); also when a customer or a plan is deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from laguna.billing.fees import Billable
from laguna.billing.invoicing import LEFT_OPEN, Order, make_invoices
from laguna.billing.news import tell
from laguna.billing.parties import Party, parties_of
from laguna.billing.run import caught_up, successors_of
from laguna.billing.schedule import LastLine, charges_until, last_lines
from laguna.kernel import jobs, signals
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems
from laguna.kernel.queries import Query
from laguna.kernel.rows import living
from laguna.models import Customer, Invoice, InvoiceLine, Plan, Subscription
from laguna.subscriptions import lifecycle
from laguna.subscriptions.amounts import Occasion
from laguna.subscriptions.grid import local_date
from laguna.subscriptions.periods import terminating
from laguna.subscriptions.schemas import CREDIT_NOTE_OPTIONS, INVOICE_OPTIONS
from laguna.subscriptions.service import find_subscription

BILLED_CREDIT_NOTE_OPTIONS = ("credit", "skip")  # what happens to money paid needs credit notes


async def end_subscription(context: Context, external_id: str, options: Query, problems: Problems) -> Subscription:
    """DELETE: cancel the pending one, or terminate the active one with its final invoice (TRM-1 to TRM-8)."""
    credit_note = options.text("on_termination_credit_note")
    invoice = options.text("on_termination_invoice")
    if credit_note and credit_note not in CREDIT_NOTE_OPTIONS:
        problems.add("on_termination_credit_note", "invalid_value")
    elif credit_note and credit_note not in BILLED_CREDIT_NOTE_OPTIONS:
        problems.add("on_termination_credit_note", "unsupported_value")
    if invoice and invoice not in INVOICE_OPTIONS:
        problems.add("on_termination_invoice", "invalid_value")
    status = "pending" if options.text("status") == "pending" else "active"
    subscription = await find_subscription(context, external_id, status, lock=True)
    problems.check()
    if status == "pending":
        await cancel(context, [subscription])
        await _tell_predecessor(context, subscription)
        return subscription
    (subscription,) = await caught_up(context, [subscription], today=False)
    plan = await context.session.get_one(Plan, subscription.plan_id)
    if credit_note and plan.pay_in_advance:
        subscription.on_termination_credit_note = credit_note
    if invoice:
        subscription.on_termination_invoice = invoice
    await terminate(context, [subscription])
    return subscription


async def _tell_predecessor(context: Context, subscription: Subscription) -> None:
    """Whom it would have succeeded goes on (DWN-5)."""
    if subscription.previous_subscription_id is not None:
        predecessor = await context.session.get_one(Subscription, subscription.previous_subscription_id)
        await tell(context, "subscription.updated", [predecessor])


async def cancel(context: Context, subscriptions: Sequence[Subscription]) -> None:
    """Pending ones end without an invoice (TRM-2); webhooks call that terminated, too (spec 0 §20)."""
    for subscription in subscriptions:
        lifecycle.cancel(subscription, context.now)
    await context.session.flush()
    await tell(context, "subscription.terminated", subscriptions)


async def terminate(context: Context, subscriptions: Sequence[Subscription]) -> None:
    """End locked, active subscriptions that were billed up to yesterday, each with its own invoice unless it skips it,
    and cancel who would have taken over (TRM-3, TRM-5, TRM-7, INV-23)."""
    await cancel(context, list((await successors_of(context, subscriptions)).values()))
    parties = await parties_of(context, subscriptions)
    lines = await last_lines(context, [subscription.id for subscription in subscriptions])
    for subscription in subscriptions:
        assert subscription.started_at is not None
        # what took over at this very instant started just after it
        lifecycle.terminate(subscription, max(context.now, subscription.started_at), context.now)
    await context.session.flush()
    await tell(context, "subscription.terminated", subscriptions)
    orders = [
        Order([_terminating(context, party, lines)])
        for party in parties
        if party.subscription.on_termination_invoice == "generate"
    ]
    await make_invoices(context, orders)


def _terminating(context: Context, party: Party, lines: dict[UUID, LastLine]) -> Billable:
    subscription = party.subscription
    assert subscription.started_at is not None
    assert subscription.terminated_at is not None
    day = local_date(subscription.terminated_at, party.zone)
    last = lines.get(subscription.id)
    created_today = local_date(subscription.created_at, party.zone) == day
    ranges = terminating(
        party.calendar,
        subscription.started_at,
        subscription.terminated_at,
        succeeded=False,
        previous_billed=created_today or (last is not None and last.day == day),
        charges_until=charges_until(party, lines),
    )
    return Billable(
        party=party,
        occasion=Occasion.TERMINATING,
        ranges=ranges,
        due_at=subscription.terminated_at,
        day=day,
    )


# --- customers and plans that are deleted


@signals.receives(signals.CustomersDeleted)
async def _after_customers(context: Context, fact: signals.Fact) -> None:
    for customer_id in fact.ids:
        await jobs.enqueue(context, "end_customer", customer_id=str(customer_id))


@signals.receives(signals.PlansDeleted)
async def _after_plans(context: Context, fact: signals.Fact) -> None:
    for plan_id in fact.ids:
        await jobs.enqueue(context, "end_plan", plan_id=str(plan_id))


@jobs.job("end_customer")
async def end_customer(context: Context, customer_id: str) -> None:
    """Terminate or cancel everything of a deleted customer, then have its drafts finalized soon (CUS-41)."""
    query = select(Customer).where(
        Customer.organization_id == context.organization_id, Customer.id == UUID(customer_id)
    )
    customer = (await context.session.scalars(query)).one()
    assert customer.deleted_at is not None
    await _end_all(context, Subscription.customer_id == customer.id, lambda _: True)
    await _finalize_drafts(context, Invoice.customer_id == customer.id, customer.deleted_at + LEFT_OPEN)


@jobs.job("end_plan")
async def end_plan(context: Context, plan_id: str) -> None:
    """Terminate or cancel everything on a plan marked for deletion and its children, then delete them (PLN-20)."""
    locked = living(context, Plan, id=UUID(plan_id)).with_for_update(
        key_share=True
    )  # no override is made of it any more
    plan = (await context.session.scalars(locked)).one_or_none()
    if plan is None:
        return
    query = select(Plan).where(Plan.parent_id == plan.id, Plan.deleted_at.is_(None)).order_by(Plan.id)
    plans = [*await context.session.scalars(query.with_for_update(key_share=True)), plan]
    ids = {row.id for row in plans}
    await _end_all(context, Subscription.plan_id.in_(ids), lambda row: row.plan_id in ids)
    on_plans = select(InvoiceLine.invoice_id).where(InvoiceLine.plan_id.in_(ids))
    await _finalize_drafts(context, Invoice.id.in_(on_plans), context.now)
    for row in plans:
        row.deleted_at = row.updated_at = context.now


async def _end_all(context: Context, condition: ColumnElement[bool], concerns: Callable[[Subscription], bool]) -> None:
    """End all that meet the condition. Missed periods are billed first: who takes over there may not be concerned."""
    query = (
        select(Subscription)
        .where(
            Subscription.organization_id == context.organization_id,
            condition,
            Subscription.status.in_(["active", "pending"]),
        )
        .order_by(Subscription.id)
        .with_for_update(key_share=True)
    )
    found = (await context.session.scalars(query)).all()
    for subscription in found:
        context.check_follows(subscription.updated_at)
    await cancel(context, [subscription for subscription in found if subscription.status == "pending"])
    active = [subscription for subscription in found if subscription.status == "active"]
    current = [row for row in await caught_up(context, active, today=False) if concerns(row)]
    if current:
        await terminate(context, current)


async def _finalize_drafts(context: Context, condition: ColumnElement[bool], at: datetime) -> None:
    """Let the timer finalize these drafts at an instant, unless they would be final before."""
    await context.session.execute(
        update(Invoice)
        .where(Invoice.organization_id == context.organization_id, condition, Invoice.finalizes_at > at)
        .values(finalizes_at=at)
        .execution_options(synchronize_session=False)
    )
