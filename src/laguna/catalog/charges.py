"""Charges of a plan: what is accepted, and making, changing, removing them (spec 1 §3.2 to 3.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from laguna.catalog.schemas import ChargeInput
from laguna.catalog.terms import Price, intern, note_since
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.ids import new_id
from laguna.models import BillableMetric, Charge, ChargeTax, Plan, Terms
from laguna.pricing.models import CHARGE_MODELS
from laguna.taxes.service import attach

# known to the API, not billed yet: refused with a value other than the default
UNSUPPORTED: Mapping[str, Any] = {
    "pay_in_advance": False,
    "prorated": False,
    "min_amount_cents": 0,
    "filters": [],
    "accepts_target_wallet": False,
    "applied_pricing_unit": None,
}
UNSUPPORTED_PROPERTIES = ("pricing_group_keys", "grouped_by", "presentation_group_keys")
FIELDS = ("invoice_display_name", "invoiceable", "regroup_paid_fees")
EDITABLE_IN_USE = ("invoice_display_name", "properties", "tax_codes")  # spec 1 §3.4
NOT_NULL: Mapping[str, Any] = {"invoiceable": True}


@dataclass(frozen=True, slots=True)
class Checked:
    """A charge of a request, ready to be stored: new, or the change of an existing one."""

    data: Mapping[str, Any]
    charge: Charge | None
    metric: BillableMetric
    price: Price


async def metrics_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, BillableMetric]:
    query = select(BillableMetric).where(
        BillableMetric.organization_id == context.organization_id,
        BillableMetric.id.in_(ids),
        BillableMetric.deleted_at.is_(None),
    )
    return {metric.id: metric for metric in await context.session.scalars(query)}


async def check_charges(
    context: Context,
    items: Sequence[ChargeInput],
    existing: Mapping[UUID, Charge],
    prices: Mapping[UUID, Price],
    *,
    in_use: bool,
    problems: Problems,
) -> list[Checked]:
    """Validate all charges of a plan's request, collecting every problem; unknown metrics are 404 at the end."""
    metrics = await metrics_of(
        context,
        [
            *(item.billable_metric_id for item in items if item.billable_metric_id),
            *(charge.billable_metric_id for charge in existing.values()),
        ],
    )
    checked: list[Checked] = []
    unknown = False
    for item in items:
        charge = existing.get(item.id) if item.id else None
        values = item.given()
        if charge is not None and in_use:
            values = {field: values[field] for field in EDITABLE_IN_USE if field in values}
        metric_id = values.get("billable_metric_id") or (charge.billable_metric_id if charge else None)
        metric = metrics.get(metric_id) if metric_id else None
        price = _price(values, prices[charge.id] if charge else None, problems)
        _check_values(values, problems)
        if metric is None:
            unknown = True
            continue
        checked.append(Checked(values, charge, metric, price))
    if unknown and not problems:
        raise not_found("billable_metrics")
    return checked


def _check_values(values: Mapping[str, Any], problems: Problems) -> None:
    problems.unsupported(values, UNSUPPORTED)
    if values.get("invoiceable") is False:
        problems.add("invoiceable", "must_be_true_unless_pay_in_advance")
    if values.get("regroup_paid_fees"):
        problems.add("regroup_paid_fees", "only_compatible_with_pay_in_advance_and_non_invoiceable")


def _price(values: Mapping[str, Any], current: Price | None, problems: Problems) -> Price:
    """The price a charge will have. A new model without properties takes that model's defaults (spec 1 §3.4)."""
    kind = values.get("charge_model") or (current.kind if current else None)
    if kind is None:
        if "charge_model" not in problems:
            problems.add("charge_model", "value_is_mandatory")
        return Price("", {})
    model = CHARGE_MODELS.get(kind)
    if model is None:
        problems.add("charge_model", "unsupported_value")
        return Price(kind, {})
    given = values.get("properties")
    if given is None and current is not None and current.kind == kind:
        return current
    properties = model.default_properties() if given is None else dict(given)
    if any(properties.get(key) for key in UNSUPPORTED_PROPERTIES):
        problems.add("properties", "unsupported_value")
    cleaned, codes = model.clean(properties)
    if codes:
        problems.add("properties", *codes)
    return Price(kind, {key: value for key, value in cleaned.items() if key not in UNSUPPORTED_PROPERTIES})


def _codes(checked: Sequence[Checked], kept: Sequence[Charge], problems: Problems) -> list[str]:
    """The code of each charge: as given, as it was, or the metric's with the next free number (spec 1 §3.2)."""
    touched = {item.charge.id for item in checked if item.charge}
    taken = {charge.code for charge in kept if charge.id not in touched}
    codes: list[str] = [item.data.get("code") or (item.charge.code if item.charge else "") for item in checked]
    for code in codes:
        if code and code in taken:
            problems.add("code", "value_already_exist")
        taken.add(code)
    for index, item in enumerate(checked):
        if not codes[index]:
            base = item.metric.code
            pattern = re.compile(re.escape(base) + r"_(\d{1,9})")
            numbers = [int(match[1]) for code in taken if (match := pattern.fullmatch(code))]
            codes[index] = base if base not in taken else f"{base}_{max([1, *numbers]) + 1}"
            taken.add(codes[index])
    return codes


async def store_charges(
    context: Context, plan: Plan, checked: Sequence[Checked], existing: Sequence[Charge], problems: Problems
) -> None:
    """Create and change the plan's charges; those of `existing` that the request leaves out are deleted (PLN-3)."""
    mentioned = {item.charge.id for item in checked if item.charge}
    for charge in existing:
        if charge.id not in mentioned:
            charge.deleted_at = context.now
    await context.session.flush()
    codes = _codes(checked, [charge for charge in existing if charge.id in mentioned], problems)
    problems.check()
    terms_ids = await intern(context, [item.price for item in checked])
    priced: dict[UUID, UUID] = {}
    taxes: dict[UUID, list[str]] = {}
    for item, code, terms_id in zip(checked, codes, terms_ids, strict=True):
        charge = item.charge
        if charge is None:
            charge = Charge(
                id=new_id(), organization_id=context.organization_id, plan_id=plan.id, created_at=context.now
            )
            charge.invoiceable = True
            context.session.add(charge)
        charge.billable_metric_id = item.metric.id
        charge.code, charge.charge_model, charge.updated_at = code, item.price.kind, context.now
        for field in FIELDS:
            if field in item.data:
                value = item.data[field]
                setattr(charge, field, NOT_NULL.get(field) if value is None else value)
        if charge.terms_id != terms_id:
            charge.terms_id = priced[charge.id] = terms_id
        if item.data.get("tax_codes") is not None:
            taxes[charge.id] = item.data["tax_codes"]
    await context.session.flush()
    await attach(context, ChargeTax, taxes)
    await note_since(context, priced)


async def charges_of(context: Context, plan_ids: Sequence[UUID]) -> dict[UUID, list[Charge]]:
    """The living charges of plans, in the plan's order: oldest first."""
    found: dict[UUID, list[Charge]] = {plan_id: [] for plan_id in plan_ids}
    query = (
        select(Charge)
        .where(Charge.plan_id.in_(plan_ids), Charge.deleted_at.is_(None))
        .order_by(Charge.created_at, Charge.id)
    )
    for charge in await context.session.scalars(query):
        found[charge.plan_id].append(charge)
    return found


async def prices_of(context: Context, charges: Sequence[Charge]) -> dict[UUID, Price]:
    """The current price of each charge."""
    query = select(Terms.id, Terms.kind, Terms.properties).where(Terms.id.in_({charge.terms_id for charge in charges}))
    terms = {row.id: Price(row.kind, row.properties) for row in await context.session.execute(query)}
    return {charge.id: terms[charge.terms_id] for charge in charges}
