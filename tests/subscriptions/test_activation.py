"""Rules that wait for a payment are checked whole, and refused as long as nobody can collect it (spec 2 §3.9)."""

from __future__ import annotations

from typing import Any

import pytest

from support.billing import make_customer, make_plan, subscribe
from support.client import Sandbox

PAYMENT = {"type": "payment", "timeout_hours": 48}


@pytest.mark.parametrize(
    ("rules", "details"),
    [
        ([PAYMENT], {"base": ["no_linked_payment_provider"]}),
        ([{"type": "payment"}], {"base": ["no_linked_payment_provider"]}),
        ([{"type": "payment", "timeout_hours": 0}], {"base": ["no_linked_payment_provider"]}),
        ([{"type": "payment", "timeout_hours": -1}], {"activation_rules": ["value_must_be_positive_or_zero"]}),
        ([{"type": "payment", "timeout_hours": "1"}], {"activation_rules": ["value_must_be_positive_or_zero"]}),
        ([{"type": "payment", "timeout_hours": True}], {"activation_rules": ["value_must_be_positive_or_zero"]}),
        (
            [{"type": "vote", "timeout_hours": 1.5}, PAYMENT, PAYMENT],
            {"activation_rules": ["invalid_type", "duplicated_type", "value_must_be_positive_or_zero"]},
        ),
        (["payment"], {"activation_rules": ["invalid_type"]}),
        ([{"type": ["payment"]}], {"activation_rules": ["invalid_type"]}),
        ({"type": "payment"}, {"activation_rules": ["invalid_format"]}),
        ("payment", {"activation_rules": ["invalid_format"]}),
    ],
)
def test_rules_are_refused_with_all_that_is_wrong_and_nothing_is_made(
    sandbox: Sandbox, rules: Any, details: dict[str, list[str]]
) -> None:
    client = sandbox()
    make_plan(client, amount_cents=1000, pay_in_advance=True)
    body = {"external_customer_id": "acme", "plan_code": "plan", "external_id": "sub", "activation_rules": rules}
    answer = client.post("/subscriptions", {"subscription": body}, expect=422)
    assert answer["error_details"] == details
    assert client.get("/subscriptions")["subscriptions"] == []
    assert client.get("/customers")["customers"] == []


@pytest.mark.parametrize("rules", [None, []])
def test_no_rules_are_no_rules(sandbox: Sandbox, rules: Any) -> None:
    client = sandbox()
    make_plan(client)
    assert subscribe(client, activation_rules=rules)["status"] == "active"


def test_rules_come_too_late_for_what_is_active(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    make_plan(client)
    make_customer(client)
    subscribe(client)
    answer = client.put("/subscriptions/sub", {"subscription": {"activation_rules": [PAYMENT]}}, expect=422)
    assert "subscription_not_pending" in answer["error_details"]["activation_rules"]
    subscribe(client, external_id="later", subscription_at="2024-02-01T00:00:00Z")
    answer = client.put("/subscriptions/later", {"subscription": {"activation_rules": [PAYMENT]}}, expect=422)
    assert answer["error_details"] == {"base": ["no_linked_payment_provider"]}
