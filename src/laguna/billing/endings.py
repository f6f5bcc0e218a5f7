"""Subscriptions that end on a day set before, and telling of it in time (spec 2 §3.8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select

from laguna.billing.news import tell
from laguna.billing.run import caught_up
from laguna.billing.schedule import next_alert
from laguna.billing.terminate import terminate
from laguna.kernel import timers
from laguna.kernel.context import Context
from laguna.models import Subscription


async def _still_due(context: Context, ids: Sequence[UUID], condition: ColumnElement[bool]) -> list[Subscription]:
    query = (
        select(Subscription)
        .where(
            Subscription.organization_id == context.organization_id,
            Subscription.id.in_(ids),
            condition,
            Subscription.status == "active",
        )
        .order_by(Subscription.id)
        .with_for_update(key_share=True)
    )
    return list(await context.session.scalars(query))


async def end_due(context: Context, due_at: datetime, subscription_ids: Sequence[UUID]) -> None:
    """Terminate on the local day of `ending_at`, before the run of that day: the final invoice bills the finished
    period where the day is a billing day (TRM-20, TRM-21)."""
    subscriptions = await _still_due(context, subscription_ids, Subscription.terminates_at == due_at)
    current = await caught_up(context, subscriptions, today=False)
    if current:
        await terminate(context, current)


async def alert_due(context: Context, due_at: datetime, subscription_ids: Sequence[UUID]) -> None:
    """Tell of the coming end (TRM-22)."""
    subscriptions = await _still_due(context, subscription_ids, Subscription.next_alert_at == due_at)
    for subscription in subscriptions:
        assert subscription.ending_at is not None
        subscription.next_alert_at = next_alert(subscription.ending_at, context.now)
    await context.session.flush()
    await tell(context, "subscription.termination_alert", subscriptions)


ENDINGS = timers.register(
    timers.Timer(
        name="end_subscriptions",
        rank=25,
        due="""
            SELECT organization_id, terminates_at AS due_at, id AS item_id
            FROM subscriptions WHERE terminates_at IS NOT NULL AND status = 'active'
        """,
        run=end_due,
    )
)
ALERTS = timers.register(
    timers.Timer(
        name="alert_of_endings",
        rank=60,
        due="""
            SELECT organization_id, next_alert_at AS due_at, id AS item_id
            FROM subscriptions WHERE next_alert_at IS NOT NULL AND status = 'active'
        """,
        run=alert_due,
    )
)
