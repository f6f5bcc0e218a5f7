"""Charges and filters through the API: what is stored, what is refused, and one by one (spec 1 §§2.7, 3.1 to 3.8)."""

from __future__ import annotations

from typing import Any

import pytest

from laguna.metrics.trimming import ALL_VALUES, trimmed
from support.billing import make_metric, make_plan, standard, subscribe
from support.client import Client, Json, Sandbox

NOW = "2024-03-01T00:00:00Z"
REGIONS = [{"key": "region", "values": ["eu", "us"]}, {"key": "tier", "values": ["pro", "free"]}]


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return sandbox(NOW)


def usage_metric(client: Client, **more: Any) -> str:
    return make_metric(client, "u", "sum_agg", field_name="value", filters=REGIONS, **more)


def a_filter(amount: str, **values: list[str]) -> Json:
    return {"values": values, "properties": {"amount": amount}}


def refused(client: Client, charge: Json, path: str = "/plans") -> Json:
    """The errors of a plan with this charge, of which nothing was stored."""
    before = client.get("/plans")["meta"]["total_count"]
    plan = {"name": "P", "code": "p", "interval": "monthly", "amount_cents": 0, "amount_currency": "EUR"}
    answer = client.send("POST", path, {"plan": {**plan, "charges": [charge]}})
    assert answer.status_code == 422, answer.text
    assert client.get("/plans")["meta"]["total_count"] == before
    return answer.json()["error_details"]


def test_filters_are_stored_as_given_and_groups_shown_under_both_names(client: Client) -> None:
    grouped = {"amount": "2", "grouped_by": ["user", "user"], "presentation_group_keys": [{"value": "team"}]}
    own = {"amount": "3", "pricing_group_keys": ["team"], "presentation_group_keys": [{"value": "x"}], "rate": "9"}
    filters = [{"values": {"region": ["eu", "eu"]}, "properties": own, "invoice_display_name": "Europe"}]
    charge = {**standard(usage_metric(client)), "properties": grouped, "filters": filters, "min_amount_cents": 500}
    (stored,) = make_plan(client, charges=[charge])["charges"]
    assert stored["properties"] == {
        "amount": "2",
        "pricing_group_keys": ["user"],
        "grouped_by": ["user"],
        "presentation_group_keys": [{"value": "team"}],
    }
    assert stored["min_amount_cents"] == 500
    (kept,) = stored["filters"]
    assert (kept["values"], kept["invoice_display_name"], kept["charge_code"]) == ({"region": ["eu"]}, "Europe", "u")
    assert kept["properties"] == {"amount": "3", "pricing_group_keys": ["team"], "grouped_by": ["team"]}


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (None, ["value_is_mandatory"]),
        ({}, ["value_is_mandatory"]),
        ({"region": []}, ["value_is_mandatory"]),
        ({"region": "eu"}, ["value_is_invalid"]),
        ({"region": [1]}, ["value_is_invalid"]),
        ({"region": ["asia"]}, ["value_is_invalid"]),
        ({"planet": ["eu"]}, ["value_is_invalid"]),
        ({"region": [ALL_VALUES, "eu"]}, ["value_is_invalid"]),
        ({"region": ["eu"], "tier": ["x"]}, ["value_is_invalid"]),
    ],
)
def test_values_that_a_filter_can_not_have(client: Client, values: Any, codes: list[str]) -> None:
    charge = standard(usage_metric(client), filters=[{"values": values, "properties": {"amount": "1"}}])
    assert refused(client, charge) == {"values": codes}


def test_everything_wrong_is_told_at_once(client: Client) -> None:
    charge = {
        "billable_metric_id": usage_metric(client),
        "charge_model": "percentage",
        "properties": {"rate": 1},
        "prorated": True,
        "min_amount_cents": -1,
        "invoiceable": False,
        "filters": [{"values": {"region": ["x"]}, "properties": {"rate": "-1"}}],
    }
    assert refused(client, charge) == {
        "min_amount_cents": ["value_is_out_of_range"],
        "properties": ["invalid_rate"],
        "prorated": ["invalid_billable_metric_or_charge_model"],
        "invoiceable": ["must_be_true_unless_pay_in_advance"],
        "values": ["value_is_invalid"],
    }


def test_a_filter_without_a_price_is_not_free(client: Client) -> None:
    charge = standard(usage_metric(client), filters=[{"values": {"region": ["eu"]}}])
    assert refused(client, charge) == {"properties": ["invalid_amount"]}
    make_plan(client, charges=[{**charge, "filters": []}])
    answer = client.send("POST", "/plans/plan/charges/u/filters", {"filter": {"values": {"region": ["eu"]}}})
    assert answer.json()["error_details"] == {"properties": ["invalid_amount"]}


def test_two_filters_with_the_same_values_are_refused(client: Client) -> None:
    filters = [a_filter("1", region=["eu", "us"]), a_filter("2", region=["us", "eu"])]
    assert refused(client, standard(usage_metric(client), filters=filters)) == {"values": ["value_already_exist"]}


@pytest.mark.parametrize("groups", ["region", [""], [1], {"a": "b"}])
def test_groups_that_are_no_list_of_names(client: Client, groups: Any) -> None:
    charge = standard(usage_metric(client))
    charge["properties"]["pricing_group_keys"] = groups
    assert refused(client, charge) == {"properties": ["invalid_type"]}


def test_filters_are_replaced_and_those_with_the_same_values_stay(client: Client) -> None:
    charge = standard(usage_metric(client), filters=[a_filter("1", region=["eu"]), a_filter("2", region=["us"])])
    plan = make_plan(client, charges=[charge])
    subscribe(client)
    (before,) = plan["charges"]
    update = {"id": before["lago_id"], "filters": [a_filter("3", tier=["pro"]), a_filter("5", region=["us"])]}
    (after,) = client.put("/plans/plan", {"plan": {"charges": [update]}})["plan"]["charges"]
    assert [(each["values"], each["properties"]["amount"]) for each in after["filters"]] == [
        ({"region": ["us"]}, "5"),
        ({"tier": ["pro"]}, "3"),
    ]
    assert after["filters"][0]["lago_id"] == before["filters"][1]["lago_id"]
    assert after["properties"] == {"amount": "1"}
    (untouched,) = client.put("/plans/plan", {"plan": {"charges": [{"id": before["lago_id"]}]}})["plan"]["charges"]
    assert len(untouched["filters"]) == 2
    (emptied,) = client.put("/plans/plan", {"plan": {"charges": [{"id": before["lago_id"], "filters": []}]}})["plan"][
        "charges"
    ]
    assert emptied["filters"] == []


def test_in_use_only_prices_change(client: Client) -> None:
    plan = make_plan(client, charges=[standard(usage_metric(client), "1")])
    subscribe(client)
    frozen = {"charge_model": "package", "min_amount_cents": 9, "prorated": True, "code": "other"}
    changed = client.put("/plans/plan/charges/u", {"charge": {**frozen, "properties": {"amount": "7"}}})["charge"]
    assert changed == {**plan["charges"][0], "properties": {"amount": "7"}}


def test_what_can_not_change_any_more_is_told_in_a_header(client: Client) -> None:
    make_plan(client, charges=[standard(usage_metric(client), "1", filters=[a_filter("1", region=["eu"])])])
    subscribe(client)
    path = "/plans/plan/charges/u"
    same = {
        "charge_model": "standard",
        "code": "u",
        "prorated": False,
        "min_amount_cents": 0,
        "properties": {"amount": "2"},
    }
    assert "Warning" not in client.send("PUT", path, {"charge": same}).headers
    other = client.send("PUT", path, {"charge": {"charge_model": "package", "min_amount_cents": 9, "prorated": True}})
    assert other.headers["Warning"] == '299 - "can not be changed: charge_model, min_amount_cents, prorated"'
    one = f"{path}/filters/{client.get(path)['charge']['filters'][0]['lago_id']}"
    moved = client.send("PUT", one, {"filter": {"values": {"region": ["us"]}}})
    assert moved.headers["Warning"] == '299 - "can not be changed: values"'
    renamed = client.send(
        "PUT", "/billable_metrics/u", {"billable_metric": {"name": "N", "field_name": "x", "code": "u"}}
    )
    assert renamed.headers["Warning"] == '299 - "can not be changed: field_name"'


def test_a_filter_that_stays_keeps_what_is_not_mentioned(client: Client) -> None:
    named = {**a_filter("3", region=["eu"]), "invoice_display_name": "Europe"}
    make_plan(client, charges=[standard(usage_metric(client), "1", filters=[named, a_filter("4", tier=["pro"])])])
    path, kept = "/plans/plan/charges/u", {"values": {"region": ["eu"]}}
    before = client.get(path)["charge"]["filters"]
    (after,) = client.put(path, {"charge": {"filters": [kept]}})["charge"]["filters"]
    assert after == before[0]
    (cleared,) = client.put(path, {"charge": {"filters": [{**kept, "invoice_display_name": None}]}})["charge"][
        "filters"
    ]
    assert cleared == {**after, "invoice_display_name": None}
    unpriced = client.send("PUT", path, {"charge": {"filters": [{"values": {"region": ["us"]}}]}})
    assert unpriced.json()["error_details"] == {"properties": ["invalid_amount"]}


def test_another_metric_must_declare_what_the_filters_use(client: Client) -> None:
    make_plan(client, charges=[standard(usage_metric(client), filters=[a_filter("1", region=["eu"])])])
    plain = make_metric(client, "plain")
    answer = client.send("PUT", "/plans/plan/charges/u", {"charge": {"billable_metric_id": plain}})
    assert answer.json()["error_details"] == {"values": ["value_is_invalid"]}
    both = {"billable_metric_id": plain, "filters": []}
    assert client.put("/plans/plan/charges/u", {"charge": both})["charge"]["billable_metric_code"] == "plain"


HUGE: list[tuple[Json, Json]] = [
    ({"filters": [a_filter("1", region=["eu"])] * 1001}, {"filters": ["too_many_filters"]}),
    ({"filters": [a_filter("1", region=["eu"] * 10_000 + ["x"])]}, {"values": ["value_is_invalid"]}),
    (
        {"filters": [a_filter("1", **{f"k{number}": ["x"] for number in range(10_000)})]},
        {"values": ["value_is_invalid"]},
    ),
    ({"filters": [a_filter("9" * 1_000_000, region=["eu"])]}, {"properties": ["invalid_amount"]}),
    ({"code": "x" * 256}, {"code": ["value_is_too_long"]}),
    ({"min_amount_cents": 2**63}, {"min_amount_cents": ["value_is_out_of_range"]}),
    ({"properties": {"amount": "1", "pricing_group_keys": ["\x00"]}}, {"properties": ["invalid_type"]}),
    ({"filters": [a_filter("1", region=["\x00"])]}, {"values": ["value_is_invalid"]}),
    ({"charge_model": "free"}, {"charge_model": ["value_is_invalid"]}),
    ({"prorated": "yes", "invoiceable": 3}, {"prorated": ["value_is_invalid"], "invoiceable": ["value_is_invalid"]}),
    ({"pay_in_advance": True}, {"pay_in_advance": ["unsupported_value"]}),
    ({"accepts_target_wallet": True}, {"accepts_target_wallet": ["unsupported_value"]}),
    ({"applied_pricing_unit": {"code": "c"}}, {"applied_pricing_unit": ["unsupported_value"]}),
]


@pytest.mark.parametrize(("more", "expected"), HUGE)
def test_charges_beyond_all_bounds_are_refused(client: Client, more: Json, expected: Json) -> None:
    assert refused(client, {**standard(usage_metric(client)), **more}) == expected


@pytest.mark.parametrize("odd", [None, 1, "x", [], True, [None, 1, "x", [[]]]])
def test_values_of_a_wrong_shape_count_as_absent_and_unknown_keys_are_ignored(client: Client, odd: Any) -> None:
    metric = usage_metric(client)
    charge = {**standard(metric), "unknown": odd, "filters": odd, "tax_codes": odd if odd == [] else None}
    plan = make_plan(client, charges=[charge])
    assert plan["charges"][0]["filters"] == []
    shapeless = client.post("/plans/plan/charges", {"charge": {**standard(metric), "properties": odd}})["charge"]
    assert shapeless["properties"] == {"amount": "0"}


def test_a_thousand_charges_of_one_metric_are_numbered(client: Client) -> None:
    metric = usage_metric(client)
    charges = [{**standard(metric), "code": "u_7"}, *[standard(metric)] * 1000]
    codes = [each["code"] for each in make_plan(client, charges=charges)["charges"]]
    assert codes == ["u_7", "u", *(f"u_{number}" for number in range(8, 1007))]


def test_another_model_needs_filters_of_its_own(client: Client) -> None:
    make_plan(client, charges=[standard(usage_metric(client), filters=[a_filter("1", region=["eu"])])])
    answer = client.send("PUT", "/plans/plan/charges/u", {"charge": {"charge_model": "percentage"}})
    assert answer.json()["error_details"] == {"filters": ["value_is_mandatory"]}
    both = {"charge_model": "percentage", "filters": [{"values": {"region": ["eu"]}, "properties": {"rate": "2"}}]}
    changed = client.put("/plans/plan/charges/u", {"charge": both})["charge"]
    assert (changed["properties"], changed["filters"][0]["properties"]) == ({"rate": "0"}, {"rate": "2"})


def test_charges_one_by_one(client: Client) -> None:
    metric = usage_metric(client)
    make_plan(client)
    first = client.post("/plans/plan/charges", {"charge": standard(metric, "1")})["charge"]
    second = client.post("/plans/plan/charges", {"charge": standard(metric, "2")})["charge"]
    assert (first["code"], second["code"]) == ("u", "u_2")
    assert [each["code"] for each in client.get("/plans/plan/charges")["charges"]] == ["u_2", "u"]
    assert client.get("/plans/plan/charges/u_2")["charge"] == second
    taken = client.send("POST", "/plans/plan/charges", {"charge": {**standard(metric), "code": "u"}})
    assert taken.json()["error_details"] == {"code": ["value_already_exist"]}
    empty = client.send("POST", "/plans/plan/charges", {"charge": {"invoice_display_name": "x"}})
    assert empty.json()["error_details"] == {
        "billable_metric_id": ["value_is_mandatory"],
        "charge_model": ["value_is_mandatory"],
    }
    nowhere = client.send("POST", "/plans/plan/charges", {"charge": standard("01a211af-edc9-7039-b20b-36b683010d4c")})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "billable_metric_not_found")
    assert client.delete("/plans/plan/charges/u")["charge"]["lago_id"] == first["lago_id"]
    gone = client.send("GET", "/plans/plan/charges/u")
    assert (gone.status_code, gone.json()["code"]) == (404, "charge_not_found")


def test_filters_one_by_one(client: Client) -> None:
    make_plan(client, charges=[standard(usage_metric(client))])
    path = "/plans/plan/charges/u/filters"
    made = client.post(path, {"filter": {**a_filter("5", region=["eu"]), "invoice_display_name": "Europe"}})["filter"]
    again = client.send("POST", path, {"filter": a_filter("6", region=["eu"])})
    assert again.json()["error_details"] == {"values": ["value_already_exist"]}
    wrong = client.send("POST", path, {"filter": {"properties": {"amount": 1}}})
    assert wrong.json()["error_details"] == {"values": ["value_is_mandatory"], "properties": ["invalid_amount"]}
    one = f"{path}/{made['lago_id']}"
    changed = client.put(one, {"filter": {"properties": {"amount": "7"}, "values": {"region": ["us"]}}})["filter"]
    assert changed == {**made, "properties": {"amount": "7"}}
    assert client.get(one)["filter"] == changed
    assert client.get(path)["filters"] == [changed]
    client.delete(one)
    assert client.get(path)["filters"] == []
    for gone in (one, f"{path}/nonsense"):
        answer = client.send("GET", gone)
        assert (answer.status_code, answer.json()["code"]) == (404, "charge_filter_not_found")


def test_what_a_metric_no_longer_declares_leaves_the_filters(client: Client) -> None:
    filters = [
        a_filter("1", region=["eu", "us"]),
        a_filter("2", region=["us"], tier=["pro"]),
        a_filter("3", region=["us"]),
        a_filter("4", region=[ALL_VALUES], tier=["free"]),
    ]
    make_plan(client, charges=[standard(usage_metric(client), filters=filters)])
    client.put(
        "/billable_metrics/u", {"billable_metric": {"filters": [{"key": "region", "values": ["eu"]}, REGIONS[1]]}}
    )
    (charge,) = client.get("/plans/plan")["plan"]["charges"]
    assert [each["values"] for each in charge["filters"]] == [
        {"region": ["eu"]},
        {"tier": ["pro"]},
        {"region": [ALL_VALUES], "tier": ["free"]},
    ]
    client.put("/billable_metrics/u", {"billable_metric": {"filters": []}})
    assert client.get("/plans/plan")["plan"]["charges"][0]["filters"] == []


def test_trimming() -> None:
    declared = {"region": ["eu"], "tier": ["pro"]}
    assert trimmed({"region": ["eu", "us"], "planet": ["x"]}, declared) == {"region": ["eu"]}
    assert trimmed({"region": [ALL_VALUES]}, declared) == {"region": [ALL_VALUES]}
    assert trimmed({"region": ["us"]}, declared) == {}


def test_metrics_take_every_aggregation_but_scripts(client: Client) -> None:
    weighted = {"name": "W", "code": "w", "aggregation_type": "weighted_sum_agg", "field_name": "v", "recurring": True}
    made = client.post("/billable_metrics", {"billable_metric": weighted})["billable_metric"]
    assert (made["weighted_interval"], made["recurring"]) == ("seconds", True)
    script = {"name": "S", "code": "s", "aggregation_type": "custom_agg"}
    answer = client.send("POST", "/billable_metrics", {"billable_metric": script})
    assert (answer.status_code, answer.json()["code"]) == (403, "feature_unavailable")
    wrong = {"name": "L", "code": "l", "aggregation_type": "latest_agg", "recurring": True}
    refusal = client.send("POST", "/billable_metrics", {"billable_metric": wrong})
    assert refusal.json()["error_details"] == {
        "field_name": ["value_is_mandatory"],
        "recurring": ["not_compatible_with_aggregation_type"],
    }
