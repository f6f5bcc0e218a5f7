"""Creating and activating subscriptions, with the starting invoice of a plan paid in advance (spec 2 §§3.3, 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from laguna.accounts.service import entity_by_code
from laguna.billing.fees import Billable
from laguna.billing.invoicing import Order, make_invoices
from laguna.billing.news import tell
from laguna.billing.parties import Party, parties_of
from laguna.billing.schedule import next_billing_at
from laguna.catalog.service import Lock, find_plan
from laguna.customers.service import create_customer, find_by_external_id
from laguna.customers.service import tell as tell_of_customer
from laguna.kernel import timers
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.rows import find
from laguna.models import BillingEntity, Customer, Plan, Subscription
from laguna.subscriptions.amounts import Occasion
from laguna.subscriptions.grid import first_instant, local_date
from laguna.subscriptions.lifetime import begin_lifetime
from laguna.subscriptions.periods import starting
from laguna.subscriptions.schemas import SubscriptionInput
from laguna.subscriptions.service import timezones_of

MANDATORY = ("external_customer_id", "plan_code", "external_id")
# known to the API, not billed yet: refused with a value other than the default
UNSUPPORTED: Mapping[str, Any] = {
    "ending_at": None,
    "plan_overrides": None,
    "usage_thresholds": [],
    "progressive_billing_disabled": False,
    "payment_method": None,
    "invoice_custom_section": None,
    "activation_rules": [],
}


async def create_subscription(context: Context, data: SubscriptionInput, problems: Problems) -> Subscription:
    """Subscribe a customer to a plan, at once or in the future (SUB-10 to SUB-25).

    The same plan again under a living external id answers the existing subscription; another plan for one that is
    active is refused until plan changes are billed.
    """
    values = data.given()
    problems.mandatory(values, MANDATORY)
    _check_ending(context, data, problems)
    problems.unsupported(values, UNSUPPORTED)
    problems.check()
    assert data.external_customer_id
    assert data.plan_code
    assert data.external_id
    plan = await find_plan(context, data.plan_code, Lock.USE)
    if plan.pending_deletion:
        raise not_found("plan")
    entity = await _issuing_entity(context, data)
    customer = await _lock_customer(context, data.external_customer_id)
    external_id = data.external_id.strip()
    existing = await _living(context, external_id, customer)
    if existing is not None:
        return await _subscribe_again(context, existing, plan, data, problems)
    if await _is_taken(context, external_id):
        problems.fail("external_id", "value_already_exist")
    if customer.currency is None:
        customer.currency = plan.amount_currency  # CUS-12
    subscription = Subscription(
        organization_id=context.organization_id,
        customer_id=customer.id,
        plan_id=plan.id,
        billing_entity_id=entity.id if entity else None,
        external_id=external_id,
        name=(data.name or "").strip() or None,
        billing_time=data.billing_time or "calendar",
        subscription_at=data.subscription_at or context.now,
        consolidate_invoice=data.consolidate_invoice is not False,
        purchase_order_number=(data.purchase_order_number or "").strip() or None,
        status="pending",
        created_at=context.now,
        updated_at=context.now,
    )
    context.session.add(subscription)
    await context.session.flush()
    await begin_lifetime(context, subscription)
    timezone = ZoneInfo((await timezones_of(context, [customer.id]))[customer.id])
    day = local_date(subscription.subscription_at, timezone)
    if day > local_date(context.now, timezone):
        subscription.activates_at = first_instant(day, timezone)
        await context.session.flush()
    else:
        await activate(context, [subscription])
    return subscription


def _check_ending(context: Context, data: SubscriptionInput, problems: Problems) -> None:
    """`ending_at` must lie after now and after the start (spec 2 §3.1)."""
    if data.ending_at is not None and data.ending_at <= max(context.now, data.subscription_at or context.now):
        problems.add("ending_at", "invalid_date")


async def _issuing_entity(context: Context, data: SubscriptionInput) -> BillingEntity | None:
    if data.billing_entity_id is not None:
        return await find(context, BillingEntity, "billing_entity", id=data.billing_entity_id)
    return await entity_by_code(context, data.billing_entity_code) if data.billing_entity_code else None


async def _lock_customer(context: Context, external_id: str) -> Customer:
    """The customer, made where it is unknown (CUS-4), locked so that two requests can't both start something."""
    customer = await find_by_external_id(context, external_id)
    if customer is None:
        customer = await create_customer(context, external_id)
        await tell_of_customer(context, "customer.created", customer)
        return customer
    query = (
        select(Customer)
        .where(Customer.id == customer.id, Customer.deleted_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await context.session.scalars(query)).one_or_none() or await create_customer(context, external_id)


async def _living(context: Context, external_id: str, customer: Customer) -> Subscription | None:
    """The customer's active subscription with this id, or the pending one."""
    query = (
        select(Subscription)
        .where(
            Subscription.organization_id == context.organization_id,
            Subscription.customer_id == customer.id,
            Subscription.external_id == external_id,
            Subscription.status.in_(["active", "pending"]),
        )
        .order_by(Subscription.status, Subscription.id)
        .limit(1)
        .with_for_update()
    )
    return (await context.session.scalars(query)).one_or_none()


async def _is_taken(context: Context, external_id: str) -> bool:
    """Whether another customer of the organization has an active subscription with this id (SUB-11)."""
    query = select(Subscription.id).where(
        Subscription.organization_id == context.organization_id,
        Subscription.external_id == external_id,
        Subscription.status == "active",
    )
    return await context.session.scalar(query) is not None


async def _subscribe_again(
    context: Context, subscription: Subscription, plan: Plan, data: SubscriptionInput, problems: Problems
) -> Subscription:
    if subscription.plan_id == plan.id:
        return subscription  # SUB-12
    if subscription.status == "active":
        problems.fail("plan_code", "unsupported_value")
    subscription.plan_id, subscription.updated_at = plan.id, context.now  # SUB-15
    if data.name:
        subscription.name = data.name.strip()
    await context.session.flush()
    return subscription


async def activate(context: Context, subscriptions: Sequence[Subscription]) -> None:
    """Put subscriptions in force whose local start date has come; a plan in advance is billed at once (SUB-20)."""
    ended = await _latest_ends(context, subscriptions)
    for subscription in subscriptions:
        previous_end = ended.get((subscription.customer_id, subscription.external_id))
        subscription.started_at = max(subscription.subscription_at, previous_end or subscription.subscription_at)
        subscription.status, subscription.activates_at = "active", None
        subscription.activated_at = subscription.updated_at = context.now
    await context.session.flush()
    parties = await parties_of(context, subscriptions)
    for party in parties:
        party.subscription.next_billing_at = next_billing_at(party)
    await context.session.flush()
    await tell(context, "subscription.started", subscriptions)
    orders = [Order([_starting(party)]) for party in parties if _starts_with_invoice(context, party)]
    await make_invoices(context, orders)


async def _latest_ends(context: Context, subscriptions: Sequence[Subscription]) -> dict[tuple[UUID, str], datetime]:
    """When the last earlier life of each external id ended, if it was billed: usage is not billed twice (SUB-23)."""
    query = (
        select(Subscription.customer_id, Subscription.external_id, func.max(Subscription.terminated_at))
        .where(
            Subscription.organization_id == context.organization_id,
            Subscription.customer_id.in_({row.customer_id for row in subscriptions}),
            Subscription.external_id.in_({row.external_id for row in subscriptions}),
            Subscription.status == "terminated",
            Subscription.on_termination_invoice == "generate",
        )
        .group_by(Subscription.customer_id, Subscription.external_id)
    )
    rows = await context.session.execute(query)
    return {(customer_id, external_id): ended for customer_id, external_id, ended in rows if ended is not None}


def _starts_with_invoice(context: Context, party: Party) -> bool:
    """A plan in advance that starts today: a past start counts as paid already (SUB-20, SUB-23)."""
    started_at = party.subscription.started_at
    assert started_at is not None
    created_on = local_date(party.subscription.created_at, party.zone)
    return party.plan.pay_in_advance and local_date(started_at, party.zone) >= created_on


def _starting(party: Party) -> Billable:
    started_at = party.subscription.started_at
    assert started_at is not None
    return Billable(
        party=party,
        occasion=Occasion.STARTING,
        ranges=starting(party.calendar, started_at),
        due_at=started_at,
        day=local_date(started_at, party.zone),
    )


async def activate_due(context: Context, due_at: datetime, subscription_ids: Sequence[UUID]) -> None:
    """The timer of pending subscriptions (SUB-24)."""
    query = (
        select(Subscription)
        .where(
            Subscription.organization_id == context.organization_id,
            Subscription.id.in_(subscription_ids),
            Subscription.activates_at == due_at,
            Subscription.status == "pending",
        )
        .order_by(Subscription.id)
        .with_for_update()
    )
    subscriptions = (await context.session.scalars(query)).all()
    if subscriptions:
        await activate(context, subscriptions)


ACTIVATION = timers.register(
    timers.Timer(
        name="activate_subscriptions",
        rank=20,
        due="""
            SELECT organization_id, activates_at AS due_at, id AS item_id
            FROM subscriptions WHERE activates_at IS NOT NULL
        """,
        run=activate_due,
    )
)
