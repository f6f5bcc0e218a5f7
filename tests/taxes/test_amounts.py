"""Taxes of fees and invoices: worked examples and laws (spec 3 §3.2, §3.3; spec 2 §8)."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laguna.kernel.money import round_cents
from laguna.taxes.amounts import TaxableFee, TaxRate, applicable, fee_taxes, invoice_taxes


def tax(rate: str, code: str = "") -> TaxRate:
    code = code or f"vat{rate}"
    return TaxRate(UUID(bytes=code.encode().rjust(16, b"\0")), code, code.upper(), Decimal(rate))


def fee(amount_cents: int, *taxes: TaxRate, coupons: str = "0", precise: str = "") -> TaxableFee:
    return TaxableFee(amount_cents, Decimal(precise or amount_cents), Decimal(coupons), taxes)


VAT10, VAT12, VAT20 = tax("10"), tax("12"), tax("20")


def test_the_first_source_that_has_taxes_wins_entirely() -> None:
    assert applicable((), [VAT10], [VAT20]) == (VAT10,)
    assert applicable([VAT12, VAT10], [VAT20]) == (VAT12, VAT10)
    assert applicable((), ()) == ()
    assert applicable() == ()


def test_a_tax_that_is_named_twice_counts_once() -> None:
    assert applicable([VAT10, VAT12, VAT10]) == (VAT10, VAT12)


@pytest.mark.parametrize(
    ("amount_cents", "rates", "taxes_amount_cents", "rate"),
    [
        (1000, ["10"], 100, "10"),
        (2000, ["10", "12"], 440, "22"),
        (1000, ["12", "5"], 170, "17"),
        (10000, ["20", "10"], 3000, "30"),
        (10000, ["15"], 1500, "15"),
        (10000, ["8"], 800, "8"),
        (6833, ["20"], 1367, "20"),
        (501, ["20"], 100, "20"),
        (25, ["10"], 3, "10"),
        (1000, [], 0, "0"),
        (0, ["20"], 0, "20"),
    ],
)
def test_the_taxes_of_a_fee_add_up(amount_cents: int, rates: list[str], taxes_amount_cents: int, rate: str) -> None:
    result = fee_taxes(fee(amount_cents, *map(tax, rates)))
    assert (result.taxes_amount_cents, result.taxes_rate) == (taxes_amount_cents, Decimal(rate))
    assert [line.tax.code for line in result.lines] == [f"vat{rate}" for rate in rates]


def test_fee_taxes_are_rounded_once_and_so_is_each_line() -> None:
    """5 % of 10 cents is half a cent: two lines of 1 cent, together 1 cent."""
    result = fee_taxes(fee(10, tax("5", "state"), tax("5", "city")))
    assert [line.amount_cents for line in result.lines] == [1, 1]
    assert result.taxes_amount_cents == 1


def test_precise_taxes_come_from_the_precise_amount() -> None:
    result = fee_taxes(fee(284, VAT20, coupons="10.5", precise="283.87"))
    assert result.taxes_amount_cents == 55  # 273.5 x 20 % = 54.7
    assert result.taxes_precise_amount_cents == result.lines[0].precise_amount_cents == Decimal("54.674")


def test_an_invoice_adds_up_its_taxes() -> None:
    result = invoice_taxes([fee(1000, VAT10), fee(2000, VAT10, VAT12)], 3000)
    assert [(line.tax.code, line.amount_cents, line.fees_amount_cents) for line in result.lines] == [
        ("vat10", 300, 3000),
        ("vat12", 240, 2000),
    ]
    assert (result.taxes_amount_cents, result.taxes_rate) == (540, 18)


def test_a_coupon_lowers_what_is_taxed() -> None:
    fees = [fee(1000, VAT10, coupons="333.33333"), fee(2000, VAT10, VAT12, coupons="666.66667")]
    result = invoice_taxes(fees, 2000)
    assert [(line.amount_cents, line.fees_amount_cents) for line in result.lines] == [(200, 2000), (160, 1333)]
    assert (result.taxes_amount_cents, result.taxes_rate) == (360, 18)


def test_the_rate_of_an_invoice_of_nothing_weighs_by_the_number_of_fees() -> None:
    result = invoice_taxes([fee(0, VAT10), fee(0, VAT10, VAT12)], 0)
    assert [(line.amount_cents, line.fees_amount_cents) for line in result.lines] == [(0, 0), (0, 0)]
    assert (result.taxes_amount_cents, result.taxes_rate) == (0, 16)


def test_fees_that_coupons_cover_have_no_taxes_but_a_rate() -> None:
    result = invoice_taxes([fee(10000, VAT10, coupons="10000")], 0)
    assert (result.taxes_amount_cents, result.taxes_rate) == (0, 10)


def test_an_invoice_without_fees_has_no_taxes() -> None:
    result = invoice_taxes([], 0)
    assert (result.lines, result.taxes_amount_cents, result.taxes_rate) == ((), 0, 0)


@pytest.mark.parametrize(("lines", "taxes_amount_cents"), [(2, 2733), (4, 5466)])
def test_invoice_taxes_are_rounded_once_not_per_fee(lines: int, taxes_amount_cents: int) -> None:
    fees = [fee(6833, VAT20)] * lines
    assert {fee_taxes(item).taxes_amount_cents for item in fees} == {1367}
    assert invoice_taxes(fees, 6833 * lines).taxes_amount_cents == taxes_amount_cents


def test_the_rate_of_an_invoice_weighs_each_tax_by_what_it_taxes() -> None:
    fees = [fee(17900, VAT10), fee(39900, VAT10, tax("10", "other"), coupons="25000")]
    result = invoice_taxes(fees, 32800)
    assert (result.taxes_amount_cents, result.taxes_rate) == (4770, Decimal("14.54268"))


def test_untaxed_fees_lower_the_rate_of_an_invoice() -> None:
    assert invoice_taxes([fee(1000, VAT20), fee(3000)], 4000).taxes_rate == 5


def test_two_snapshots_of_a_changed_tax_stay_apart() -> None:
    before, after = tax("10", "vat"), tax("12", "vat")
    result = invoice_taxes([fee(1000, before), fee(1000, after)], 2000)
    assert [line.amount_cents for line in result.lines] == [100, 120]
    assert result.taxes_amount_cents == 220


def test_taxes_after_three_kinds_of_coupons() -> None:
    """Coupons of 3500 in all on eight fees of two plans; metrics 2 and 6 at 20 %, the others at 10 %."""
    shares = "676.47059 1352.94117 88.23529 117.64706 126.47059 252.94118 379.41176 505.88235".split()
    fees = [
        fee((number % 4 + 1) * 1000, VAT20 if number in (1, 5) else VAT10, coupons=share)
        for number, share in enumerate(shares)
    ]
    of_fees = [fee_taxes(item).taxes_amount_cents for item in fees]
    assert of_fees == [32, 129, 291, 388, 87, 349, 262, 349]
    assert sum(of_fees) == 1887
    result = invoice_taxes(fees, 16500)
    assert [(line.tax.code, line.amount_cents) for line in result.lines] == [("vat10", 1411), ("vat20", 479)]
    assert (result.taxes_amount_cents, result.taxes_rate) == (1889, Decimal("11.45098"))


RATES = st.builds(tax, st.decimals(0, 100, places=4).map(str), st.sampled_from("abcde"))


@st.composite
def taxable_fees(draw: st.DrawFn) -> TaxableFee:
    amount = draw(st.integers(0, 10**9))
    share = draw(st.decimals(0, amount, places=5))
    taxes = draw(st.lists(RATES, max_size=3, unique=True))
    return fee(amount, *taxes, coupons=str(share))


@settings(deadline=None)
@given(st.lists(taxable_fees(), max_size=6))
def test_law_an_invoice_rounds_the_unrounded_taxes_of_its_fees(fees: list[TaxableFee]) -> None:
    subtotal = sum(item.amount_cents for item in fees)
    result = invoice_taxes(fees, subtotal)
    unrounded = sum((rate.of(item.taxable_cents) for item in fees for rate in item.taxes), Decimal(0))
    assert result.taxes_amount_cents == round_cents(unrounded)
    # what is shown may differ from it by half a cent a line or fee, never more
    lines = sum(line.amount_cents for line in result.lines)
    assert abs(lines - unrounded) <= Decimal("0.5") * len(result.lines)
    of_fees = sum(fee_taxes(item).taxes_amount_cents for item in fees)
    assert abs(of_fees - unrounded) <= Decimal("0.5") * len(fees)


@settings(deadline=None)
@given(st.data(), st.lists(taxable_fees(), max_size=6))
def test_law_the_order_of_fees_does_not_change_the_taxes(data: st.DataObject, fees: list[TaxableFee]) -> None:
    subtotal = sum(item.amount_cents for item in fees)
    shuffled = data.draw(st.permutations(fees))
    one, other = invoice_taxes(fees, subtotal), invoice_taxes(shuffled, subtotal)
    assert (one.taxes_amount_cents, one.taxes_rate) == (other.taxes_amount_cents, other.taxes_rate)
    assert set(one.lines) == set(other.lines)


@settings(deadline=None)
@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=6), st.lists(RATES, max_size=3, unique=True))
def test_law_the_rate_of_equally_taxed_fees_is_the_sum_of_their_rates(amounts: list[int], taxes: list[TaxRate]) -> None:
    expected = sum((rate.rate for rate in taxes), Decimal(0))
    assert invoice_taxes([fee(amount, *taxes) for amount in amounts], sum(amounts)).taxes_rate == expected
    assert invoice_taxes([fee(0, *taxes) for _ in amounts], 0).taxes_rate == expected
