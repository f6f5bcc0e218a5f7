"""Progressive billing: usage that comes to a threshold is billed at once, and taken off later (spec 2 §7.12)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.billing import fees, invoices, make_customer, make_metric, make_plan, standard, subscribe, use
from support.client import Json, Sandbox
from support.progressive import ONE, TWO, consume, on_plan, told

# --- the worked examples


@pytest.mark.parametrize("grace_period", [0, 3])
def test_usage_is_billed_at_the_threshold_and_taken_off_at_the_end(sandbox: Sandbox, grace_period: int) -> None:  # 7.I
    client = sandbox("2022-12-01T00:00:00Z")
    on_plan(client, ONE, billing_configuration={"invoice_grace_period": grace_period})
    consume(client, "2022-12-06")
    consume(client, "2022-12-16")
    client.at("2023-01-01T01:00:00Z")
    expected = [("progressive_billing", 20_000, 0, 20_000), ("subscription", 43_100, 20_000, 23_100)]
    assert told(client) == expected
    assert [each["status"] for each in invoices(client)] == ["finalized", "draft" if grace_period else "finalized"]
    client.at("2023-01-05T01:00:00Z")
    assert told(client) == expected
    progressive, final = invoices(client)
    assert (progressive["status"], final["status"]) == ("finalized", "finalized")
    assert progressive["billing_periods"] == [
        {
            **progressive["billing_periods"][0],
            "charges_from_datetime": "2022-12-01T00:00:00.000Z",
            "charges_to_datetime": "2022-12-31T23:59:59.999Z",
            "invoicing_reason": "progressive_billing",
        }
    ]
    (applied,) = progressive["applied_usage_thresholds"]
    assert (applied["lifetime_usage_amount_cents"], applied["usage_threshold"]["amount_cents"]) == (20_000, 20_000)
    (credit,) = final["credits"]
    assert (credit["amount_cents"], credit["before_taxes"]) == (20_000, True)
    assert credit["item"]["lago_item_id"] == progressive["lago_id"]
    assert "applied_usage_thresholds" not in final


def test_a_second_threshold_bills_what_the_first_did_not(sandbox: Sandbox) -> None:  # 7.J
    client = sandbox("2022-12-01T00:00:00Z")
    on_plan(client, TWO)
    for day in ("2022-12-16", "2022-12-21", "2022-12-26"):
        consume(client, day)
    client.at("2023-01-01T01:00:00Z")
    assert told(client) == [
        ("progressive_billing", 20_000, 0, 20_000),
        ("progressive_billing", 60_000, 20_000, 40_000),
        ("subscription", 63_100, 60_000, 3100),
    ]


@pytest.mark.parametrize(("upgraded", "fee"), [(False, 1800), (True, 1700)])
def test_the_end_takes_off_what_was_billed(sandbox: Sandbox, upgraded: bool, fee: int) -> None:  # 7.K, 7.L
    client = sandbox("2022-12-01T00:00:00Z")
    on_plan(client, ONE)
    make_plan(client, "more", 6200)
    consume(client, "2022-12-16")
    client.at("2022-12-18T10:00:00Z")
    if upgraded:
        subscribe(client, plan="more")
    else:
        client.delete("/subscriptions/sub")
    assert told(client)[-1] == ("subscription", fee + 20_000, 20_000, fee)


def test_a_threshold_is_passed_once_in_a_lifetime(sandbox: Sandbox) -> None:  # 7.M
    client = sandbox("2022-12-01T00:00:00Z")
    on_plan(client, ONE)
    for day, millions in (("2022-12-16", 1), ("2023-01-16", 2), ("2023-02-16", 3)):
        consume(client, day, millions)
    client.at("2023-03-01T01:00:00Z")
    assert [total for *_, total in told(client)] == [20_000, 3100, 43_100, 63_100]


def test_a_draft_of_another_month_takes_off_nothing(sandbox: Sandbox) -> None:  # 7.M2
    client = sandbox("2022-12-01T00:00:00Z")
    on_plan(client, ONE, billing_configuration={"invoice_grace_period": 30})
    consume(client, "2023-01-10", 3)
    client.at("2023-03-05T01:00:00Z")
    assert told(client)[:3] == [  # in the order of their dates
        ("progressive_billing", 60_000, 0, 60_000),
        ("subscription", 3100, 0, 3100),
        ("subscription", 63_100, 60_000, 3100),
    ]


def test_what_recurs_is_passed_again_in_each_month(sandbox: Sandbox) -> None:  # 7.M3
    client = sandbox("2022-12-01T00:00:00Z")
    amounts = [{"amount_cents": 200}, {"amount_cents": 500}, {"amount_cents": 700}]
    on_plan(client, [*amounts, {"amount_cents": 1000, "recurring": True}])
    for day, units in (
        ("2022-12-06", 0.011),
        ("2022-12-11", 0.011),
        ("2022-12-16", 0.011),
        ("2022-12-21", 0.011),
        ("2022-12-26", 0.11),
        ("2022-12-28", 0.11),
        ("2023-01-05", 0.11),
    ):
        consume(client, day, units)
    assert [(credit, total) for _, _, credit, total in told(client)] == [
        (0, 220),
        (220, 440),
        (660, 220),
        (880, 2200),
        (3080, 2200),
        (5280, 3100),
        (0, 2200),
    ]


# --- what it is taken off from


def test_what_was_billed_is_not_taxed_again(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    client.post("/taxes", {"tax": {"name": "VAT", "code": "vat", "rate": 20, "applied_to_organization": True}})
    on_plan(client, ONE)
    consume(client, "2024-01-06")
    consume(client, "2024-01-16", 0.5)
    client.at("2024-02-01T00:00:00Z")
    progressive, final = invoices(client)
    assert (progressive["taxes_amount_cents"], progressive["total_amount_cents"]) == (4000, 24_000)
    assert final["sub_total_excluding_taxes_amount_cents"] == 3100 + 30_000 - 20_000
    assert final["taxes_amount_cents"] == 2620
    (usage,) = fees(final)
    assert (usage["amount_cents"], usage["precise_coupons_amount_cents"]) == (30_000, "20000.0")
    assert usage["taxes_amount_cents"] == 2000
    explanation = client.get(f"/fees/{usage['lago_id']}/explanation")["fee_explanation"]
    assert explanation["taxes_expression"] == "round((30000 - 20000) * 20 / 100)"


def test_usage_that_has_decreased_is_taken_off_as_far_as_it_goes(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, ONE)
    consume(client, "2024-01-06", 2)
    consume(client, "2024-01-07", -1.5)
    client.at("2024-02-01T00:00:00Z")
    assert told(client) == [("progressive_billing", 40_000, 0, 40_000), ("subscription", 13_100, 10_000, 3100)]


def test_a_minimum_is_left_to_the_end_and_a_commitment_counts_usage_once(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    metric = make_metric(client, "units", "sum_agg", field_name="total")
    charges = [{**standard(metric, "0.0002"), "min_amount_cents": 50_000}]
    make_plan(client, charges=charges, usage_thresholds=ONE, minimum_commitment={"amount_cents": 70_000})
    make_customer(client)
    subscribe(client)
    consume(client, "2024-01-06")
    client.at("2024-02-01T00:00:00Z")
    assert told(client) == [("progressive_billing", 20_000, 0, 20_000), ("subscription", 70_000, 20_000, 50_000)]
    kinds = [(fee["item"]["type"], fee["amount_cents"]) for fee in invoices(client)[-1]["fees"]]
    assert kinds == [("subscription", 0), ("charge", 20_000), ("charge", 30_000), ("commitment", 20_000)]


@pytest.mark.parametrize("grace_period", [0, 3])
def test_an_override_takes_off_what_its_plan_has_billed(sandbox: Sandbox, grace_period: int) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    declared = [{"key": "size", "values": ["big"]}]
    metric = make_metric(client, "units", "sum_agg", field_name="total", filters=declared)
    filters = [{"values": {"size": ["big"]}, "properties": {"amount": "2"}}]
    make_plan(client, amount_cents=3100, charges=[standard(metric, "1", filters=filters)], usage_thresholds=ONE)
    make_customer(client, billing_configuration={"invoice_grace_period": grace_period})
    subscribe(client)
    use(client, "2024-01-01T00:00:00Z", "units", total=50)
    use(client, "2024-01-01T00:00:00Z", "units", total=100, size="big")
    if grace_period:
        client.at("2024-02-01T00:00:00Z")
    client.put("/subscriptions/sub", {"subscription": {"plan_overrides": {"amount_cents": 6200}}})
    client.at("2024-02-01T00:00:00Z")
    assert told(client) == [("progressive_billing", 25_000, 0, 25_000), ("subscription", 31_200, 25_000, 6200)]
    shares = [fee["precise_coupons_amount_cents"] for fee in fees(invoices(client)[-1])]
    assert [float(share) for share in shares] == [20_000.0, 5000.0]


def test_a_line_after_a_progressive_one_begins_where_the_period_does(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-15T10:00:00Z")
    on_plan(client, ONE)
    subscribe(client, external_id="other", billing_time="anniversary")
    consume(client, "2024-01-20", subscription="other")
    consume(client, "2024-01-20", 0.1, subscription="other")
    client.at("2024-02-16T00:00:00Z")
    last = invoices(client)[-1]
    assert last["billing_periods"][0]["charges_from_datetime"] == "2024-01-15T10:00:00.000Z"
    assert (last["fees_amount_cents"], last["total_amount_cents"]) == (25_100, 5100)


# --- when it is looked at


def test_thresholds_that_come_later_bill_the_usage_already_there(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, [])
    consume(client, "2024-01-06")
    assert told(client) == []
    client.put("/subscriptions/sub", {"subscription": {"usage_thresholds": [{"amount_cents": 30_000}]}})
    assert told(client) == []
    client.put("/plans/plan", {"plan": {"usage_thresholds": ONE}})
    assert told(client) == [], "its own thresholds count"
    client.put("/subscriptions/sub", {"subscription": {"usage_thresholds": []}})
    assert told(client) == [("progressive_billing", 20_000, 0, 20_000)]


def test_what_was_used_elsewhere_counts(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, TWO)
    consume(client, "2024-01-06", 0.5)
    usage = {"lifetime_usage": {"external_historical_usage_amount_cents": 15_000}}
    client.put("/subscriptions/sub/lifetime_usage", usage)
    assert told(client) == [("progressive_billing", 10_000, 0, 10_000)]
    client.at("2024-01-10T00:00:00Z")
    shown = client.get("/subscriptions/sub/lifetime_usage")["lifetime_usage"]
    assert shown["usage_thresholds"] == [
        {"amount_cents": 20_000, "completion_ratio": 1.0, "reached_at": "2024-01-06T00:00:00Z"},
        {"amount_cents": 50_000, "completion_ratio": 5_000 / 30_000, "reached_at": None},
    ]


def test_events_of_a_subscription_that_begins_later_count(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-10T00:00:00Z")
    on_plan(client, ONE)
    use(client, "2024-01-08T00:00:00Z", "units", "late", total=1_000_000)
    assert told(client) == []
    subscribe(client, external_id="late", subscription_at="2024-01-05T00:00:00Z")
    assert told(client) == [("progressive_billing", 20_000, 0, 20_000)]


def test_nothing_is_billed_where_it_is_disabled_or_over(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, ONE)
    subscribe(client, external_id="off", progressive_billing_disabled=True)
    consume(client, "2024-01-06", subscription="off")
    assert told(client) == []
    assert client.get("/subscriptions/off")["subscription"]["applicable_usage_thresholds"] == []
    client.put("/subscriptions/off", {"subscription": {"progressive_billing_disabled": False}})
    assert len(told(client)) == 1
    client.delete("/subscriptions/sub")
    before = told(client)
    consume(client, "2024-01-07")
    assert told(client) == before


def test_each_threshold_is_told(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, [{"amount_cents": 20_000, "threshold_display_name": "First"}, {"amount_cents": 30_000}])
    types = ["invoice.created", "subscription.usage_threshold_reached"]
    endpoint = {"webhook_url": "https://nobody.invalid", "event_types": types}
    client.post("/webhook_endpoints", {"webhook_endpoint": endpoint})
    consume(client, "2024-01-06", 2)
    (invoice,) = invoices(client)
    assert [each["usage_threshold"]["amount_cents"] for each in invoice["applied_usage_thresholds"]] == [20_000, 30_000]
    listed = sorted(client.get("/webhook_deliveries")["webhook_deliveries"], key=lambda each: each["lago_id"])
    sent = [client.get(f"/webhook_deliveries/{each['lago_id']}")["webhook_delivery"] for each in listed]
    assert [each["webhook_type"] for each in sent] == [types[0], types[1], types[1]]
    news = json.loads(sent[1]["payload"])["subscription"]
    assert (news["external_id"], news["customer"]["external_id"], news["plan"]["code"]) == ("sub", "acme", "plan")
    assert (news["usage_threshold"]["amount_cents"], news["usage_threshold"]["threshold_display_name"]) == (
        20_000,
        "First",
    )
    assert len(news["applicable_usage_thresholds"]) == 2


# --- configuration


def test_thresholds_are_replaced_and_those_that_stay_are_the_same(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    given = [{"amount_cents": 500, "recurring": True}, {"amount_cents": "300"}, {"amount_cents": 100}]
    made = make_plan(client, usage_thresholds=given)["usage_thresholds"]
    assert [(each["amount_cents"], each["recurring"]) for each in made] == [(100, False), (300, False), (500, True)]
    body = {"usage_thresholds": [{"amount_cents": 100, "threshold_display_name": "Low"}, {"amount_cents": 500}]}
    plan = client.put("/plans/plan", {"plan": body})["plan"]
    low, high = plan["usage_thresholds"]
    assert (low["lago_id"], low["threshold_display_name"]) == (made[0]["lago_id"], "Low")
    assert high["lago_id"] not in [each["lago_id"] for each in made]
    assert plan["applicable_usage_thresholds"] == [
        {"amount_cents": 100, "recurring": False, "threshold_display_name": "Low"},
        {"amount_cents": 500, "recurring": False, "threshold_display_name": None},
    ]
    assert client.put("/plans/plan", {"plan": {"name": "Other"}})["plan"]["usage_thresholds"] == [low, high]
    assert client.put("/plans/plan", {"plan": {"usage_thresholds": []}})["plan"]["usage_thresholds"] == []


def test_which_thresholds_apply(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, ONE)

    def applicable() -> list[int]:
        shown = client.get("/subscriptions/sub")["subscription"]
        return [each["amount_cents"] for each in shown["applicable_usage_thresholds"]]

    def put(**changes: Any) -> Json:
        return client.put("/subscriptions/sub", {"subscription": changes})["subscription"]

    assert applicable() == [20_000]
    own = put(plan_overrides={"amount_cents": 1})["plan"]
    assert (own["usage_thresholds"], len(own["applicable_usage_thresholds"])) == ([], 1)
    assert applicable() == [20_000]
    put(plan_overrides={"usage_thresholds": [{"amount_cents": 7}]})
    assert applicable() == [7]
    client.put("/plans/plan", {"plan": {"usage_thresholds": TWO, "cascade_updates": True}})
    assert applicable() == [7]
    put(usage_thresholds=[{"amount_cents": 9}])
    assert applicable() == [9]
    again = subscribe(client, usage_thresholds=[{"amount_cents": 8}])
    assert [each["amount_cents"] for each in again["applicable_usage_thresholds"]] == [8]
    put(progressive_billing_disabled=True)
    assert applicable() == []
    put(progressive_billing_disabled=False, usage_thresholds=[])
    assert applicable() == [7]
    put(plan_overrides={"usage_thresholds": []})
    assert applicable() == [20_000, 50_000]


def test_another_plan_for_one_that_waits_comes_with_thresholds(sandbox: Sandbox) -> None:  # SUB-15
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, ONE)
    make_plan(client, "other")
    subscribe(client, external_id="later", subscription_at="2024-02-01T00:00:00Z")
    waiting = subscribe(client, external_id="later", plan="other", usage_thresholds=TWO)
    assert (waiting["status"], waiting["plan_code"]) == ("pending", "other")
    shown = client.get("/subscriptions/later", {"status": "pending"})["subscription"]
    assert [each["amount_cents"] for each in shown["applicable_usage_thresholds"]] == [20_000, 50_000]


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        ([{"amount_cents": 1}, {}], {"usage_thresholds": ["missing_amount_cents"]}),
        ([{"amount_cents": 0}], {"amount_cents": ["value_is_out_of_range"]}),
        ([{"amount_cents": 1}, {"amount_cents": 1}], {"usage_thresholds": ["duplicated_values"]}),
        (
            [{"amount_cents": 1, "recurring": True}, {"amount_cents": 2, "recurring": True}],
            {"usage_thresholds": ["multiple_recurring_thresholds"]},
        ),
        (
            [{}, {"amount_cents": 1, "recurring": True}, {"amount_cents": 1, "recurring": True}],
            {"usage_thresholds": ["missing_amount_cents", "duplicated_values", "multiple_recurring_thresholds"]},
        ),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_stored(sandbox: Sandbox, thresholds: list[Json], expected: Json) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, ONE)
    plan, subscription = client.get("/plans/plan"), client.get("/subscriptions/sub")
    given = {"usage_thresholds": thresholds}
    for path, body in (
        ("/plans/plan", {"plan": {"name": "New", **given}}),
        ("/subscriptions/sub", {"subscription": {"name": "New", **given}}),
        ("/subscriptions/sub", {"subscription": {"name": "New", "plan_overrides": given}}),
    ):
        answer = client.send("PUT", path, body)
        assert (answer.status_code, answer.json().get("error_details")) == (422, expected), body
    assert (client.get("/plans/plan"), client.get("/subscriptions/sub")) == (plan, subscription)


def test_both_kinds_of_own_thresholds_are_refused(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    on_plan(client, ONE)
    both = {"usage_thresholds": TWO, "plan_overrides": {"usage_thresholds": TWO}}
    new = {"external_customer_id": "acme", "plan_code": "plan", "external_id": "x", **both}
    for method, path, body in (("PUT", "/subscriptions/sub", both), ("POST", "/subscriptions", new)):
        answer = client.send(method, path, {"subscription": body})
        assert answer.json()["error_details"] == {"usage_thresholds": ["incompatible_params"]}
