"""The explanation of a fee is enough to calculate it again by hand."""

from __future__ import annotations

from decimal import Decimal

from laguna.pricing.models import CHARGE_MODELS
from support.billing import fees, make_customer, make_metric, make_plan, only_invoice, standard, subscribe, use
from support.client import Client, Json, Sandbox
from support.expressions import check_explained, recalculated

RANGES = [
    {"from_value": 0, "to_value": 10, "per_unit_amount": "0.333", "flat_amount": "1"},
    {"from_value": 11, "to_value": None, "per_unit_amount": "0.1", "flat_amount": "2"},
]
PERCENTAGES = [
    {"from_value": 0, "to_value": 10, "rate": "3.3", "flat_amount": "1"},
    {"from_value": 11, "to_value": None, "rate": "1", "flat_amount": "0"},
]
FREE = {"rate": "7.7", "fixed_amount": "0.3", "free_units_per_events": 1, "free_units_per_total_aggregation": "6"}
BOUNDED = {"rate": "7.7", "per_transaction_min_amount": "0.1", "per_transaction_max_amount": "0.5"}
MODELS: dict[str, tuple[str, Json]] = {
    "standard": ("standard", {"amount": "0.3333333"}),
    "graduated": ("graduated", {"graduated_ranges": RANGES}),
    "package": ("package", {"amount": "1.07", "free_units": 3, "package_size": 4}),
    "volume": ("volume", {"volume_ranges": RANGES}),
    "graduated_percentage": ("graduated_percentage", {"graduated_percentage_ranges": PERCENTAGES}),
    "percentage": ("percentage", FREE),
    "bounded": ("percentage", BOUNDED),
    "dynamic": ("dynamic", {}),
}


def explain(client: Client, fee: Json) -> Json:
    return client.get(f"/fees/{fee['lago_id']}/explanation")["fee_explanation"]


def explained(client: Client) -> tuple[list[Json], list[Json]]:
    found: list[Json] = only_invoice(client)["fees"]
    return [explain(client, fee) for fee in found], found


def test_each_charge_model_and_the_subscription_can_be_calculated_again(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-10T00:00:00Z")
    for code, rate in (("vat", 20), ("city", "1.25")):
        client.post("/taxes", {"tax": {"name": code, "code": code, "rate": rate, "applied_to_organization": True}})
    metric = make_metric(client, "bytes", "sum_agg", field_name="size", rounding_function="ceil", rounding_precision=2)
    charges = [
        {"billable_metric_id": metric, "charge_model": model, "properties": properties, "code": code}
        for code, (model, properties) in MODELS.items()
    ]
    make_plan(client, amount_cents=1000, charges=charges)
    make_customer(client)
    subscribe(client)
    for number, size in enumerate(("7.1234", "5.0001", 1)):
        event = {"transaction_id": f"b{number}", "external_subscription_id": "sub", "code": "bytes"}
        event |= {"precise_total_amount_cents": "12.345", "properties": {"size": size}}
        client.post("/events", {"event": event})
    client.at("2024-02-01T00:00:00Z")

    explanations, found = explained(client)
    assert len(found) == len(MODELS) + 1
    check_explained(explanations, found)

    assert {model for model, _ in MODELS.values()} == set(CHARGE_MODELS)
    by_model = {each["charge"]["code"]: each for each in explanations if each["charge"]}
    bounded = [step["expression"] for step in by_model["bounded"]["steps"][:-2]]
    assert bounded == ["5.0001 * 7.7 / 100 + 0 * 0", "1 * 0.1", "1 * 0.5", "0.3850077 + 0.1 + 0.5"]
    assert by_model["dynamic"]["steps"][0]["expression"] == "0.37035"
    usage = by_model["standard"]["usage"]
    assert (usage["aggregated_units"], usage["units"]) == ("13.1235", "13.13")
    assert (usage["rounding_function"], usage["rounding_precision"]) == ("ceil", 2)
    assert usage["events"]["count"] == 3
    assert usage["events"]["before_datetime"] == "2024-02-01T00:00:00+00:00"
    assert all(last > 0 for last in usage["events"]["arrivals"].values())
    assert by_model["standard"]["price"]["properties"] == {"amount": "0.3333333"}
    assert by_model["standard"]["price"]["since"] == "2024-01-10T00:00:00Z"
    subscription = next(each for each in explanations if each["fee_type"] == "subscription")
    assert [step["expression"] for step in subscription["steps"]] == [
        "round(1000 * 22 / 31, 15)",
        "round(1000 * 22 / 31)",
    ]
    assert (subscription["period"]["days"], subscription["period"]["full_days"]) == (22, 31)
    assert subscription["taxes_expression"] == "round(710 * 20 / 100 + 710 * 1.25 / 100)"


def test_the_price_and_the_code_stay_as_they_were(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    metric = make_metric(client)
    charge = make_plan(client, charges=[standard(metric, "3")])["charges"][0]
    make_customer(client)
    subscribe(client)
    use(client, "2024-01-12T00:00:00Z")
    client.at("2024-02-01T00:00:00Z")
    fee = fees(only_invoice(client))[0]
    before = explain(client, fee)

    client.put("/billable_metrics/calls", {"billable_metric": {"name": "Requests"}})
    client.put("/plans/plan", {"plan": {"charges": [standard(metric, "5", id=charge["lago_id"])]}})

    after = explain(client, fee)
    assert (after["metric"]["name"], after["metric"]["billed_name"]) == ("Requests", "Calls")
    assert after["price"] == before["price"]
    assert after["steps"] == before["steps"]


def test_filters_groups_minimums_and_prorated_usage_are_explained(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-17T00:00:00Z")
    filters = [{"key": "cloud", "values": ["aws", "gcp"]}]
    size = make_metric(client, "size", "sum_agg", field_name="size", filters=filters)
    seats = make_metric(client, "seats", "sum_agg", field_name="size", recurring=True)
    prices = [
        {"values": {"cloud": ["aws"]}, "properties": {"amount": "0.1"}, "invoice_display_name": "Amazon"},
        {"values": {"cloud": ["gcp"]}, "properties": {"amount": "0.2", "pricing_group_keys": ["region"]}},
    ]
    make_plan(
        client,
        charges=[
            {**standard(size, "0.3"), "filters": prices, "min_amount_cents": 1000},
            {**standard(seats, "31"), "prorated": True},
            *(
                {
                    "billable_metric_id": seats,
                    "charge_model": model,
                    "properties": MODELS[model][1],
                    "code": model,
                    "prorated": True,
                }
                for model in ("volume", "graduated")
            ),
        ],
    )
    make_customer(client)
    subscribe(client)
    use(client, "2024-01-18T00:00:00Z", "size", size=3, cloud="aws")
    use(client, "2024-01-18T00:00:00Z", "size", size=4, cloud="gcp", region="eu")
    use(client, "2024-01-18T00:00:00Z", "size", size=5, cloud="gcp")
    use(client, "2024-01-20T00:00:00Z", "seats", size=2)
    use(client, "2024-01-30T00:00:00Z", "seats", size="-1")
    client.at("2024-02-01T00:00:00Z")

    explanations, found = explained(client)
    check_explained(explanations, found)

    amazon = next(each for each in explanations if each["filter"] and each["filter"]["values"] == {"cloud": ["aws"]})
    assert amazon["filter"]["invoice_display_name"] == "Amazon"
    assert amazon["price"]["properties"] == {"amount": "0.1"}
    assert {"region": "eu"} in [each["grouped_by"] for each in explanations]
    true_up = next(each for each in explanations if each["lago_true_up_parent_fee_id"])
    assert true_up["usage"] is None
    steps = {step["name"]: step["expression"] for step in true_up["steps"]}
    assert steps["used_cents"] == "30 + 80 + 100 + 0"
    assert steps["amount_cents"] == "round(1000 * 15 / 31 - 210)"
    assert recalculated(true_up)["amount_cents"] == 274
    held = next(each for each in explanations if each["charge"] and each["charge"]["prorated"])
    # 2 for 12 days, 1 of them given back for the last 2: (24 - 2) / 31, rounded up to five places
    assert (held["usage"]["units"], held["usage"]["full_units"]) == ("0.70968", "1")
    assert [full for full, _ in held["usage"]["changes"]] == ["2", "-1"]
    assert Decimal(held["usage"]["changes"][0][1]) == Decimal(24) / 31
    graduated = next(each for each in explanations if each["charge"] and each["charge"]["code"] == "graduated")
    assert [step["name"] for step in graduated["steps"][:2]] == ["paid in tier from 0 to 10", "amount"]


def test_usage_below_zero_bills_nothing_and_says_so(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    metric = make_metric(client, "size", "sum_agg", field_name="size")
    charge = {"billable_metric_id": metric, "charge_model": "graduated", "properties": {"graduated_ranges": RANGES}}
    make_plan(client, amount_cents=100, charges=[charge])
    make_customer(client)
    subscribe(client)
    use(client, "2024-01-12T00:00:00Z", "size", size=-1)
    client.at("2024-02-01T00:00:00Z")

    explanations, found = explained(client)
    check_explained(explanations, found)
    usage = next(fee for fee in found if fee["item"]["type"] == "charge")
    # the first tier's flat amount is not left over
    assert (usage["amount_cents"], usage["units"], usage["events_count"]) == (0, "0.0", 1)


def test_an_unknown_fee_has_no_explanation(sandbox: Sandbox) -> None:
    client = sandbox()
    answer = client.get("/fees/01a2a2a2-0000-7000-8000-000000000000/explanation", expect=404)
    assert answer["code"] == "fee_not_found"
