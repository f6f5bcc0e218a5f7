"""Invoice numbers: gapless, from counter rows, taken in bulk just before the commit (spec 2 §7.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.invoices.documents import InvoiceDocument
from laguna.models import BillingEntity

_TAKE_OF_CUSTOMERS = text(
    """
    INSERT INTO customer_sequences AS known (customer_id, billing_entity_id, organization_id, last)
    SELECT taken.customer_id, taken.billing_entity_id, :organization_id, count(*)
    FROM unnest(CAST(:customer_ids AS uuid[]), CAST(:entity_ids AS uuid[])) AS taken (customer_id, billing_entity_id)
    GROUP BY taken.customer_id, taken.billing_entity_id
    ORDER BY taken.customer_id, taken.billing_entity_id
    ON CONFLICT (customer_id, billing_entity_id) DO UPDATE SET last = known.last + excluded.last
    RETURNING known.customer_id, known.billing_entity_id, known.last
    """
)
_TAKE_OF_ENTITY = text(
    """
    UPDATE billing_entities SET invoice_sequence = invoice_sequence + :count
    WHERE id = :entity_id RETURNING invoice_sequence
    """
)


def draft_number(prefix: str) -> str:
    """What stands in place of a number before finalization (NBR-1)."""
    return f"{prefix}-DRAFT"


def customer_number(prefix: str, customer_sequential_id: int, sequential_id: int) -> str:
    """LAG-1234-001-002: of the customer with this entity (NBR-3)."""
    return f"{prefix}-{customer_sequential_id:03d}-{sequential_id:03d}"


def entity_number(prefix: str, finalized_at: datetime, timezone: str, sequential_id: int) -> str:
    """LAG-1234-202310-010: of the entity; the month is its own, the sequence never starts again (NBR-4)."""
    return f"{prefix}-{finalized_at.astimezone(ZoneInfo(timezone)):%Y%m}-{sequential_id:03d}"


async def number_invoices(
    session: AsyncSession, organization_id: UUID, invoices: Sequence[InvoiceDocument], now: datetime
) -> None:
    """Give each finalized invoice its numbers, in the order given; the others show the draft's."""
    entity_ids = {invoice.billing_entity_id for invoice in invoices}
    entities = {
        entity.id: entity
        for entity in await session.scalars(
            select(BillingEntity).where(
                BillingEntity.organization_id == organization_id, BillingEntity.id.in_(entity_ids)
            )
        )
    }
    for invoice in invoices:
        invoice.number = draft_number(entities[invoice.billing_entity_id].document_number_prefix)
    final = [invoice for invoice in invoices if invoice.is_final]
    if not final:
        return
    await _take_customer_sequences(session, organization_id, final)
    # one entity after the other in the order of ids, so that two transactions never wait for each other in a ring
    for entity_id in sorted(entity_ids):
        counted = [invoice for invoice in final if invoice.billing_entity_id == entity_id and not invoice.self_billed]
        if counted:
            parameters = {"count": len(counted), "entity_id": entity_id}
            last: int = (await session.execute(_TAKE_OF_ENTITY, parameters)).scalar_one()
            for offset, invoice in enumerate(reversed(counted)):
                invoice.entity_sequential_id = last - offset
    for invoice in final:
        entity = entities[invoice.billing_entity_id]
        prefix = entity.document_number_prefix
        assert invoice.sequential_id is not None
        if entity.document_numbering == "per_billing_entity" and invoice.entity_sequential_id is not None:
            invoice.number = entity_number(prefix, now, entity.timezone, invoice.entity_sequential_id)
        else:
            invoice.number = customer_number(prefix, invoice.customer_sequential_id, invoice.sequential_id)


async def _take_customer_sequences(
    session: AsyncSession, organization_id: UUID, invoices: Sequence[InvoiceDocument]
) -> None:
    rows = await session.execute(
        _TAKE_OF_CUSTOMERS,
        {
            "organization_id": organization_id,
            "customer_ids": [invoice.customer_id for invoice in invoices],
            "entity_ids": [invoice.billing_entity_id for invoice in invoices],
        },
    )
    last = {(row.customer_id, row.billing_entity_id): row.last for row in rows}
    for invoice in reversed(invoices):
        key = (invoice.customer_id, invoice.billing_entity_id)
        invoice.sequential_id = last[key]
        last[key] -= 1
