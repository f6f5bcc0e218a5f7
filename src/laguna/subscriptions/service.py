"""Reading subscriptions: finding one of several lives, its calendar, and the object the API shows (spec 2 §3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select

from laguna.catalog.schemas import PlanObject
from laguna.catalog.service import plan_objects
from laguna.catalog.thresholds import applicable_object
from laguna.customers.service import customer_objects
from laguna.kernel.context import Context
from laguna.kernel.errors import not_found
from laguna.models import BillingEntity, Customer, Plan, Subscription
from laguna.subscriptions.applicable import applicable_thresholds
from laguna.subscriptions.grid import BillingTime, Calendar, Interval, local_date, period_containing
from laguna.subscriptions.periods import current_charges_period
from laguna.subscriptions.schemas import SubscriptionDetail, SubscriptionNews, SubscriptionObject, own_fields


def calendar_of(subscription: Subscription, plan: Plan, timezone: str) -> Calendar:
    """The periods of a subscription; `timezone` is the customer's applicable one."""
    zone = ZoneInfo(timezone)
    return Calendar(
        interval=Interval(plan.interval),
        billing_time=BillingTime(subscription.billing_time),
        anchor=local_date(subscription.subscription_at, zone),
        timezone=zone,
        pay_in_advance=plan.pay_in_advance,
        bill_charges_monthly=bool(plan.bill_charges_monthly),
        bill_fixed_charges_monthly=bool(plan.bill_fixed_charges_monthly),
    )


def best_life_first(statement: Select[Any]) -> Select[Any]:
    """Of several lives of one external id: not terminated first, then the latest ended, then the latest started."""
    return statement.order_by(
        Subscription.terminated_at.desc().nulls_first(),
        Subscription.started_at.desc().nulls_last(),
        Subscription.id.desc(),
    )


async def find_subscription(
    context: Context, external_id: str, status: str | None = None, *, lock: bool = False
) -> Subscription:
    """The subscription with this external id and status, `active` where none is asked for (SUB-1)."""
    query = best_life_first(
        select(Subscription).where(
            Subscription.organization_id == context.organization_id,
            Subscription.external_id == external_id,
            Subscription.status == (status or "active"),
        )
    ).limit(1)
    subscription = (
        await context.session.scalars(query.with_for_update(key_share=True) if lock else query)
    ).one_or_none()
    if subscription is None:
        raise not_found("subscription")
    if lock:
        context.check_follows(subscription.updated_at)
    return subscription


async def timezones_of(context: Context, customer_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The applicable time zone of customers: their own, else their billing entity's (CUS-10)."""
    query = (
        select(Customer.id, Customer.timezone, BillingEntity.timezone)
        .join(BillingEntity, BillingEntity.id == Customer.billing_entity_id)
        .where(Customer.organization_id == context.organization_id, Customer.id.in_(customer_ids))
    )
    return {customer_id: own or inherited for customer_id, own, inherited in await context.session.execute(query)}


def _current_period(
    subscription: Subscription, calendar: Calendar, now: datetime
) -> tuple[datetime | None, datetime | None]:
    if subscription.started_at is None:
        return None, None
    period = current_charges_period(calendar, subscription.started_at, now, terminated_at=subscription.terminated_at)
    return period.start, period.end


def _downgrade_date(calendar: Calendar, now: datetime) -> date:
    """The day on which a pending successor takes over: the first of the next period (DWN-2)."""
    return period_containing(calendar, local_date(now, calendar.timezone)).end


async def _shared_fields(context: Context, subscriptions: Sequence[Subscription]) -> list[dict[str, Any]]:
    """The fields of the API's object, of many subscriptions, in a fixed number of queries."""
    ids = [subscription.id for subscription in subscriptions]
    previous_ids = [row.previous_subscription_id for row in subscriptions if row.previous_subscription_id]
    session = context.session
    customers = {
        row.id: row
        for row in await session.scalars(
            select(Customer).where(Customer.id.in_({row.customer_id for row in subscriptions}))
        )
    }
    plans = {
        row.id: row
        for row in await session.scalars(select(Plan).where(Plan.id.in_({row.plan_id for row in subscriptions})))
    }
    entities = {
        row.id: row
        for row in await session.scalars(
            select(BillingEntity).where(BillingEntity.organization_id == context.organization_id)
        )
    }
    previous = {
        subscription_id: code
        for subscription_id, code in await session.execute(
            select(Subscription.id, Plan.code)
            .join(Plan, Plan.id == Subscription.plan_id)
            .where(Subscription.id.in_(previous_ids))
        )
    }
    successors = (
        await session.execute(
            select(Subscription.previous_subscription_id, Plan.code, Subscription.status)
            .join(Plan, Plan.id == Subscription.plan_id)
            .where(Subscription.previous_subscription_id.in_(ids), Subscription.status != "canceled")
        )
    ).all()
    following = {previous_id: code for previous_id, code, _ in successors}
    waiting = {previous_id for previous_id, _, status in successors if status == "pending"}
    found: list[dict[str, Any]] = []
    for subscription in subscriptions:
        customer, plan = customers[subscription.customer_id], plans[subscription.plan_id]
        entity = entities[subscription.billing_entity_id or customer.billing_entity_id]
        timezone = customer.timezone or entities[customer.billing_entity_id].timezone
        calendar = calendar_of(subscription, plan, timezone)
        started_at, ending_at = _current_period(subscription, calendar, context.now)
        found.append(
            own_fields(subscription)
            | {
                "external_customer_id": customer.external_id,
                "billing_entity_code": entity.code,
                "plan_code": plan.code,
                "plan_amount_cents": plan.amount_cents,
                "plan_amount_currency": plan.amount_currency,
                "previous_plan_code": previous.get(subscription.previous_subscription_id)
                if subscription.previous_subscription_id
                else None,
                "next_plan_code": following.get(subscription.id),
                "downgrade_plan_date": _downgrade_date(calendar, context.now) if subscription.id in waiting else None,
                "current_billing_period_started_at": started_at,
                "current_billing_period_ending_at": ending_at,
            }
        )
    return found


async def subscription_objects(context: Context, subscriptions: Sequence[Subscription]) -> list[SubscriptionObject]:
    if not subscriptions:
        return []
    return [SubscriptionObject(**fields) for fields in await _shared_fields(context, subscriptions)]


async def _plans_shown(context: Context, subscriptions: Sequence[Subscription]) -> dict[UUID, PlanObject]:
    ids = {subscription.plan_id for subscription in subscriptions}
    plans = (await context.session.scalars(select(Plan).where(Plan.id.in_(ids)))).all()
    return {shown.lago_id: shown for shown in await plan_objects(context, plans)}


async def subscription_detail(context: Context, subscription: Subscription) -> SubscriptionDetail:
    fields = (await _shared_fields(context, [subscription]))[0]
    plans = await _plans_shown(context, [subscription])
    thresholds = await applicable_thresholds(context, [subscription])
    return SubscriptionDetail(
        **fields,
        plan=plans[subscription.plan_id],
        applicable_usage_thresholds=[applicable_object(row) for row in thresholds[subscription.id]],
        entitlements=[],
    )


async def subscription_news(
    context: Context, subscriptions: Sequence[Subscription]
) -> list[tuple[UUID, SubscriptionNews]]:
    """Subscriptions as webhooks tell of them, each with its id, in a fixed number of queries."""
    plans = await _plans_shown(context, subscriptions)
    ids = {subscription.customer_id for subscription in subscriptions}
    rows = (await context.session.scalars(select(Customer).where(Customer.id.in_(ids)))).all()
    customers = await customer_objects(context, rows)
    fields = await _shared_fields(context, subscriptions)
    thresholds = await applicable_thresholds(context, subscriptions)
    return [
        (
            subscription.id,
            SubscriptionNews(
                **shared,
                plan=plans[subscription.plan_id],
                applicable_usage_thresholds=[applicable_object(row) for row in thresholds[subscription.id]],
                entitlements=[],
                customer=customers[subscription.customer_id],
            ),
        )
        for subscription, shared in zip(subscriptions, fields, strict=True)
    ]
