"""The figures of an invoice: worked examples and laws (spec 3 §0.2, §1.5, §3.3; spec 2 §7.3)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laguna.invoices.totals import Totals, totals
from laguna.taxes.amounts import TaxableFee, TaxRate


def tax(rate: int) -> TaxRate:
    return TaxRate(None, f"vat{rate}", f"VAT {rate} %", Decimal(rate))


def fee(amount_cents: int, *rates: int, coupons: str = "0") -> TaxableFee:
    return TaxableFee(amount_cents, Decimal(amount_cents), Decimal(coupons), tuple(map(tax, rates)))


def money(result: Totals) -> tuple[int, int, int, int]:
    """Fees, subtotal, taxes, total."""
    return (
        result.fees_amount_cents,
        result.sub_total_excluding_taxes_amount_cents,
        result.taxes_amount_cents,
        result.total_amount_cents,
    )


def test_an_invoice_goes_from_fees_to_the_total_in_order() -> None:
    result = totals(
        [fee(60000, 20, coupons="30000")],
        progressive_billing_credit_amount_cents=20000,
        coupons_amount_cents=10000,
        credit_notes_amount_cents=5000,
        prepaid_credit_amount_cents=1000,
    )
    assert result == Totals(
        fees_amount_cents=60000,
        progressive_billing_credit_amount_cents=20000,
        coupons_amount_cents=10000,
        sub_total_excluding_taxes_amount_cents=30000,
        taxes_amount_cents=6000,
        taxes_rate=Decimal(20),
        sub_total_including_taxes_amount_cents=36000,
        credit_notes_amount_cents=5000,
        prepaid_credit_amount_cents=1000,
        total_amount_cents=30000,
        payment_status="pending",
        tax_lines=result.tax_lines,
    )
    assert [(line.amount_cents, line.fees_amount_cents) for line in result.tax_lines] == [(6000, 30000)]


def test_an_invoice_with_three_kinds_of_coupons() -> None:
    shares = "676.47059 1352.94117 88.23529 117.64706 126.47059 252.94118 379.41176 505.88235".split()
    fees = [
        fee((number % 4 + 1) * 1000, 20 if number in (1, 5) else 10, coupons=share)
        for number, share in enumerate(shares)
    ]
    result = totals(fees, coupons_amount_cents=3500)
    assert money(result) == (20000, 16500, 1889, 18389)
    assert result.taxes_rate == Decimal("11.45098")


def test_a_coupon_lowers_fees_of_different_taxes_alike() -> None:
    fees = [
        fee(10000, 10, coupons="500"),
        fee(5000, 0, coupons="250"),
        fee(3000, 20, coupons="150"),
        fee(2000, 20, coupons="100"),
    ]
    assert money(totals(fees, coupons_amount_cents=1000)) == (20000, 19000, 1900, 20900)


def test_a_coupon_on_one_of_two_fees() -> None:
    city = TaxRate(None, "city", "City tax", Decimal(10))
    fees = [fee(17900, 10), TaxableFee(39900, Decimal(39900), Decimal(25000), (tax(10), city))]
    result = totals(fees, coupons_amount_cents=25000)
    assert money(result) == (57800, 32800, 4770, 37570)
    assert result.taxes_rate == Decimal("14.54268")


@pytest.mark.parametrize(("lines", "taxes", "total"), [(2, 2733, 16399), (4, 5466, 32798)])
def test_taxes_are_rounded_on_the_invoice(lines: int, taxes: int, total: int) -> None:
    assert money(totals([fee(6833, 20)] * lines)) == (6833 * lines, 6833 * lines, taxes, total)


def test_no_events_and_a_flat_amount_of_100() -> None:
    assert money(totals([fee(10000, 20)])) == (10000, 10000, 2000, 12000)


def test_progressive_billing_is_credited_before_taxes() -> None:
    result = totals([fee(3100), fee(40000, coupons="20000")], progressive_billing_credit_amount_cents=20000)
    assert money(result) == (43100, 23100, 0, 23100)


def test_an_invoice_that_coupons_cover_is_paid() -> None:
    result = totals([fee(10000, 10, coupons="10000")], coupons_amount_cents=10000)
    assert money(result) == (10000, 0, 0, 0)
    assert (result.taxes_rate, result.payment_status) == (10, "succeeded")


def test_an_invoice_that_prepaid_credits_cover_is_paid() -> None:
    result = totals([fee(1000, 20)], credit_notes_amount_cents=200, prepaid_credit_amount_cents=1000)
    assert (result.sub_total_including_taxes_amount_cents, result.total_amount_cents) == (1200, 0)
    assert result.payment_status == "succeeded"


def test_an_invoice_without_fees_is_paid() -> None:
    result = totals([])
    assert money(result) == (0, 0, 0, 0)
    assert (result.payment_status, result.tax_lines, result.taxes_rate) == ("succeeded", (), 0)


@pytest.mark.parametrize(
    ("field", "amount_cents"),
    [
        ("coupons_amount_cents", 1001),
        ("progressive_billing_credit_amount_cents", 1001),
        ("credit_notes_amount_cents", 1201),
        ("prepaid_credit_amount_cents", 1201),
        ("prepaid_credit_amount_cents", -1),
    ],
)
def test_credits_never_exceed_what_they_are_drawn_on(field: str, amount_cents: int) -> None:
    with pytest.raises(AssertionError):
        totals([fee(1000, 20)], **{field: amount_cents})


@settings(deadline=None)
@given(st.data(), st.lists(st.tuples(st.integers(0, 10**9), st.lists(st.integers(0, 40), unique=True)), max_size=6))
def test_law_the_figures_of_an_invoice_add_up(data: st.DataObject, items: list[tuple[int, list[int]]]) -> None:
    shares = [data.draw(st.integers(0, amount)) for amount, _ in items]
    fees = [fee(amount, *rates, coupons=str(share)) for (amount, rates), share in zip(items, shares, strict=True)]
    progressive = data.draw(st.integers(0, sum(shares)))
    before = {
        "progressive_billing_credit_amount_cents": progressive,
        "coupons_amount_cents": sum(shares) - progressive,
    }
    provisional = totals(fees, **before)
    notes = data.draw(st.integers(0, provisional.total_amount_cents))
    prepaid = data.draw(st.integers(0, provisional.total_amount_cents - notes))
    result = totals(fees, **before, credit_notes_amount_cents=notes, prepaid_credit_amount_cents=prepaid)
    assert result.tax_lines == provisional.tax_lines
    assert result.taxes_amount_cents == provisional.taxes_amount_cents
    assert result.total_amount_cents + notes + prepaid == provisional.total_amount_cents
    assert (result.payment_status == "pending") == (result.total_amount_cents > 0)
    fees_less_credits = sum(amount for amount, _ in items) - sum(shares)
    assert provisional.total_amount_cents == fees_less_credits + result.taxes_amount_cents
