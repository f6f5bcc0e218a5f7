"""A formula with its numbers written out comes to the price, whatever the usage."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laguna.pricing.formulas import formula
from laguna.pricing.models import CHARGE_MODELS
from laguna.pricing.price import Usage
from support.expressions import evaluate

PRICES = st.decimals("0", "1000", places=4, allow_nan=False).map(str)
UNITS = st.decimals("-50", "500", places=3, allow_nan=False) | st.integers(0, 60).map(Decimal)


@st.composite
def ranges(draw: st.DrawFn, *, touching: bool) -> list[dict[str, Any]]:
    ends = sorted(draw(st.sets(st.integers(1, 100), max_size=4)))
    ends = [end + 2 * position for position, end in enumerate(ends)]
    starts = [0, *(end if touching else end + 1 for end in ends)]
    return [
        {"from_value": start, "to_value": end, "per_unit_amount": draw(PRICES), "flat_amount": draw(PRICES)}
        for start, end in zip(starts, [*ends, None], strict=True)
    ]


PROPERTIES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "standard": st.fixed_dictionaries({"amount": PRICES}),
    "package": st.fixed_dictionaries(
        {"amount": PRICES, "package_size": st.integers(1, 50), "free_units": st.integers(0, 50)}
    ),
    "volume": st.fixed_dictionaries({"volume_ranges": ranges(touching=False)}),
    "graduated": st.fixed_dictionaries({"graduated_ranges": ranges(touching=True) | ranges(touching=False)}),
    "percentage": st.fixed_dictionaries(
        {
            "rate": PRICES,
            "fixed_amount": PRICES,
            "per_transaction_max_amount": PRICES,
            "free_units_per_events": st.just(2),
        }
    ),
    "graduated_percentage": st.builds(
        lambda rate, flat: {
            "graduated_percentage_ranges": [
                {"from_value": 0, "to_value": 10, "rate": rate, "flat_amount": flat},
                {"from_value": 11, "to_value": None, "rate": flat, "flat_amount": rate},
            ]
        },
        PRICES,
        PRICES,
    ),
    "dynamic": st.just({}),
}


def test_every_charge_model_has_a_formula_that_is_tested() -> None:
    assert set(PROPERTIES) == set(CHARGE_MODELS)


@pytest.mark.parametrize("model", PROPERTIES)
@given(data=st.data())
def test_the_written_out_formula_is_the_price(model: str, data: st.DataObject) -> None:
    properties = data.draw(PROPERTIES[model])
    units = data.draw(UNITS)
    usage = Usage(units, events_count=data.draw(st.integers(0, 9)), values=[units], total_amount=units)
    price = CHARGE_MODELS[model].price(usage, properties)

    steps = formula(model, usage, properties, price.details)

    assert all(evaluate(step.expression) == step.result for step in steps)
    assert steps[-1].name == "amount"
    assert steps[-1].result == price.amount


def test_a_formula_reads_like_a_calculation() -> None:
    tiers = [
        {"from_value": 0, "to_value": 10, "per_unit_amount": "10", "flat_amount": "2"},
        {"from_value": 11, "to_value": None, "per_unit_amount": "5", "flat_amount": "3"},
    ]
    steps = formula("graduated", Usage(Decimal(12)), {"graduated_ranges": tiers}, {})
    assert [f"{step.name}: {step.expression}" for step in steps] == [
        "tier from 0 to 10: 10 * 10 + 2",
        "tier from 11: (12 - 10) * 5 + 3",
        "amount: 102 + 13",
    ]
    properties = {"amount": "100", "free_units": 10, "package_size": 10}
    steps = formula("package", Usage(Decimal(121)), properties, {})
    assert [step.expression for step in steps] == ["max(121 - 10, 0)", "ceil(111 / 10)", "12 * 100"]
