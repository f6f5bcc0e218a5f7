"""Which usage thresholds apply to subscriptions, and noting that their usage has changed (spec 2 OVR-6, §7.12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import TextClause, select, text

from laguna.accounts.test_clock import wake
from laguna.catalog.thresholds import Thresholds, thresholds_of
from laguna.kernel.context import Context
from laguna.models import Organization, Plan, Subscription

# the condition on subscriptions `s` of plans `p` whose usage is to be looked at when it changes
WATCHED = """
    s.status = 'active' AND NOT s.progressive_billing_disabled AND EXISTS (
        SELECT FROM usage_thresholds AS t WHERE t.deleted_at IS NULL
            AND (t.subscription_id = s.id OR t.plan_id = p.id OR t.plan_id = p.parent_id))
"""
_MARK = f"""
    INSERT INTO usage_marks (organization_id, subscription_id, marked_at)
    SELECT s.organization_id, s.id, :now FROM subscriptions AS s JOIN plans AS p ON p.id = s.plan_id
    WHERE s.organization_id = :organization_id AND {{condition}} AND {WATCHED}
    RETURNING 1
"""
_OF_SUBSCRIPTIONS = text(_MARK.format(condition="s.id = ANY(:ids)"))
_OF_PLANS = text(_MARK.format(condition="(p.id = ANY(:ids) OR p.parent_id = ANY(:ids))"))


async def applicable_thresholds(context: Context, subscriptions: Sequence[Subscription]) -> dict[UUID, Thresholds]:
    """The thresholds of each subscription: its own, else those of the override that it is on, else the plan's; none
    where progressive billing is disabled. In two statements."""
    ids = {subscription.plan_id for subscription in subscriptions}
    parents: dict[UUID, UUID | None] = {
        plan_id: parent_id
        for plan_id, parent_id in await context.session.execute(select(Plan.id, Plan.parent_id).where(Plan.id.in_(ids)))
    }
    plan_ids = ids | {parent_id for parent_id in parents.values() if parent_id}
    found = await thresholds_of(context.session, plan_ids, [subscription.id for subscription in subscriptions])
    applicable: dict[UUID, Thresholds] = {}
    for subscription in subscriptions:
        owners = (subscription.id, subscription.plan_id, parents[subscription.plan_id])
        own = next((found[owner] for owner in owners if owner and owner in found), [])
        applicable[subscription.id] = [] if subscription.progressive_billing_disabled else own
    return applicable


async def mark_usage(context: Context, subscription_ids: Iterable[UUID]) -> None:
    """Have the usage of those of the subscriptions looked at that are active and have thresholds."""
    await _mark(context, _OF_SUBSCRIPTIONS, subscription_ids)


async def mark_started(context: Context, subscription_ids: Iterable[UUID]) -> None:
    """The same for subscriptions that begin. Events that are being stored may not know of them yet: they are waited
    for, so that whoever looks sees them."""
    if await _mark(context, _OF_SUBSCRIPTIONS, subscription_ids):
        organization = select(Organization.id).where(Organization.id == context.organization_id)
        await context.session.execute(organization.with_for_update(key_share=True))


async def mark_usage_of_plans(context: Context, plan_ids: Iterable[UUID]) -> None:
    """The same for all subscriptions to plans and their overrides."""
    await _mark(context, _OF_PLANS, plan_ids)


async def _mark(context: Context, statement: TextClause, ids: Iterable[UUID]) -> bool:
    parameters = {"organization_id": context.organization_id, "now": context.now, "ids": list(ids)}
    marked = (await context.session.execute(statement, parameters)).first() is not None
    if marked:
        await wake(context)
    return marked
