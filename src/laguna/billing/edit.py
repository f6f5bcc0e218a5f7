"""Editing subscriptions (spec 2 SUB-3, SUB-4, TRM-23)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from laguna.accounts.entities import named_entity
from laguna.billing.news import tell
from laguna.billing.overrides import CHANGEABLE, move_to
from laguna.billing.schedule import schedule_ending
from laguna.billing.start import start_or_wait
from laguna.catalog.overrides import override_plan
from laguna.catalog.schemas import PlanOverridesInput
from laguna.catalog.thresholds import check_thresholds, store_thresholds
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.queries import Query
from laguna.models import Plan, Subscription
from laguna.subscriptions.activation import check_activation_rules
from laguna.subscriptions.applicable import mark_started, mark_usage
from laguna.subscriptions.schemas import SubscriptionInput, SubscriptionUpdateInput
from laguna.subscriptions.service import best_life_first, timezones_of

# known to the API, not built yet: refused with a value other than the default
UNSUPPORTED: Mapping[str, Any] = {
    "payment_method": None,
    "invoice_custom_section": None,
}
LIVING = ("active", "pending", "incomplete")


def check_progressive(data: SubscriptionInput, problems: Problems) -> None:
    """Thresholds are a subscription's own, or those of its override, not both (OVR-6)."""
    check_thresholds(data.usage_thresholds, problems)
    if data.usage_thresholds is not None and data.plan_overrides and data.plan_overrides.usage_thresholds is not None:
        problems.add("usage_thresholds", "incompatible_params")


def check_ending(context: Context, ending_at: datetime | None, starts_at: datetime, problems: Problems) -> None:
    """The day of an end lies after today and after the start (spec 2 §3.1)."""
    if ending_at is not None and ending_at.date() <= max(context.now.date(), starts_at.date()):
        problems.add("ending_at", "invalid_date")


async def update_subscription(
    context: Context, external_id: str, query: Query, data: SubscriptionUpdateInput, problems: Problems
) -> Subscription:
    """Change what is given of one subscription; a new start of one that waits may put it in force."""
    subscription = await _find(context, external_id, query)
    if subscription.status == "incomplete":
        problems.fail("subscription", "subscription_incomplete")
    values = data.given()
    problems.unsupported(values, UNSUPPORTED)
    check_activation_rules(data.activation_rules, problems)
    if data.activation_rules and subscription.status != "pending":
        problems.add("activation_rules", "subscription_not_pending")
    is_waiting = subscription.status == "pending" and subscription.previous_subscription_id is None
    starts_at = data.subscription_at if is_waiting and data.subscription_at else subscription.subscription_at
    if "ending_at" in values:
        check_ending(context, data.ending_at, starts_at, problems)
    if "purchase_order_number" in values and subscription.status not in ("pending", "active"):
        problems.add("purchase_order_number", "purchase_order_number_not_editable")
    check_progressive(data, problems)
    if data.plan_overrides is not None:
        await _override(context, subscription, data.plan_overrides, problems)
    problems.check()
    await _assign(context, subscription, data, values)
    moved = is_waiting and data.subscription_at is not None
    if moved:
        subscription.subscription_at = starts_at
        await start_or_wait(context, subscription)
    else:
        timezone = (await timezones_of(context, [subscription.customer_id]))[subscription.customer_id]
        schedule_ending(subscription, ZoneInfo(timezone), context.now)
    await context.session.flush()
    await store_thresholds(context, subscription, data.usage_thresholds)
    # while it was disabled, events that are being stored right now left no mark
    mark = mark_started if values.get("progressive_billing_disabled") is False else mark_usage
    await mark(context, [subscription.id])
    await tell(context, "subscription.updated", [subscription])
    return subscription


async def _find(context: Context, external_id: str, query: Query) -> Subscription:
    """The one with this id; of several the active one, or the pending or incomplete one that is asked for."""
    statement = best_life_first(
        select(Subscription).where(
            Subscription.organization_id == context.organization_id, Subscription.external_id == external_id
        )
    ).with_for_update(key_share=True)
    lives = list(await context.session.scalars(statement))
    if len(lives) > 1:
        asked = query.text("status")
        wanted = asked if asked in ("pending", "incomplete") else "active"
        lives = [life for life in lives if life.status == wanted]
    if not lives:
        raise not_found("subscription")
    context.check_follows(lives[0].updated_at)
    return lives[0]


async def _override(
    context: Context, subscription: Subscription, overrides: PlanOverridesInput, problems: Problems
) -> None:
    if subscription.status not in CHANGEABLE:
        problems.fail("plan_overrides", "value_is_invalid")
    is_started = subscription.status == "active"
    plan = await override_plan(context, subscription.plan_id, overrides, problems, is_started=is_started)
    await move_to(context, subscription, plan)


async def _assign(
    context: Context, subscription: Subscription, data: SubscriptionUpdateInput, values: Mapping[str, Any]
) -> None:
    if "name" in values:
        subscription.name = (data.name or "").strip() or None
    if "ending_at" in values:
        subscription.ending_at = data.ending_at
    if "purchase_order_number" in values:
        subscription.purchase_order_number = (data.purchase_order_number or "").strip() or None
    if data.progressive_billing_disabled is not None:
        subscription.progressive_billing_disabled = data.progressive_billing_disabled
    if data.consolidate_invoice is not None:
        subscription.consolidate_invoice = data.consolidate_invoice
    if "billing_entity_code" in values or data.billing_entity_id is not None:
        entity = await named_entity(context, data.billing_entity_code, data.billing_entity_id)
        subscription.billing_entity_id = entity.id if entity else None  # the customer's own
    if data.on_termination_invoice is not None:
        subscription.on_termination_invoice = data.on_termination_invoice
    if data.on_termination_credit_note is not None:
        plan = await context.session.get_one(Plan, subscription.plan_id)
        subscription.on_termination_credit_note = data.on_termination_credit_note if plan.pay_in_advance else None
    subscription.updated_at = context.now
