"""Putting subscriptions in force, with what a plan in advance bills at once (spec 2 §§3.4, 3.10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from laguna.billing.fees import Billable
from laguna.billing.handover import take_over
from laguna.billing.invoicing import Order, make_invoices
from laguna.billing.news import tell
from laguna.billing.parties import Party, parties_of
from laguna.billing.schedule import next_billing_at, schedule_ending
from laguna.kernel.context import Context
from laguna.models import Subscription
from laguna.subscriptions import lifecycle
from laguna.subscriptions.amounts import Occasion, in_trial, is_backdated, trial_end
from laguna.subscriptions.applicable import mark_started
from laguna.subscriptions.grid import first_instant, local_date
from laguna.subscriptions.periods import starting
from laguna.subscriptions.service import timezones_of

Life = tuple[UUID, str]  # customer and external id: what several subscriptions in a row have in common


async def start_or_wait(context: Context, subscription: Subscription) -> None:
    """Put a pending subscription in force, or let it wait for its local start day (SUB-20, SUB-21)."""
    timezone = ZoneInfo((await timezones_of(context, [subscription.customer_id]))[subscription.customer_id])
    day = local_date(subscription.subscription_at, timezone)
    if day > local_date(context.now, timezone):
        subscription.activates_at = first_instant(day, timezone)
        schedule_ending(subscription, timezone, context.now)
        await context.session.flush()
    else:
        await activate(context, [subscription])


async def activate(context: Context, subscriptions: Sequence[Subscription]) -> None:
    """Put subscriptions in force whose local start date has come; a plan in advance is billed at once (SUB-20)."""
    ended = await _latest_ends(context, subscriptions)
    starts: dict[UUID, datetime] = {}
    for row in subscriptions:
        previous_end = ended.get((row.customer_id, row.external_id))
        starts[row.id] = max(row.subscription_at, previous_end or row.subscription_at)
    billables = await put_in_force(context, subscriptions, await take_over(context, subscriptions, starts))
    await make_invoices(context, [Order([billable]) for billable in billables])


async def put_in_force(
    context: Context, subscriptions: Sequence[Subscription], starts: Mapping[UUID, datetime]
) -> list[Billable]:
    """Let subscriptions begin at these instants, and tell of it. What is due for it is the caller's to bill."""
    first_starts = await _first_starts(context, subscriptions)
    for row in subscriptions:
        lifecycle.activate(row, starts[row.id], context.now)
    await context.session.flush()
    parties = await parties_of(context, subscriptions)
    for party in parties:
        subscription = party.subscription
        first = first_starts.get((subscription.customer_id, subscription.external_id), starts[subscription.id])
        _grant_trial(party, min(first, starts[subscription.id]), context.now)
        subscription.next_billing_at = next_billing_at(party)
        schedule_ending(subscription, party.zone, context.now)
    await context.session.flush()
    await tell(context, "subscription.started", subscriptions)
    await mark_started(context, [row.id for row in subscriptions])
    return [_starting(party) for party in parties if _starts_with_invoice(party)]


def _grant_trial(party: Party, first_started_at: datetime, now: datetime) -> None:
    """What is left of the trial, which an external id has once. One that ended before it was created is over."""
    subscription = party.subscription
    assert subscription.started_at is not None
    ends_at = trial_end(first_started_at, party.plan.trial_period)
    if ends_at is None or ends_at <= subscription.started_at:
        return
    subscription.trial_ends_at = ends_at
    if ends_at <= now and is_backdated(party.calendar, subscription.started_at, subscription.created_at):
        subscription.trial_ended_at = ends_at


async def _first_starts(context: Context, subscriptions: Sequence[Subscription]) -> dict[Life, datetime]:
    """When the first life of each external id began (TRI-1)."""
    query = (
        select(Subscription.customer_id, Subscription.external_id, func.min(Subscription.started_at))
        .where(
            Subscription.organization_id == context.organization_id,
            Subscription.customer_id.in_({row.customer_id for row in subscriptions}),
            Subscription.external_id.in_({row.external_id for row in subscriptions}),
            Subscription.started_at.is_not(None),
        )
        .group_by(Subscription.customer_id, Subscription.external_id)
    )
    rows = await context.session.execute(query)
    return {(customer_id, external_id): started for customer_id, external_id, started in rows if started is not None}


async def _latest_ends(context: Context, subscriptions: Sequence[Subscription]) -> dict[Life, datetime]:
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


def _starts_with_invoice(party: Party) -> bool:
    """A plan in advance that starts today, without a trial: a past start counts as paid already (SUB-20, SUB-23)."""
    subscription = party.subscription
    assert subscription.started_at is not None
    day = local_date(subscription.started_at, party.zone)
    return (
        party.plan.pay_in_advance
        and day >= local_date(subscription.created_at, party.zone)
        and not in_trial(subscription.trial_ends_at, day, party.calendar)
    )


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
