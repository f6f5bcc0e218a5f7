"""Which metrics, charge models and options go together (spec 1 §3.3). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from laguna.kernel.errors import Problems

RATES = frozenset({"percentage", "graduated_percentage"})
NOT_IN_ADVANCE = frozenset({"max_agg", "latest_agg", "weighted_sum_agg"})
PRORATED_IN_ARREARS = frozenset({"standard", "graduated", "volume"})
UNFIT = "invalid_aggregation_type_or_charge_model"


@dataclass(frozen=True, slots=True)
class Combination:
    """What a charge is made of."""

    aggregation_type: str
    recurring: bool
    charge_model: str
    pay_in_advance: bool
    prorated: bool
    invoiceable: bool
    regroup_paid_fees: str | None
    min_amount_cents: int


def check_combination(charge: Combination, problems: Problems) -> None:
    """Report everything about a charge that doesn't go together."""
    kind, model = charge.aggregation_type, charge.charge_model
    if kind == "latest_agg" and model in RATES:
        problems.add("properties", "invalid_value")
    if (model == "dynamic" and kind != "sum_agg") or (model == "custom" and kind != "custom_agg"):
        problems.add("charge_model", UNFIT)
    if charge.pay_in_advance and (kind in NOT_IN_ADVANCE or model == "volume"):
        problems.add("pay_in_advance", UNFIT)
    if charge.prorated and not _can_be_prorated(charge):
        problems.add("prorated", "invalid_billable_metric_or_charge_model")
    if not charge.invoiceable and not charge.pay_in_advance:
        problems.add("invoiceable", "must_be_true_unless_pay_in_advance")
    if charge.regroup_paid_fees and (charge.invoiceable or not charge.pay_in_advance):
        problems.add("regroup_paid_fees", "only_compatible_with_pay_in_advance_and_non_invoiceable")
    if charge.min_amount_cents and charge.pay_in_advance:
        problems.add("min_amount_cents", "not_compatible_with_pay_in_advance")


def _can_be_prorated(charge: Combination) -> bool:
    if not charge.recurring or charge.aggregation_type == "weighted_sum_agg":
        return False
    return charge.charge_model == "standard" if charge.pay_in_advance else charge.charge_model in PRORATED_IN_ARREARS
