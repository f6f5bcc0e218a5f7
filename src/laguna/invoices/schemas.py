"""Invoices and fees in the API (spec 2 §7.2)."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from laguna.catalog.schemas import ThresholdObject
from laguna.customers.schemas import CustomerObject
from laguna.kernel.outputs import DecimalNumber, DecimalText, Instant, InstantMs, JsonObject, Output
from laguna.subscriptions.schemas import SubscriptionObject

INVOICE_TYPES = ("subscription", "add_on", "credit", "one_off", "progressive_billing", "advance_charges")
VISIBLE_STATUSES = ("draft", "finalized", "voided", "failed", "pending")
PAYMENT_STATUSES = ("pending", "succeeded", "failed")
FEE_TYPES = ("charge", "add_on", "subscription", "credit", "commitment", "fixed_charge")
FEE_PAYMENT_STATUSES = ("pending", "succeeded", "failed", "refunded")


class AppliedTaxObject(Output):
    lago_id: UUID
    lago_tax_id: UUID | None
    tax_name: str
    tax_code: str
    tax_rate: DecimalNumber
    tax_description: str | None
    amount_cents: int
    amount_currency: str
    created_at: Instant


class FeeTaxObject(AppliedTaxObject):
    lago_fee_id: UUID


class InvoiceTaxObject(AppliedTaxObject):
    lago_invoice_id: UUID
    fees_amount_cents: int


class BreakdownObject(Output):
    """Units of a presentation group."""

    presentation_by: dict[str, str | None]
    units: str


class FeeItemObject(Output):
    type: str
    code: str
    name: str
    description: str | None
    invoice_display_name: str
    filters: dict[str, list[str]] | None
    filter_invoice_display_name: str | None
    lago_item_id: UUID
    item_type: str
    grouped_by: dict[str, str | None]


class FeeObject(Output):
    lago_id: UUID
    lago_charge_id: UUID | None
    lago_charge_filter_id: UUID | None
    lago_fixed_charge_id: UUID | None = None
    lago_invoice_id: UUID | None
    lago_true_up_fee_id: UUID | None
    lago_true_up_parent_fee_id: UUID | None
    lago_original_fee_id: UUID | None = None
    lago_subscription_id: UUID | None
    external_subscription_id: str | None
    lago_customer_id: UUID
    external_customer_id: str
    item: FeeItemObject
    pay_in_advance: bool
    invoiceable: bool
    amount_cents: int
    amount_currency: str
    precise_amount: DecimalText
    precise_total_amount: DecimalText
    taxes_amount_cents: int
    taxes_precise_amount: DecimalText
    taxes_rate: DecimalNumber
    total_aggregated_units: DecimalText
    total_amount_cents: int
    total_amount_currency: str
    units: DecimalText
    description: str | None
    precise_unit_amount: DecimalText
    precise_coupons_amount_cents: DecimalText
    sub_total_excluding_taxes_amount_cents: int
    sub_total_excluding_taxes_precise_amount_cents: DecimalText
    events_count: int | None
    payment_status: str
    created_at: Instant
    succeeded_at: Instant | None
    failed_at: Instant | None
    refunded_at: Instant | None
    event_transaction_id: str | None = None
    from_date: Instant | None
    to_date: Instant | None
    amount_details: JsonObject
    self_billed: bool
    pricing_unit_details: None = None
    presentation_breakdowns: list[BreakdownObject]
    applied_taxes: list[FeeTaxObject]


class FeeReply(Output):
    fee: FeeObject


class BillingPeriodObject(Output):
    lago_subscription_id: UUID
    external_subscription_id: str
    lago_plan_id: UUID
    subscription_from_datetime: InstantMs
    subscription_to_datetime: InstantMs
    charges_from_datetime: InstantMs
    charges_to_datetime: InstantMs
    fixed_charges_from_datetime: InstantMs | None
    fixed_charges_to_datetime: InstantMs | None
    invoicing_reason: str


class InvoiceObject(Output):
    """An invoice as lists show it."""

    lago_id: UUID
    billing_entity_code: str
    sequential_id: int | None
    number: str
    purchase_order_number: str | None
    issuing_date: date
    payment_due_date: date
    net_payment_term: int
    invoice_type: str
    status: str
    payment_status: str
    payment_dispute_lost_at: InstantMs | None
    payment_overdue: bool
    currency: str
    fees_amount_cents: int
    taxes_amount_cents: int
    progressive_billing_credit_amount_cents: int
    coupons_amount_cents: int
    credit_notes_amount_cents: int
    sub_total_excluding_taxes_amount_cents: int
    sub_total_including_taxes_amount_cents: int
    total_amount_cents: int
    total_due_amount_cents: int
    total_paid_amount_cents: int
    total_offsetted_credit_note_amount_cents: int
    prepaid_credit_amount_cents: int
    prepaid_granted_credit_amount_cents: int | None
    prepaid_purchased_credit_amount_cents: int | None
    file_url: str | None
    xml_url: str | None
    web_url: str | None
    version_number: int
    self_billed: bool
    created_at: Instant
    updated_at: Instant
    voided_at: Instant | None
    customer: CustomerObject
    metadata: list[Output]
    applied_taxes: list[InvoiceTaxObject]


class CreditItemObject(Output):
    lago_item_id: UUID
    type: str
    code: str
    name: str


class CreditInvoiceObject(Output):
    lago_id: UUID
    payment_status: str


class CreditObject(Output):
    """What an invoice takes off: for usage, what the progressive invoice `item` has billed of it."""

    lago_id: UUID
    amount_cents: int
    amount_currency: str
    before_taxes: bool
    item: CreditItemObject
    invoice: CreditInvoiceObject


class AppliedThresholdObject(Output):
    lifetime_usage_amount_cents: int
    created_at: Instant
    usage_threshold: ThresholdObject


class InvoiceDetail(InvoiceObject):
    """An invoice read on its own."""

    billing_periods: list[BillingPeriodObject]
    subscriptions: list[SubscriptionObject]
    fees: list[FeeObject]
    credits: list[CreditObject]
    error_details: list[Output]
    applied_invoice_custom_sections: list[Output]


class ProgressiveInvoiceDetail(InvoiceDetail):
    """A progressive invoice: with the thresholds it was made for."""

    applied_usage_thresholds: list[AppliedThresholdObject]


class InvoiceReply(Output):
    invoice: InvoiceDetail
