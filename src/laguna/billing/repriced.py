"""What a new price of a plan means for changes of plan that wait for their period's end (spec 2 PLN-14)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import aliased

from laguna.billing.change import upgrade
from laguna.billing.news import tell
from laguna.billing.run import caught_up, successors_of
from laguna.billing.terminate import cancel
from laguna.kernel import jobs, signals
from laguna.kernel.context import Context
from laguna.models import Plan, Subscription
from laguna.subscriptions.changes import is_upgrade


@signals.receives(signals.PlansRepriced)
async def _plans_repriced(context: Context, fact: signals.Fact) -> None:
    for plan_id in fact.ids:
        await jobs.enqueue(context, "reconsider_changes", plan_id=str(plan_id))


@jobs.job("reconsider_changes")
async def reconsider_changes(context: Context, plan_id: str) -> None:
    """Look at the waiting changes from and to a plan and its overrides: one away from it is canceled where it costs
    less than the other by now; one to it happens at once where it costs as much as the other, or more."""
    family = set(
        await context.session.scalars(
            select(Plan.id).where(
                Plan.organization_id == context.organization_id,
                or_(Plan.id == UUID(plan_id), Plan.parent_id == UUID(plan_id)),
            )
        )
    )
    current = await caught_up(context, await _with_successors(context, family), today=True)
    waiting = await successors_of(context, current)
    ids = {row.plan_id for row in (*current, *waiting.values())}
    plans = {plan.id: plan for plan in await context.session.scalars(select(Plan).where(Plan.id.in_(ids)))}
    staying: list[Subscription] = []
    leaving: list[tuple[Subscription, Subscription]] = []
    for old in current:
        new = waiting.get(old.id)
        if new is None or not is_upgrade(plans[old.plan_id], plans[new.plan_id]):
            continue
        costs_less = not is_upgrade(plans[new.plan_id], plans[old.plan_id])
        if old.plan_id in family and costs_less:
            staying.append(old)
        elif new.plan_id in family:
            leaving.append((old, new))
    await cancel(context, [waiting[old.id] for old in staying])
    await tell(context, "subscription.updated", staying)
    await upgrade(context, leaving)


async def _with_successors(context: Context, plan_ids: set[UUID]) -> list[Subscription]:
    """Active subscriptions, locked, with a successor that waits, where either is on one of the plans."""
    successor = aliased(Subscription)
    waits = exists().where(
        successor.previous_subscription_id == Subscription.id,
        successor.status == "pending",
        or_(Subscription.plan_id.in_(plan_ids), successor.plan_id.in_(plan_ids)),
    )
    query = (
        select(Subscription)
        .where(Subscription.organization_id == context.organization_id, Subscription.status == "active", waits)
        .order_by(Subscription.id)
        .with_for_update(key_share=True)
    )
    return list(await context.session.scalars(query))
