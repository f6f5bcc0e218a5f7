"""The end of free trials: from then on a plan in advance is paid (spec 2 §3.10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from laguna.billing.fees import Billable
from laguna.billing.invoicing import make_invoices
from laguna.billing.news import tell
from laguna.billing.parties import Party, parties_of
from laguna.billing.run import group
from laguna.kernel import timers
from laguna.kernel.context import Context
from laguna.models import Subscription
from laguna.models.subscription import IN_TRIAL
from laguna.subscriptions.amounts import Occasion
from laguna.subscriptions.grid import local_date, opens_period
from laguna.subscriptions.periods import starting


async def end_trials(context: Context, due_at: datetime, subscription_ids: Sequence[UUID]) -> None:
    """Note that trials are over, and bill the rest of the period of those that pay in advance (TRI-3)."""
    query = (
        select(Subscription)
        .where(
            Subscription.organization_id == context.organization_id,
            Subscription.id.in_(subscription_ids),
            Subscription.trial_ends_at == due_at,
            Subscription.trial_ended_at.is_(None),
            Subscription.status == "active",
        )
        .order_by(Subscription.id)
        .with_for_update(key_share=True)
    )
    subscriptions = (await context.session.scalars(query)).all()
    for subscription in subscriptions:
        subscription.trial_ended_at = due_at
        subscription.updated_at = context.now
    await context.session.flush()
    await tell(context, "subscription.trial_ended", subscriptions)
    parties = [party for party in await parties_of(context, subscriptions) if _is_billed_now(party, due_at)]
    await make_invoices(context, group([_first_fee(party, due_at) for party in parties]))


def _is_billed_now(party: Party, ended_at: datetime) -> bool:
    """Not where the day is a billing day: its run bills the whole period (TRI-4)."""
    return party.plan.pay_in_advance and not opens_period(party.calendar, local_date(ended_at, party.zone))


def _first_fee(party: Party, ended_at: datetime) -> Billable:
    day = local_date(ended_at, party.zone)
    assert party.subscription.started_at is not None
    return Billable(
        party=party,
        occasion=Occasion.STARTING,
        ranges=starting(party.calendar, party.subscription.started_at, day),
        due_at=ended_at,
        day=day,
    )


TRIALS = timers.register(
    timers.Timer(
        name="end_trials",
        rank=35,
        due=f"SELECT organization_id, trial_ends_at AS due_at, id AS item_id FROM subscriptions WHERE {IN_TRIAL}",
        run=end_trials,
    )
)
