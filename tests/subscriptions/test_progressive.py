"""What progressive invoices take from later ones (spec 2 PGB-6, W-25)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laguna.subscriptions.progressive import UsageAmount, usage_credit

U = UsageAmount


@pytest.mark.parametrize(
    ("fees", "billed", "available", "taken"),
    [
        ([U("c", "", 40_000)], [U("c", "", 20_000)], 20_000, [20_000]),  # 7.I
        ([U("c", "", 60_000)], [U("c", "", 60_000)], 60_000, [60_000]),  # 7.J
        ([U("c", "", 40_000)], [], 0, [0]),
        # each part takes what was billed for it
        ([U("c", "a", 50), U("c", "b", 80)], [U("c", "a", 30), U("c", "b", 80)], 110, [30, 80]),
        # usage has moved from one part to another
        ([U("c", "a", 10), U("c", "b", 90)], [U("c", "a", 60), U("c", "b", 20)], 80, [10, 70]),
        # it has decreased: the credit is limited to the fees, and stays whole in them
        ([U("c", "a", 10), U("d", "", 70)], [U("c", "a", 60)], 60, [10, 0]),
        ([U("c", "a", 30)], [U("c", "a", 60)], 60, [30]),
        # what fills a minimum takes what usage leaves
        ([U("c", "a", 30), U("c", None, 70)], [U("c", "a", 60)], 60, [30, 30]),
        # other charges take nothing
        ([U("d", "a", 50), U("c", "a", 50)], [U("c", "a", 50)], 50, [0, 50]),
        # part of it was taken off already
        ([U("c", "a", 50), U("c", "b", 50)], [U("c", "a", 50), U("c", "b", 50)], 60, [50, 10]),
        ([U("c", "a", 50)], [U("c", "a", 50)], -10, [0]),
    ],
)
def test_fees_take_what_was_billed_of_them(
    fees: list[UsageAmount], billed: list[UsageAmount], available: int, taken: list[int]
) -> None:
    assert usage_credit(fees, billed, available) == taken


amounts = st.builds(U, st.sampled_from("cd"), st.sampled_from(["", "a", None]), st.integers(0, 1000))


@given(st.lists(amounts), st.lists(amounts), st.integers(0, 3000))
def test_all_is_taken_that_fits_and_never_more(
    fees: list[UsageAmount], billed: list[UsageAmount], available: int
) -> None:
    taken = usage_credit(fees, billed, available)
    charges = {fee.charge for fee in billed}
    worth = sum(fee.amount_cents for fee in fees if fee.charge in charges)
    assert sum(taken) == min(available, worth)
    assert all(0 <= cents <= fee.amount_cents for cents, fee in zip(taken, fees, strict=True))
    assert all(not cents or fee.charge in charges for cents, fee in zip(taken, fees, strict=True))
