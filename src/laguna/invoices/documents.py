"""What an invoice consists of before it is written: plain values, computed without the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from laguna.invoices.dates import InvoiceDates
from laguna.invoices.totals import Totals
from laguna.kernel.ids import new_id
from laguna.taxes.amounts import FeeTaxes, TaxableFee


@dataclass(frozen=True, slots=True)
class FeeDocument:
    """A fee to be written. Amounts in minor units; `from_at` and `to_at` as shown, which a commitment's are not."""

    subscription_id: UUID
    charge_id: UUID | None
    terms_id: UUID | None
    fee_type: str
    item_id: UUID
    item_type: str
    item_code: str
    item_name: str
    item_description: str | None
    invoice_display_name: str
    amount_cents: int
    precise_amount_cents: Decimal
    unit_amount_cents: int
    precise_unit_amount: Decimal
    units: Decimal
    total_aggregated_units: Decimal
    events_count: int | None
    from_at: datetime | None
    to_at: datetime | None
    pay_in_advance: bool
    invoiceable: bool
    amount_details: Mapping[str, Any]
    evidence: Mapping[str, Any]
    taxable: TaxableFee
    taxes: FeeTaxes
    id: UUID = field(default_factory=new_id)
    charge_filter_id: UUID | None = None
    filter_display_name: str | None = None
    filter_values: Mapping[str, Any] | None = None
    grouped_by: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    presentation_breakdowns: Sequence[Mapping[str, Any]] = ()
    true_up_parent_fee_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class CreditDocument:
    """What a line takes off for usage that a progressive invoice has billed."""

    progressive_invoice_id: UUID
    amount_cents: int


@dataclass(frozen=True, slots=True)
class AppliedThreshold:
    """A threshold that an invoice is made for, and the lifetime usage that reached it."""

    usage_threshold_id: UUID
    lifetime_usage_amount_cents: int


@dataclass(frozen=True, slots=True)
class LineDocument:
    """One subscription on an invoice; ends inclusive, as shown."""

    subscription_id: UUID
    plan_id: UUID
    invoicing_reason: str
    occasion: str
    due_at: datetime
    billed_at: datetime
    timezone: str
    from_at: datetime
    to_at: datetime
    charges_from_at: datetime | None
    charges_to_at: datetime | None
    fixed_charges_from_at: datetime | None
    fixed_charges_to_at: datetime | None
    fees: Sequence[FeeDocument]
    credit: CreditDocument | None = None


@dataclass(slots=True)
class InvoiceDocument:
    """An invoice to be written; `number` and the sequences are taken last, when everything else is known."""

    id: UUID
    customer_id: UUID
    customer_sequential_id: int
    billing_entity_id: UUID
    invoice_type: str
    status: str
    currency: str
    recurring: bool
    self_billed: bool
    purchase_order_number: str | None
    dates: InvoiceDates
    net_payment_term: int
    finalizes_at: datetime | None
    created_at: datetime
    lines: Sequence[LineDocument]
    totals: Totals
    seller: Mapping[str, Any]
    customer: Mapping[str, Any]
    thresholds: Sequence[AppliedThreshold] = ()
    number: str = ""
    sequential_id: int | None = None
    entity_sequential_id: int | None = None

    @property
    def fees(self) -> list[FeeDocument]:
        """All fees, in the invoice's order: line by line."""
        return [fee for line in self.lines for fee in line.fees]

    @property
    def is_final(self) -> bool:
        return self.status == "finalized"

    @property
    def payment_status(self) -> str:
        """A draft waits; a final invoice without anything to pay is paid (spec 2 §7.1)."""
        return self.totals.payment_status if self.is_final else "pending"
