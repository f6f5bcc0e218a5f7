"""A formula with its numbers written out comes to the price, whatever the usage."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laguna.pricing.formulas import Priced, formula
from laguna.pricing.models import CHARGE_MODELS
from laguna.pricing.price import Step as Change
from laguna.pricing.price import Usage
from support.expressions import evaluate

PRICES = st.decimals("0", "1000", places=4, allow_nan=False).map(str)
UNITS = st.decimals("-50", "500", places=3, allow_nan=False) | st.integers(0, 60).map(Decimal)


@st.composite
def ranges(draw: st.DrawFn, price: str, *, touching: bool) -> list[dict[str, Any]]:
    ends = sorted(draw(st.sets(st.integers(1, 100), max_size=4)))
    ends = [end + 2 * position for position, end in enumerate(ends)]
    starts = [0, *(end if touching else end + 1 for end in ends)]
    return [
        {"from_value": start, "to_value": end, price: draw(PRICES), "flat_amount": draw(PRICES)}
        for start, end in zip(starts, [*ends, None], strict=True)
    ]


PROPERTIES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "standard": st.fixed_dictionaries({"amount": PRICES}),
    "package": st.fixed_dictionaries(
        {"amount": PRICES, "package_size": st.integers(1, 50), "free_units": st.integers(0, 50)}
    ),
    "volume": st.fixed_dictionaries({"volume_ranges": ranges("per_unit_amount", touching=False)}),
    "graduated": st.fixed_dictionaries(
        {"graduated_ranges": ranges("per_unit_amount", touching=True) | ranges("per_unit_amount", touching=False)}
    ),
    "graduated_percentage": st.fixed_dictionaries(
        {"graduated_percentage_ranges": ranges("rate", touching=True) | ranges("rate", touching=False)}
    ),
    "percentage": st.fixed_dictionaries(
        {"rate": PRICES},
        optional={
            "fixed_amount": PRICES,
            "free_units_per_events": st.integers(1, 5),
            "free_units_per_total_aggregation": PRICES,
            "per_transaction_min_amount": st.sampled_from(["0", "1.5", "3"]),
            "per_transaction_max_amount": st.sampled_from(["3", "4.25", "100"]),
        },
    ),
    "dynamic": st.just({}),
}
CHANGES = st.builds(
    lambda full, share: Change(full, full * share),
    st.integers(-9, 9).map(Decimal),
    st.integers(0, 31).map(lambda days: Decimal(days) / 31),
)


def usages(model: str) -> st.SearchStrategy[Usage]:
    """What a charge of the model may come to: single values make the sum; what is paid by the day has its changes."""
    values = st.lists(st.decimals("-20", "500", places=2, allow_nan=False), max_size=8)
    summed = st.builds(
        lambda values, total: Usage(sum(values, Decimal(0)), len(values), values=values, total_amount=total),
        values,
        UNITS,
    )
    counted = st.builds(lambda count: Usage(Decimal(count), count, "count_agg"), st.integers(0, 20))
    held = st.builds(
        lambda changes: Usage(
            sum((change.prorated for change in changes), Decimal(0)),
            len(changes),
            full_units=sum((change.full for change in changes), Decimal(0)),
            steps=changes,
        ),
        st.lists(CHANGES, max_size=8),
    )
    plain = st.builds(lambda units, count: Usage(units, count), UNITS, st.integers(0, 9))
    if model in ("percentage", "dynamic"):
        return summed | counted
    return plain | held if model in ("standard", "volume", "graduated") else plain


def test_every_charge_model_has_a_formula_that_is_tested() -> None:
    assert set(PROPERTIES) == set(CHARGE_MODELS)


@pytest.mark.parametrize("model", PROPERTIES)
@given(data=st.data())
def test_the_written_out_formula_is_the_price(model: str, data: st.DataObject) -> None:
    properties = data.draw(PROPERTIES[model])
    usage = data.draw(usages(model))
    price = CHARGE_MODELS[model].price(usage, properties)

    evidence = CHARGE_MODELS[model].evidence(usage, properties)
    told = replace(usage, values=(), steps=None if usage.steps is None else usage.steps[:1])
    steps = formula(model, Priced(told, properties, price.details, evidence))

    assert all(evaluate(step.expression) == step.result for step in steps)
    assert steps[-1].name == "amount"
    assert steps[-1].result == price.amount


def test_a_formula_reads_like_a_calculation() -> None:
    tiers = [
        {"from_value": 0, "to_value": 10, "per_unit_amount": "10", "flat_amount": "2"},
        {"from_value": 11, "to_value": None, "per_unit_amount": "5", "flat_amount": "3"},
    ]
    steps = formula("graduated", Priced(Usage(Decimal(12)), {"graduated_ranges": tiers}))
    assert [f"{step.name}: {step.expression}" for step in steps] == [
        "tier from 0 to 10: 10 * 10 + 2",
        "tier from 11: (12 - 10) * 5 + 3",
        "amount: 102 + 13",
    ]
    properties = {"amount": "100", "free_units": 10, "package_size": 10}
    steps = formula("package", Priced(Usage(Decimal(121)), properties))
    assert [step.expression for step in steps] == ["max(121 - 10, 0)", "ceil(111 / 10)", "12 * 100"]
