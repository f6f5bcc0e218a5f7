"""Creating subscriptions, at once or in the future (spec 2 §§3.3, 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select

from laguna.accounts.entities import named_entity
from laguna.billing.change import change_plan
from laguna.billing.edit import check_ending, check_progressive
from laguna.billing.run import caught_up
from laguna.billing.start import activate, start_or_wait
from laguna.catalog.overrides import override_plan
from laguna.catalog.service import Lock, find_plan
from laguna.catalog.thresholds import store_thresholds
from laguna.customers.service import create_customer, lock_by_external_id
from laguna.customers.service import tell as tell_of_customer
from laguna.kernel import timers
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.models import Customer, Plan, Subscription
from laguna.subscriptions.activation import check_activation_rules
from laguna.subscriptions.applicable import mark_usage
from laguna.subscriptions.lifetime import begin_lifetime
from laguna.subscriptions.schemas import SubscriptionInput

MANDATORY = ("external_customer_id", "plan_code", "external_id")
# known to the API, not billed yet: refused with a value other than the default
UNSUPPORTED: Mapping[str, Any] = {
    "payment_method": None,
    "invoice_custom_section": None,
}


async def create_subscription(context: Context, data: SubscriptionInput, problems: Problems) -> Subscription:
    """Subscribe a customer to a plan, at once or in the future, or change the plan of a subscription (SUB-10 to 25)."""
    values = data.given()
    problems.mandatory(values, MANDATORY)
    check_ending(context, data.ending_at, data.subscription_at or context.now, problems)
    problems.unsupported(values, UNSUPPORTED)
    check_activation_rules(data.activation_rules, problems)
    check_progressive(data, problems)
    problems.check()
    assert data.external_customer_id
    assert data.plan_code
    assert data.external_id
    plan = await find_plan(context, data.plan_code, Lock.USE)
    if plan.pending_deletion:
        raise not_found("plan")
    entity = await named_entity(context, data.billing_entity_code, data.billing_entity_id)
    customer = await _lock_customer(context, data.external_customer_id)
    external_id = data.external_id.strip()
    existing = await _living(context, external_id, customer)
    if existing is not None:
        return await _subscribe_again(context, existing, plan, data, problems)
    if await _is_taken(context, external_id):
        problems.fail("external_id", "value_already_exist")
    plan = await _overridden(context, plan, data, problems)
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
        ending_at=data.ending_at,
        progressive_billing_disabled=bool(data.progressive_billing_disabled),
        consolidate_invoice=data.consolidate_invoice is not False,
        purchase_order_number=(data.purchase_order_number or "").strip() or None,
        status="pending",
        created_at=context.now,
        updated_at=context.now,
    )
    context.session.add(subscription)
    await context.session.flush()
    await begin_lifetime(context, subscription)
    await store_thresholds(context, subscription, data.usage_thresholds)
    await start_or_wait(context, subscription)
    return subscription


async def _overridden(context: Context, plan: Plan, data: SubscriptionInput, problems: Problems) -> Plan:
    if data.plan_overrides is None:
        return plan
    return await override_plan(context, plan.id, data.plan_overrides, problems, is_started=False)


async def _lock_customer(context: Context, external_id: str) -> Customer:
    """The customer, made where it is unknown (CUS-4), locked so that two requests can't both start something."""
    customer = await lock_by_external_id(context, external_id)
    if customer is None:
        customer = await create_customer(context, external_id)
        await tell_of_customer(context, "customer.created", customer)
    return customer


async def _living(context: Context, external_id: str, customer: Customer) -> Subscription | None:
    """The customer's active subscription with this id, or the one that waits for its start."""
    query = (
        select(Subscription)
        .where(
            Subscription.organization_id == context.organization_id,
            Subscription.customer_id == customer.id,
            Subscription.external_id == external_id,
            or_(
                Subscription.status == "active",
                and_(Subscription.status == "pending", Subscription.previous_subscription_id.is_(None)),
            ),
        )
        .order_by(Subscription.status, Subscription.id)
        .limit(1)
        .with_for_update(key_share=True)
    )
    subscription = (await context.session.scalars(query)).one_or_none()
    if subscription is not None:
        context.check_follows(subscription.updated_at)
    return subscription


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
    """Another POST for a living external id: nothing new, another plan for one that waits, or a change of plan. An
    override counts as the plan it was made of (spec 2 W-7)."""
    if subscription.status == "active":
        subscription = (await caught_up(context, [subscription], today=True))[0]
    current = await context.session.get_one(Plan, subscription.plan_id)
    if plan.id in (current.id, current.parent_id):
        if await store_thresholds(context, subscription, data.usage_thresholds):
            await mark_usage(context, [subscription.id])
        return subscription  # SUB-12
    if subscription.status == "active":
        return await change_plan(context, subscription, await _overridden(context, plan, data, problems), data)
    subscription.plan_id, subscription.updated_at = plan.id, context.now  # SUB-15
    if data.name:
        subscription.name = data.name.strip()
    await context.session.flush()
    await store_thresholds(context, subscription, data.usage_thresholds)
    return subscription


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
        .with_for_update(key_share=True)
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
