"""Charges and filters one by one, on their own endpoints (spec 1 §3.1): changes of a plan that is locked."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import or_

from laguna.catalog.charges import (
    check_charges,
    delete_charges,
    known_charges,
    metrics_of,
    prices_of,
    store_charges,
)
from laguna.catalog.filters import (
    CheckedFilter,
    add_filter,
    change_filter,
    filter_price,
    filters_of,
    identity,
    read_values,
)
from laguna.catalog.priced import declared_values
from laguna.catalog.schemas import ChargeInput, FilterInput, FilterObject, filter_object
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.ids import parse_id
from laguna.kernel.rows import find, living
from laguna.models import Charge, ChargeFilter, Plan
from laguna.pricing.models import CHARGE_MODELS


async def find_charge(context: Context, plan: Plan, code: str) -> Charge:
    return await find(context, Charge, "charge", plan_id=plan.id, code=code)


async def find_filter(context: Context, charge: Charge, identifier: str) -> ChargeFilter:
    """By its own id, or by that of the filter it is a copy of, which is what clients knew before the override."""
    filter_id = parse_id(identifier)
    query = living(context, ChargeFilter, charge_id=charge.id).where(
        or_(ChargeFilter.id == filter_id, ChargeFilter.parent_id == filter_id)
    )
    row = (await context.session.scalars(query.limit(1))).one_or_none() if filter_id else None
    if row is None:
        raise not_found("charge_filter")
    return row


async def create_charge(context: Context, plan: Plan, data: ChargeInput, problems: Problems) -> Charge:
    """One more charge of a plan; without a code it gets the metric's, numbered where that is taken."""
    problems.mandatory(data.given(), ("billable_metric_id", "charge_model"))
    problems.check()
    known = await known_charges(context, plan)
    checked = await check_charges(
        context, [(data, None)], known, editable=None, problems=problems, unknown="billable_metric"
    )
    problems.check()
    (charge,) = await store_charges(context, plan, checked, known, problems)
    return charge


async def change_charge(
    context: Context,
    plan: Plan,
    charge: Charge,
    data: ChargeInput,
    problems: Problems,
    *,
    editable: Collection[str] | None,
) -> None:
    """Change what is given of a charge, as far as it is `editable` (spec 1 §3.4)."""
    known = await known_charges(context, plan)
    checked = await check_charges(
        context, [(data, charge)], known, editable=editable, problems=problems, unknown="billable_metric"
    )
    problems.check()
    await store_charges(context, plan, checked, known, problems)


async def delete_charge(context: Context, charge: Charge) -> None:
    await delete_charges(context, [charge])


async def create_filter(
    context: Context, charge: Charge, data: FilterInput, problems: Problems, *, taken: str = "value_already_exist"
) -> ChargeFilter:
    """One more filter of a charge; another one with the same values is refused with the code `taken` (W3)."""
    await metrics_of(context, [charge.billable_metric_id])
    declared = await declared_values(context.session, [charge.billable_metric_id])
    values = read_values(data.values, declared[charge.billable_metric_id], problems)
    price = filter_price(data.properties, CHARGE_MODELS[charge.charge_model], problems)
    existing = (await filters_of(context, [charge.id]))[charge.id]
    if values is not None and identity(values) in {identity(row.values) for row in existing}:
        problems.add("values", taken)
    problems.check()
    assert values is not None
    assert price is not None
    return await add_filter(context, charge, CheckedFilter(values, price, data.invoice_display_name))


async def update_filter(
    context: Context, charge: Charge, row: ChargeFilter, data: FilterInput, problems: Problems
) -> None:
    """Its name and price; the values of a filter can't be changed (spec 1 §3.5)."""
    price = None
    if data.properties is not None:
        price = filter_price(data.properties, CHARGE_MODELS[charge.charge_model], problems)
    problems.check()
    problems.ignore({"values": data.values}, ("values",), row)
    is_named = "invoice_display_name" in data.given()
    await change_filter(context, row, CheckedFilter(row.values, price, data.invoice_display_name, is_named))


async def delete_filter(context: Context, row: ChargeFilter) -> None:
    row.deleted_at = context.now
    await context.session.flush()


async def filter_objects(context: Context, charge: Charge, rows: Sequence[ChargeFilter]) -> list[FilterObject]:
    prices = await prices_of(context, rows)
    return [filter_object(row, charge.code, prices[row.id].properties) for row in rows]
