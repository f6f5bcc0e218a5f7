"""What of a customer can be changed when, its metadata and its currency (spec 2 §1)."""

from __future__ import annotations

from typing import Any

import pytest

from support.billing import (
    fees,
    invoices,
    make_customer,
    make_metric,
    make_plan,
    only_invoice,
    standard,
    subscribe,
    subscription_amount,
    usage_of,
    use,
)
from support.client import Client, Json, Sandbox


def entry(key: str, value: str = "v", **more: Any) -> Json:
    return {"key": key, "value": value, "display_in_invoice": False, **more}


def shown(customer: Json) -> list[tuple[str, str]]:
    return [(each["key"], each["value"]) for each in customer["metadata"]]


def test_metadata_is_replaced_and_entries_known_by_id_are_changed(sandbox: Sandbox) -> None:
    client = sandbox()
    first = make_customer(client, metadata=[entry("a", "1"), entry("b", "2"), entry("c", "3")])["metadata"]
    client.at("2024-01-02T00:00:00Z")
    a, b = (each["lago_id"] for each in first[:2])
    changed = make_customer(client, metadata=[entry("b", "9", id=a), entry("a", "2", id=b), entry("d", "4")])
    assert shown(changed) == [("b", "9"), ("a", "2"), ("d", "4")]  # two change their keys with each other
    assert [each["lago_id"] for each in changed["metadata"][:2]] == [a, b]
    created = [each["created_at"][:10] for each in changed["metadata"]]
    assert created == ["2024-01-01", "2024-01-01", "2024-01-02"]

    assert shown(make_customer(client, name="Acme")) == shown(changed)  # absent: as it was
    twice = make_customer(client, metadata=[entry("x", id=a), entry("y", id=a)])
    assert shown(twice) == [("x", "v"), ("y", "v")]
    assert len({each["lago_id"] for each in twice["metadata"]}) == 2
    assert shown(make_customer(client, metadata=[])) == []


@pytest.mark.parametrize(
    ("metadata", "details"),
    [
        ([entry(f"k{number}") for number in range(6)], {"metadata": ["invalid_count"]}),
        ([entry("k" * 21)], {"key": ["value_is_too_long"]}),
        ([entry("k", "v" * 101)], {"value": ["value_is_too_long"]}),
        ([entry("k"), entry("k")], {"key": ["value_already_exist"]}),
        ([entry(" ", "")], {"key": ["value_is_mandatory"], "value": ["value_is_mandatory"]}),
    ],
)
def test_metadata_has_bounds(sandbox: Sandbox, metadata: list[Json], details: Json) -> None:
    client = sandbox()
    make_customer(client, metadata=[entry("kept")])
    customer = {"external_id": "acme", "name": "Changed", "metadata": metadata}
    assert client.post("/customers", {"customer": customer}, expect=422)["error_details"] == details
    after = client.get("/customers/acme")["customer"]
    assert (after["name"], shown(after)) == (None, [("kept", "v")])


def change_type(client: Client, account_type: str | None) -> tuple[str, str | None]:
    """The account type afterwards, and what the answer says was ignored."""
    body = {"customer": {"external_id": "acme", "account_type": account_type}}
    answer = client.send("POST", "/customers", body)
    return answer.json()["customer"]["account_type"], answer.headers.get("Warning")


def test_the_account_type_is_frozen_once_there_was_a_subscription(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client, amount_cents=1000)
    make_customer(client)
    assert change_type(client, "partner") == ("partner", None)
    assert change_type(client, None) == ("customer", None)
    assert change_type(client, "partner") == ("partner", None)
    subscribe(client, subscription_at="2030-01-01T00:00:00Z")
    told = '299 - "can not be changed: account_type"'
    assert change_type(client, "customer") == ("partner", told)
    assert change_type(client, "partner") == ("partner", None)
    assert change_type(client, None)[0] == "partner"
    client.delete("/subscriptions/sub", {"status": "pending"})
    assert change_type(client, "customer") == ("partner", told)


def test_the_currency_is_a_default_that_the_first_plan_sets_and_a_customer_may_have_several(sandbox: Sandbox) -> None:
    client = sandbox()
    for code, currency in (("euros", "EUR"), ("yen", "JPY"), ("dinars", "KWD")):
        make_plan(client, code=code, amount_cents=3100, currency=currency)
    make_customer(client)
    subscribe(client, plan="euros", external_id="e")
    assert client.get("/customers/acme")["customer"]["currency"] == "EUR"
    subscribe(client, plan="yen", external_id="y")
    assert make_customer(client, currency="kwd")["currency"] == "KWD"
    subscribe(client, plan="dinars", external_id="d")
    client.at("2024-02-01T00:00:00Z")
    assert make_customer(client, currency="USD")["currency"] == "USD"  # also after invoices
    billed = sorted((each["currency"], each["total_amount_cents"]) for each in invoices(client))
    assert billed == [("EUR", 3100), ("JPY", 3100), ("KWD", 3100)]


def test_dinars_have_three_decimals(sandbox: Sandbox) -> None:
    """10.050 KWD a month from 16 January, and 3 units at 0.0015: 0.0045, rounded to 0.005."""
    client = sandbox("2024-01-16T00:00:00Z")
    client.post("/taxes", {"tax": {"name": "VAT", "code": "vat", "rate": "12.5", "applied_to_organization": True}})
    charges = [standard(make_metric(client), "0.0015")]
    make_plan(client, amount_cents=10050, currency="KWD", charges=charges)
    subscribe(client)
    for _ in range(3):
        use(client, "2024-01-20T00:00:00Z")
    assert usage_of(client)["amount_cents"] == 5
    client.at("2024-02-01T00:00:00Z")
    invoice = only_invoice(client)
    assert subscription_amount(invoice) == 5187  # 10050 * 16 / 31 = 5187.097
    (fee,) = fees(invoice)
    assert (fee["amount_cents"], fee["precise_amount"], fee["precise_unit_amount"]) == (5, "0.0045", "0.0015")
    assert (invoice["fees_amount_cents"], invoice["taxes_amount_cents"]) == (5192, 649)
    assert invoice["total_amount_cents"] == 5841
