"""What the PDFs of invoices say, written down once, so that every later one says the same (spec 3 DOC-1)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert

from laguna.invoices.pdf.compose import Section, Source, compose
from laguna.invoices.pdf.links import PRINTABLE_STATUSES
from laguna.invoices.reading import invoice_details
from laguna.invoices.schemas import InvoiceDetail
from laguna.kernel.context import Context
from laguna.models import (
    CustomerMetadata,
    Fee,
    Invoice,
    InvoiceLine,
    InvoiceParties,
    InvoicePdf,
    InvoiceTax,
    Logo,
    Plan,
    Subscription,
)
from laguna.webhooks.outbox import emit

GENERATED = "invoice.generated"
RowT = TypeVar("RowT", Fee, InvoiceTax)


async def printed(context: Context, invoice: Invoice) -> dict[str, Any]:
    """What the PDF says: `content` and `parties`, and the `logo` that these name. The first call writes it down; two at
    once write it once."""
    query = select(InvoicePdf.content, InvoicePdf.parties).where(
        InvoicePdf.organization_id == context.organization_id, InvoicePdf.invoice_id == invoice.id
    )
    found = (await context.session.execute(query)).one_or_none()
    if found is None:
        await write_down(context, [invoice])
        found = (await context.session.execute(query)).one()
    logo = await _logo(context, found.parties.get("logo"))
    return {"content": found.content, "parties": found.parties, "logo": logo}


async def _logo(context: Context, digest: str | None) -> bytes | None:
    if digest is None:
        return None
    query = select(Logo.data).where(Logo.organization_id == context.organization_id, Logo.digest == digest)
    return (await context.session.execute(query)).scalar_one()


async def write_down(context: Context, invoices: Sequence[Invoice]) -> None:
    """Write down what the PDFs of these invoices say, and tell of those that had none (`invoice.generated`)."""
    assert all(invoice.status in PRINTABLE_STATUSES for invoice in invoices), "only what is final is printed"
    sources = await _sources(context, invoices)
    composed = await asyncio.to_thread(lambda: [compose(source) for source in sources])  # thousands of lines take long
    rows = [
        {
            "invoice_id": invoice.id,
            "organization_id": context.organization_id,
            "created_at": context.now,
            "content": content,
            "parties": parties,
        }
        for invoice, (content, parties) in zip(invoices, composed, strict=True)
    ]
    statement = insert(InvoicePdf).values(rows).on_conflict_do_nothing().returning(InvoicePdf.invoice_id)
    written = set(await context.session.scalars(statement))
    new = [invoice for invoice in invoices if invoice.id in written]

    async def render() -> list[tuple[UUID, InvoiceDetail]]:
        return list(zip([invoice.id for invoice in new], await invoice_details(context, new), strict=True))

    if new:
        await emit(context, GENERATED, "invoice", render)


async def _sources(context: Context, invoices: Sequence[Invoice]) -> list[Source]:
    """Everything that is printed of the invoices, in a fixed number of statements."""
    ids = [invoice.id for invoice in invoices]
    query = select(InvoiceParties).where(
        InvoiceParties.organization_id == context.organization_id, InvoiceParties.invoice_id.in_(ids)
    )
    parties = {copied.invoice_id: copied for copied in await context.session.scalars(query)}
    metadata = await _metadata(context, {invoice.customer_id for invoice in invoices})
    fees = await _by_invoice(
        context,
        select(Fee).where(Fee.invoice_id.in_(ids), Fee.deleted_at.is_(None)).order_by(Fee.created_at, Fee.id),
        Fee,
    )
    taxes = await _by_invoice(
        context, select(InvoiceTax).where(InvoiceTax.invoice_id.in_(ids)).order_by(InvoiceTax.id), InvoiceTax
    )
    lines = await _lines(context, ids)
    return [
        Source(
            invoice=invoice,
            seller=parties[invoice.id].seller,
            customer=parties[invoice.id].customer,
            metadata=metadata[invoice.customer_id],
            sections=_sections(lines[invoice.id], fees[invoice.id]),
            taxes=taxes[invoice.id],
        )
        for invoice in invoices
    ]


async def _by_invoice(context: Context, query: Select[RowT], entity: type[RowT]) -> dict[UUID, list[RowT]]:
    found: dict[UUID, list[RowT]] = defaultdict(list)
    for row in await context.session.scalars(query.where(entity.organization_id == context.organization_id)):
        assert row.invoice_id is not None
        found[row.invoice_id].append(row)
    return found


async def _metadata(context: Context, customer_ids: set[UUID]) -> dict[UUID, list[CustomerMetadata]]:
    query = (
        select(CustomerMetadata)
        .where(
            CustomerMetadata.organization_id == context.organization_id,
            CustomerMetadata.customer_id.in_(customer_ids),
            CustomerMetadata.display_in_invoice,
        )
        .order_by(CustomerMetadata.created_at, CustomerMetadata.position, CustomerMetadata.id)
    )
    found: dict[UUID, list[CustomerMetadata]] = defaultdict(list)
    for entry in await context.session.scalars(query):
        found[entry.customer_id].append(entry)
    return found


Line = tuple[InvoiceLine, Subscription, Plan]


async def _lines(context: Context, invoice_ids: Sequence[UUID]) -> dict[UUID, list[Line]]:
    query = (
        select(InvoiceLine, Subscription, Plan)
        .join(Subscription, Subscription.id == InvoiceLine.subscription_id)
        .join(Plan, Plan.id == InvoiceLine.plan_id)
        .where(InvoiceLine.organization_id == context.organization_id, InvoiceLine.invoice_id.in_(invoice_ids))
        .order_by(InvoiceLine.invoice_id, InvoiceLine.position)
    )
    found: dict[UUID, list[Line]] = defaultdict(list)
    for line, subscription, plan in await context.session.execute(query):
        found[line.invoice_id].append((line, subscription, plan))
    return found


def _sections(lines: Sequence[Line], fees: Sequence[Fee]) -> list[Section]:
    """An invoice's subscriptions in its order, each with its fees; fees of no subscription come last."""
    of_subscription: dict[UUID | None, list[Fee]] = defaultdict(list)
    for fee in fees:
        of_subscription[fee.subscription_id].append(fee)
    sections = [
        Section(
            name=_name(subscription, plan, of_subscription.get(subscription.id, [])),
            from_at=line.from_at,
            to_at=line.to_at,
            timezone=line.timezone,
            fees=of_subscription.pop(subscription.id, []),
        )
        for line, subscription, plan in lines
    ]
    return sections + [Section("", None, None, "UTC", rest) for rest in of_subscription.values() if rest]


def _name(subscription: Subscription, plan: Plan, fees: Sequence[Fee]) -> str:
    """What the subscription was called when it was billed, as far as a fee of its own tells."""
    own = next((fee.invoice_display_name for fee in fees if fee.fee_type == "subscription"), None)
    return own or subscription.name or plan.invoice_display_name or plan.name
