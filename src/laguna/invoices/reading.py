"""Invoices and fees as objects of the API, many at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from laguna.catalog.thresholds import threshold_object
from laguna.customers.service import customer_objects
from laguna.invoices.pdf.links import file_urls
from laguna.invoices.schemas import (
    AppliedThresholdObject,
    BillingPeriodObject,
    CreditInvoiceObject,
    CreditItemObject,
    CreditObject,
    FeeItemObject,
    FeeObject,
    FeeTaxObject,
    InvoiceDetail,
    InvoiceObject,
    InvoiceTaxObject,
    ProgressiveInvoiceDetail,
)
from laguna.kernel.context import Context
from laguna.kernel.money import subunits
from laguna.models import (
    AppliedUsageThreshold,
    BillingEntity,
    Customer,
    Fee,
    FeeTax,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    ProgressiveCredit,
    Subscription,
    UsageThreshold,
)
from laguna.subscriptions.schemas import SubscriptionObject
from laguna.subscriptions.service import subscription_objects

_INVOICE_COLUMNS = tuple(
    name
    for name in InvoiceObject.model_fields
    if name in Invoice.__table__.columns and name not in ("customer", "metadata")
)
_FEE_COLUMNS = tuple(name for name in FeeObject.model_fields if name in Fee.__table__.columns)


def _applied_tax(tax: FeeTax | InvoiceTax) -> dict[str, Any]:
    return {
        "lago_id": tax.id,
        "lago_tax_id": tax.tax_id,
        "tax_name": tax.tax_name,
        "tax_code": tax.tax_code,
        "tax_rate": tax.tax_rate,
        "tax_description": tax.tax_description,
        "amount_cents": tax.amount_cents,
        "amount_currency": tax.currency,
        "created_at": tax.created_at,
    }


async def fee_objects(context: Context, fees: Sequence[Fee]) -> list[FeeObject]:
    """Fees with their taxes, in a fixed number of queries."""
    if not fees:
        return []
    session = context.session
    taxes: dict[UUID, list[FeeTaxObject]] = {fee.id: [] for fee in fees}
    for tax in await session.scalars(select(FeeTax).where(FeeTax.fee_id.in_(list(taxes))).order_by(FeeTax.id)):
        taxes[tax.fee_id].append(FeeTaxObject(**_applied_tax(tax), lago_fee_id=tax.fee_id))
    customers: dict[UUID, str] = {
        customer_id: external_id
        for customer_id, external_id in await session.execute(
            select(Customer.id, Customer.external_id).where(Customer.id.in_({fee.customer_id for fee in fees}))
        )
    }
    subscriptions: dict[UUID, str] = {
        subscription_id: external_id
        for subscription_id, external_id in await session.execute(
            select(Subscription.id, Subscription.external_id).where(
                Subscription.id.in_({fee.subscription_id for fee in fees if fee.subscription_id})
            )
        )
    }
    self_billed: dict[UUID, bool] = {
        invoice_id: is_self_billed
        for invoice_id, is_self_billed in await session.execute(
            select(Invoice.id, Invoice.self_billed).where(
                Invoice.id.in_({fee.invoice_id for fee in fees if fee.invoice_id})
            )
        )
    }
    true_ups: dict[UUID, UUID] = {
        parent_id: fee_id
        for parent_id, fee_id in await session.execute(
            select(Fee.true_up_parent_fee_id, Fee.id).where(
                Fee.true_up_parent_fee_id.in_(list(taxes)), Fee.deleted_at.is_(None)
            )
        )
        if parent_id is not None
    }
    return [
        _fee_object(
            fee,
            customers[fee.customer_id],
            subscriptions.get(fee.subscription_id) if fee.subscription_id else None,
            self_billed.get(fee.invoice_id, False) if fee.invoice_id else False,
            true_ups.get(fee.id),
            taxes[fee.id],
        )
        for fee in fees
    ]


def _fee_object(
    fee: Fee,
    external_customer_id: str,
    external_subscription_id: str | None,
    self_billed: bool,
    true_up_fee_id: UUID | None,
    taxes: list[FeeTaxObject],
) -> FeeObject:
    subunit = subunits(fee.currency)
    fields: dict[str, Any] = {name: getattr(fee, name) for name in _FEE_COLUMNS}
    coupons = fee.precise_coupons_amount_cents
    return FeeObject(
        **fields,
        lago_id=fee.id,
        lago_charge_id=fee.charge_id,
        lago_charge_filter_id=fee.charge_filter_id,
        lago_true_up_fee_id=true_up_fee_id,
        lago_true_up_parent_fee_id=fee.true_up_parent_fee_id,
        lago_invoice_id=fee.invoice_id,
        lago_subscription_id=fee.subscription_id,
        external_subscription_id=external_subscription_id,
        lago_customer_id=fee.customer_id,
        external_customer_id=external_customer_id,
        item=FeeItemObject(
            type=fee.fee_type,
            code=fee.item_code,
            name=fee.item_name,
            description=fee.item_description,
            invoice_display_name=fee.invoice_display_name,
            lago_item_id=fee.item_id,
            item_type=fee.item_type,
            filters=fee.filter_values,
            filter_invoice_display_name=fee.filter_display_name,
            grouped_by=fee.grouped_by,
        ),
        amount_currency=fee.currency,
        precise_amount=fee.precise_amount_cents / subunit,
        precise_total_amount=(fee.precise_amount_cents + fee.taxes_precise_amount_cents) / subunit,
        taxes_precise_amount=fee.taxes_precise_amount_cents / subunit,
        total_amount_cents=fee.amount_cents + fee.taxes_amount_cents,
        total_amount_currency=fee.currency,
        description=fee.item_description,
        sub_total_excluding_taxes_amount_cents=fee.amount_cents - int(coupons),
        sub_total_excluding_taxes_precise_amount_cents=fee.precise_amount_cents - coupons,
        from_date=fee.from_at,
        to_date=fee.to_at,
        self_billed=self_billed,
        applied_taxes=taxes,
    )


async def _taxes_of(context: Context, invoice_ids: Iterable[UUID]) -> dict[UUID, list[InvoiceTaxObject]]:
    found: dict[UUID, list[InvoiceTaxObject]] = {invoice_id: [] for invoice_id in invoice_ids}
    query = select(InvoiceTax).where(InvoiceTax.invoice_id.in_(list(found))).order_by(InvoiceTax.id)
    for tax in await context.session.scalars(query):
        found[tax.invoice_id].append(
            InvoiceTaxObject(
                **_applied_tax(tax), lago_invoice_id=tax.invoice_id, fees_amount_cents=tax.fees_amount_cents
            )
        )
    return found


async def _shared_fields(context: Context, invoices: Sequence[Invoice]) -> list[dict[str, Any]]:
    session = context.session
    rows = await session.scalars(select(Customer).where(Customer.id.in_({row.customer_id for row in invoices})))
    customers = await customer_objects(context, rows.all())
    entities: dict[UUID, str] = {
        entity_id: code
        for entity_id, code in await session.execute(
            select(BillingEntity.id, BillingEntity.code).where(BillingEntity.organization_id == context.organization_id)
        )
    }
    taxes = await _taxes_of(context, [invoice.id for invoice in invoices])
    urls = await file_urls(session, invoices)
    return [
        {
            **{name: getattr(invoice, name) for name in _INVOICE_COLUMNS},
            "lago_id": invoice.id,
            "billing_entity_code": entities[invoice.billing_entity_id],
            "total_due_amount_cents": invoice.total_amount_cents - invoice.total_paid_amount_cents,
            "total_offsetted_credit_note_amount_cents": 0,
            "prepaid_granted_credit_amount_cents": None,
            "prepaid_purchased_credit_amount_cents": None,
            "file_url": urls.get(invoice.id),
            "xml_url": None,
            "web_url": None,
            "customer": customers[invoice.customer_id],
            "metadata": [],
            "applied_taxes": taxes[invoice.id],
        }
        for invoice in invoices
    ]


async def invoice_objects(context: Context, invoices: Sequence[Invoice]) -> list[InvoiceObject]:
    if not invoices:
        return []
    return [InvoiceObject(**fields) for fields in await _shared_fields(context, invoices)]


async def invoice_details(context: Context, invoices: Sequence[Invoice]) -> list[InvoiceDetail]:
    """Invoices with everything inside, in a fixed number of queries."""
    if not invoices:
        return []
    session = context.session
    ids = [invoice.id for invoice in invoices]
    rows = (
        await session.execute(
            select(InvoiceLine, Subscription)
            .join(Subscription, Subscription.id == InvoiceLine.subscription_id)
            .where(InvoiceLine.invoice_id.in_(ids))
            .order_by(InvoiceLine.invoice_id, InvoiceLine.position)
        )
    ).all()
    subscriptions = list({subscription.id: subscription for _, subscription in rows}.values())
    shown = dict(
        zip(
            [subscription.id for subscription in subscriptions],
            await subscription_objects(context, subscriptions),
            strict=True,
        )
    )
    fees = (
        await session.scalars(
            select(Fee).where(Fee.invoice_id.in_(ids), Fee.deleted_at.is_(None)).order_by(Fee.created_at, Fee.id)
        )
    ).all()
    periods: dict[UUID, list[BillingPeriodObject]] = {invoice_id: [] for invoice_id in ids}
    billed: dict[UUID, list[SubscriptionObject]] = {invoice_id: [] for invoice_id in ids}
    for line, subscription in rows:
        periods[line.invoice_id].append(_billing_period(line, subscription.external_id))
        billed[line.invoice_id].append(shown[subscription.id])
    priced: dict[UUID, list[FeeObject]] = {invoice_id: [] for invoice_id in ids}
    for fee in await fee_objects(context, fees):
        assert fee.lago_invoice_id is not None
        priced[fee.lago_invoice_id].append(fee)
    taken_off = await _credits(context, invoices)
    applied = await _applied_thresholds(context, invoices)
    shared = await _shared_fields(context, invoices)
    details: list[InvoiceDetail] = []
    for invoice, fields in zip(invoices, shared, strict=True):
        whole: dict[str, Any] = {
            **fields,
            "billing_periods": periods[invoice.id],
            "subscriptions": billed[invoice.id],
            "fees": priced[invoice.id],
            "credits": taken_off.get(invoice.id, []),
            "error_details": [],
            "applied_invoice_custom_sections": [],
        }
        if invoice.invoice_type == "progressive_billing":
            thresholds = applied.get(invoice.id, [])
            details.append(ProgressiveInvoiceDetail(**whole, applied_usage_thresholds=thresholds))
        else:
            details.append(InvoiceDetail(**whole))
    return details


async def _credits(context: Context, invoices: Sequence[Invoice]) -> dict[UUID, list[CreditObject]]:
    """What each invoice takes off for usage billed before."""
    credited = [invoice.id for invoice in invoices if invoice.progressive_billing_credit_amount_cents]
    found: dict[UUID, list[CreditObject]] = {}
    if not credited:
        return found
    query = (
        select(ProgressiveCredit, Invoice)
        .join(Invoice, Invoice.id == ProgressiveCredit.progressive_invoice_id)
        .where(ProgressiveCredit.invoice_id.in_(credited))
        .order_by(ProgressiveCredit.id)
    )
    by_id = {invoice.id: invoice for invoice in invoices}
    for credit, source in await context.session.execute(query):
        shown = CreditObject(
            lago_id=credit.id,
            amount_cents=credit.amount_cents,
            amount_currency=source.currency,
            before_taxes=True,
            item=CreditItemObject(lago_item_id=source.id, type="invoice", code=source.number, name=source.number),
            invoice=CreditInvoiceObject(
                lago_id=credit.invoice_id, payment_status=by_id[credit.invoice_id].payment_status
            ),
        )
        found.setdefault(credit.invoice_id, []).append(shown)
    return found


async def _applied_thresholds(
    context: Context, invoices: Sequence[Invoice]
) -> dict[UUID, list[AppliedThresholdObject]]:
    """The thresholds that progressive invoices were made for, by amount."""
    ids = [invoice.id for invoice in invoices if invoice.invoice_type == "progressive_billing"]
    found: dict[UUID, list[AppliedThresholdObject]] = {}
    if not ids:
        return found
    query = (
        select(AppliedUsageThreshold, UsageThreshold)
        .join(UsageThreshold, UsageThreshold.id == AppliedUsageThreshold.usage_threshold_id)
        .where(AppliedUsageThreshold.invoice_id.in_(ids))
        .order_by(AppliedUsageThreshold.id)
    )
    for applied, threshold in await context.session.execute(query):
        shown = AppliedThresholdObject(
            lifetime_usage_amount_cents=applied.lifetime_usage_amount_cents,
            created_at=applied.created_at,
            usage_threshold=threshold_object(threshold),
        )
        found.setdefault(applied.invoice_id, []).append(shown)
    return found


def _billing_period(line: InvoiceLine, external_subscription_id: str) -> BillingPeriodObject:
    return BillingPeriodObject(
        lago_subscription_id=line.subscription_id,
        external_subscription_id=external_subscription_id,
        lago_plan_id=line.plan_id,
        subscription_from_datetime=line.from_at,
        subscription_to_datetime=line.to_at,
        charges_from_datetime=line.charges_from_at or line.from_at,
        charges_to_datetime=line.charges_to_at or line.from_at,
        fixed_charges_from_datetime=line.fixed_charges_from_at,
        fixed_charges_to_datetime=line.fixed_charges_to_at,
        invoicing_reason=line.invoicing_reason,
    )
