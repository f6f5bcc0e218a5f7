"""Overrides: a plan of a subscription's own, made of the one it was on (spec 2 §2.4, spec 1 §3.13).

It has the code of its parent and is in no list of plans. It keeps taxes, filters, minimums and the commitment unless
they are overridden (spec 2 W-37).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from laguna.catalog.charges import EDITABLE_IN_USE, check_charges, known_charges, store_charges
from laguna.catalog.commitments import check_commitment, copy_commitment, known_commitment, store_commitment
from laguna.catalog.copies import Wanted, copy_charges, copy_taxes
from laguna.catalog.schemas import ChargeInput, PlanOverridesInput
from laguna.catalog.service import price_plan
from laguna.catalog.thresholds import check_thresholds, store_thresholds
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.ids import new_id
from laguna.models import Charge, Plan, PlanTax
from laguna.taxes.service import attach

OVERRIDABLE = EDITABLE_IN_USE | {"min_amount_cents"}  # of a charge
FIELDS = ("name", "invoice_display_name", "description", "amount_cents")
BEFORE_START = ("amount_currency", "trial_period")  # later they would change what is under way (PLN-10)
UNSUPPORTED: Mapping[str, Any] = {"fixed_charges": []}
_COPIED = (
    "organization_id",
    "code",
    "name",
    "invoice_display_name",
    "description",
    "interval",
    "pay_in_advance",
    "bill_charges_monthly",
    "bill_fixed_charges_monthly",
    "trial_period",
    "amount_cents",
    "amount_currency",
    "plan_metadata",
    "pending_deletion",
)


async def own_plan(context: Context, plan_id: UUID) -> Plan:
    """The override to change, locked: the plan itself where it is one, else a new one, made of it."""
    plan = await context.session.get_one(Plan, plan_id)
    locked = select(Plan).where(Plan.organization_id == context.organization_id, Plan.id == plan_id)
    query = locked.with_for_update(read=plan.parent_id is None, key_share=plan.parent_id is not None).execution_options(
        populate_existing=True
    )
    plan = (await context.session.scalars(query)).one()
    return plan if plan.parent_id is not None else await _copy(context, plan)


async def _copy(context: Context, plan: Plan) -> Plan:
    child = Plan(
        id=new_id(),
        parent_id=plan.id,
        created_at=context.now,
        updated_at=context.now,
        **{field: getattr(plan, field) for field in _COPIED},
    )
    await price_plan(context, child)
    await copy_commitment(context, plan, child)
    await copy_taxes(context, PlanTax, [(plan.id, child.id)])
    known = await known_charges(context, plan)
    await copy_charges(context, [Wanted(charge, child, charge.code) for charge in known.charges.values()])
    return child


async def override_plan(
    context: Context, plan_id: UUID, data: PlanOverridesInput, problems: Problems, *, is_started: bool
) -> Plan:
    """The plan of a subscription's own with these overrides (OVR-1, OVR-3). What is absent or null stays.

    Once the subscription `is_started`, currency and trial can't be overridden; they are ignored.
    """
    child = await own_plan(context, plan_id)
    values = {field: value for field, value in data.given().items() if value is not None}
    problems.unsupported(values, UNSUPPORTED)
    problems.mandatory(values, ("name",) if "name" in values else ())
    commitment = await known_commitment(context, child)
    check_commitment(data.minimum_commitment, commitment, problems)
    check_thresholds(data.usage_thresholds, problems)
    if is_started:
        problems.ignore(values, BEFORE_START, child)
    await override_charges(context, child, data.charges or [], problems)
    for field in FIELDS if is_started else (*FIELDS, *BEFORE_START):
        if field in values:
            setattr(child, field, values[field])
    child.updated_at = context.now
    await price_plan(context, child)
    await store_commitment(context, child, data.minimum_commitment, commitment)
    await store_thresholds(context, child, data.usage_thresholds)
    if data.tax_codes is not None:
        await attach(context, PlanTax, {child.id: data.tax_codes})
    return child


async def override_charges(context: Context, child: Plan, items: list[ChargeInput], problems: Problems) -> list[Charge]:
    """Change charges of an override, named by their own id or the one they were made of; 404 for others."""
    known = await known_charges(context, child)
    named = {charge.parent_id: charge for charge in known.charges.values()} | dict(known.charges)
    if any(item.id not in named for item in items):
        raise not_found("charge")
    pairs = [(item, named[item.id]) for item in items]
    checked = await check_charges(context, pairs, known, editable=OVERRIDABLE, problems=problems)
    problems.check()
    return await store_charges(context, child, checked, known, problems)
