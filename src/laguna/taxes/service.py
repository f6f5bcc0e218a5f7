"""Use cases of taxes, and attaching them to objects (spec 3 §3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.kernel import signals
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.rows import refuse_taken
from laguna.models import (
    Attached,
    BillingEntity,
    BillingEntityTax,
    ChargeTax,
    CommitmentTax,
    CustomerTax,
    PlanTax,
    Tax,
)
from laguna.taxes.amounts import TaxRate
from laguna.taxes.schemas import TaxInput, TaxObject, tax_object

ATTACHMENTS: tuple[type[Attached], ...] = (BillingEntityTax, CustomerTax, PlanTax, ChargeTax, CommitmentTax)


async def create_tax(context: Context, data: TaxInput, problems: Problems) -> Tax:
    problems.mandatory(data.given(), ("name", "code", "rate"))
    await refuse_taken(context, problems, Tax, "code", data.code)
    problems.check()
    tax = Tax(
        organization_id=context.organization_id,
        code=data.code,
        name=data.name,
        rate=data.rate,
        description=data.description,
        created_at=context.now,
        updated_at=context.now,
    )
    context.session.add(tax)
    await context.session.flush()
    if data.applied_to_organization:
        await _apply_to_organization(context, tax, True)
    return tax


async def update_tax(context: Context, tax: Tax, data: TaxInput, problems: Problems) -> Tax:
    values = data.given()
    problems.mandatory(values, [field for field in ("name", "code", "rate") if field in values])
    await refuse_taken(context, problems, Tax, "code", data.code, but=tax.id)
    problems.check()
    for field in ("name", "code", "rate", "description"):
        if field in values:
            setattr(tax, field, values[field])
    tax.updated_at = context.now
    await context.session.flush()
    if data.applied_to_organization is not None:
        await _apply_to_organization(context, tax, data.applied_to_organization)
    await _changed(context, [tax.id])
    return tax


async def delete_tax(context: Context, tax: Tax) -> None:
    """Soft, and detached from everything that had it (TAX-4)."""
    tax.deleted_at = context.now
    for attachment in ATTACHMENTS:
        await context.session.execute(delete(attachment).where(attachment.tax_id == tax.id))
    await _changed(context, [tax.id])


async def _changed(context: Context, tax_ids: Iterable[UUID]) -> None:
    await signals.announce(context, signals.TaxesChanged(tuple(tax_ids)))


async def _apply_to_organization(context: Context, tax: Tax, applied: bool) -> None:
    """Attach the tax to the default billing entity, or detach it from there (TAX-1)."""
    default = select(BillingEntity.id).where(
        BillingEntity.organization_id == context.organization_id, BillingEntity.is_default
    )
    entity_id = (await context.session.scalars(default)).one()
    await context.session.execute(
        delete(BillingEntityTax).where(BillingEntityTax.owner_id == entity_id, BillingEntityTax.tax_id == tax.id)
    )
    if applied:
        row = {"owner_id": entity_id, "tax_id": tax.id, "organization_id": context.organization_id}
        await context.session.execute(insert(BillingEntityTax).values(row))
        await _changed(context, [tax.id])


async def entities_of(session: AsyncSession, taxes: Sequence[Tax]) -> dict[UUID, list[tuple[str, bool]]]:
    """Code and default flag of the billing entities that have each tax, oldest first."""
    query = (
        select(BillingEntityTax.tax_id, BillingEntity.code, BillingEntity.is_default)
        .join(BillingEntity, BillingEntity.id == BillingEntityTax.owner_id)
        .where(BillingEntityTax.tax_id.in_([tax.id for tax in taxes]))
        .order_by(BillingEntity.created_at, BillingEntity.id)
    )
    found: dict[UUID, list[tuple[str, bool]]] = {tax.id: [] for tax in taxes}
    for tax_id, code, is_default in await session.execute(query):
        found[tax_id].append((code, is_default))
    return found


async def ids_by_code(context: Context, codes: Iterable[str]) -> dict[str, UUID]:
    """Living taxes by lower-case code; codes compare without regard to case, an unknown one is 404 (TAX-2, TAX-5)."""
    wanted = {code.lower() for code in codes}
    if not wanted:
        return {}
    code = func.lower(Tax.code)
    query = select(code, Tax.id).where(
        Tax.organization_id == context.organization_id, Tax.deleted_at.is_(None), code.in_(wanted)
    )
    found = {code: tax_id for code, tax_id in await context.session.execute(query)}
    if set(found) != wanted:
        raise not_found("tax")
    return found


async def attach(context: Context, attachment: type[Attached], taxes: Mapping[UUID, Sequence[str]]) -> None:
    """Replace the taxes of objects: {object's id: codes of its taxes} (TAX-5)."""
    if not taxes:
        return
    ids = await ids_by_code(context, [code for codes in taxes.values() for code in codes])
    owner = attachment.__table__.c.owner_id
    await context.session.execute(delete(attachment).where(owner.in_(list(taxes))))
    rows = [
        {"owner_id": owner_id, "tax_id": tax_id, "organization_id": context.organization_id}
        for owner_id, codes in taxes.items()
        for tax_id in dict.fromkeys(ids[code.lower()] for code in codes)
    ]
    if rows:
        await context.session.execute(insert(attachment), rows)


async def taxes_of(
    session: AsyncSession, attachment: type[Attached], owner_ids: Iterable[UUID]
) -> dict[UUID, list[Tax]]:
    """The living taxes of each of many objects, oldest first."""
    owner = attachment.__table__.c.owner_id
    ids = list(owner_ids)
    found: dict[UUID, list[Tax]] = {owner_id: [] for owner_id in ids}
    if not ids:
        return found
    query = (
        select(owner, Tax)
        .join(Tax, Tax.id == attachment.tax_id)
        .where(owner.in_(ids), Tax.deleted_at.is_(None))
        .order_by(Tax.created_at, Tax.id)
    )
    for owner_id, tax in await session.execute(query):
        found[owner_id].append(tax)
    return found


async def default_tax_ids(context: Context) -> frozenset[UUID]:
    """Taxes of the default billing entity: those shown as applied to the organization."""
    query = (
        select(BillingEntityTax.tax_id)
        .join(BillingEntity, BillingEntity.id == BillingEntityTax.owner_id)
        .where(BillingEntity.organization_id == context.organization_id, BillingEntity.is_default)
    )
    return frozenset((await context.session.scalars(query)).all())


async def tax_objects(
    context: Context, attachment: type[Attached], owner_ids: Iterable[UUID]
) -> dict[UUID, list[TaxObject]]:
    """The taxes of each of many objects, as they stand inside them."""
    found = await taxes_of(context.session, attachment, owner_ids)
    if not any(found.values()):
        return {owner_id: [] for owner_id in found}
    defaults = await default_tax_ids(context)
    return {owner_id: [tax_object(tax, tax.id in defaults) for tax in taxes] for owner_id, taxes in found.items()}


def tax_rate(tax: Tax) -> TaxRate:
    """The tax as a value that arithmetic takes."""
    return TaxRate(id=tax.id, code=tax.code, name=tax.name, rate=tax.rate, description=tax.description)
