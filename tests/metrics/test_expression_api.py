"""Metrics with an expression over HTTP, and trying an expression out (spec 1 §§2.2, 2.6)."""

from __future__ import annotations

from typing import Any

import pytest

from support.billing import make_customer, make_metric, make_plan, standard, subscribe, use
from support.client import Client, Sandbox

SUM = "event.properties.left + event.properties.right"
EVALUATE = "/billable_metrics/evaluate_expression"


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return sandbox("2024-03-01T00:00:00Z")


def wrong(client: Client, body: Any) -> Any:
    return client.post(EVALUATE, body, expect=422)["error_details"]


def test_a_metric_shows_its_expression_and_refuses_what_is_none(client: Client) -> None:
    make_metric(client, "total", "sum_agg", field_name="result", expression=SUM)
    assert client.get("/billable_metrics/total")["billable_metric"]["expression"] == SUM

    def put(expression: Any, expect: int = 200) -> Any:
        answer = client.put("/billable_metrics/total", {"billable_metric": {"expression": expression}}, expect=expect)
        return answer["billable_metric"]["expression"] if expect == 200 else answer["error_details"]

    for text in ("invalid_expression", "1 +", "round()", "1" + "+1" * 1_000):
        assert put(text, 422) == {"expression": ["invalid_expression"]}
    assert put("x" * 10_001, 422) == {"expression": ["value_is_too_long"]}
    assert put("1 + 1") == "1 + 1"
    assert put("") is None
    assert put(SUM) == SUM
    assert put(None) is None
    body = {"code": "other", "aggregation_type": "sum_agg", "expression": "1 +"}
    assert client.post("/billable_metrics", {"billable_metric": body}, expect=422)["error_details"] == {
        "name": ["value_is_mandatory"],
        "field_name": ["value_is_mandatory"],
        "expression": ["invalid_expression"],
    }


def test_a_metric_that_a_plan_uses_keeps_its_expression(client: Client) -> None:
    metric = make_metric(client, "total", "sum_agg", field_name="result", expression=SUM)
    make_plan(client, charges=[standard(metric)])
    changed = client.put("/billable_metrics/total", {"billable_metric": {"name": "New", "expression": "1 +"}})
    assert (changed["billable_metric"]["name"], changed["billable_metric"]["expression"]) == ("New", SUM)


def test_usage_before_and_after_a_metric_with_an_expression(client: Client) -> None:
    """Events that came before count by the property they carry, if it is a number; later ones by the expression."""
    use(client, "2024-03-01T00:00:00Z", "total", left="1", right="2")
    use(client, "2024-03-01T00:00:00Z", "total", left="1", right="2", result="100")
    metric = make_metric(client, "total", "sum_agg", field_name="result", expression=SUM)
    make_plan(client, charges=[standard(metric, "10")])
    make_customer(client, currency="EUR")
    subscribe(client)
    use(client, "2024-03-01T00:00:00Z", "total", left="1", right="2", result="100")
    client.settle()
    use(client, "2024-03-01T00:00:00Z", "total", left="4.5", right=0.5)
    query = {"external_subscription_id": "sub"}
    (charge,) = client.get("/customers/acme/current_usage", query)["customer_usage"]["charges_usage"]
    assert (charge["units"], charge["events_count"], charge["amount_cents"]) == ("108.0", 3, 108_000)


@pytest.mark.parametrize(
    ("expression", "event", "value"),
    [
        ("round(event.properties.value * event.properties.units)", {"value": "10.4", "units": 2}, "21.0"),
        ("concat(event.properties.foo, '-bar')", {"foo": "bar_0"}, "bar_0-bar"),
        ("concat(event.properties.flag, event.properties.n)", {"flag": True, "n": 1.50}, "true1.5"),
        ("1 / 3", {}, "0.333333333333333"),
    ],
)
def test_an_expression_is_tried_out(client: Client, expression: str, event: dict[str, Any], value: str) -> None:
    body = {"expression": expression, "event": {"code": "c", "timestamp": 1709251200, "properties": event}}
    assert client.post(EVALUATE, body) == {"expression_result": {"value": value}}


def test_the_time_of_a_tried_event_is_cut_to_seconds_and_now_by_default(client: Client) -> None:
    def tried(event: dict[str, Any]) -> str:
        body = {"expression": "concat(event.code, event.timestamp)", "event": event}
        return client.post(EVALUATE, body)["expression_result"]["value"]

    assert tried({"code": "a", "timestamp": "1709287170.999"}) == "a1709287170"
    assert tried({"code": "a", "timestamp": 1709287170.5}) == "a1709287170"
    assert tried({"code": 7}) == "71709251200"
    assert tried({}) == "1709251200"


def test_what_cannot_be_tried_is_refused(client: Client) -> None:
    event = {"code": "c", "properties": {"n": "x"}}
    assert wrong(client, {"event": event}) == {"expression": ["value_is_mandatory"]}
    assert wrong(client, {"expression": " ", "event": event}) == {"expression": ["value_is_mandatory"]}
    assert wrong(client, {"expression": "1 +", "event": event}) == {"expression": ["invalid_expression"]}
    assert wrong(client, {"expression": "1 + 1"}) == {"event": ["invalid_event"]}
    for expression in ("event.properties.n + 1", "event.properties.none", "1 / 0"):
        assert wrong(client, {"expression": expression, "event": event}) == {"event": ["invalid_event"]}
    for nothing in (None, "text", [event]):
        assert wrong(client, {"expression": "1", "event": nothing}) == {"event": ["invalid_event"]}
    everything = {"expression": ["value_is_mandatory"], "event": ["invalid_event"]}
    for body in (None, {}, [], {"expression": {"a": 1}, "event": 5}):
        assert wrong(client, body) == everything
    assert wrong(client, {"expression": "1", "event": {"timestamp": "soon"}}) == {"timestamp": ["value_is_invalid"]}
    assert client.get("/events")["events"] == []
