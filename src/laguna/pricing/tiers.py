"""Tiers, as the graduated and the volume model have them (spec 1 §3.8). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from laguna.kernel.money import ZERO
from laguna.pricing.properties import Bound, Cleaning, read_decimal_text, read_number

TIERS_MAX = 1_000
AMOUNTS: Mapping[str, str] = {"per_unit_amount": "invalid_amount", "flat_amount": "invalid_amount"}  # with their codes

Follows = Callable[
    [Bound, Bound], bool
]  # whether a tier may start at the second bound after one that ends at the first


@dataclass(frozen=True, slots=True)
class Tier:
    """From one number of units to another, the last one without end. Prices in major units."""

    from_value: Bound
    to_value: Bound | None
    per_unit_amount: Decimal
    flat_amount: Decimal

    def holds_up_to(self, units: Decimal) -> bool:
        """Whether so many units don't go beyond this tier. What lies between two tiers belongs to the upper one."""
        return self.to_value is None or units <= self.to_value


def read_tiers(ranges: Iterable[Mapping[str, Any]]) -> list[Tier]:
    """The tiers of properties that were cleaned."""
    return [
        Tier(
            item["from_value"],
            item["to_value"],
            Decimal(item["per_unit_amount"]),
            Decimal(item["flat_amount"]),
        )
        for item in ranges
    ]


def spread(units: Decimal, ends: Iterable[Bound | None]) -> Iterator[Decimal]:
    """How many of the units fall into each tier, by where the tiers end, up to the one that holds the last of them.

    A tier has what lies above the end of the one before it. That is "top - from" where the two touch and
    "top - from + 1" where they are a step apart, decided at each boundary, not for all tiers at once, so that no unit
    is billed twice (spec 1 W5). A tier that is filled exactly does not open the next one: 12 over 10, 20, ∞ -> 10, 2.
    """
    below = ZERO
    for end in ends:
        if end is None or units <= end:
            yield units - below
            return
        yield end - below
        below = ZERO + end


def touching_or_stepped(end: Bound, start: Bound) -> bool:
    """Whether a tier of a graduated price may follow: it touches the one before it, or is a step apart."""
    return start in (end, end + 1)


def default_ranges() -> list[dict[str, Any]]:
    """One tier for everything, for nothing."""
    return [{"from_value": 0, "to_value": None, "per_unit_amount": "0", "flat_amount": "0"}]


def clean_ranges(cleaning: Cleaning, key: str, follows: Follows, amounts: Mapping[str, str] = AMOUNTS) -> None:
    """Take the tiers under `key`: all of them or, with a code, none. `amounts` are what each costs, with the codes."""
    given: Any = cleaning.given.get(key)
    if not isinstance(given, list) or not given:  # another shape counts as absent (spec 0 §3)
        cleaning.codes.append(f"missing_{key}")
        return
    ranges = cast(list[Any], given)
    codes: list[str] = []
    if len(ranges) > TIERS_MAX:
        codes.append(f"invalid_{key}")
        ranges = ranges[:TIERS_MAX]
    cleaned: list[dict[str, Any]] = []
    ends: Bound | None = None
    for index, item in enumerate(ranges):
        tier = cast(Mapping[str, Any], item) if isinstance(item, dict) else {}
        starts = read_number(tier.get("from_value"))
        started_well = starts is not None and (
            starts in (0, 1) if index == 0 else ends is not None and follows(ends, starts)
        )
        to_value = tier.get("to_value")  # a client may leave null out
        is_last = index == len(given) - 1
        ends = None if is_last else read_number(to_value)
        ended_well = to_value is None if is_last else ends is not None and starts is not None and ends > starts
        if not (started_well and ended_well):
            codes.append(f"invalid_{key}")
        codes.extend(code for amount, code in amounts.items() if read_decimal_text(tier.get(amount)) is None)
        cleaned.append({"from_value": starts, "to_value": ends, **{amount: tier.get(amount) for amount in amounts}})
    cleaning.codes.extend(codes)
    if not codes:
        cleaning.kept[key] = cleaned
