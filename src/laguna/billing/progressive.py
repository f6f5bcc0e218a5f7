"""Progressive billing: usage that has come to a threshold is billed at once (spec 2 §7.12).

Whatever changes usage leaves a mark, in its own transaction; a timer looks at what is marked. It holds the subscription
while it does, and counts what was billed before: so each threshold is billed once, whatever is repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from laguna.billing.fees import Billable, BilledLine
from laguna.billing.invoicing import Order, make_invoices
from laguna.billing.news import tell_of_thresholds
from laguna.billing.parties import Party, parties_of
from laguna.billing.usage_credits import latest_progressive, usage_period
from laguna.catalog.priced import priced_charges
from laguna.catalog.thresholds import Thresholds
from laguna.invoices.documents import AppliedThreshold
from laguna.kernel import signals, timers
from laguna.kernel.context import Context
from laguna.models import Subscription, UsageMark, UsageThreshold
from laguna.subscriptions.amounts import Occasion
from laguna.subscriptions.applicable import applicable_thresholds, mark_usage, mark_usage_of_plans
from laguna.subscriptions.grid import local_date
from laguna.subscriptions.lifetime import billed_before, threshold_values
from laguna.subscriptions.periods import progressive
from laguna.subscriptions.thresholds import passed
from laguna.usage.buckets import PRINTED
from laguna.usage.rating import Rateable, rate


@dataclass(frozen=True, slots=True)
class _Reached:
    """A subscription whose usage has come to thresholds, and to how much in all."""

    billable: Billable
    thresholds: Thresholds
    lifetime_cents: int


async def look_at_usage(context: Context, _: datetime, subscription_ids: Sequence[UUID]) -> None:
    """Bill those of the marked subscriptions whose usage has passed thresholds, one invoice each."""
    query = (
        select(Subscription)
        .where(
            Subscription.organization_id == context.organization_id,
            Subscription.id.in_(subscription_ids),
            Subscription.status == "active",
        )
        .order_by(Subscription.id)
        .with_for_update()
    )
    subscriptions = (await context.session.scalars(query)).all()
    # before usage is counted: what changes it from now on leaves a new mark
    await context.session.execute(
        delete(UsageMark).where(
            UsageMark.organization_id == context.organization_id, UsageMark.subscription_id.in_(subscription_ids)
        )
    )
    reached = await _reached(context, subscriptions)
    orders = [
        Order(
            [each.billable],
            thresholds=[AppliedThreshold(row.id, each.lifetime_cents) for row in each.thresholds],
        )
        for each in reached
    ]
    await make_invoices(context, orders)
    told: list[tuple[Subscription, UsageThreshold]] = [
        (each.billable.party.subscription, row) for each in reached for row in each.thresholds
    ]
    await tell_of_thresholds(context, told)


async def _reached(context: Context, subscriptions: Sequence[Subscription]) -> list[_Reached]:
    """In a fixed number of statements."""
    applicable = await applicable_thresholds(context, subscriptions)
    watched = [subscription for subscription in subscriptions if applicable[subscription.id]]
    if not watched:
        return []
    billables = [_billable(context, party) for party in await parties_of(context, watched)]
    used = await _used(context, billables)
    before = await billed_before(context, watched)
    periods = [usage_period(BilledLine(billable, [])) for billable in billables]
    latest = await latest_progressive(context, [period for period in periods if period is not None])
    assert None not in periods, "a running period is never empty"
    found: list[_Reached] = []
    for place, (billable, used_cents) in enumerate(zip(billables, used, strict=True)):
        subscription_id = billable.party.subscription.id
        thresholds, known = applicable[subscription_id], before[subscription_id]
        billed = known.historical_cents + known.invoiced_cents
        progressed = latest[place].fees_cents if place in latest else 0
        due = passed(threshold_values(thresholds), billed + progressed, used_cents - progressed)
        if due:
            rows = [row for row in thresholds if (due.recurring if row.recurring else row.amount_cents in due.fixed)]
            found.append(_Reached(billable, rows, billed + used_cents))
    return found


def _billable(context: Context, party: Party) -> Billable:
    started_at = party.subscription.started_at
    assert started_at is not None, "an active subscription has started"
    return Billable(
        party=party,
        occasion=Occasion.PROGRESSIVE,
        ranges=progressive(party.calendar, started_at, context.now),
        due_at=context.now,
        day=local_date(context.now, party.zone),
    )


async def _used(context: Context, billables: Sequence[Billable]) -> list[int]:
    """What each has used in the running period, of what is billed in arrears."""
    charges = await priced_charges(context.session, {billable.party.plan.id for billable in billables})
    rateables = [
        Rateable(
            billable.party.subscription.external_id,
            billable.window,
            billable.party.plan.amount_currency,
            [charge for charge in charges[billable.party.plan.id] if not charge.pay_in_advance],
            PRINTED,
        )
        for billable in billables
    ]
    rated = await rate(context.session, context.organization_id, rateables)
    return [sum(line.amounts.amount_cents for line in lines) for lines in rated]


@signals.receives(signals.PlansChanged)
async def _plans_changed(context: Context, fact: signals.Fact) -> None:
    await mark_usage_of_plans(context, fact.ids)


@signals.receives(signals.SubscriptionsChanged)
async def _subscriptions_changed(context: Context, fact: signals.Fact) -> None:
    await mark_usage(context, fact.ids)


PROGRESSIVE = timers.register(
    timers.Timer(
        name="bill_thresholds",
        rank=40,
        due="""
            SELECT organization_id, min(marked_at) AS due_at, subscription_id AS item_id
            FROM usage_marks GROUP BY organization_id, subscription_id
        """,
        run=look_at_usage,
    )
)
