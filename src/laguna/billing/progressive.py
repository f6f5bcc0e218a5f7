"""Progressive billing: usage that has come to a threshold is billed at once (spec 2 §7.12).

Whatever changes usage leaves a mark, in its own transaction; a timer looks at what is marked. It holds the subscription
while it does, and counts what was billed before: so each threshold is billed once, whatever is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from laguna.billing.fees import Billable, BilledLine
from laguna.billing.invoicing import Order, make_invoices
from laguna.billing.news import tell_of_thresholds
from laguna.billing.parties import Party, parties_of
from laguna.billing.schedule import LastLine, charges_until, last_lines
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
        .with_for_update(key_share=True)
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
    """In a fixed number of statements. Whose period is over and not billed yet is left to the billing run, which has
    the next one looked at: until then usage of the last one would be missing in what was used before."""
    running = [row for row in subscriptions if row.next_billing_at is None or row.next_billing_at > context.now]
    applicable = await applicable_thresholds(context, running)
    watched = [subscription for subscription in running if applicable[subscription.id]]
    billables = await _billables(context, watched)
    before = await billed_before(context, [billable.party.subscription for billable in billables])
    periods = [period for billable in billables if (period := usage_period(BilledLine(billable, []))) is not None]
    assert len(periods) == len(billables), "nothing is rated over an empty period"
    latest = await latest_progressive(context, periods)
    found: list[_Reached] = []
    for place, billable in enumerate(billables):
        subscription_id = billable.party.subscription.id
        thresholds, known = applicable[subscription_id], before[subscription_id]
        billed = known.historical_cents + known.invoiced_cents
        progressed = latest[place].fees_cents if place in latest else 0
        used = sum(line.amounts.amount_cents for line in billable.rated or ())
        due = passed(threshold_values(thresholds), billed + progressed, used - progressed)
        # usage that went down and comes back passes no fixed one again (PGB-7)
        rows = [
            row
            for row in thresholds
            if (due.recurring if row.recurring else row.amount_cents in due.fixed and row.id not in known.threshold_ids)
        ]
        if rows:
            found.append(_Reached(billable, rows, billed + used))
    return found


async def _billables(context: Context, subscriptions: Sequence[Subscription]) -> list[Billable]:
    """What an invoice for each would bill now: usage of the running period, of what is billed in arrears. Rated once,
    so that the thresholds told of are those that the invoice has passed, whatever is stored meanwhile."""
    if not subscriptions:
        return []
    lines = await last_lines(context, [subscription.id for subscription in subscriptions])
    found = [_billable(context, party, lines) for party in await parties_of(context, subscriptions)]
    # empty where somebody has billed the period while this waited for the subscription
    billables = [each for each in found if each.ranges.charges is not None and not each.ranges.charges.is_empty]
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
    return [replace(billable, rated=usage) for billable, usage in zip(billables, rated, strict=True)]


def _billable(context: Context, party: Party, lines: Mapping[UUID, LastLine]) -> Billable:
    started_at = party.subscription.started_at
    assert started_at is not None, "an active subscription has started"
    return Billable(
        party=party,
        occasion=Occasion.PROGRESSIVE,
        ranges=progressive(party.calendar, started_at, context.now, charges_until=charges_until(party, lines)),
        due_at=context.now,
        day=local_date(context.now, party.zone),
    )


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
