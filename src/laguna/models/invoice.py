"""Invoices: figures, lines, fees, taxes. A finalized one's figures, lines, number and dates never change."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Numeric, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from laguna.models.base import Base, Precise, Resource, Row, SoftDeleted, Units

NUMBERED = text("sequential_id IS NOT NULL")
TaxRate = Numeric(10, 5)


class Invoice(Resource):
    """Amounts in minor units of `currency`. `finalizes_at` is the instant a draft's timer waits for."""

    __tablename__ = "invoices"
    __table_args__ = (
        Index("invoices_number_key", "billing_entity_id", "number", unique=True, postgresql_where=NUMBERED),
        Index(
            "invoices_customer_sequence_key",
            "customer_id",
            "billing_entity_id",
            "sequential_id",
            unique=True,
            postgresql_where=NUMBERED,
        ),
        Index("invoices_organization_issuing_date_idx", "organization_id", "issuing_date", "created_at", "id"),
        Index("invoices_customer_id_idx", "customer_id"),
        Index(
            "invoices_finalizes_at_idx",
            "finalizes_at",
            "organization_id",
            postgresql_where=text("finalizes_at IS NOT NULL"),
        ),
        Index(
            "invoices_organization_finalizes_at_idx",
            "organization_id",
            "finalizes_at",
            postgresql_where=text("finalizes_at IS NOT NULL"),
        ),
        Index(
            "invoices_refreshes_at_idx",
            "organization_id",
            "refreshes_at",
            postgresql_where=text("refreshes_at IS NOT NULL"),
        ),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    billing_entity_id: Mapped[UUID] = mapped_column(ForeignKey("billing_entities.id"))
    invoice_type: Mapped[str]
    status: Mapped[str]
    payment_status: Mapped[str]
    tax_status: Mapped[str | None]
    number: Mapped[str]
    sequential_id: Mapped[int | None] = mapped_column(BigInteger)  # of this customer with this entity
    entity_sequential_id: Mapped[int | None] = mapped_column(BigInteger)  # of the entity, where it numbers that way
    issuing_date: Mapped[date]
    payment_due_date: Mapped[date]
    net_payment_term: Mapped[int]
    expected_finalization_date: Mapped[date]
    finalizes_at: Mapped[datetime | None]
    refreshes_at: Mapped[datetime | None]  # set where a price, tax or metric under a draft changed
    finalized_at: Mapped[datetime | None]
    voided_at: Mapped[datetime | None]
    recurring: Mapped[bool] = mapped_column(default=False)
    currency: Mapped[str]
    fees_amount_cents: Mapped[int] = mapped_column(BigInteger)
    progressive_billing_credit_amount_cents: Mapped[int] = mapped_column(BigInteger)
    coupons_amount_cents: Mapped[int] = mapped_column(BigInteger)
    sub_total_excluding_taxes_amount_cents: Mapped[int] = mapped_column(BigInteger)
    taxes_amount_cents: Mapped[int] = mapped_column(BigInteger)
    taxes_rate: Mapped[Decimal] = mapped_column(TaxRate)
    sub_total_including_taxes_amount_cents: Mapped[int] = mapped_column(BigInteger)
    credit_notes_amount_cents: Mapped[int] = mapped_column(BigInteger)
    prepaid_credit_amount_cents: Mapped[int] = mapped_column(BigInteger)
    total_amount_cents: Mapped[int] = mapped_column(BigInteger)
    total_paid_amount_cents: Mapped[int] = mapped_column(BigInteger)
    payment_overdue: Mapped[bool]
    payment_dispute_lost_at: Mapped[datetime | None]
    self_billed: Mapped[bool]
    purchase_order_number: Mapped[str | None]
    version_number: Mapped[int]


class InvoiceParties(Base):
    """Seller and customer as printed on a finalized invoice; apart from the figures, so that they can be erased."""

    __tablename__ = "invoice_parties"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    seller: Mapped[dict[str, Any]]
    customer: Mapped[dict[str, Any]]


class InvoiceLine(Base):
    """One subscription on an invoice (the API's billing period). Its ends are what is shown: inclusive.

    `due_at` is the boundary it bills; the unique index over it makes a second run harmless (spec 2 INV-22)."""

    __tablename__ = "invoice_lines"
    __table_args__ = (
        Index(
            "invoice_lines_due_key",
            "subscription_id",
            "invoicing_reason",
            "due_at",
            unique=True,
            postgresql_where=text("invoicing_reason <> 'progressive_billing'"),  # those have no boundary
        ),
        Index(
            "invoice_lines_progressive_idx",
            "subscription_id",
            postgresql_where=text("invoicing_reason = 'progressive_billing'"),
        ),
        Index("invoice_lines_organization_id_idx", "organization_id"),
    )

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscriptions.id"), primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"))
    invoicing_reason: Mapped[str]
    occasion: Mapped[str]  # the reason, with what takes over told apart
    due_at: Mapped[datetime]
    billed_at: Mapped[datetime]
    timezone: Mapped[str]
    position: Mapped[int] = mapped_column(SmallInteger)
    from_at: Mapped[datetime]
    to_at: Mapped[datetime]
    charges_from_at: Mapped[datetime | None]
    charges_to_at: Mapped[datetime | None]
    fixed_charges_from_at: Mapped[datetime | None]
    fixed_charges_to_at: Mapped[datetime | None]


class Fee(Row, SoftDeleted):
    """One priced line. `terms_id` and `evidence` tell how it was computed (price as it was, events, arrivals)."""

    __tablename__ = "fees"
    __table_args__ = (
        Index("fees_invoice_id_idx", "invoice_id"),
        Index("fees_organization_id_created_at_idx", "organization_id", "created_at", "id"),
        Index("fees_subscription_id_fee_type_idx", "subscription_id", "fee_type"),
        Index("fees_customer_id_idx", "customer_id"),
        Index(
            "fees_true_up_parent_fee_id_idx",
            "true_up_parent_fee_id",
            postgresql_where=text("true_up_parent_fee_id IS NOT NULL"),
        ),
    )

    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoices.id"))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    billing_entity_id: Mapped[UUID] = mapped_column(ForeignKey("billing_entities.id"))
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscriptions.id"))
    charge_id: Mapped[UUID | None] = mapped_column(ForeignKey("charges.id"))
    charge_filter_id: Mapped[UUID | None] = mapped_column(ForeignKey("charge_filters.id"))
    true_up_parent_fee_id: Mapped[UUID | None] = mapped_column(ForeignKey("fees.id"))
    terms_id: Mapped[UUID | None] = mapped_column(ForeignKey("terms.id"))
    fee_type: Mapped[str]
    item_id: Mapped[UUID]
    item_type: Mapped[str]
    item_code: Mapped[str]
    item_name: Mapped[str]
    item_description: Mapped[str | None]
    invoice_display_name: Mapped[str]
    filter_display_name: Mapped[str | None]  # of the charge filter, as it was
    filter_values: Mapped[dict[str, Any] | None]
    grouped_by: Mapped[dict[str, Any]]  # pricing group key -> value or null; {} without groups
    presentation_breakdowns: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    currency: Mapped[str]
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    precise_amount_cents: Mapped[Decimal] = mapped_column(Precise)
    unit_amount_cents: Mapped[int] = mapped_column(BigInteger)
    precise_unit_amount: Mapped[Decimal] = mapped_column(Precise)
    units: Mapped[Decimal] = mapped_column(Units)
    total_aggregated_units: Mapped[Decimal] = mapped_column(Units)
    events_count: Mapped[int | None] = mapped_column(BigInteger)
    taxes_amount_cents: Mapped[int] = mapped_column(BigInteger)
    taxes_precise_amount_cents: Mapped[Decimal] = mapped_column(Precise)
    taxes_rate: Mapped[Decimal] = mapped_column(TaxRate)
    precise_coupons_amount_cents: Mapped[Decimal] = mapped_column(Numeric(30, 5))
    from_at: Mapped[datetime | None]
    to_at: Mapped[datetime | None]
    pay_in_advance: Mapped[bool]
    invoiceable: Mapped[bool]
    payment_status: Mapped[str]
    succeeded_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    refunded_at: Mapped[datetime | None]
    amount_details: Mapped[dict[str, Any]]
    evidence: Mapped[dict[str, Any]]


class AppliedTax(Row):
    """A tax as it was when applied: a snapshot (spec 2 ITX-6)."""

    __abstract__ = True

    tax_id: Mapped[UUID | None] = mapped_column(ForeignKey("taxes.id"))
    tax_code: Mapped[str]
    tax_name: Mapped[str]
    tax_rate: Mapped[Decimal] = mapped_column(Numeric)
    tax_description: Mapped[str | None]
    currency: Mapped[str]
    amount_cents: Mapped[int] = mapped_column(BigInteger)


class FeeTax(AppliedTax):
    __tablename__ = "fee_taxes"

    fee_id: Mapped[UUID] = mapped_column(ForeignKey("fees.id"), index=True)
    precise_amount_cents: Mapped[Decimal] = mapped_column(Precise)


class InvoiceTax(AppliedTax):
    __tablename__ = "invoice_taxes"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    fees_amount_cents: Mapped[int] = mapped_column(BigInteger)
