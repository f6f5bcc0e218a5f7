"""Which metrics, charge models and options go together: the whole matrix (spec 1 §3.3)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from laguna.catalog.acceptance import UNFIT, Combination, check_combination
from laguna.kernel.errors import Problems

KINDS = ("count_agg", "sum_agg", "max_agg", "unique_count_agg", "weighted_sum_agg", "latest_agg", "custom_agg")
MODELS = ("standard", "graduated", "package", "percentage", "volume", "graduated_percentage", "dynamic", "custom")
PLAIN = Combination("sum_agg", False, "standard", False, False, True, None, 0)


def problems_of(charge: Combination) -> dict[str, list[str]]:
    problems = Problems()
    check_combination(charge, problems)
    return problems.fields


def in_arrears(kind: str, model: str) -> dict[str, list[str]]:
    """The table."""
    if model in ("percentage", "graduated_percentage"):
        return {"properties": ["invalid_value"]} if kind == "latest_agg" else {}
    needed = {"dynamic": "sum_agg", "custom": "custom_agg"}.get(model, kind)
    return {} if kind == needed else {"charge_model": [UNFIT]}


@pytest.mark.parametrize(("kind", "model"), list(product(KINDS, MODELS)))
def test_metrics_and_models_in_arrears(kind: str, model: str) -> None:
    assert problems_of(replace(PLAIN, aggregation_type=kind, charge_model=model)) == in_arrears(kind, model)


@pytest.mark.parametrize(("kind", "model"), list(product(KINDS, MODELS)))
def test_metrics_and_models_in_advance(kind: str, model: str) -> None:
    found = problems_of(replace(PLAIN, aggregation_type=kind, charge_model=model, pay_in_advance=True))
    unfit = kind in ("max_agg", "latest_agg", "weighted_sum_agg") or model == "volume"
    assert found == in_arrears(kind, model) | ({"pay_in_advance": [UNFIT]} if unfit else {})


@pytest.mark.parametrize(
    ("kind", "model", "recurring", "advance"), list(product(KINDS, MODELS, (True, False), (True, False)))
)
def test_what_can_be_prorated(kind: str, model: str, recurring: bool, advance: bool) -> None:
    charge = replace(
        PLAIN, aggregation_type=kind, charge_model=model, recurring=recurring, pay_in_advance=advance, prorated=True
    )
    fits = model == "standard" or (not advance and model in ("graduated", "volume"))
    refused = problems_of(charge).get("prorated")
    if recurring and kind != "weighted_sum_agg" and fits:
        assert refused is None
    else:
        assert refused == ["invalid_billable_metric_or_charge_model"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"invoiceable": False}, {"invoiceable": ["must_be_true_unless_pay_in_advance"]}),
        ({"invoiceable": False, "pay_in_advance": True}, {}),
        (
            {"regroup_paid_fees": "invoice"},
            {"regroup_paid_fees": ["only_compatible_with_pay_in_advance_and_non_invoiceable"]},
        ),
        ({"regroup_paid_fees": "invoice", "invoiceable": False, "pay_in_advance": True}, {}),
        ({"min_amount_cents": 1}, {}),
        (
            {"min_amount_cents": 1, "pay_in_advance": True},
            {"min_amount_cents": ["not_compatible_with_pay_in_advance"]},
        ),
    ],
)
def test_options(changes: dict[str, object], expected: dict[str, list[str]]) -> None:
    assert problems_of(replace(PLAIN, **changes)) == expected  # pyright: ignore[reportArgumentType]
