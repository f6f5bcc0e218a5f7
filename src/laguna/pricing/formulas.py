"""The calculation of a price with its numbers written out, so that a person can follow it (spec 1 §3.9). Pure.

An expression has numbers, `+ - * /`, parentheses, `min`, `max`, `ceil` to whole numbers, and `round` half up, away from
zero, to whole numbers or to the places that follow. Numbers have up to 80 significant digits. Each step uses only
numbers that are known by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from laguna.kernel.money import ZERO, decimal_text
from laguna.pricing import graduated, graduated_percentage, percentage, volume
from laguna.pricing.price import Usage
from laguna.pricing.properties import Bound
from laguna.pricing.prorated import PLACES, reached, settled
from laguna.pricing.tiers import Tier, read_tiers


@dataclass(frozen=True, slots=True)
class Step:
    """`name` = `expression` = `result`."""

    name: str
    expression: str
    result: Decimal


def _nothing() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Priced:
    """What a charge model made a price of. `usage` has no single events any more, `details` are the price's, `evidence`
    is what the charge model says beyond."""

    usage: Usage
    properties: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=_nothing)
    evidence: Mapping[str, Any] = field(default_factory=_nothing)


def formula(charge_model: str, priced: Priced) -> Sequence[Step]:
    """How a charge model makes its amount: the last step is `amount`, in major units and unrounded."""
    return _FORMULAS[charge_model](priced)


def _standard(priced: Priced) -> list[Step]:
    units, price = priced.usage.units, Decimal(priced.properties["amount"])
    return [Step("amount", f"{number(units)} * {number(price)}", units * price)]


def _package(priced: Priced) -> list[Step]:
    units, properties = priced.usage.units, priced.properties
    size, free_units, price = (Decimal(properties[name]) for name in ("package_size", "free_units", "amount"))
    paid_units = max(units - free_units, ZERO)
    packages = paid_units // size + (1 if paid_units % size else 0)
    return [
        Step("paid_units", f"max({number(units)} - {number(free_units)}, 0)", paid_units),
        Step("packages", f"ceil({number(paid_units)} / {number(size)})", packages),
        Step("amount", f"{number(packages)} * {number(price)}", packages * price),
    ]


def _volume(priced: Priced) -> list[Step]:
    """Of a prorated charge the units held choose the tier."""
    usage = priced.usage
    tier = next(tier for tier in read_tiers(priced.properties[volume.RANGES]) if tier.holds_up_to(usage.held))
    if usage.units < 0 or usage.held < 0:
        return [Step("amount", "0", ZERO)]
    units, flat = usage.units, tier.flat_amount
    amount = units * tier.per_unit_amount + flat
    return [Step("amount", f"{number(units)} * {number(tier.per_unit_amount)} + {number(flat)}", amount)]


def _graduated(priced: Priced) -> list[Step]:
    tiers = read_tiers(priced.properties[graduated.RANGES])
    if priced.usage.steps is not None:
        return _prorated_graduated(priced, tiers)
    steps: list[Step] = []
    below = ZERO
    for tier in tiers:
        is_last = tier.holds_up_to(priced.usage.units)
        top = priced.usage.units if is_last or tier.to_value is None else ZERO + tier.to_value
        amount = (top - below) * tier.per_unit_amount + tier.flat_amount
        text = f"{_span(below, top)} * {number(tier.per_unit_amount)} + {number(tier.flat_amount)}"
        steps.append(Step(_tier_name(tier.from_value, tier.to_value), text, amount))
        if is_last:
            break
        below = top
    return [*steps, _sum(steps)]


def _prorated_graduated(priced: Priced, tiers: Sequence[Tier]) -> list[Step]:
    """What was paid in each tier at its price, and the flat amounts of those that were reached."""
    evidence = priced.evidence
    if evidence["outcome"] != "placed":
        flat = tiers[0].flat_amount if evidence["outcome"] == "first_flat" else ZERO
        return [Step("amount", number(flat), flat)]
    steps: list[Step] = []
    for tier, text in zip(tiers, evidence["paid"], strict=True):
        if paid := Decimal(text):
            name = f"paid in {_tier_name(tier.from_value, tier.to_value)}"
            expression = f"{number(paid)} * {number(tier.per_unit_amount)}"
            steps.append(Step(name, expression, paid * tier.per_unit_amount))
    units = sum((step.result for step in steps), ZERO)
    flats = [tier.flat_amount for tier in reached(Decimal(evidence["most"]), tiers)]
    parts = " + ".join(number(step.result) for step in steps) or "0"
    amount = max(settled(units), ZERO) + sum(flats, ZERO)
    text = f"max(round({parts}, {PLACES}), 0)"
    return [*steps, Step("amount", " + ".join([text, *map(number, flats)]), amount)]


def _graduated_percentage(priced: Priced) -> list[Step]:
    steps: list[Step] = []
    below = ZERO
    units = priced.usage.units
    for tier in priced.properties[graduated_percentage.RANGES]:
        ends: Bound | None = tier["to_value"]
        is_last = ends is None or units <= ends
        top = units if ends is None or is_last else ZERO + ends
        rate, flat = Decimal(tier["rate"]), Decimal(tier["flat_amount"])
        text = f"{_span(below, top)} * {number(rate)} / 100 + {number(flat)}"
        steps.append(Step(_tier_name(tier["from_value"], ends), text, (top - below) * rate / 100 + flat))
        if is_last:
            break
        below = top
    return [*steps, _sum(steps)]


def _percentage(priced: Priced) -> list[Step]:
    """The rate of what isn't free, and the fixed amount of the events that aren't."""
    if priced.evidence:
        return _bounded_percentage(priced)
    usage, details = priced.usage, priced.details
    rate, fixed = Decimal(priced.properties["rate"]), Decimal(priced.properties.get("fixed_amount") or 0)
    free_units, free_events = Decimal(details["free_units"]), details["free_events"]
    paid_units = max(usage.units - free_units, ZERO)
    rated = paid_units * rate / 100
    paid_events = Decimal(details["paid_events"])
    events = f"max({usage.events_count} - {free_events}, 0)" if usage.units else "0"
    return [
        Step("paid_units", f"max({number(usage.units)} - {number(free_units)}, 0)", paid_units),
        Step("rated", f"{number(paid_units)} * {number(rate)} / 100", rated),
        Step("paid_events", events, paid_events),
        Step("amount", f"{number(rated)} + {number(paid_events)} * {number(fixed)}", rated + paid_events * fixed),
    ]


def _bounded_percentage(priced: Priced) -> list[Step]:
    """Events at their lowest amount, at their highest, and those in between, which come to the rate and the fixed
    amount as if there were no bounds."""
    properties, evidence = priced.properties, priced.evidence
    rate, fixed = Decimal(properties["rate"]), Decimal(properties.get("fixed_amount") or 0)
    units, times = Decimal(evidence["between_units"]), evidence["fixed_times"]
    steps = [
        Step(
            "events between the bounds",
            f"{number(units)} * {number(rate)} / 100 + {times} * {number(fixed)}",
            units * rate / 100 + times * fixed,
        )
    ]
    for name, bound in zip(("lowest", "highest"), percentage.BOUNDS, strict=True):
        if count := evidence[f"at_{name}"]:
            amount = Decimal(properties[bound])
            steps.append(Step(f"events at the {name}", f"{count} * {number(amount)}", count * amount))
    return [*steps, _sum(steps)]


def _dynamic(priced: Priced) -> list[Step]:
    """What the events say that they cost; nothing where they make no units."""
    total = priced.usage.total_amount
    if not priced.usage.units:
        return [Step("amount", "0", ZERO)]
    return [Step("amount", number(total), total)]


def _tier_name(starts: Decimal | int, ends: Decimal | int | None) -> str:
    return f"tier from {number(starts)}" + ("" if ends is None else f" to {number(ends)}")


def _span(below: Decimal, top: Decimal) -> str:
    return f"({number(top)} - {number(below)})" if below else number(top)


def _sum(steps: Sequence[Step]) -> Step:
    return Step("amount", " + ".join(number(step.result) for step in steps), sum((step.result for step in steps), ZERO))


def number(value: Decimal | int) -> str:
    """A number as expressions have it: plain, with no more decimals than it needs; a negative one in parentheses."""
    text = decimal_text(ZERO + value).removesuffix(".0")
    return f"({text})" if value < 0 else text


_FORMULAS: Mapping[str, Callable[[Priced], list[Step]]] = {
    "standard": _standard,
    "package": _package,
    "volume": _volume,
    "graduated": _graduated,
    "graduated_percentage": _graduated_percentage,
    "percentage": _percentage,
    "dynamic": _dynamic,
}
