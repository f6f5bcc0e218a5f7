"""Use cases of plans (spec 2 §2)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import exists, or_, select, update

from laguna.catalog.cascade import cascade, state_of
from laguna.catalog.charges import (
    EDITABLE_IN_USE,
    NONE_KNOWN,
    charges_of,
    check_charges,
    delete_charges,
    known_charges,
    prices_of,
    store_charges,
)
from laguna.catalog.commitments import check_commitment, commitment_objects, known_commitment, store_commitment
from laguna.catalog.filters import filters_of
from laguna.catalog.schemas import ChargeObject, PlanInput, PlanObject, charge_object, filter_object, plan_object
from laguna.catalog.terms import SUBSCRIPTION, Price, intern, note_since
from laguna.catalog.thresholds import (
    applicable_object,
    check_thresholds,
    store_thresholds,
    threshold_object,
    thresholds_of_plans,
)
from laguna.kernel import signals
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.rows import living, refuse_taken
from laguna.models import BillableMetric, Charge, ChargeTax, Plan, PlanTax, Subscription
from laguna.taxes.service import attach, tax_objects
from laguna.webhooks.outbox import emit

MANDATORY = ("name", "code", "interval", "amount_cents", "amount_currency")
UNSUPPORTED: Mapping[str, Any] = {
    "fixed_charges": [],
}
MONTHLY_FLAGS = ("bill_charges_monthly", "bill_fixed_charges_monthly")
SPLIT_INTERVALS = frozenset({"yearly", "semiannual"})
FIELDS = (
    "name",
    "code",
    "invoice_display_name",
    "description",
    "interval",
    "amount_cents",
    "amount_currency",
    "pay_in_advance",
    "trial_period",
)
FROZEN_IN_USE = ("code", "interval", "pay_in_advance", "amount_currency", "trial_period", *MONTHLY_FLAGS)
METADATA_KEYS_MAX, METADATA_KEY_MAX, METADATA_VALUE_MAX = 50, 100, 255


class Lock(Enum):
    """How a plan is held until the end of the transaction."""

    USE = "use"  # by those who subscribe to it: it can't be edited meanwhile
    EDIT = "edit"


async def find_plan(context: Context, code: str, lock: Lock | None = None) -> Plan:
    """The plan with this code, 404 without."""
    query = living(context, Plan, code=code).where(Plan.parent_id.is_(None))
    if lock is not None:
        query = query.with_for_update(read=lock is Lock.USE, key_share=lock is Lock.EDIT)
    plan = (await context.session.scalars(query)).one_or_none()
    if plan is None:
        raise not_found("plan")
    return plan


async def create_plan(context: Context, data: PlanInput, problems: Problems) -> Plan:
    values = data.given()
    problems.mandatory(values, MANDATORY)
    _check(values, values.get("interval"), problems)
    check_commitment(data.minimum_commitment, None, problems)
    check_thresholds(data.usage_thresholds, problems)
    if "code" not in problems and data.code is not None:
        await _refuse_taken(context, problems, data.code, None)
    items = [(item, None) for item in data.charges or []]
    checked = await check_charges(context, items, NONE_KNOWN, editable=None, problems=problems)
    problems.check()
    plan = Plan(
        organization_id=context.organization_id, pay_in_advance=False, created_at=context.now, updated_at=context.now
    )
    _assign(plan, values)
    await price_plan(context, plan)
    await store_commitment(context, plan, data.minimum_commitment, None)
    await store_thresholds(context, plan, data.usage_thresholds)
    await attach(context, PlanTax, {plan.id: data.tax_codes or []})
    await store_charges(context, plan, checked, NONE_KNOWN, problems)
    await _tell(context, "plan.created", plan)
    return plan


async def update_plan(context: Context, plan: Plan, data: PlanInput, problems: Problems) -> Plan:
    """Change what is given; of a plan with subscriptions some fields stay as they are (PLN-10)."""
    in_use = await is_in_use(context, plan)
    values = data.given()
    if in_use:
        problems.ignore(values, FROZEN_IN_USE, plan)
        values = {field: value for field, value in values.items() if field not in FROZEN_IN_USE}
    problems.mandatory(values, [field for field in MANDATORY if field in values])
    _check(values, values.get("interval", plan.interval), problems)
    commitment = await known_commitment(context, plan)
    check_commitment(data.minimum_commitment, commitment, problems)
    check_thresholds(data.usage_thresholds, problems)
    if values.get("code") is not None and "code" not in problems:
        await _refuse_taken(context, problems, values["code"], plan.id)
    known = await known_charges(context, plan)
    before = state_of(plan, known)
    items = [(item, known.charges.get(item.id) if item.id else None) for item in data.charges or []]
    editable = EDITABLE_IN_USE if in_use else None
    checked = await check_charges(context, items, known, editable=editable, problems=problems)
    problems.check()
    _assign(plan, values)
    plan.updated_at = context.now
    await price_plan(context, plan)
    await store_commitment(context, plan, data.minimum_commitment, commitment)
    await store_thresholds(context, plan, data.usage_thresholds)
    if data.tax_codes is not None:
        await attach(context, PlanTax, {plan.id: data.tax_codes})
    if data.charges is not None:
        mentioned = {item.charge.id for item in checked if item.charge}
        await delete_charges(context, [charge for charge in known.charges.values() if charge.id not in mentioned])
        kept = {charge_id: charge for charge_id, charge in known.charges.items() if charge_id in mentioned}
        await store_charges(context, plan, checked, replace(known, charges=kept), problems)  # PLN-3
    children = await cascade(context, plan, before) if data.cascade_updates else ()
    await _changed(context, plan, children)
    if before.plan != plan.terms_id:
        await signals.announce(context, signals.PlansRepriced((plan.id,)))
    return plan


@asynccontextmanager
async def editing(context: Context, code: str, *, cascade_updates: bool | None) -> AsyncGenerator[Plan]:
    """A plan to change something in, locked. Afterwards its overrides follow, if asked for, and all that depends on
    it; and it is told."""
    plan = await find_plan(context, code, Lock.EDIT)
    before = state_of(plan, await known_charges(context, plan)) if cascade_updates else None
    yield plan
    await context.session.flush()
    await _changed(context, plan, await cascade(context, plan, before) if before else ())


async def _changed(context: Context, plan: Plan, children: Sequence[Plan]) -> None:
    plan.updated_at = context.now
    await context.session.flush()
    await signals.announce(context, signals.PlansChanged((plan.id, *(child.id for child in children))))
    await _tell(context, "plan.updated", plan)


async def _tell(context: Context, webhook_type: str, plan: Plan) -> None:
    async def render() -> list[tuple[UUID, PlanObject]]:
        return [(plan.id, (await plan_objects(context, [plan]))[0])]

    await emit(context, webhook_type, "plan", render)


def _check(values: Mapping[str, Any], interval: str | None, problems: Problems) -> None:
    problems.unsupported(values, UNSUPPORTED)
    if interval in SPLIT_INTERVALS:
        problems.unsupported(values, {"bill_fixed_charges_monthly": False})
    _check_metadata(values.get("metadata") or {}, problems)


def _check_metadata(metadata: Mapping[str, Any], problems: Problems) -> None:
    if len(metadata) > METADATA_KEYS_MAX:
        problems.add("metadata", "too_many_keys")
    for key, value in metadata.items():
        if value is not None and not isinstance(value, str):
            problems.add("metadata", "invalid_type")
        elif len(key) > METADATA_KEY_MAX or len(value or "") > METADATA_VALUE_MAX:
            problems.add("metadata", "value_is_too_long")
        elif "\x00" in key + (value or ""):
            problems.add("metadata", "value_is_invalid")


async def _refuse_taken(context: Context, problems: Problems, code: str, but: UUID | None) -> None:
    await refuse_taken(context, problems, Plan, "code", code, but, parent_id=None)


def _assign(plan: Plan, values: Mapping[str, Any]) -> None:
    for field in FIELDS:
        if field in values:
            setattr(plan, field, values[field])
    plan.pay_in_advance = bool(plan.pay_in_advance)
    for flag in MONTHLY_FLAGS:
        if flag in values:
            setattr(plan, flag, values[flag])
        if plan.interval not in SPLIT_INTERVALS:
            setattr(plan, flag, None)
    if "metadata" in values:
        plan.plan_metadata = values["metadata"]


async def price_plan(context: Context, plan: Plan) -> None:
    """Point the plan at the terms of its amount."""
    price = Price(SUBSCRIPTION, {"amount_cents": plan.amount_cents, "amount_currency": plan.amount_currency})
    terms_id = (await intern(context, [price]))[0]
    changed = plan.terms_id != terms_id
    plan.terms_id = terms_id
    context.session.add(plan)
    await context.session.flush()
    if changed:
        await note_since(context, {plan.id: terms_id})


async def is_in_use(context: Context, plan: Plan) -> bool:
    """Whether any subscription, of any status, is or was on the plan, or on an override of it (PLN-10)."""
    family = select(Plan.id).where(or_(Plan.id == plan.id, Plan.parent_id == plan.id))
    return bool(await context.session.scalar(select(exists().where(Subscription.plan_id.in_(family)))))


async def delete_plan(context: Context, plan: Plan) -> None:
    """Mark for deletion; who hears of it ends the subscriptions first, then the plan goes (PLN-20)."""
    await context.session.execute(
        update(Plan)
        .where(or_(Plan.id == plan.id, Plan.parent_id == plan.id), Plan.deleted_at.is_(None))
        .values(pending_deletion=True, updated_at=context.now)
    )
    await signals.announce(context, signals.PlansDeleted((plan.id,)))
    await _tell(context, "plan.deleted", plan)


async def set_metadata(context: Context, code: str, metadata: Mapping[str, Any], *, merge: bool) -> Plan:
    """Replace a plan's metadata, or change the given keys of it; a null is a value (spec 2 §2.1)."""
    plan = await find_plan(context, code, Lock.EDIT)
    wanted = {**(plan.plan_metadata or {}), **metadata} if merge else dict(metadata)
    problems = Problems()
    _check_metadata(wanted, problems)
    problems.check()
    await _keep_metadata(context, plan, wanted)
    return plan


async def remove_metadata(context: Context, code: str, key: str | None = None) -> Plan:
    """Clear a plan's metadata, or one key of it; 404 `metadata_not_found` for an unknown key."""
    plan = await find_plan(context, code, Lock.EDIT)
    left = plan.plan_metadata or {}
    if key is not None and key not in left:
        raise not_found("metadata")
    await _keep_metadata(context, plan, None if key is None else {name: left[name] for name in left if name != key})
    return plan


async def _keep_metadata(context: Context, plan: Plan, metadata: dict[str, Any] | None) -> None:
    plan.plan_metadata, plan.updated_at = metadata, context.now
    await context.session.flush()
    await _tell(context, "plan.updated", plan)


async def plan_objects(context: Context, plans: Sequence[Plan]) -> list[PlanObject]:
    """Many plans with everything inside, in a fixed number of queries."""
    if not plans:
        return []
    plan_ids = [plan.id for plan in plans]
    charges = await charges_of(context, plan_ids)
    every: list[Charge] = [charge for plan_charges in charges.values() for charge in plan_charges]
    shown = {charge.lago_id: charge for charge in await charge_objects(context, every)}
    plan_taxes = await tax_objects(context, PlanTax, plan_ids)
    commitments = await commitment_objects(context, plans)
    thresholds = await thresholds_of_plans(context.session, plans)
    return [
        plan_object(
            plan,
            [shown[charge.id] for charge in charges[plan.id]],
            plan_taxes[plan.id],
            commitments.get(plan.id),
            [threshold_object(row) for row in thresholds[plan.id][0]],
            [applicable_object(row) for row in thresholds[plan.id][1]],
        )
        for plan in plans
    ]


async def charge_objects(context: Context, charges: Sequence[Charge]) -> list[ChargeObject]:
    """Many charges with everything inside, in a fixed number of queries."""
    if not charges:
        return []
    ids = [charge.id for charge in charges]
    filters = await filters_of(context, ids)
    rows = [row for charge_filters in filters.values() for row in charge_filters]
    prices = await prices_of(context, [*charges, *rows])
    taxes = await tax_objects(context, ChargeTax, ids)
    query = select(BillableMetric.id, BillableMetric.code).where(
        BillableMetric.id.in_({charge.billable_metric_id for charge in charges})
    )
    codes: dict[UUID, str] = {metric_id: code for metric_id, code in await context.session.execute(query)}
    return [
        charge_object(
            charge,
            codes[charge.billable_metric_id],
            prices[charge.id].properties,
            [filter_object(row, charge.code, prices[row.id].properties) for row in filters[charge.id]],
            taxes[charge.id],
        )
        for charge in charges
    ]
