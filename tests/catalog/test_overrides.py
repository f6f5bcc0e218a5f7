"""Prices of a subscription's own, and how they follow their plan (spec 1 §3.13, spec 2 §2.4, PLN-12)."""

from __future__ import annotations

from typing import Any

import pytest

from support.billing import invoices, make_customer, make_metric, make_plan, standard, subscribe, usage_of, use
from support.client import Client, Json, Sandbox

NOW = "2024-03-01T00:00:00Z"
REGIONS = [{"key": "region", "values": ["eu", "us", "asia"]}]


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    """With a plan of one charge, and a subscription `sub` to it."""
    client = sandbox(NOW)
    for code in ("vat", "city"):
        client.post("/taxes", {"tax": {"name": code, "code": code, "rate": 10}})
    metric = make_metric(client, "u", "sum_agg", field_name="value", filters=REGIONS)
    charge = standard(metric, "10", filters=[a_filter("5", "us"), a_filter("6", "eu")], tax_codes=["city"])
    make_plan(client, amount_cents=1000, charges=[{**charge, "min_amount_cents": 70}], tax_codes=["vat"])
    make_customer(client)
    subscribe(client)
    return client


def a_filter(amount: str, region: str, **more: Any) -> Json:
    return {"values": {"region": [region]}, "properties": {"amount": amount}, **more}


def charge_of(client: Client, subscription: str = "sub", code: str = "u") -> Json:
    return client.get(f"/subscriptions/{subscription}/charges/{code}")["charge"]


def plan_of(client: Client, subscription: str = "sub") -> Json:
    return client.get(f"/subscriptions/{subscription}")["subscription"]["plan"]


def amounts(charge: Json) -> dict[str, str]:
    """Region -> price, and the price of the rest under ""."""
    by_region = {each["values"]["region"][0]: each["properties"]["amount"] for each in charge["filters"]}
    return {"": charge["properties"]["amount"], **by_region}


def override(client: Client, subscription: str = "sub", **charge: Any) -> Json:
    return client.put(f"/subscriptions/{subscription}/charges/u", {"charge": charge})["charge"]


def charge_id(client: Client) -> str:
    return client.get("/plans/plan/charges/u")["charge"]["lago_id"]


def cascade(client: Client, *, cascades: bool = True, **charge: Any) -> None:
    body = {"charges": [{"id": charge_id(client), **charge}], "cascade_updates": cascades}
    client.put("/plans/plan", {"plan": body})


# --- a plan of one's own


def test_overriding_a_charge_makes_a_plan_of_its_own_once(client: Client) -> None:
    plan = client.get("/plans/plan")["plan"]
    (shared,) = plan["charges"]
    first = override(client, properties={"amount": "50"}, invoice_display_name="Mine", min_amount_cents=7)
    assert (first["lago_parent_id"], first["code"]) == (shared["lago_id"], "u")
    assert (first["invoice_display_name"], first["min_amount_cents"]) == ("Mine", 7)
    assert amounts(first) == {"": "50", "us": "5", "eu": "6"}
    own = plan_of(client)
    assert (own["parent_id"], own["code"]) == (plan["lago_id"], "plan")
    again = override(client, properties={"amount": "60"})
    assert (again["lago_id"], plan_of(client)["lago_id"]) == (first["lago_id"], own["lago_id"])
    assert client.get("/plans/plan")["plan"] == plan
    listed = client.get("/plans")
    assert ([each["lago_id"] for each in listed["plans"]], listed["meta"]["total_count"]) == ([plan["lago_id"]], 1)


def test_an_override_keeps_taxes_and_minimums_that_it_does_not_mention(client: Client) -> None:
    client.put("/subscriptions/sub", {"subscription": {"plan_overrides": {}}})
    own = plan_of(client)
    assert own["parent_id"] is not None
    assert [tax["code"] for tax in own["taxes"]] == ["vat"]
    (charge,) = own["charges"]
    assert ([tax["code"] for tax in charge["taxes"]], charge["min_amount_cents"]) == (["city"], 70)


def test_everything_overridden_at_once_from_the_start(client: Client) -> None:
    overrides = {
        "name": "Special",
        "description": "for you",
        "invoice_display_name": "Our plan",
        "amount_cents": 500,
        "trial_period": 3,
        "tax_codes": [],
        "interval": "yearly",
        "charges": [
            {
                "id": charge_id(client),
                "charge_model": "volume",
                "properties": {"amount": "1"},
                "filters": [a_filter("2", "asia"), a_filter("9", "us", invoice_display_name="States")],
                "min_amount_cents": 0,
                "tax_codes": ["vat"],
            }
        ],
    }
    made = subscribe(client, external_id="special", plan_overrides=overrides)
    own = made["plan"]
    assert (made["plan_code"], made["plan_amount_cents"], own["trial_period"]) == ("plan", 500, 3.0)
    assert (own["name"], own["description"], own["invoice_display_name"]) == ("Special", "for you", "Our plan")
    assert (own["interval"], own["taxes"]) == ("monthly", [])
    (charge,) = own["charges"]
    assert (charge["charge_model"], charge["min_amount_cents"]) == ("standard", 0)
    assert amounts(charge) == {"": "1", "us": "9", "asia": "2"}
    assert [tax["code"] for tax in charge["taxes"]] == ["vat"]
    assert client.get("/subscriptions", {"overridden": "true"})["meta"]["total_count"] == 1
    assert subscribe(client, external_id="special")["lago_id"] == made["lago_id"]  # the same plan by its code (W-7)


def test_an_override_in_force_keeps_its_currency_and_says_so(client: Client) -> None:
    body = {"subscription": {"plan_overrides": {"amount_currency": "USD", "amount_cents": 1}}}
    answer = client.send("PUT", "/subscriptions/sub", body)
    assert answer.headers["Warning"] == '299 - "can not be changed: amount_currency"'
    assert (
        answer.json()["subscription"]["plan_amount_currency"],
        answer.json()["subscription"]["plan_amount_cents"],
    ) == (
        "EUR",
        1,
    )


@pytest.mark.parametrize(
    ("overrides", "status", "expected"),
    [
        ({"amount_cents": -1}, 422, {"amount_cents": ["value_is_out_of_range"]}),
        ({"amount_currency": "XXL"}, 422, {"amount_currency": ["value_is_invalid"]}),
        ({"name": " "}, 422, {"name": ["value_is_mandatory"]}),
        ({"minimum_commitment": {"invoice_display_name": "x"}}, 422, {"amount_cents": ["value_is_mandatory"]}),
        ({"fixed_charges": [{"id": "x"}]}, 422, {"fixed_charges": ["unsupported_value"]}),
        ({"tax_codes": ["nothing"]}, 404, "tax_not_found"),
        ({"charges": [{"id": "01a211af-edc9-7039-b20b-36b683010d4c"}]}, 404, "charge_not_found"),
        ({"charges": [{"properties": {"amount": "1"}}]}, 404, "charge_not_found"),
    ],
)
def test_overrides_that_are_refused_change_nothing(client: Client, overrides: Json, status: int, expected: Any) -> None:
    before = client.get("/subscriptions/sub")
    answer = client.send("PUT", "/subscriptions/sub", {"subscription": {"name": "New", "plan_overrides": overrides}})
    assert answer.status_code == status, answer.text
    assert answer.json().get("error_details", answer.json()["code"]) == expected
    assert client.get("/subscriptions/sub") == before


def test_all_that_is_wrong_with_overridden_charges_is_told_at_once(client: Client) -> None:
    wrong = {"properties": {"amount": 1}, "filters": [a_filter("1", "mars")], "min_amount_cents": "x"}
    for path, body in (
        ("/subscriptions/sub/charges/u", {"charge": wrong}),
        ("/subscriptions/sub", {"subscription": {"plan_overrides": {"charges": [{**wrong, "id": charge_id(client)}]}}}),
    ):
        answer = client.send("PUT", path, body)
        assert answer.json()["error_details"] == {
            "min_amount_cents": ["value_is_invalid"],
            "properties": ["invalid_amount"],
            "values": ["value_is_invalid"],
        }
    assert plan_of(client)["parent_id"] is None


def test_filters_of_a_subscription_one_by_one(client: Client) -> None:
    path = "/subscriptions/sub/charges/u/filters"
    us, eu = client.get(path)["filters"]
    taken = client.send("POST", path, {"filter": a_filter("1", "us")})
    assert taken.json()["error_details"] == {"values": ["value_already_exists"]}
    made = client.post(path, {"filter": a_filter("7", "asia", invoice_display_name="Asia")})["filter"]
    assert made["charge_code"] == "u"
    changed = client.put(f"{path}/{us['lago_id']}", {"filter": {"properties": {"amount": "4"}}})["filter"]  # as known
    assert changed["lago_id"] != us["lago_id"]
    assert client.get(f"{path}/{us['lago_id']}")["filter"] == changed
    client.delete(f"{path}/{eu['lago_id']}")
    assert amounts(charge_of(client)) == {"": "10", "us": "4", "asia": "7"}
    assert client.get(path)["meta"]["total_count"] == 2
    assert amounts(client.get("/plans/plan/charges/u")["charge"]) == {"": "10", "us": "5", "eu": "6"}
    gone = client.send("DELETE", f"{path}/{eu['lago_id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "charge_filter_not_found")


def test_which_life_of_a_subscription_is_overridden(client: Client) -> None:
    subscribe(client, external_id="later", subscription_at="2024-05-01T00:00:00Z")
    path, body = "/subscriptions/later/charges/u", {"charge": {"properties": {"amount": "1"}}}
    for method, query, status, code in (
        ("PUT", "", 404, "subscription_not_found"),
        ("PUT", "?subscription_status=gone", 422, "validation_errors"),
        ("PUT", "?subscription_status=pending", 200, None),
        ("GET", "?subscription_status=pending", 200, None),
    ):
        answer = client.send(method, path + query, body if method == "PUT" else None)
        assert (answer.status_code, answer.json().get("code")) == (status, code)
    client.delete("/subscriptions/sub")
    ended = client.send("PUT", "/subscriptions/sub/charges/u?subscription_status=terminated", body)
    assert (ended.status_code, ended.json()["code"]) == (404, "subscription_not_found")
    nowhere = client.send("GET", "/subscriptions/later/charges/x?subscription_status=pending")
    assert nowhere.json()["code"] == "charge_not_found"


def test_usage_and_invoices_are_priced_by_the_override_and_drafts_follow(client: Client) -> None:
    make_customer(client, "slow", billing_configuration={"invoice_grace_period": 20})
    subscribe(client, customer="slow", external_id="drafted")
    use(client, "2024-03-05T00:00:00Z", "u", value=2)
    use(client, "2024-03-05T00:00:00Z", "u", "drafted", value=2)
    override(client, properties={"amount": "1"})
    assert usage_of(client)["amount_cents"] == 200
    client.at("2024-04-02T00:00:00Z")
    final, draft = sorted(invoices(client), key=lambda each: each["status"], reverse=True)
    assert (final["status"], final["fees_amount_cents"]) == ("finalized", 1200)
    assert (draft["status"], draft["fees_amount_cents"]) == ("draft", 3000)
    override(client, "drafted", properties={"amount": "3"}, min_amount_cents=0)
    assert client.get(f"/invoices/{draft['lago_id']}")["invoice"]["fees_amount_cents"] == 1600
    assert client.get(f"/invoices/{final['lago_id']}")["invoice"]["fees_amount_cents"] == 1200


def test_another_plan_with_overrides_is_compared_by_the_overridden_amount(client: Client) -> None:
    make_plan(client, "cheap", 100)
    moved = subscribe(client, plan="cheap", plan_overrides={"amount_cents": 2000})
    assert (moved["plan_code"], moved["plan_amount_cents"], moved["previous_plan_code"]) == ("cheap", 2000, "plan")


def test_deleting_a_plan_ends_its_overrides(client: Client) -> None:
    override(client, properties={"amount": "1"})
    client.delete("/plans/plan")
    ended = client.get("/subscriptions/sub", {"status": "terminated"})["subscription"]
    assert (ended["status"], ended["plan"]["pending_deletion"]) == ("terminated", True)


def test_a_plan_whose_subscriptions_all_have_overrides_is_still_in_use(client: Client) -> None:
    override(client, properties={"amount": "1"})
    answer = client.send("PUT", "/plans/plan", {"plan": {"interval": "yearly", "amount_cents": 5}})
    assert (answer.json()["plan"]["interval"], answer.json()["plan"]["amount_cents"]) == ("monthly", 5)
    assert answer.headers["Warning"] == '299 - "can not be changed: interval"'


# --- following the plan


def test_a_price_of_ones_own_stays_and_an_old_one_follows(client: Client) -> None:
    subscribe(client, external_id="named")
    override(client, properties={"amount": "1"})
    override(client, "named", invoice_display_name="Mine")
    groups = {"pricing_group_keys": ["region"], "presentation_group_keys": [{"value": "team"}]}
    cascade(client, cascades=False, properties={"amount": "11"})
    assert [amounts(charge_of(client, each))[""] for each in ("sub", "named")] == ["1", "10"]
    cascade(client, properties={"amount": "10"})
    cascade(client, properties={"amount": "12", **groups}, invoice_display_name="Theirs")
    own, named = charge_of(client), charge_of(client, "named")
    assert own["properties"] == {"amount": "1", **groups, "grouped_by": ["region"]}
    assert named["properties"] == {"amount": "12", **groups, "grouped_by": ["region"]}
    assert (own["invoice_display_name"], named["invoice_display_name"]) == (None, "Mine")


def test_filters_follow_by_their_values(client: Client) -> None:
    override(client, filters=[a_filter("5", "us"), a_filter("66", "eu")])
    cascade(client, filters=[a_filter("7", "us"), a_filter("8", "eu"), a_filter("9", "asia")])
    assert amounts(charge_of(client)) == {"": "10", "us": "7", "eu": "66", "asia": "9"}
    cascade(client, filters=[a_filter("9", "asia")])
    assert amounts(charge_of(client)) == {"": "10", "asia": "9"}
    client.delete(f"/subscriptions/sub/charges/u/filters/{charge_of(client)['filters'][0]['lago_id']}")
    cascade(client, filters=[a_filter("1", "asia")])
    assert amounts(charge_of(client)) == {"": "10"}  # what it has removed is not given back


def test_charges_and_filters_follow_from_their_own_endpoints(client: Client) -> None:
    override(client, invoice_display_name="Mine")
    charge, cascades = "/plans/plan/charges/u", {"cascade_updates": True}
    client.put(charge, {"charge": {"properties": {"amount": "2"}, **cascades}})
    made = client.post(f"{charge}/filters", {"filter": {**a_filter("3", "asia"), **cascades}})["filter"]
    us, eu = client.get(charge)["charge"]["filters"][:2]
    client.put(f"{charge}/filters/{us['lago_id']}", {"filter": {"properties": {"amount": "4"}, **cascades}})
    client.delete(f"{charge}/filters/{eu['lago_id']}", {"cascade_updates": "true"})
    assert amounts(charge_of(client)) == {"": "2", "us": "4", "asia": "3"}
    copy = client.get(f"/subscriptions/sub/charges/u/filters/{made['lago_id']}")["filter"]
    assert copy["lago_id"] != made["lago_id"]

    metric = client.get("/billable_metrics/u")["billable_metric"]["lago_id"]
    client.post("/plans/plan/charges", {"charge": {**standard(metric, "1"), **cascades}})
    client.post("/plans/plan/charges", {"charge": standard(metric, "1")})
    assert [each["code"] for each in client.get("/subscriptions/sub/charges")["charges"]] == ["u_2", "u"]
    answer = client.send("DELETE", "/plans/plan/charges/u_2", {"charge": cascades})
    assert answer.status_code == 200
    assert [each["code"] for each in client.get("/subscriptions/sub/charges")["charges"]] == ["u"]
    client.delete("/plans/plan/charges/u")
    client.post("/plans/plan/charges", {"charge": {**standard(metric, "1"), "code": "u", **cascades}})
    assert [each["code"] for each in client.get("/subscriptions/sub/charges")["charges"]] == ["u_2", "u"]


def test_the_amount_follows_where_it_is_the_old_one(client: Client) -> None:
    for external_id, amount in (("same", None), ("other", 1)):
        subscribe(client, external_id=external_id, plan_overrides={} if amount is None else {"amount_cents": amount})
    client.put("/plans/plan", {"plan": {"amount_cents": 2000, "cascade_updates": True}})
    assert [plan_of(client, each)["amount_cents"] for each in ("sub", "same", "other")] == [2000, 2000, 1]


def test_overrides_of_ended_subscriptions_are_left_alone(client: Client) -> None:
    override(client, invoice_display_name="Mine")
    client.delete("/subscriptions/sub")
    cascade(client, properties={"amount": "2"})
    ended = client.get("/subscriptions/sub", {"status": "terminated"})["subscription"]["plan"]
    assert ended["charges"][0]["properties"] == {"amount": "10"}
