"""Errors have one shape each, and a request is told all of its mistakes at once (spec 0 §10)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from laguna.kernel.errors import ApiError, Problems, is_blank, not_allowed, not_found
from support.client import Client, Sandbox
from support.server import Server

NOT_FOUND = {"status": 404, "error": "Not Found", "code": "resource_not_found"}
UNAUTHORIZED = {"status": 401, "error": "Unauthorized"}


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return sandbox()


def answer(client: Client, method: str, path: str, **request: Any) -> tuple[int, Any]:
    response = client.send(method, path, **request)
    assert response.headers["content-type"] == "application/json"
    return response.status_code, response.json()


def test_problems_keep_their_order_and_name_each_code_once() -> None:
    problems = Problems()
    assert not problems
    problems.add("rate", "value_is_invalid")
    problems.add("code", "value_already_exist", "value_is_too_long")
    problems.add("rate", "value_is_invalid", "value_is_out_of_range")
    problems.mandatory({"name": "  ", "code": None, "email": "x"}, ("name", "code", "email"))
    with pytest.raises(ApiError) as raised:
        problems.check()
    assert raised.value.status == 422
    assert list(raised.value.body["error_details"].items()) == [
        ("rate", ["value_is_invalid", "value_is_out_of_range"]),
        ("code", ["value_already_exist", "value_is_too_long"]),
        ("name", ["value_is_mandatory"]),
    ]


def test_no_problem_raises_nothing() -> None:
    Problems().check()


def test_a_value_that_is_not_billed_yet_is_refused_unless_it_is_the_default() -> None:
    problems = Problems()
    defaults = {"trial_period": 0, "fixed_charges": [], "minimum_commitment": None, "prorated": False}
    problems.unsupported({"trial_period": 0, "fixed_charges": [], "minimum_commitment": {}, "prorated": None}, defaults)
    assert not problems
    problems.unsupported({"trial_period": 3, "fixed_charges": [{}], "prorated": True}, defaults)
    told = ["unsupported_value"]
    assert problems.fields == {"trial_period": told, "fixed_charges": told, "prorated": told}


def test_text_of_spaces_is_blank_and_zero_is_not() -> None:
    assert is_blank(None)
    assert is_blank(" \n\t")
    assert not is_blank(0)
    assert not is_blank(False)


def test_errors_name_the_resource_or_the_state() -> None:
    assert not_found("plan").body == {"status": 404, "error": "Not Found", "code": "plan_not_found"}
    assert not_allowed("is_draft").body == {"status": 405, "error": "Method Not Allowed", "code": "is_draft"}


def test_a_missing_root_key_is_a_bad_request_that_names_it(client: Client) -> None:
    told = {"status": 400, "error": "BadRequest: param is missing or the value is empty or invalid: tax"}
    for body in ({}, {"tax": {}}, {"tax": None}, {"tax": "text"}, {"tax": [1]}, {"plan": {"name": "x"}}, [], [{}], 3):
        assert answer(client, "POST", "/taxes", body=body) == (400, told)
    for content in (b"", b"  \n"):
        assert answer(client, "POST", "/taxes", content=content) == (400, told)


@pytest.mark.parametrize(
    "content", [b"{", b'{"tax": }', b"nothing", b'{"tax": {"rate": NaN}}', b"\xff\xfe{}", b'{"a":1}x', b"{'a':1}"]
)
def test_a_body_that_is_no_json_is_a_bad_request(client: Client, content: bytes) -> None:
    told = {"status": 400, "error": "BadRequest: invalid JSON"}
    assert answer(client, "POST", "/taxes", content=content) == (400, told)
    assert answer(client, "POST", "/events", content=content) == (400, told)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "00000000-0000-4000-8000-000000000000", "Bearer not-a-key", "Bearer é"]
)
def test_no_key_or_an_unknown_one_is_unauthorized_whatever_was_asked(client: Client, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode()}
    url = f"{client.server.url}/api/v1"
    for method, path, body in (
        ("GET", "/plans", None),
        ("GET", "/plans/unknown", None),
        ("POST", "/taxes", {"tax": {}}),
        ("POST", "/events", {"event": {}}),
        ("DELETE", "/taxes/unknown", None),
        ("PUT", "/test_clock", {}),
    ):
        response = client.http.request(method, url + path, json=body, headers=headers)
        assert (response.status_code, response.json()) == (401, UNAUTHORIZED), f"{method} {path}"


def test_the_word_before_the_key_does_not_matter(client: Client) -> None:
    for word in ("Bearer", "bearer", "Token", "x"):
        assert answer(client, "GET", "/plans", headers={"Authorization": f"{word}  {client.key} more"})[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("POST", "/nothing/at/all"),
        ("GET", ""),
        ("DELETE", "/taxes"),
        ("PATCH", "/taxes"),
        ("POST", "/taxes/code"),
        ("PUT", "/customers/c"),
        ("PUT", "/invoices"),
        ("OPTIONS", "/plans"),
        ("TRACE", "/plans"),
        ("PROPFIND", "/plans"),
    ],
)
def test_an_unknown_route_or_a_verb_it_does_not_know_is_not_found(client: Client, method: str, path: str) -> None:
    assert answer(client, method, path, body={"tax": {}} if method == "POST" else None) == (404, NOT_FOUND)


def test_unknown_paths_outside_the_api_are_not_found_in_the_same_shape(server: Server, http: httpx.Client) -> None:
    for path in ("/", "/api", "/api/v2/plans", "/admin", "/healthz", "//api/v1/plans"):
        response = http.get(server.url + path)
        assert (response.status_code, response.json()) == (404, NOT_FOUND), path


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/plans/x", "plan_not_found"),
        ("/taxes/x", "tax_not_found"),
        ("/billable_metrics/x", "billable_metric_not_found"),
        ("/customers/x", "customer_not_found"),
        ("/customers/x/current_usage", "customer_not_found"),
        ("/customers/x/invoices", "customer_not_found"),
        ("/customers/x/subscriptions", "customer_not_found"),
        ("/subscriptions/x", "subscription_not_found"),
        ("/invoices/x", "invoice_not_found"),
        ("/invoices/00000000-0000-4000-8000-000000000000", "invoice_not_found"),
        ("/fees/x", "fee_not_found"),
        ("/events/x", "event_not_found"),
        ("/billing_entities/x", "billing_entity_not_found"),
    ],
)
def test_what_does_not_exist_is_named(client: Client, path: str, code: str) -> None:
    assert answer(client, "GET", path) == (404, {"status": 404, "error": "Not Found", "code": code})


def test_all_invalid_fields_come_together_with_those_the_database_objects_to(client: Client) -> None:
    client.post("/taxes", {"tax": {"name": "T", "code": "taken", "rate": 1}})
    status, body = answer(client, "POST", "/taxes", body={"tax": {"code": "taken", "rate": "much", "name": ""}})
    assert status == 422
    assert body == {
        "status": 422,
        "error": "Unprocessable Entity",
        "code": "validation_errors",
        "error_details": {
            "rate": ["value_is_invalid"],
            "name": ["value_is_mandatory"],
            "code": ["value_already_exist"],
        },
    }


def test_the_mistakes_of_a_plan_and_of_its_charges_come_together(client: Client) -> None:
    metric = {"name": "M", "code": "m", "aggregation_type": "count_agg"}
    metric_id = client.post("/billable_metrics", {"billable_metric": metric})["billable_metric"]["lago_id"]
    charges = [
        {"billable_metric_id": metric_id, "charge_model": "standard", "properties": {"amount": "-1"}},
        {"billable_metric_id": metric_id, "charge_model": "graduated", "properties": {"graduated_ranges": []}},
        {"billable_metric_id": metric_id, "charge_model": "cheap", "properties": {}},
    ]
    plan = {"code": "p", "interval": "daily", "amount_cents": "x", "amount_currency": "???", "charges": charges}
    status, body = answer(client, "POST", "/plans", body={"plan": plan})
    assert status == 422
    assert body["error_details"] == {
        "interval": ["value_is_invalid"],
        "amount_cents": ["value_is_invalid"],
        "amount_currency": ["value_is_invalid"],
        "charge_model": ["value_is_invalid"],
        "name": ["value_is_mandatory"],
        "properties": ["invalid_amount", "missing_graduated_ranges"],
    }
    assert client.get("/plans")["plans"] == []


def test_every_value_of_error_details_is_a_list_of_codes(client: Client) -> None:
    event = {"transaction_id": "", "code": None, "timestamp": "yesterday"}
    assert answer(client, "POST", "/events", body={"event": event})[1]["error_details"] == {
        "transaction_id": ["value_is_mandatory"],
        "code": ["value_is_mandatory"],
        "timestamp": ["invalid_format"],
    }
    assert answer(client, "POST", "/events/batch", body={"events": [{"transaction_id": "t", "code": "c"}, event]})[1][
        "error_details"
    ] == {
        "1": {
            "transaction_id": ["value_is_mandatory"],
            "code": ["value_is_mandatory"],
            "timestamp": ["invalid_format"],
        }
    }
    assert answer(client, "POST", "/events/batch", body={})[1]["error_details"] == {"events": ["no_events"]}


def test_a_live_organization_has_no_test_clock(live: Any) -> None:
    client: Client = live()
    told = {"status": 403, "error": "Forbidden", "code": "sandbox_only"}
    assert answer(client, "GET", "/test_clock") == (403, told)
    assert answer(client, "PUT", "/test_clock", body={"test_clock": {"now": "2030-01-01"}}) == (403, told)


def test_the_test_clock_refuses_what_it_can_not_read_and_the_past(client: Client) -> None:
    for now in ("yesterday", "2023-12-31T23:59:59.999Z", "", None, 5, "2024-13-01"):
        status, body = answer(client, "PUT", "/test_clock", body={"test_clock": {"now": now, "x": 1}})
        assert (status, body["error_details"]) == (422, {"now": ["invalid_date"]}), now
    client.at("2024-01-01T00:00:00Z")  # equal is fine


def test_the_operator_api_tells_a_wrong_key_a_missing_name_and_a_live_clock(server: Server, http: httpx.Client) -> None:
    url = f"{server.url}/admin/organizations"
    key = {"X-Admin-API-Key": server.admin_key}
    for headers in ({}, {"X-Admin-API-Key": "wrong"}, {"Authorization": f"Bearer {server.admin_key}"}):
        response = http.post(url, json={"organization": {"name": "x"}}, headers=headers)
        assert (response.status_code, response.json()) == (401, UNAUTHORIZED)
    response = http.post(url, json={"organization": {"sandbox": True}}, headers=key)
    assert (response.status_code, response.json()["error_details"]) == (422, {"name": ["value_is_mandatory"]})
    response = http.post(url, json={"organization": {"name": "x", "now": "2024-01-01T00:00:00Z"}}, headers=key)
    assert (response.status_code, response.json()["error_details"]) == (422, {"now": ["value_must_be_blank"]})
