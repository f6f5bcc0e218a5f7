"""How far lifetime usage has come on the way to its thresholds (spec 1 §6.7). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from laguna.kernel.money import ZERO

RECURRING_LISTED_MAX = 1_000  # of the multiples that are reached, the latest


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Amounts in minor units, over 0: `fixed` ones in any order, `recurring` is repeated after the largest of them."""

    fixed: Sequence[int] = ()
    recurring: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """`completion_ratio` is the part of the way from the threshold before: 0 to 1, 1 where it is reached."""

    amount_cents: int
    completion_ratio: Decimal
    reached_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """When thresholds were reached: with the first of the invoices made for some, in the order of their making, by
    which usage had come so far: (usage, when). Else `now`."""

    now: datetime
    billed: Sequence[tuple[int, datetime]] = ()

    def at(self, amount_cents: int) -> Progress:
        billed_at = next((when for usage_cents, when in self.billed if usage_cents >= amount_cents), self.now)
        return Progress(amount_cents, Decimal(1), billed_at)


@dataclass(frozen=True, slots=True)
class Passed:
    """What usage has come to, over all periods: fixed thresholds, by their amounts, and whether the recurring one."""

    fixed: tuple[int, ...] = ()
    recurring: bool = False

    def __bool__(self) -> bool:
        return bool(self.fixed) or self.recurring


def passed(thresholds: Thresholds, billed_cents: int, more_cents: int) -> Passed:
    """The thresholds on the way from usage that is billed to that and `more_cents` (spec 2 PGB-2).

    200, 500 and 700, then every 1000: of 220, none billed, the first; of 220 more none; of 2200 more after 880 the
    recurring one, once. It is counted from the largest fixed one, as it is shown (spec 1 W23).
    """
    if more_cents <= 0:
        return Passed()
    total, largest = billed_cents + more_cents, max(thresholds.fixed, default=0)
    fixed = tuple(sorted(amount for amount in set(thresholds.fixed) if billed_cents < amount <= total))
    recurring = False
    if thresholds.recurring is not None:
        before = max(billed_cents - largest, 0) // thresholds.recurring
        recurring = (total - largest) // thresholds.recurring > before
    return Passed(fixed, recurring)


def progress(thresholds: Thresholds, total_cents: int, reached: Reached) -> list[Progress]:
    """Each fixed threshold, by amount, then the recurring one's multiples up to the first that is not reached.

    100, then every 200, of 723 used: 100, 300, 500 and 700 are reached, 900 to 23 of 200. What recurs is counted from
    the largest fixed one, also where that is no multiple of it (W23).
    """
    found: list[Progress] = []
    below, ahead = 0, False
    for amount in sorted(set(thresholds.fixed)):
        if amount <= total_cents:
            found.append(reached.at(amount))
        else:
            found.append(Progress(amount, ZERO if ahead else _ratio(total_cents, below, amount)))
            ahead = True
        below = amount
    if thresholds.recurring is None:
        return found
    if ahead:
        return [*found, Progress(below + thresholds.recurring, ZERO)]
    return [*found, *_recurring(below, thresholds.recurring, total_cents, reached)]


def _recurring(base: int, step: int, total_cents: int, reached: Reached) -> list[Progress]:
    times = max(total_cents - base, 0) // step
    first = max(times - RECURRING_LISTED_MAX, 0) + 1
    done = [reached.at(base + step * number) for number in range(first, times + 1)]
    last = base + step * times
    return [*done, Progress(last + step, _ratio(total_cents, last, last + step))]


def _ratio(total_cents: int, below: int, amount: int) -> Decimal:
    return Decimal(max(total_cents - below, 0)) / (amount - below)
