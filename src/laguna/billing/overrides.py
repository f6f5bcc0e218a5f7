"""Prices of a subscription's own: it moves to an override of its plan, of which only it knows (spec 2 §2.4)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from laguna.billing.news import tell
from laguna.catalog.overrides import own_plan
from laguna.kernel import signals
from laguna.kernel.context import Context
from laguna.kernel.errors import not_found
from laguna.models import Plan, Subscription
from laguna.subscriptions.service import find_subscription

CHANGEABLE = ("active", "pending")


@asynccontextmanager
async def overriding(context: Context, external_id: str, status: str | None) -> AsyncGenerator[Plan]:
    """A plan of the subscription's own to change something in, made where it has none yet (OVR-5). Afterwards its
    drafts follow, and it is told."""
    subscription = await find_subscription(context, external_id, status, lock=True)
    if subscription.status not in CHANGEABLE:
        raise not_found("subscription")
    plan = await own_plan(context, subscription.plan_id)
    yield plan
    plan.updated_at = context.now
    await move_to(context, subscription, plan)
    await tell(context, "subscription.updated", [subscription])


async def move_to(context: Context, subscription: Subscription, plan: Plan) -> None:
    """Put a subscription on its override, with its drafts."""
    subscription.plan_id, subscription.updated_at = plan.id, context.now
    await context.session.flush()
    await signals.announce(context, signals.SubscriptionsChanged((subscription.id,)))
