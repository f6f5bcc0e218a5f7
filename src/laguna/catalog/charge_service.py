"""Charges and filters one by one, on their own endpoints (spec 1 §3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from laguna.catalog.charges import (
    check_charges,
    delete_charges,
    known_charges,
    prices_of,
    store_charges,
)
from laguna.catalog.filters import (
    CheckedFilter,
    add_filter,
    change_filter,
    declared_values,
    filter_price,
    filters_of,
    identity,
    read_values,
)
from laguna.catalog.schemas import ChargeInput, FilterInput, FilterObject, filter_object
from laguna.catalog.service import Lock, find_plan, is_in_use, plan_changed
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems
from laguna.kernel.ids import parse_id
from laguna.kernel.rows import find
from laguna.models import Charge, ChargeFilter, Plan
from laguna.pricing.models import CHARGE_MODELS


async def find_charge(context: Context, plan: Plan, code: str) -> Charge:
    return await find(context, Charge, "charge", plan_id=plan.id, code=code)


async def find_filter(context: Context, charge: Charge, identifier: str) -> ChargeFilter:
    return await find(context, ChargeFilter, "charge_filter", charge_id=charge.id, id=parse_id(identifier))


async def create_charge(context: Context, plan_code: str, data: ChargeInput, problems: Problems) -> Charge:
    """One more charge of a plan; without a code it gets the metric's, numbered where that is taken."""
    plan = await find_plan(context, plan_code, Lock.EDIT)
    problems.mandatory(data.given(), ("billable_metric_id", "charge_model"))
    problems.check()
    known = await known_charges(context, plan)
    checked = await check_charges(
        context, [(data, None)], known, in_use=False, problems=problems, unknown="billable_metric"
    )
    problems.check()
    (charge,) = await store_charges(context, plan, checked, known, problems)
    await plan_changed(context, plan)
    return charge


async def update_charge(context: Context, plan_code: str, code: str, data: ChargeInput, problems: Problems) -> Charge:
    """Change what is given of a charge, as far as the plan's subscriptions leave it open (spec 1 §3.4)."""
    plan = await find_plan(context, plan_code, Lock.EDIT)
    charge = await find_charge(context, plan, code)
    known = await known_charges(context, plan)
    in_use = await is_in_use(context, plan)
    checked = await check_charges(
        context, [(data, charge)], known, in_use=in_use, problems=problems, unknown="billable_metric"
    )
    problems.check()
    await store_charges(context, plan, checked, known, problems)
    await plan_changed(context, plan)
    return charge


async def delete_charge(context: Context, plan_code: str, code: str) -> Charge:
    plan = await find_plan(context, plan_code, Lock.EDIT)
    charge = await find_charge(context, plan, code)
    await delete_charges(context, [charge])
    await plan_changed(context, plan)
    return charge


async def create_filter(
    context: Context, plan_code: str, code: str, data: FilterInput, problems: Problems
) -> FilterObject:
    """One more filter of a charge; another one with the same values is refused (W3)."""
    plan = await find_plan(context, plan_code, Lock.EDIT)
    charge = await find_charge(context, plan, code)
    declared = (await declared_values(context, [charge.billable_metric_id]))[charge.billable_metric_id]
    values = read_values(data.values, declared, problems)
    price = filter_price(data.properties, CHARGE_MODELS[charge.charge_model], problems)
    existing = (await filters_of(context, [charge.id]))[charge.id]
    if values is not None and identity(values) in {identity(row.values) for row in existing}:
        problems.add("values", "value_already_exist")
    problems.check()
    assert values is not None
    assert price is not None
    row = await add_filter(context, charge, CheckedFilter(values, price, data.invoice_display_name))
    await plan_changed(context, plan)
    return (await filter_objects(context, charge, [row]))[0]


async def update_filter(
    context: Context, plan_code: str, code: str, identifier: str, data: FilterInput, problems: Problems
) -> FilterObject:
    """Its name and price; the values of a filter can't be changed (spec 1 §3.5)."""
    plan = await find_plan(context, plan_code, Lock.EDIT)
    charge = await find_charge(context, plan, code)
    row = await find_filter(context, charge, identifier)
    given: dict[str, Any] = data.given()
    price = None
    if given.get("properties") is not None:
        price = filter_price(data.properties, CHARGE_MODELS[charge.charge_model], problems)
    problems.check()
    name = data.invoice_display_name if "invoice_display_name" in given else row.invoice_display_name
    await change_filter(context, row, display_name=name, price=price)
    await plan_changed(context, plan)
    return (await filter_objects(context, charge, [row]))[0]


async def delete_filter(context: Context, plan_code: str, code: str, identifier: str) -> FilterObject:
    plan = await find_plan(context, plan_code, Lock.EDIT)
    charge = await find_charge(context, plan, code)
    row = await find_filter(context, charge, identifier)
    row.deleted_at = context.now
    await plan_changed(context, plan)
    return (await filter_objects(context, charge, [row]))[0]


async def filter_objects(context: Context, charge: Charge, rows: Sequence[ChargeFilter]) -> list[FilterObject]:
    prices = await prices_of(context, rows)
    return [filter_object(row, charge.code, prices[row.id].properties) for row in rows]
