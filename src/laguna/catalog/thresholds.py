"""Usage thresholds of plans and subscriptions: what is accepted, storing and showing them (spec 2 PLN-2, OVR-6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.catalog.schemas import ApplicableThresholdObject, ThresholdObject, UsageThresholdInput
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems
from laguna.kernel.ids import new_id
from laguna.models import Organization, Plan, Subscription, UsageThreshold

FIELD = "usage_thresholds"
Thresholds = list[UsageThreshold]


def check_thresholds(items: Sequence[UsageThresholdInput] | None, problems: Problems) -> None:
    """Each has an amount of its own, and one at most recurs (PLN-2)."""
    given = items or ()
    if any(item.amount_cents is None for item in given) and "amount_cents" not in problems:
        problems.add(FIELD, "missing_amount_cents")
    amounts = [(item.amount_cents, bool(item.recurring)) for item in given if item.amount_cents is not None]
    if len(set(amounts)) < len(amounts):
        problems.add(FIELD, "duplicated_values")
    if sum(bool(item.recurring) for item in given) > 1:
        problems.add(FIELD, "multiple_recurring_thresholds")


async def store_thresholds(
    context: Context, owner: Plan | Subscription, items: Sequence[UsageThresholdInput] | None
) -> bool:
    """Replace the thresholds of a plan or a subscription; None changes nothing. One whose amount stays is the same one,
    so that what was billed for it remains known. Whether any were given or gone."""
    if items is None:
        return False
    known = {(row.amount_cents, row.recurring): row for row in await _own(context.session, owner)}
    if not known and not items:
        return False
    wanted = {(item.amount_cents or 0, bool(item.recurring)): item for item in items}
    for key, row in known.items():
        if key not in wanted:
            row.deleted_at = row.updated_at = context.now
    for (amount_cents, recurring), item in wanted.items():
        row = known.get((amount_cents, recurring)) or _new(context, owner)
        row.amount_cents, row.recurring = amount_cents, recurring
        if row.threshold_display_name != (item.threshold_display_name or None):
            row.threshold_display_name, row.updated_at = item.threshold_display_name or None, context.now
        context.session.add(row)
    await context.session.flush()
    # from now on, or no longer, the writers of events have to tell of usage
    organization = update(Organization).where(Organization.id == context.organization_id)
    await context.session.execute(
        organization.values(catalog_version=Organization.catalog_version + 1).execution_options(
            synchronize_session=False
        )
    )
    return True


def _new(context: Context, owner: Plan | Subscription) -> UsageThreshold:
    return UsageThreshold(
        id=new_id(),
        organization_id=context.organization_id,
        plan_id=owner.id if isinstance(owner, Plan) else None,
        subscription_id=None if isinstance(owner, Plan) else owner.id,
        created_at=context.now,
        updated_at=context.now,
    )


async def _own(session: AsyncSession, owner: Plan | Subscription) -> Thresholds:
    column = UsageThreshold.plan_id if isinstance(owner, Plan) else UsageThreshold.subscription_id
    query = select(UsageThreshold).where(column == owner.id, UsageThreshold.deleted_at.is_(None))
    return list(await session.scalars(query))


async def thresholds_of(
    session: AsyncSession, plan_ids: Iterable[UUID], subscription_ids: Iterable[UUID] = ()
) -> dict[UUID, Thresholds]:
    """The thresholds of plans and subscriptions that have some of their own, by amount, the recurring one last."""
    query = (
        select(UsageThreshold)
        .where(
            or_(
                UsageThreshold.plan_id.in_(list(plan_ids)),
                UsageThreshold.subscription_id.in_(list(subscription_ids)),
            ),
            UsageThreshold.deleted_at.is_(None),
        )
        .order_by(UsageThreshold.recurring, UsageThreshold.amount_cents)
    )
    found: dict[UUID, Thresholds] = {}
    for row in await session.scalars(query):
        owner_id = row.plan_id or row.subscription_id
        assert owner_id is not None
        found.setdefault(owner_id, []).append(row)
    return found


async def thresholds_of_plans(
    session: AsyncSession, plans: Sequence[Plan]
) -> dict[UUID, tuple[Thresholds, Thresholds]]:
    """Of each plan its own thresholds, and those that apply: an override without any has its parent's (OVR-6)."""
    found = await thresholds_of(
        session, {plan.id for plan in plans} | {plan.parent_id for plan in plans if plan.parent_id}
    )
    return {
        plan.id: (
            found.get(plan.id, []),
            found.get(plan.id) or (found.get(plan.parent_id, []) if plan.parent_id else []),
        )
        for plan in plans
    }


def threshold_object(row: UsageThreshold) -> ThresholdObject:
    return ThresholdObject(
        lago_id=row.id,
        threshold_display_name=row.threshold_display_name,
        amount_cents=row.amount_cents,
        recurring=row.recurring,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def applicable_object(row: UsageThreshold) -> ApplicableThresholdObject:
    return ApplicableThresholdObject(
        threshold_display_name=row.threshold_display_name, amount_cents=row.amount_cents, recurring=row.recurring
    )
