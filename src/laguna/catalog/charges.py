"""Charges of plans: what is accepted, and making, changing, removing them (spec 1 §3.2 to 3.4)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from laguna.catalog.acceptance import Combination, check_combination
from laguna.catalog.filters import (
    CheckedFilter,
    check_filters,
    delete_filters,
    filters_of,
    identity,
    read_values,
    replace_filters,
)
from laguna.catalog.priced import declared_values
from laguna.catalog.schemas import ChargeInput, FilterInput
from laguna.catalog.terms import Price, intern, note_since
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.ids import new_id
from laguna.models import BillableMetric, Charge, ChargeFilter, ChargeTax, Plan, Terms
from laguna.pricing.models import CHARGE_MODELS
from laguna.taxes.service import attach

# known to the API, not billed yet: refused with a value other than the default
UNSUPPORTED: Mapping[str, Any] = {
    "pay_in_advance": False,
    "accepts_target_wallet": False,
    "applied_pricing_unit": None,
}
FIELDS = ("invoice_display_name", "prorated", "min_amount_cents", "invoiceable", "regroup_paid_fees")
EDITABLE_IN_USE = frozenset({"invoice_display_name", "properties", "filters", "tax_codes"})  # spec 1 §3.4
ABOUT = frozenset({"id", "cascade_updates"})  # of a request: which charge, and how far
DEFAULTS: Mapping[str, Any] = {
    "pay_in_advance": False,
    "prorated": False,
    "invoiceable": True,
    "regroup_paid_fees": None,
    "min_amount_cents": 0,
}


@dataclass(frozen=True, slots=True)
class Known:
    """The charges that a plan has, with their prices and filters."""

    charges: Mapping[UUID, Charge]
    prices: Mapping[UUID, Price]
    filters: Mapping[UUID, Sequence[ChargeFilter]]


NONE_KNOWN = Known({}, {}, {})


async def known_charges(context: Context, plan: Plan) -> Known:
    """The living charges of a plan, as changing them needs them."""
    charges = (await charges_of(context, [plan.id]))[plan.id]
    return Known(
        {charge.id: charge for charge in charges},
        await prices_of(context, charges),
        await filters_of(context, [charge.id for charge in charges]),
    )


@dataclass(frozen=True, slots=True)
class Checked:
    """A charge of a request, ready to be stored: new, or the change of an existing one."""

    data: Mapping[str, Any]
    charge: Charge | None
    metric: BillableMetric
    price: Price
    filters: Sequence[CheckedFilter] | None


async def metrics_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, BillableMetric]:
    """Living metrics, held as they are: what one declares can't be taken from it while a charge comes to use it."""
    query = (
        select(BillableMetric)
        .where(
            BillableMetric.organization_id == context.organization_id,
            BillableMetric.id.in_(ids),
            BillableMetric.deleted_at.is_(None),
        )
        .order_by(BillableMetric.id)
        .with_for_update(read=True)
    )
    return {metric.id: metric for metric in await context.session.scalars(query)}


async def check_charges(
    context: Context,
    items: Sequence[tuple[ChargeInput, Charge | None]],
    known: Known,
    *,
    editable: Collection[str] | None,
    problems: Problems,
    unknown: str = "billable_metrics",
) -> list[Checked]:
    """Validate charges of a plan's request, each with the one it changes, collecting every problem; unknown metrics are
    404 at the end. Of an existing charge only the `editable` fields count, all of them where that is None."""
    ids = {item.billable_metric_id for item, _ in items if item.billable_metric_id}
    ids |= {charge.billable_metric_id for charge in known.charges.values()}
    metrics = await metrics_of(context, list(ids))
    declared = await declared_values(context.session, metrics)
    checked: list[Checked] = []
    is_unknown = False
    for item, charge in items:
        values = item.given()
        if charge is not None and editable is not None:
            values = _only(editable, values, charge, problems)
        metric_id = values.get("billable_metric_id") or (charge.billable_metric_id if charge else None)
        metric = metrics.get(metric_id) if metric_id else None
        price = _price(values, known.prices[charge.id] if charge else None, problems)
        problems.unsupported(values, UNSUPPORTED)
        if metric is None:
            is_unknown = True
            continue
        _check_combination(values, charge, metric, price, problems)
        filters = _filters(values, charge, metric, price, known, declared[metric.id], problems)
        checked.append(Checked(values, charge, metric, price, filters))
    if is_unknown and not problems:
        raise not_found(unknown)
    return checked


def _only(editable: Collection[str], values: Mapping[str, Any], charge: Charge, problems: Problems) -> dict[str, Any]:
    """What of a request counts; the rest is ignored, which is told where it says something else than it is (W7)."""
    problems.ignore(values, [field for field in values if field not in editable and field not in ABOUT], charge)
    return {field: value for field, value in values.items() if field in editable}


def _check_combination(
    values: Mapping[str, Any], charge: Charge | None, metric: BillableMetric, price: Price, problems: Problems
) -> None:
    """The options as they will be: as given, as they were, or as they are without being told."""

    def option(name: str) -> Any:
        given = values.get(name)
        if given is None and name not in values and charge is not None:
            given = getattr(charge, name)
        return DEFAULTS[name] if given is None else given

    if price.kind:
        options: dict[str, Any] = {name: option(name) for name in DEFAULTS}
        check_combination(Combination(metric.aggregation_type, bool(metric.recurring), price.kind, **options), problems)


def _filters(
    values: Mapping[str, Any],
    charge: Charge | None,
    metric: BillableMetric,
    price: Price,
    known: Known,
    declared: Mapping[str, Sequence[str]],
    problems: Problems,
) -> list[CheckedFilter] | None:
    """The filters a charge will have; None where they stay. Those of another model or metric may be unable to."""
    model = CHARGE_MODELS.get(price.kind)
    if model is None:
        return None
    given: list[FilterInput] | None = values.get("filters")
    existing = known.filters[charge.id] if charge else ()
    same_model = charge is not None and price.kind == known.prices[charge.id].kind
    if given is not None:
        priced = {identity(row.values) for row in existing} if same_model else set[Any]()
        return check_filters(given, model, declared, problems, priced)
    if existing and not same_model:
        problems.add("filters", "value_is_mandatory")
    if charge is not None and charge.billable_metric_id != metric.id:
        for row in existing:
            read_values(row.values, declared, problems)
    return None


def _price(values: Mapping[str, Any], current: Price | None, problems: Problems) -> Price:
    """The price a charge will have. A new model without properties takes that model's defaults (spec 1 §3.4)."""
    kind = values.get("charge_model") or (current.kind if current else None)
    if kind is None:
        if "charge_model" not in problems:
            problems.add("charge_model", "value_is_mandatory")
        return Price("", {})
    model = CHARGE_MODELS.get(kind)
    if model is None:  # custom: only what scripts aggregate has it
        return Price(kind, {})
    given = values.get("properties")
    if given is None and current is not None and current.kind == kind:
        return current
    cleaned, codes = model.clean(model.default_properties() if given is None else given)
    if codes:
        problems.add("properties", *codes)
    return Price(kind, cleaned)


def _codes(checked: Sequence[Checked], kept: Sequence[Charge], problems: Problems) -> list[str]:
    """The code of each charge: as given, as it was, or the metric's with the next free number (spec 1 §3.2)."""
    touched = {item.charge.id for item in checked if item.charge}
    taken = {charge.code for charge in kept if charge.id not in touched}
    codes: list[str] = [item.data.get("code") or (item.charge.code if item.charge else "") for item in checked]
    for code in codes:
        if code and code in taken:
            problems.add("code", "value_already_exist")
        taken.add(code)
    numbering = Numbering(taken)
    return [code or numbering.free(item.metric.code) for code, item in zip(codes, checked, strict=True)]


class Numbering:
    """Codes of charges of one plan that are not taken: the metric's, or that with the next number (spec 1 §3.2)."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._highest: dict[str, int] = {}
        for code in self._taken:
            base, _, number = code.rpartition("_")
            if base and number.isascii() and number.isdigit() and len(number) < 10:
                self._highest[base] = max(int(number), self._highest.get(base, 1))

    def free(self, base: str) -> str:
        """The next free code, which is taken from now on: u, u_2, u_3."""
        code = base
        while code in self._taken:
            self._highest[base] = self._highest.get(base, 1) + 1
            code = f"{base}_{self._highest[base]}"
        self._taken.add(code)
        return code


async def store_charges(
    context: Context, plan: Plan, checked: Sequence[Checked], known: Known, problems: Problems
) -> list[Charge]:
    """Create and change charges of a plan; what the request doesn't mention stays. They are in the order given."""
    codes = _codes(checked, list(known.charges.values()), problems)
    problems.check()
    terms_ids = await intern(context, [item.price for item in checked])
    priced: dict[UUID, UUID] = {}
    taxes: dict[UUID, list[str]] = {}
    filters: dict[UUID, Sequence[CheckedFilter]] = {}
    stored: list[Charge] = []
    for item, code, terms_id in zip(checked, codes, terms_ids, strict=True):
        charge = item.charge or _new_charge(context, plan)
        charge.billable_metric_id = item.metric.id
        charge.code, charge.charge_model, charge.updated_at = code, item.price.kind, context.now
        for field in FIELDS:
            if field in item.data:
                value = item.data[field]
                setattr(charge, field, DEFAULTS.get(field) if value is None else value)
        if charge.terms_id != terms_id:
            charge.terms_id = priced[charge.id] = terms_id
        if item.data.get("tax_codes") is not None:
            taxes[charge.id] = item.data["tax_codes"]
        if item.filters is not None:
            filters[charge.id] = item.filters
        stored.append(charge)
    await context.session.flush()
    await attach(context, ChargeTax, taxes)
    await note_since(context, priced)
    await replace_filters(context, filters, known.filters)
    return stored


def _new_charge(context: Context, plan: Plan) -> Charge:
    charge = Charge(
        id=new_id(),
        organization_id=context.organization_id,
        plan_id=plan.id,
        created_at=context.now,
        invoiceable=True,
        pay_in_advance=False,
        prorated=False,
        min_amount_cents=0,
        accepts_target_wallet=False,
    )
    context.session.add(charge)
    return charge


async def delete_charges(context: Context, charges: Sequence[Charge]) -> None:
    """Soft, with their filters; they are no longer billed, in the running period either (spec 1 §3.4)."""
    for charge in charges:
        charge.deleted_at = context.now
    await context.session.flush()
    await delete_filters(context, [charge.id for charge in charges])


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


async def prices_of(context: Context, rows: Sequence[Charge | ChargeFilter]) -> dict[UUID, Price]:
    """The current price of each charge or filter."""
    query = select(Terms.id, Terms.kind, Terms.properties).where(Terms.id.in_({row.terms_id for row in rows}))
    terms = {row.id: Price(row.kind, row.properties) for row in await context.session.execute(query)}
    return {row.id: terms[row.terms_id] for row in rows}
