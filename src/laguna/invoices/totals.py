"""From fees and credits to the figures of an invoice (spec 3 §0.2, spec 2 §7.3). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from laguna.taxes.amounts import InvoiceTaxLine, TaxableFee, invoice_taxes


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of an invoice in the order in which money moves; amounts in minor units of its currency."""

    fees_amount_cents: int
    progressive_billing_credit_amount_cents: int
    coupons_amount_cents: int
    sub_total_excluding_taxes_amount_cents: int
    taxes_amount_cents: int
    taxes_rate: Decimal
    sub_total_including_taxes_amount_cents: int
    credit_notes_amount_cents: int
    prepaid_credit_amount_cents: int
    total_amount_cents: int
    payment_status: str
    tax_lines: tuple[InvoiceTaxLine, ...]

    def __post_init__(self) -> None:
        before_taxes = (self.progressive_billing_credit_amount_cents, self.coupons_amount_cents)
        after_taxes = (self.credit_notes_amount_cents, self.prepaid_credit_amount_cents)
        assert min(*before_taxes, *after_taxes) >= 0, "a credit lowers an invoice"
        assert self.sub_total_excluding_taxes_amount_cents == self.fees_amount_cents - sum(before_taxes)
        assert self.sub_total_excluding_taxes_amount_cents >= 0, "credits before taxes are limited to the fees"
        assert (
            self.sub_total_including_taxes_amount_cents
            == self.sub_total_excluding_taxes_amount_cents + self.taxes_amount_cents
        )
        assert self.total_amount_cents == self.sub_total_including_taxes_amount_cents - sum(after_taxes)
        assert self.total_amount_cents >= 0, "credits after taxes are limited to what is left to pay"


def totals(
    fees: Sequence[TaxableFee],
    *,
    progressive_billing_credit_amount_cents: int = 0,
    coupons_amount_cents: int = 0,
    credit_notes_amount_cents: int = 0,
    prepaid_credit_amount_cents: int = 0,
) -> Totals:
    """The invoice of these fees and credits: 17900 and 39900 at 10 % -> 57800 + 5780 = 63580.

    Each fee already holds its share of what is credited before taxes. A draft passes no coupons, credit notes or
    prepaid credits (WF-1). The invoice adds up the rounded amounts of its fees (INV-6).
    """
    fees_amount = sum(fee.amount_cents for fee in fees)
    sub_total = fees_amount - progressive_billing_credit_amount_cents - coupons_amount_cents
    taxes = invoice_taxes(fees, sub_total)
    sub_total_with_taxes = sub_total + taxes.taxes_amount_cents
    total = sub_total_with_taxes - credit_notes_amount_cents - prepaid_credit_amount_cents
    return Totals(
        fees_amount_cents=fees_amount,
        progressive_billing_credit_amount_cents=progressive_billing_credit_amount_cents,
        coupons_amount_cents=coupons_amount_cents,
        sub_total_excluding_taxes_amount_cents=sub_total,
        taxes_amount_cents=taxes.taxes_amount_cents,
        taxes_rate=taxes.taxes_rate,
        sub_total_including_taxes_amount_cents=sub_total_with_taxes,
        credit_notes_amount_cents=credit_notes_amount_cents,
        prepaid_credit_amount_cents=prepaid_credit_amount_cents,
        total_amount_cents=total,
        payment_status="pending" if total > 0 else "succeeded",  # WF-3
        tax_lines=taxes.lines,
    )
