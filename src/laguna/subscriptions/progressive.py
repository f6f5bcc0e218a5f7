"""What an invoice takes off for usage that was billed within the period, and from which fees (spec 2 PGB-6). Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UsageAmount:
    """The amount of a fee for usage; `part` is its filter and group, within the charge. What fills a minimum has none,
    since no progressive invoice bills it."""

    charge: Hashable
    part: Hashable | None
    amount_cents: int


def usage_credit(fees: Sequence[UsageAmount], billed: Sequence[UsageAmount], available_cents: int) -> list[int]:
    """What of `available_cents` each of the fees takes, given those of the invoice that billed before.

    Each takes at most what was billed for the same part; what is left then, because usage has moved to other parts,
    goes to other fees of the same charges, in their order. Together no more than these fees are worth (spec 2 W-25).
    """
    before: dict[tuple[Hashable, Hashable], int] = {}
    for fee in billed:
        before[fee.charge, fee.part] = before.get((fee.charge, fee.part), 0) + fee.amount_cents
    charges = {fee.charge for fee in billed}
    left = available_cents
    taken = [0] * len(fees)

    def take(index: int, most: int) -> None:
        nonlocal left
        amount = max(min(most, fees[index].amount_cents - taken[index], left), 0)
        taken[index] += amount
        left -= amount

    for index, fee in enumerate(fees):
        if fee.part is not None:
            take(index, before.get((fee.charge, fee.part), 0))
    for index, fee in enumerate(fees):
        if fee.charge in charges:
            take(index, left)
    return taken
