"""The calculation of a fee from its evidence: every step from units to taxes, with its numbers (spec 1 §3.11). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from laguna.kernel.money import ZERO, exponent, round_cents, round_half_up, subunits
from laguna.pricing.formulas import Priced, Step, formula, number
from laguna.pricing.models import STORED_PLACES
from laguna.pricing.price import Step as Change
from laguna.pricing.price import Usage


@dataclass(frozen=True, slots=True)
class Calculated:
    """What a fee stores of its own calculation. `properties` are those of its terms, `parts` the amounts that count
    towards the minimum that a true-up fills."""

    kind: str
    currency: str
    properties: Mapping[str, Any]
    evidence: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    parts: Sequence[int] = ()


def usage_steps(fee: Calculated) -> list[Step]:
    """A fee of usage: the charge model's formula, then minor units, precisely and rounded."""
    usage = usage_of(fee.evidence)
    priced = Priced(usage, fee.properties, fee.details, fee.evidence.get("formula", {}))
    steps = list(formula(fee.kind, priced))
    amount = steps[-1].result
    billed = amount
    if usage.units < 0 or usage.held < 0 or amount < 0:  # then nothing is billed
        billed = ZERO
        steps.append(Step("amount", f"0 * {number(amount)}", billed))
    cents, places = subunits(fee.currency), exponent(fee.currency)
    precise = round_half_up(billed * cents, STORED_PLACES)
    return [
        *steps,
        Step("precise_amount_cents", f"round({number(billed)} * {cents}, {STORED_PLACES})", precise),
        Step("amount_cents", f"round({number(billed)}, {places}) * {cents}", round_half_up(billed, places) * cents),
    ]


def usage_of(evidence: Mapping[str, Any]) -> Usage:
    """What was priced."""
    changes = evidence.get("changes")
    return Usage(
        units=Decimal(evidence["units"]),
        events_count=evidence.get("paying_events", evidence["events_count"]),
        aggregation_type=evidence["aggregation_type"],
        full_units=Decimal(evidence["full_units"]) if changes is not None else None,
        steps=None if changes is None else [Change(Decimal(full), Decimal(prorated)) for full, prorated in changes],
        total_amount=Decimal(evidence.get("total_amount", 0)),
    )


def subscription_steps(fee: Calculated) -> list[Step]:
    """The fee of a subscription: the plan's amount for the days of the period that are billed."""
    days = f"{fee.evidence['plan_amount_cents']} * {fee.evidence['days']} / {fee.evidence['full_days']}"
    precise = Decimal(fee.evidence["plan_amount_cents"]) * fee.evidence["days"] / fee.evidence["full_days"]
    return [
        Step("precise_amount_cents", f"round({days}, {STORED_PLACES})", round_half_up(precise, STORED_PLACES)),
        Step("amount_cents", f"round({days})", Decimal(round_cents(precise))),
    ]


def true_up_steps(fee: Calculated) -> list[Step]:
    """What is missing to a charge's minimum, which is for the days of the period like a subscription."""
    evidence = fee.evidence
    minimum = f"{evidence['min_amount_cents']} * {evidence['days']} / {evidence['full_days']}"
    unrounded = Decimal(evidence["min_amount_cents"]) * evidence["days"] / evidence["full_days"]
    used, precise_used = evidence["used_cents"], Decimal(evidence["precise_used_cents"])
    precise = round_half_up(unrounded - precise_used, STORED_PLACES)
    return [
        Step("minimum_cents", f"round({minimum}, {STORED_PLACES})", round_half_up(unrounded, STORED_PLACES)),
        Step("used_cents", " + ".join(map(str, fee.parts)) or "0", Decimal(used)),
        Step("precise_amount_cents", f"round({minimum} - {number(precise_used)}, {STORED_PLACES})", precise),
        Step("amount_cents", f"round({minimum} - {used})", Decimal(round_cents(unrounded - used))),
    ]


def commitment_steps(fee: Calculated) -> list[Step]:
    """What the fees of a period miss of the commitment for its days; each part is the fees of one type."""
    evidence = fee.evidence
    minimum = f"round({evidence['commitment_cents']} * {evidence['days']} / {evidence['full_days']})"
    rounded = round_cents(Decimal(evidence["commitment_cents"]) * evidence["days"] / evidence["full_days"])
    counted = list(evidence["counted"].values())
    return [
        Step("minimum_cents", minimum, Decimal(rounded)),
        Step("counted_cents", " + ".join(map(str, counted)) or "0", Decimal(sum(counted))),
        *(
            Step(name, f"{rounded} - {sum(counted)}", Decimal(rounded - sum(counted)))
            for name in ("precise_amount_cents", "amount_cents")
        ),
    ]


def tax_expression(amount_cents: int, coupons_cents: Decimal, rates: Sequence[Decimal]) -> str:
    """The taxes of a fee, each on what coupons leave of the amount, rounded once (spec 3 §3.2)."""
    base = f"({amount_cents} - {number(coupons_cents)})" if coupons_cents else str(amount_cents)
    return f"round({' + '.join(f'{base} * {number(rate)} / 100' for rate in rates) or '0'})"
