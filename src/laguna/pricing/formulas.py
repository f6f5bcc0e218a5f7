"""The calculation of a price with its numbers written out, so that a person can follow it (spec 1 §3.9). Pure.

An expression has numbers, `+ - * /`, parentheses, `min`, `max`, `ceil` to whole numbers, and `round` half up, away from
zero, to whole numbers or to the places that follow. Each step uses only numbers that are known by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from laguna.kernel.money import ZERO, decimal_text
from laguna.pricing import graduated, graduated_percentage, volume
from laguna.pricing.price import Usage
from laguna.pricing.tiers import Tier, read_tiers


@dataclass(frozen=True, slots=True)
class Step:
    """`name` = `expression` = `result`."""

    name: str
    expression: str
    result: Decimal


def formula(
    charge_model: str, usage: Usage, properties: Mapping[str, Any], details: Mapping[str, Any]
) -> Sequence[Step]:
    """How a charge model makes its amount: the last step is `amount`, in major units and unrounded."""
    return _FORMULAS[charge_model](usage, properties, details)


def _standard(usage: Usage, properties: Mapping[str, Any], details: Mapping[str, Any]) -> list[Step]:
    price = Decimal(properties["amount"])
    return [Step("amount", f"{number(usage.units)} * {number(price)}", usage.units * price)]


def _package(usage: Usage, properties: Mapping[str, Any], details: Mapping[str, Any]) -> list[Step]:
    size, free_units = Decimal(properties["package_size"]), Decimal(properties["free_units"])
    paid_units = max(usage.units - free_units, ZERO)
    packages = paid_units // size + (1 if paid_units % size else 0)
    price = Decimal(properties["amount"])
    return [
        Step("paid_units", f"max({number(usage.units)} - {number(free_units)}, 0)", paid_units),
        Step("packages", f"ceil({number(paid_units)} / {number(size)})", packages),
        Step("amount", f"{number(packages)} * {number(price)}", packages * price),
    ]


def _volume(usage: Usage, properties: Mapping[str, Any], details: Mapping[str, Any]) -> list[Step]:
    tier = next(tier for tier in read_tiers(properties[volume.RANGES]) if tier.holds_up_to(usage.held))
    units = max(usage.units, ZERO)
    flat = tier.flat_amount if usage.held >= 0 else ZERO
    return [_tier_step("amount", number(units), units, tier.per_unit_amount, flat)]


def _graduated(usage: Usage, properties: Mapping[str, Any], details: Mapping[str, Any]) -> list[Step]:
    if usage.steps is not None:  # by the day: the changes that the fee's evidence tells, each in the tiers it fills
        amount = graduated.price(usage, properties).amount
        return [Step("amount", number(amount), amount)]
    steps: list[Step] = []
    below = ZERO
    for tier in read_tiers(properties[graduated.RANGES]):
        is_last = tier.holds_up_to(usage.units)
        top = usage.units if is_last or tier.to_value is None else ZERO + tier.to_value
        span = f"({number(top)} - {number(below)})" if below else number(top)
        steps.append(_tier_step(_tier_name(tier), span, top - below, tier.per_unit_amount, tier.flat_amount))
        if is_last:
            break
        below = top
    return [*steps, _sum(steps)]


def _percentage(usage: Usage, properties: Mapping[str, Any], details: Mapping[str, Any]) -> list[Step]:
    """From the details, which say what was free and what bounds changed."""
    paid, rate = Decimal(details["paid_units"]), Decimal(details["rate"])
    events, fixed = Decimal(details["paid_events"]), Decimal(details["fixed_fee_unit_amount"])
    adjustment = Decimal(details["min_max_adjustment_total_amount"])
    by_rate, by_event = paid * rate / 100, events * fixed
    amount = f"{number(by_rate)} + {number(by_event)} + {number(adjustment)}"
    return [
        Step("percentage of the units", f"{number(paid)} * {number(rate)} / 100", by_rate),
        Step("amounts of the events", f"{number(events)} * {number(fixed)}", by_event),
        Step("amount", amount, by_rate + by_event + adjustment),
    ]


def _graduated_percentage(usage: Usage, properties: Mapping[str, Any], details: Mapping[str, Any]) -> list[Step]:
    steps: list[Step] = []
    for item in details[graduated_percentage.RANGES]:
        units, rate, flat = (Decimal(item[name]) for name in ("units", "rate", "flat_unit_amount"))
        expression = f"{number(units)} * {number(rate)} / 100 + {number(flat)}"
        end = "" if item["to_value"] is None else f" to {number(item['to_value'])}"
        steps.append(Step(f"tier from {number(item['from_value'])}{end}", expression, units * rate / 100 + flat))
    return [*steps, _sum(steps)]


def _dynamic(usage: Usage, properties: Mapping[str, Any], details: Mapping[str, Any]) -> list[Step]:
    amount = usage.total_amount if usage.units else ZERO
    return [Step("amount", number(amount), amount)]


def _tier_name(tier: Tier) -> str:
    end = "" if tier.to_value is None else f" to {number(ZERO + tier.to_value)}"
    return f"tier from {number(ZERO + tier.from_value)}{end}"


def _tier_step(name: str, span: str, units: Decimal, price: Decimal, flat: Decimal) -> Step:
    return Step(name, f"{span} * {number(price)} + {number(flat)}", units * price + flat)


def _sum(steps: Sequence[Step]) -> Step:
    return Step("amount", " + ".join(number(step.result) for step in steps), sum((step.result for step in steps), ZERO))


def number(value: Decimal | int) -> str:
    """A number as expressions have it: plain, with no more decimals than it needs; a negative one in parentheses."""
    text = decimal_text(ZERO + value).removesuffix(".0")
    return f"({text})" if value < 0 else text


_FORMULAS: Mapping[str, Callable[[Usage, Mapping[str, Any], Mapping[str, Any]], list[Step]]] = {
    "standard": _standard,
    "package": _package,
    "volume": _volume,
    "graduated": _graduated,
    "percentage": _percentage,
    "graduated_percentage": _graduated_percentage,
    "dynamic": _dynamic,
}
