"""Minimum commitments: the least that a subscription to a plan is billed for each of its periods (spec 2 §6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.catalog.copies import copy_taxes
from laguna.catalog.schemas import MinimumCommitmentInput, MinimumCommitmentObject
from laguna.catalog.terms import COMMITMENT, Price, intern, note_since
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems
from laguna.kernel.ids import new_id
from laguna.models import Commitment, CommitmentTax, Plan
from laguna.taxes.service import attach, tax_objects


async def commitments_of(session: AsyncSession, plan_ids: Iterable[UUID]) -> dict[UUID, Commitment]:
    """The commitment of each plan that has one."""
    query = select(Commitment).where(Commitment.plan_id.in_(list(plan_ids)), Commitment.deleted_at.is_(None))
    return {row.plan_id: row for row in await session.scalars(query)}


async def known_commitment(context: Context, plan: Plan) -> Commitment | None:
    return (await commitments_of(context.session, [plan.id])).get(plan.id)


def check_commitment(data: MinimumCommitmentInput | None, known: Commitment | None, problems: Problems) -> None:
    """A new commitment has an amount, and none can be without."""
    values = data.given() if data else {}
    if values and (known is None or "amount_cents" in values):
        problems.mandatory(values, ("amount_cents",))


async def store_commitment(
    context: Context, plan: Plan, data: MinimumCommitmentInput | None, known: Commitment | None
) -> None:
    """Make, change or remove the commitment of a plan that has its amount and currency. Without fields it is removed,
    None changes nothing (PLN-3)."""
    values = data.given() if data else {}
    if data is not None and not values:
        if known is not None:
            known.deleted_at = known.updated_at = context.now
        await context.session.flush()
        return
    if known is None and not values:
        return
    row = known or _new(context, plan)
    if "amount_cents" in values:
        row.amount_cents = values["amount_cents"]
    if "invoice_display_name" in values:
        row.invoice_display_name = values["invoice_display_name"] or None
    price = Price(COMMITMENT, {"amount_cents": row.amount_cents, "amount_currency": plan.amount_currency})
    terms_id = (await intern(context, [price]))[0]
    changed = row.terms_id != terms_id
    if values or changed:
        row.terms_id, row.updated_at = terms_id, context.now
    context.session.add(row)
    await context.session.flush()
    if changed:
        await note_since(context, {row.id: terms_id})
    if values.get("tax_codes") is not None:
        await attach(context, CommitmentTax, {row.id: values["tax_codes"]})


async def copy_commitment(context: Context, plan: Plan, child: Plan) -> None:
    """Give an override the commitment of the plan it was made of, with its taxes (spec 2 W-37)."""
    source = await known_commitment(context, plan)
    if source is None:
        return
    row = _new(context, child)
    row.amount_cents, row.invoice_display_name = source.amount_cents, source.invoice_display_name
    row.terms_id = source.terms_id
    context.session.add(row)
    await context.session.flush()
    await note_since(context, {row.id: row.terms_id})
    await copy_taxes(context, CommitmentTax, [(source.id, row.id)])


def _new(context: Context, plan: Plan) -> Commitment:
    return Commitment(
        id=new_id(),
        organization_id=context.organization_id,
        plan_id=plan.id,
        created_at=context.now,
        updated_at=context.now,
    )


async def commitment_objects(context: Context, plans: Sequence[Plan]) -> dict[UUID, MinimumCommitmentObject]:
    """The commitments of many plans as the API shows them, in a fixed number of queries."""
    rows = await commitments_of(context.session, [plan.id for plan in plans])
    taxes = await tax_objects(context, CommitmentTax, [row.id for row in rows.values()])
    return {
        plan.id: MinimumCommitmentObject(
            lago_id=row.id,
            plan_code=plan.code,
            amount_cents=row.amount_cents,
            invoice_display_name=row.invoice_display_name,
            interval=plan.interval,
            created_at=row.created_at,
            updated_at=row.updated_at,
            taxes=taxes[row.id],
        )
        for plan in plans
        if (row := rows.get(plan.id)) is not None
    }
