"""Usage below zero costs nothing, whatever its price has of flat amounts (spec 1 §3.11)."""

from __future__ import annotations

from typing import Any

import pytest

from support.billing import fees, make_metric, make_plan, only_invoice, subscribe, usage_of, use
from support.client import Sandbox

TIER = {"from_value": 0, "to_value": None, "per_unit_amount": "1", "flat_amount": "7"}
MODELS: dict[str, dict[str, Any]] = {
    "standard": {"amount": "2"},
    "graduated": {"graduated_ranges": [TIER]},
    "volume": {"volume_ranges": [TIER]},
    "package": {"amount": "5", "package_size": 1, "free_units": 0},
    "percentage": {"rate": "2", "fixed_amount": "3"},
    "graduated_percentage": {
        "graduated_percentage_ranges": [{"from_value": 0, "to_value": None, "rate": "1", "flat_amount": "7"}]
    },
}


@pytest.mark.parametrize("model", MODELS)
def test_usage_below_zero_costs_nothing(sandbox: Sandbox, model: str) -> None:
    client = sandbox("2024-03-01T00:00:00Z")
    metric = make_metric(client, "mb", "sum_agg", field_name="mb")
    make_plan(client, charges=[{"billable_metric_id": metric, "charge_model": model, "properties": MODELS[model]}])
    subscribe(client)
    use(client, "2024-03-02T00:00:00Z", "mb", mb=-3)
    assert usage_of(client)["amount_cents"] == 0
    client.at("2024-04-01T01:00:00Z")
    (fee,) = fees(only_invoice(client))
    assert (fee["units"], fee["amount_cents"], fee["events_count"]) == ("0.0", 0, 1)
    explanation = client.get(f"/fees/{fee['lago_id']}/explanation")["fee_explanation"]
    assert explanation["steps"][-1]["result"] == "0.0"
