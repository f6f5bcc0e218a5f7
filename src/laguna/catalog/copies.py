"""Copies of charges for plans that override another one: each knows the charge and the filters it was made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, select

from laguna.catalog.filters import filters_of
from laguna.catalog.terms import note_since
from laguna.kernel.context import Context
from laguna.kernel.ids import new_id
from laguna.models import Attached, Charge, ChargeFilter, ChargeTax, Plan

_CHARGE_FIELDS = (
    "organization_id",
    "billable_metric_id",
    "terms_id",
    "charge_model",
    "invoice_display_name",
    "pay_in_advance",
    "invoiceable",
    "regroup_paid_fees",
    "prorated",
    "min_amount_cents",
    "accepts_target_wallet",
)
_FILTER_FIELDS = ("organization_id", "terms_id", "invoice_display_name", "values")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A copy of `source` for `plan`, under a code of its own."""

    source: Charge
    plan: Plan
    code: str


async def copy_charges(context: Context, wanted: Sequence[Wanted]) -> None:
    """Copy charges with filters and taxes (spec 2 OVR-1, W-37), in a fixed number of statements."""
    if not wanted:
        return
    filters = await filters_of(context, [item.source.id for item in wanted])
    copies = [(item.source, _copy_charge(context, item)) for item in wanted]
    await context.session.flush()
    rows = [copy_filter(context, row, charge.id) for source, charge in copies for row in filters[source.id]]
    await context.session.flush()
    await copy_taxes(context, ChargeTax, [(source.id, charge.id) for source, charge in copies])
    await note_since(context, {row.id: row.terms_id for row in [*(charge for _, charge in copies), *rows]})


def _copy_charge(context: Context, wanted: Wanted) -> Charge:
    charge = Charge(
        id=new_id(),
        plan_id=wanted.plan.id,
        parent_id=wanted.source.id,
        code=wanted.code,
        created_at=context.now,
        updated_at=context.now,
        **{field: getattr(wanted.source, field) for field in _CHARGE_FIELDS},
    )
    context.session.add(charge)
    return charge


def copy_filter(context: Context, source: ChargeFilter, charge_id: UUID) -> ChargeFilter:
    """The same filter on the copy of its charge, added to the session."""
    row = ChargeFilter(
        id=new_id(),
        charge_id=charge_id,
        parent_id=source.id,
        created_at=context.now,
        updated_at=context.now,
        **{field: getattr(source, field) for field in _FILTER_FIELDS},
    )
    context.session.add(row)
    return row


async def copy_taxes(context: Context, attachment: type[Attached], owners: Sequence[tuple[UUID, UUID]]) -> None:
    """Give each second object the taxes of the first one."""
    owner = attachment.__table__.c.owner_id
    query = select(owner, attachment.tax_id).where(owner.in_({source for source, _ in owners}))
    taxes: dict[UUID, list[UUID]] = {}
    for source_id, tax_id in await context.session.execute(query):
        taxes.setdefault(source_id, []).append(tax_id)
    rows = [
        {"owner_id": copy_id, "tax_id": tax_id, "organization_id": context.organization_id}
        for source_id, copy_id in owners
        for tax_id in taxes.get(source_id, ())
    ]
    if rows:
        await context.session.execute(insert(attachment), rows)
