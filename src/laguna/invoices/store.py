"""Writes invoices in bulk: COPY of invoices, lines, fees and taxes on the session's connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import delete, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.invoices.documents import FeeDocument, InvoiceDocument
from laguna.kernel.db import copy_rows
from laguna.kernel.ids import new_id
from laguna.models import Fee, FeeTax, Invoice, InvoiceTax, ProgressiveCredit

VERSION = 4  # of the rules an invoice was computed by; the API's version_number


_PLANS_OF_LINES = text(
    """
    UPDATE invoice_lines AS line SET plan_id = made.plan_id
    FROM unnest(CAST(:invoice_ids AS uuid[]), CAST(:subscription_ids AS uuid[]), CAST(:plan_ids AS uuid[]))
        AS made (invoice_id, subscription_id, plan_id)
    WHERE line.invoice_id = made.invoice_id AND line.subscription_id = made.subscription_id
        AND line.plan_id <> made.plan_id
    """
)


@dataclass(frozen=True, slots=True)
class Writing:
    """One write: where, when, and of which organization."""

    session: AsyncSession
    organization_id: UUID
    now: datetime

    async def copy(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            columns = list(rows[0])
            await copy_rows(self.session, table, columns, ([row[name] for name in columns] for row in rows))


def _figures(invoice: InvoiceDocument) -> dict[str, Any]:
    totals = invoice.totals
    return {
        "status": invoice.status,
        "payment_status": invoice.payment_status,
        "number": invoice.number,
        "sequential_id": invoice.sequential_id,
        "entity_sequential_id": invoice.entity_sequential_id,
        "issuing_date": invoice.dates.issuing_date,
        "payment_due_date": invoice.dates.payment_due_date,
        "net_payment_term": invoice.net_payment_term,
        "expected_finalization_date": invoice.dates.expected_finalization_date,
        "finalizes_at": invoice.finalizes_at,
        "fees_amount_cents": totals.fees_amount_cents,
        "progressive_billing_credit_amount_cents": totals.progressive_billing_credit_amount_cents,
        "coupons_amount_cents": totals.coupons_amount_cents,
        "sub_total_excluding_taxes_amount_cents": totals.sub_total_excluding_taxes_amount_cents,
        "taxes_amount_cents": totals.taxes_amount_cents,
        "taxes_rate": totals.taxes_rate,
        "sub_total_including_taxes_amount_cents": totals.sub_total_including_taxes_amount_cents,
        "credit_notes_amount_cents": totals.credit_notes_amount_cents,
        "prepaid_credit_amount_cents": totals.prepaid_credit_amount_cents,
        "total_amount_cents": totals.total_amount_cents,
    }


async def insert_invoices(writing: Writing, invoices: Sequence[InvoiceDocument]) -> None:
    """Write new invoices with everything in them."""
    await writing.copy("invoices", [_invoice_row(writing, invoice) for invoice in invoices])
    await writing.copy("invoice_lines", list(_line_rows(writing, invoices)))
    await _insert_contents(writing, invoices)


async def replace_contents(writing: Writing, invoices: Sequence[InvoiceDocument]) -> None:
    """Write drafts again: new figures, fees and taxes; ids, periods and creation stay (DRF-1). Lines name the plan that
    priced them, an override by now maybe."""
    ids = [invoice.id for invoice in invoices]
    fees = delete(FeeTax).where(FeeTax.fee_id == Fee.id, Fee.invoice_id.in_(ids))
    await writing.session.execute(fees.execution_options(synchronize_session=False))
    for table in (Fee, InvoiceTax, ProgressiveCredit):
        statement = delete(table).where(table.invoice_id.in_(ids))
        await writing.session.execute(statement.execution_options(synchronize_session=False))
    rows = [
        {
            "id": invoice.id,
            "updated_at": writing.now,
            "refreshes_at": None,
            "finalized_at": writing.now if invoice.is_final else None,
            **_figures(invoice),
        }
        for invoice in invoices
    ]
    await writing.session.execute(update(Invoice), rows)
    await writing.session.execute(_PLANS_OF_LINES, _plans_of_lines(invoices))
    await _insert_contents(writing, invoices)


def _plans_of_lines(invoices: Sequence[InvoiceDocument]) -> dict[str, list[UUID]]:
    lines = [(invoice.id, line) for invoice in invoices for line in invoice.lines]
    return {
        "invoice_ids": [invoice_id for invoice_id, _ in lines],
        "subscription_ids": [line.subscription_id for _, line in lines],
        "plan_ids": [line.plan_id for _, line in lines],
    }


async def _insert_contents(writing: Writing, invoices: Sequence[InvoiceDocument]) -> None:
    fee_rows: list[dict[str, Any]] = []
    tax_rows: list[dict[str, Any]] = []
    for invoice in invoices:
        for fee in invoice.fees:
            fee_rows.append(_fee_row(writing, invoice, fee))
            tax_rows.extend(_fee_tax_rows(writing, invoice, fee))
    await writing.copy("fees", fee_rows)
    await writing.copy("fee_taxes", tax_rows)
    await writing.copy("invoice_taxes", list(_invoice_tax_rows(writing, invoices)))
    await writing.copy("progressive_credits", list(_credit_rows(writing, invoices)))
    await writing.copy("applied_usage_thresholds", list(_threshold_rows(writing, invoices)))
    await writing.copy("invoice_parties", list(_party_rows(writing, invoices)))


def _invoice_row(writing: Writing, invoice: InvoiceDocument) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "organization_id": writing.organization_id,
        "created_at": invoice.created_at,
        "updated_at": writing.now,
        "customer_id": invoice.customer_id,
        "billing_entity_id": invoice.billing_entity_id,
        "invoice_type": invoice.invoice_type,
        "finalized_at": writing.now if invoice.is_final else None,
        "recurring": invoice.recurring,
        "currency": invoice.currency,
        "total_paid_amount_cents": 0,
        "payment_overdue": False,
        "self_billed": invoice.self_billed,
        "purchase_order_number": invoice.purchase_order_number,
        "version_number": VERSION,
        **_figures(invoice),
    }


def _line_rows(writing: Writing, invoices: Sequence[InvoiceDocument]) -> Iterator[dict[str, Any]]:
    for invoice in invoices:
        for position, line in enumerate(invoice.lines):
            yield {
                "invoice_id": invoice.id,
                "subscription_id": line.subscription_id,
                "organization_id": writing.organization_id,
                "plan_id": line.plan_id,
                "invoicing_reason": line.invoicing_reason,
                "occasion": line.occasion,
                "due_at": line.due_at,
                "billed_at": line.billed_at,
                "timezone": line.timezone,
                "position": position,
                "from_at": line.from_at,
                "to_at": line.to_at,
                "charges_from_at": line.charges_from_at,
                "charges_to_at": line.charges_to_at,
                "fixed_charges_from_at": line.fixed_charges_from_at,
                "fixed_charges_to_at": line.fixed_charges_to_at,
            }


def _fee_row(writing: Writing, invoice: InvoiceDocument, fee: FeeDocument) -> dict[str, Any]:
    return {
        "id": fee.id,
        "organization_id": writing.organization_id,
        "created_at": invoice.created_at,
        "invoice_id": invoice.id,
        "customer_id": invoice.customer_id,
        "billing_entity_id": invoice.billing_entity_id,
        "subscription_id": fee.subscription_id,
        "charge_id": fee.charge_id,
        "charge_filter_id": fee.charge_filter_id,
        "true_up_parent_fee_id": fee.true_up_parent_fee_id,
        "terms_id": fee.terms_id,
        "fee_type": fee.fee_type,
        "item_id": fee.item_id,
        "item_type": fee.item_type,
        "item_code": fee.item_code,
        "item_name": fee.item_name,
        "item_description": fee.item_description,
        "invoice_display_name": fee.invoice_display_name,
        "filter_display_name": fee.filter_display_name,
        "filter_values": None if fee.filter_values is None else Jsonb(fee.filter_values),
        "grouped_by": Jsonb(fee.grouped_by),
        "presentation_breakdowns": Jsonb(list(fee.presentation_breakdowns)),
        "currency": invoice.currency,
        "amount_cents": fee.amount_cents,
        "precise_amount_cents": fee.precise_amount_cents,
        "unit_amount_cents": fee.unit_amount_cents,
        "precise_unit_amount": fee.precise_unit_amount,
        "units": fee.units,
        "total_aggregated_units": fee.total_aggregated_units,
        "events_count": fee.events_count,
        "taxes_amount_cents": fee.taxes.taxes_amount_cents,
        "taxes_precise_amount_cents": fee.taxes.taxes_precise_amount_cents,
        "taxes_rate": fee.taxes.taxes_rate,
        "precise_coupons_amount_cents": fee.taxable.precise_coupons_amount_cents,
        "from_at": fee.from_at,
        "to_at": fee.to_at,
        "pay_in_advance": fee.pay_in_advance,
        "invoiceable": fee.invoiceable,
        "payment_status": "pending",
        "amount_details": Jsonb(fee.amount_details),
        "evidence": Jsonb(fee.evidence),
    }


def _fee_tax_rows(writing: Writing, invoice: InvoiceDocument, fee: FeeDocument) -> Iterator[dict[str, Any]]:
    for line in fee.taxes.lines:
        yield {
            "id": new_id(),
            "organization_id": writing.organization_id,
            "created_at": invoice.created_at,
            "fee_id": fee.id,
            "tax_id": line.tax.id,
            "tax_code": line.tax.code,
            "tax_name": line.tax.name,
            "tax_rate": line.tax.rate,
            "tax_description": line.tax.description,
            "currency": invoice.currency,
            "amount_cents": line.amount_cents,
            "precise_amount_cents": line.precise_amount_cents,
        }


def _invoice_tax_rows(writing: Writing, invoices: Sequence[InvoiceDocument]) -> Iterator[dict[str, Any]]:
    for invoice in invoices:
        for line in invoice.totals.tax_lines:
            yield {
                "id": new_id(),
                "organization_id": writing.organization_id,
                "created_at": invoice.created_at,
                "invoice_id": invoice.id,
                "tax_id": line.tax.id,
                "tax_code": line.tax.code,
                "tax_name": line.tax.name,
                "tax_rate": line.tax.rate,
                "tax_description": line.tax.description,
                "currency": invoice.currency,
                "amount_cents": line.amount_cents,
                "fees_amount_cents": line.fees_amount_cents,
            }


def _credit_rows(writing: Writing, invoices: Sequence[InvoiceDocument]) -> Iterator[dict[str, Any]]:
    for invoice in invoices:
        for line in invoice.lines:
            if line.credit is not None:
                yield {
                    "id": new_id(),
                    "organization_id": writing.organization_id,
                    "created_at": invoice.created_at,
                    "invoice_id": invoice.id,
                    "progressive_invoice_id": line.credit.progressive_invoice_id,
                    "amount_cents": line.credit.amount_cents,
                }


def _threshold_rows(writing: Writing, invoices: Sequence[InvoiceDocument]) -> Iterator[dict[str, Any]]:
    for invoice in invoices:
        for each in invoice.thresholds:
            yield {
                "id": new_id(),
                "organization_id": writing.organization_id,
                "created_at": invoice.created_at,
                "invoice_id": invoice.id,
                "usage_threshold_id": each.usage_threshold_id,
                "lifetime_usage_amount_cents": each.lifetime_usage_amount_cents,
            }


def _party_rows(writing: Writing, invoices: Sequence[InvoiceDocument]) -> Iterator[dict[str, Any]]:
    for invoice in invoices:
        if invoice.is_final:
            yield {
                "invoice_id": invoice.id,
                "organization_id": writing.organization_id,
                "seller": Jsonb(invoice.seller),
                "customer": Jsonb(invoice.customer),
            }
