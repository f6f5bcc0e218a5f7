"""Changing the plan of an active subscription: at once where the new one costs as much a year or more, else at the end
of the period (spec 2 §§3.5, 3.6). Either way another subscription takes over under the same external id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from laguna.accounts.entities import named_entity
from laguna.billing.fees import Billable
from laguna.billing.invoicing import make_invoices
from laguna.billing.news import tell
from laguna.billing.parties import Party, parties_of
from laguna.billing.run import successors_of, together
from laguna.billing.schedule import charges_until, last_lines
from laguna.billing.start import put_in_force
from laguna.billing.terminate import cancel
from laguna.catalog.thresholds import store_thresholds
from laguna.kernel.context import Context
from laguna.models import Plan, Subscription
from laguna.subscriptions import lifecycle
from laguna.subscriptions.amounts import Occasion
from laguna.subscriptions.changes import is_upgrade
from laguna.subscriptions.grid import local_date
from laguna.subscriptions.lifetime import begin_lifetime
from laguna.subscriptions.periods import terminating
from laguna.subscriptions.schemas import SubscriptionInput


async def change_plan(
    context: Context, subscription: Subscription, plan: Plan, data: SubscriptionInput
) -> Subscription:
    """Move a locked, active subscription, billed up to now, to another plan: the one in force afterwards."""
    waiting = await successors_of(context, [subscription])
    await cancel(context, list(waiting.values()))
    current = await context.session.get_one(Plan, subscription.plan_id)
    successor = await _successor(context, subscription, plan, data)
    if is_upgrade(current, plan):
        await upgrade(context, [(subscription, successor)])
        return successor
    await tell(context, "subscription.updated", [subscription])  # DWN-1
    return subscription


async def _successor(context: Context, subscription: Subscription, plan: Plan, data: SubscriptionInput) -> Subscription:
    """The subscription that will take over: anchor, rhythm and issuer are inherited, the name is the request's."""
    entity = await named_entity(context, data.billing_entity_code, data.billing_entity_id)
    order_number = subscription.purchase_order_number
    if data.purchase_order_number is not None:
        order_number = data.purchase_order_number.strip() or None
    consolidate = subscription.consolidate_invoice if data.consolidate_invoice is None else data.consolidate_invoice
    successor = Subscription(
        organization_id=context.organization_id,
        customer_id=subscription.customer_id,
        plan_id=plan.id,
        previous_subscription_id=subscription.id,
        billing_entity_id=entity.id if entity else subscription.billing_entity_id,
        external_id=subscription.external_id,
        name=(data.name or "").strip() or None,
        billing_time=subscription.billing_time,
        subscription_at=subscription.subscription_at,
        ending_at=data.ending_at or subscription.ending_at,
        progressive_billing_disabled=bool(data.progressive_billing_disabled),
        consolidate_invoice=consolidate,
        purchase_order_number=order_number,
        status="pending",
        created_at=context.now,
        updated_at=context.now,
    )
    context.session.add(successor)
    await context.session.flush()
    await begin_lifetime(context, successor)
    await store_thresholds(context, successor, data.usage_thresholds)
    return successor


async def upgrade(context: Context, pairs: Sequence[tuple[Subscription, Subscription]]) -> None:
    """Bill old sides up to now and start the new ones, each on one invoice where both can be (UPG-1 to UPG-5).

    The old ones are locked, active and billed up to now; the new ones are their pending successors.
    """
    if not pairs:
        return
    starts: dict[UUID, datetime] = {}
    for old, new in pairs:
        assert old.started_at is not None
        starts[new.id] = max(context.now, old.started_at)
        lifecycle.terminate(old, starts[new.id], context.now)
    await context.session.flush()
    olds = [old for old, _ in pairs]
    lines = await last_lines(context, [old.id for old in olds])
    endings = [_ending(party, charges_until(party, lines)) for party in await parties_of(context, olds)]
    await tell(context, "subscription.terminated", olds)
    started = await put_in_force(context, [new for _, new in pairs], starts)
    await make_invoices(context, together(endings, started))


def _ending(party: Party, billed_until: datetime | None) -> Billable:
    subscription = party.subscription
    assert subscription.started_at is not None
    assert subscription.terminated_at is not None
    ranges = terminating(
        party.calendar,
        subscription.started_at,
        subscription.terminated_at,
        succeeded=True,
        previous_billed=True,
        charges_until=billed_until,
    )
    return Billable(
        party=party,
        occasion=Occasion.UPGRADED,
        ranges=ranges,
        due_at=subscription.terminated_at,
        day=local_date(subscription.terminated_at, party.zone),
    )
