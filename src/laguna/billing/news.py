"""What billing tells the world: webhooks of subscriptions and invoices, written in its own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from laguna.catalog.thresholds import threshold_object
from laguna.invoices.pdf.store import GENERATED, write_down
from laguna.invoices.reading import invoice_details
from laguna.invoices.schemas import InvoiceDetail
from laguna.kernel.context import Context
from laguna.models import Invoice, Subscription, UsageThreshold
from laguna.subscriptions.schemas import SubscriptionNews, ThresholdNews
from laguna.subscriptions.service import subscription_news
from laguna.webhooks.outbox import emit, is_listened_to


async def tell(context: Context, webhook_type: str, subscriptions: Sequence[Subscription]) -> None:
    """Something happened to subscriptions."""

    async def render() -> list[tuple[UUID, SubscriptionNews]]:
        return await subscription_news(context, subscriptions)

    if subscriptions:
        await emit(context, webhook_type, "subscription", render)


async def tell_of_thresholds(context: Context, reached: Sequence[tuple[Subscription, UsageThreshold]]) -> None:
    """The usage of subscriptions has come to thresholds: one message for each."""

    async def render() -> list[tuple[UUID, ThresholdNews]]:
        subscriptions = list({row.id: row for row, _ in reached}.values())
        news = dict(await subscription_news(context, subscriptions))
        return [
            (row.id, ThresholdNews(**dict(news[row.id]), usage_threshold=threshold_object(threshold)))
            for row, threshold in reached
        ]

    if reached:
        await emit(context, "subscription.usage_threshold_reached", "subscription", render)


async def tell_of_invoices(context: Context, webhook_types: str | Sequence[str], invoice_ids: Sequence[UUID]) -> None:
    """Something happened to invoices; they are told in the order given."""

    async def render() -> list[tuple[UUID, InvoiceDetail]]:
        invoices = await _invoices(context, invoice_ids)
        return list(zip(invoice_ids, await invoice_details(context, invoices), strict=True))

    if invoice_ids:
        await emit(context, webhook_types, "invoice", render)


async def tell_of_final_invoices(context: Context, invoice_ids: Sequence[UUID]) -> None:
    """Invoices are final. What their PDFs say is written down when one is first read; where somebody wants to hear of
    them, at once (spec 3 DOC-1)."""
    await tell_of_invoices(context, "invoice.created", invoice_ids)
    if invoice_ids and await is_listened_to(context, GENERATED):
        await write_down(context, await _invoices(context, invoice_ids))


async def _invoices(context: Context, invoice_ids: Sequence[UUID]) -> list[Invoice]:
    """As they were written, which is past the session; in the order given."""
    query = (
        select(Invoice)
        .where(Invoice.organization_id == context.organization_id, Invoice.id.in_(invoice_ids))
        .execution_options(populate_existing=True)
    )
    found = {invoice.id: invoice for invoice in await context.session.scalars(query)}
    return [found[invoice_id] for invoice_id in invoice_ids]
