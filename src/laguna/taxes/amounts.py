"""Tax arithmetic of fees and invoices (spec 3 §3.2, §3.3; spec 2 §8). Pure.

Rounding happens once for each figure that is shown, always from unrounded amounts: a fee's tax lines, the fee's taxes,
the invoice's tax lines and the invoice's taxes may differ from each other by a cent (TXF-4). The invoice's taxes are
what the customer pays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from laguna.kernel.money import ZERO, round_cents, round_half_up

RATE_PLACES = 5


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A tax as it was when applied; `rate` in percent. No id where a tax engine made it."""

    id: UUID | None
    code: str
    name: str
    rate: Decimal
    description: str | None = None

    def of(self, base: Decimal) -> Decimal:
        """The unrounded tax on `base`: 20 % of 6833 = 1366.60."""
        return base * self.rate / 100


@dataclass(frozen=True, slots=True)
class TaxableFee:
    """A fee as taxes see it. Its share of coupons and progressive credits is deducted before taxes."""

    amount_cents: int
    precise_amount_cents: Decimal
    precise_coupons_amount_cents: Decimal = ZERO
    taxes: tuple[TaxRate, ...] = ()

    @property
    def taxable_cents(self) -> Decimal:
        return self.amount_cents - self.precise_coupons_amount_cents

    @property
    def precise_taxable_cents(self) -> Decimal:
        return self.precise_amount_cents - self.precise_coupons_amount_cents


@dataclass(frozen=True, slots=True)
class FeeTaxLine:
    tax: TaxRate
    amount_cents: int
    precise_amount_cents: Decimal


@dataclass(frozen=True, slots=True)
class FeeTaxes:
    lines: tuple[FeeTaxLine, ...]
    taxes_amount_cents: int
    taxes_precise_amount_cents: Decimal
    taxes_rate: Decimal


@dataclass(frozen=True, slots=True)
class InvoiceTaxLine:
    """`fees_amount_cents` is what the tax was computed on, truncated (NUM-4)."""

    tax: TaxRate
    amount_cents: int
    fees_amount_cents: int


@dataclass(frozen=True, slots=True)
class InvoiceTaxes:
    lines: tuple[InvoiceTaxLine, ...]
    taxes_amount_cents: int
    taxes_rate: Decimal


def applicable(*sources: Sequence[TaxRate]) -> tuple[TaxRate, ...]:
    """The taxes of a fee: the first source that has any, entirely, each tax once; sources never mix (ITX-1)."""
    for source in sources:
        if source:
            return tuple(dict.fromkeys(source))
    return ()


def fee_taxes(fee: TaxableFee) -> FeeTaxes:
    """The taxes of one fee (TXF-1, TXF-2): 6833 at 20 % -> 1367."""
    lines = tuple(
        FeeTaxLine(tax, round_cents(tax.of(fee.taxable_cents)), tax.of(fee.precise_taxable_cents)) for tax in fee.taxes
    )
    return FeeTaxes(
        lines=lines,
        taxes_amount_cents=round_cents(sum((tax.of(fee.taxable_cents) for tax in fee.taxes), ZERO)),
        taxes_precise_amount_cents=sum((line.precise_amount_cents for line in lines), ZERO),
        taxes_rate=sum((tax.rate for tax in fee.taxes), ZERO),
    )


def invoice_taxes(fees: Sequence[TaxableFee], sub_total_excluding_taxes_amount_cents: int) -> InvoiceTaxes:
    """The taxes of an invoice (TXF-3 to TXF-5): two fees of 6833 at 20 % -> 2733, not 2 x 1367.

    Lines come in the order in which the fees bring up their taxes. Two fees that carry the same tax with different
    rates, because it changed between their snapshots, make two lines.
    """
    bases: dict[TaxRate, Decimal] = {}
    carriers: dict[TaxRate, int] = {}
    for fee in fees:
        for tax in fee.taxes:
            bases[tax] = bases.get(tax, ZERO) + fee.taxable_cents
            carriers[tax] = carriers.get(tax, 0) + 1
    unrounded = sum((tax.of(base) for tax, base in bases.items()), ZERO)
    if sub_total_excluding_taxes_amount_cents > 0:
        rate = unrounded * 100 / sub_total_excluding_taxes_amount_cents
    else:  # nothing to weigh by money: by the number of fees (an invoice without fees has no taxes either)
        rate = sum((tax.rate * count for tax, count in carriers.items()), ZERO) / max(len(fees), 1)
    return InvoiceTaxes(
        lines=tuple(InvoiceTaxLine(tax, round_cents(tax.of(base)), int(base)) for tax, base in bases.items()),
        taxes_amount_cents=round_cents(unrounded),
        taxes_rate=round_half_up(rate, RATE_PLACES),
    )
