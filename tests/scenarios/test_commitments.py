"""Minimum commitments: what a subscription is billed at least in a period of its plan (spec 2 §6)."""

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
    use,
)
from support.client import Client, Json, Sandbox
from support.expressions import check_explained
from support.pdf import text


def commitments(client: Client) -> list[int]:
    """The amounts of all commitment fees, in the order in which they were made."""
    return [fee["amount_cents"] for invoice in invoices(client) for fee in fees(invoice, "commitment")]


def commitment_of(client: Client, code: str = "plan") -> Json:
    return client.get(f"/plans/{code}")["plan"]["minimum_commitment"]


# --- configuration


def test_a_commitment_is_made_changed_and_removed(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    client.post("/taxes", {"tax": {"name": "VAT", "code": "vat", "rate": 20}})
    made = make_plan(client, minimum_commitment={"amount_cents": 5000, "tax_codes": ["vat"]})["minimum_commitment"]
    assert (made["plan_code"], made["amount_cents"], made["interval"]) == ("plan", 5000, "monthly")
    assert made["invoice_display_name"] is None
    assert [tax["code"] for tax in made["taxes"]] == ["vat"]
    client.at("2024-01-02T00:00:00Z")
    client.put("/plans/plan", {"plan": {"minimum_commitment": {"invoice_display_name": "Least"}}})
    changed = commitment_of(client)
    assert changed == {
        **made,
        "invoice_display_name": "Least",
        "updated_at": "2024-01-02T00:00:00Z",
    }
    client.put("/plans/plan", {"plan": {"minimum_commitment": {"amount_cents": "7000", "tax_codes": []}}})
    assert (commitment_of(client)["amount_cents"], commitment_of(client)["taxes"]) == (7000, [])
    client.put("/plans/plan", {"plan": {"name": "Other", "minimum_commitment": None}})
    assert commitment_of(client)["amount_cents"] == 7000
    client.put("/plans/plan", {"plan": {"minimum_commitment": {}}})
    assert commitment_of(client) is None
    client.put("/plans/plan", {"plan": {"minimum_commitment": {}}})
    client.put("/plans/plan", {"plan": {"minimum_commitment": {"amount_cents": 1}}})
    assert commitment_of(client)["lago_id"] != made["lago_id"]


@pytest.mark.parametrize(
    ("commitment", "status", "expected"),
    [
        ({"amount_cents": 0}, 422, {"amount_cents": ["value_is_out_of_range"]}),
        ({"amount_cents": -5}, 422, {"amount_cents": ["value_is_out_of_range"]}),
        ({"amount_cents": 1.5}, 422, {"amount_cents": ["value_is_invalid"]}),
        ({"amount_cents": None}, 422, {"amount_cents": ["value_is_mandatory"]}),
        ({"invoice_display_name": "Least"}, 422, {"amount_cents": ["value_is_mandatory"]}),
        (
            {"amount_cents": "x", "invoice_display_name": "y" * 256},
            422,
            {"amount_cents": ["value_is_invalid"], "invoice_display_name": ["value_is_too_long"]},
        ),
        ({"amount_cents": 1, "tax_codes": ["nothing"]}, 404, "tax_not_found"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_stored(
    sandbox: Sandbox, commitment: Json, status: int, expected: Any
) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    plan = {"name": "P", "code": "p", "interval": "monthly", "amount_cents": 1, "amount_currency": "EUR"}
    body = {"plan": {**plan, "minimum_commitment": commitment}}
    answer = client.send("POST", "/plans", body)
    assert (answer.status_code, answer.json().get("error_details", answer.json()["code"])) == (status, expected)
    assert client.get("/plans")["plans"] == []
    before = make_plan(client)
    answer = client.send("PUT", "/plans/plan", {"plan": {"name": "New", "minimum_commitment": commitment}})
    assert (answer.status_code, answer.json().get("error_details", answer.json()["code"])) == (status, expected)
    assert client.get("/plans/plan")["plan"] == before


def test_all_wrong_fields_of_a_plan_are_told_at_once(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    answer = client.send("POST", "/plans", {"plan": {"interval": "daily", "minimum_commitment": {"amount_cents": 0}}})
    assert answer.json()["error_details"] == {
        "interval": ["value_is_invalid"],
        "amount_cents": ["value_is_out_of_range"],
        "name": ["value_is_mandatory"],
        "code": ["value_is_mandatory"],
        "amount_currency": ["value_is_mandatory"],
    }


def test_an_override_keeps_the_commitment_or_has_its_own(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    client.post("/taxes", {"tax": {"name": "VAT", "code": "vat", "rate": 20}})
    make_plan(client, minimum_commitment={"amount_cents": 5000, "invoice_display_name": "Least", "tax_codes": ["vat"]})
    make_customer(client)
    kept = subscribe(client, plan_overrides={"amount_cents": 7})["plan"]
    shared = commitment_of(client)
    own = kept["minimum_commitment"]
    assert own["lago_id"] != shared["lago_id"]
    assert (own["amount_cents"], own["invoice_display_name"]) == (5000, "Least")
    assert [tax["code"] for tax in own["taxes"]] == ["vat"]
    body = {"subscription": {"plan_overrides": {"minimum_commitment": {"amount_cents": 900}}}}
    mine = client.put("/subscriptions/sub", body)["subscription"]["plan"]["minimum_commitment"]
    assert (mine["lago_id"], mine["amount_cents"], mine["invoice_display_name"]) == (own["lago_id"], 900, "Least")
    subscribe(client, external_id="free", plan_overrides={"minimum_commitment": {}})
    assert client.get("/subscriptions/free")["subscription"]["plan"]["minimum_commitment"] is None
    assert commitment_of(client) == shared
    changed = {"minimum_commitment": {"amount_cents": 6000}, "cascade_updates": True}
    client.put("/plans/plan", {"plan": changed})  # never cascades (PLN-12)
    client.at("2024-02-01T00:00:00Z")
    assert commitments(client) == [893]


# --- billing


def test_what_is_missing_is_a_fee_of_its_own(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-10T00:00:00Z")
    for code, rate in (("vat", 20), ("city", 5)):
        client.post("/taxes", {"tax": {"name": code, "code": code, "rate": rate}})
    commitment = {"amount_cents": 10_000, "invoice_display_name": "Least", "tax_codes": ["city"]}
    charges = [{**standard(make_metric(client), "1"), "min_amount_cents": 310}]
    make_plan(client, amount_cents=1000, tax_codes=["vat"], minimum_commitment=commitment, charges=charges)
    make_customer(client)
    subscribe(client)
    use(client, "2024-01-12T00:00:00Z")
    client.at("2024-02-01T00:00:00Z")
    invoice = only_invoice(client)
    assert [fee["item"]["type"] for fee in invoice["fees"]] == ["subscription", "charge", "charge", "commitment"]
    fee = invoice["fees"][-1]
    assert [each["amount_cents"] for each in invoice["fees"]] == [710, 100, 120, 7097 - 710 - 100 - 120]
    assert (fee["units"], fee["precise_unit_amount"], fee["events_count"]) == ("1.0", "61.67", None)
    assert (fee["from_date"], fee["to_date"], fee["invoiceable"]) == (None, None, True)
    assert (fee["item"]["name"], fee["item"]["invoice_display_name"], fee["item"]["code"]) == ("Least", "Least", "plan")
    assert [(tax["tax_code"], tax["amount_cents"]) for tax in fee["applied_taxes"]] == [("city", 308)]
    assert invoice["fees_amount_cents"] == 7097

    explanation = client.get(f"/fees/{fee['lago_id']}/explanation")["fee_explanation"]
    check_explained([explanation], [fee])
    assert [step["expression"] for step in explanation["steps"]] == [
        "round(10000 * 22 / 31)",
        "220 + 710",
        "7097 - 930",
        "7097 - 930",
    ]
    assert explanation["price"]["properties"] == {"amount_cents": 10000, "amount_currency": "EUR"}
    assert explanation["price"]["since"] == "2024-01-10T00:00:00Z"
    assert explanation["period"] == {
        "from_datetime": "2024-01-10T00:00:00Z",
        "to_datetime": "2024-01-31T23:59:59Z",
        "days": 22,
        "full_days": 31,
        "timezone": "UTC",
    }
    assert client.get("/fees", {"fee_type": "commitment"})["fees"][0]["lago_id"] == fee["lago_id"]


def test_usage_beyond_the_commitment_leaves_nothing_to_fill(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    charges = [standard(make_metric(client), "9")]
    make_plan(client, amount_cents=100, minimum_commitment={"amount_cents": 1000}, charges=charges)
    make_customer(client)
    subscribe(client)
    use(client, "2024-01-12T00:00:00Z")
    client.at("2024-02-01T00:00:00Z")
    client.at("2024-03-01T00:00:00Z")
    assert [invoice["fees_amount_cents"] for invoice in invoices(client)] == [1000, 1000]
    assert commitments(client) == [900]


def test_in_advance_a_period_is_settled_on_the_next_invoice(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-16T00:00:00Z")
    charges = [standard(make_metric(client), "1")]
    commitment = {"amount_cents": 10_000}
    make_plan(client, amount_cents=3100, pay_in_advance=True, minimum_commitment=commitment, charges=charges)
    make_customer(client, timezone="Asia/Tokyo")
    subscribe(client)
    use(client, "2024-01-20T00:00:00Z")
    client.put("/plans/plan", {"plan": {"amount_cents": 2900}})  # the fee before counts as it was
    client.at("2024-02-01T00:00:00Z")
    first, second = invoices(client)
    assert fees(first, "commitment") == []
    assert [fee["amount_cents"] for fee in second["fees"]] == [2900, 100, 5161 - 1600 - 100]
    client.post("/customers", {"customer": {"external_id": "acme", "timezone": "America/New_York"}})
    client.at("2024-03-02T00:00:00Z")
    assert commitments(client) == [3461, 10_000 - 2900], "a change of time zone loses no fee"


def test_a_trial_does_not_reduce_it(sandbox: Sandbox) -> None:  # 3.W
    client = sandbox("2024-03-05T12:12:00Z")
    charges = [standard(make_metric(client), "10")]
    make_plan(
        client,
        amount_cents=5_000_000,
        pay_in_advance=True,
        trial_period=45,
        minimum_commitment={"amount_cents": 10_000_000},
        charges=charges,
    )
    make_customer(client)
    subscribe(client)
    client.at("2024-04-20T00:00:00Z")
    use(client, "2024-04-20T00:00:00Z")
    client.at("2024-05-01T01:00:00Z")
    assert commitments(client) == [10_000_000 - 2_000_000 - 1000]


def test_a_year_with_monthly_usage_is_settled_once(sandbox: Sandbox) -> None:
    client = sandbox("2024-11-15T00:00:00Z")
    charges = [standard(make_metric(client), "1")]
    make_plan(
        client,
        amount_cents=3660,
        interval="yearly",
        bill_charges_monthly=True,
        minimum_commitment={"amount_cents": 366_000},
        charges=charges,
    )
    make_customer(client, billing_configuration={"invoice_grace_period": 40})
    subscribe(client)
    use(client, "2024-11-20T00:00:00Z")
    client.at("2024-12-10T00:00:00Z")
    use(client, "2024-12-10T00:00:00Z")
    client.at("2025-01-02T00:00:00Z")
    assert commitments(client) == [47_000 - 470 - 100 - 100]
    use(client, "2024-11-25T00:00:00Z")  # late, in a draft that is finalized before the one that settles
    client.at("2025-02-20T00:00:00Z")
    assert [invoice["status"] for invoice in invoices(client)] == ["finalized", "finalized", "draft"]
    assert commitments(client) == [47_000 - 470 - 200 - 100]


def test_drafts_follow_the_plan(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    make_plan(client, amount_cents=100, minimum_commitment={"amount_cents": 1000})
    make_customer(client, billing_configuration={"invoice_grace_period": 10})
    subscribe(client)
    client.at("2024-02-01T00:00:00Z")
    assert commitments(client) == [900]
    client.put("/plans/plan", {"plan": {"minimum_commitment": {"amount_cents": 1500}}})
    assert commitments(client) == [1400]
    client.put("/plans/plan", {"plan": {"amount_cents": 1500}})
    assert commitments(client) == []
    client.put("/plans/plan", {"plan": {"amount_cents": 1, "minimum_commitment": {}}})
    assert commitments(client) == []
    client.put("/plans/plan", {"plan": {"minimum_commitment": {"amount_cents": 50}}})
    client.at("2024-02-20T00:00:00Z")
    assert [(each["status"], each["fees_amount_cents"]) for each in invoices(client)] == [("finalized", 50)]


def test_an_upgrade_settles_the_days_up_to_it_and_begins_anew(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    make_plan(client, amount_cents=3100, minimum_commitment={"amount_cents": 31_000})
    make_plan(client, "more", 6200, minimum_commitment={"amount_cents": 62_000})
    make_customer(client)
    subscribe(client)
    client.at("2024-01-11T12:00:00Z")
    subscribe(client, plan="more")
    assert commitments(client) == [11_000 - 1000]
    client.at("2024-02-01T00:00:00Z")
    assert commitments(client) == [10_000, 42_000 - 4200]


def test_many_commitments_are_settled_in_the_order_of_their_lines(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    make_plan(client, amount_cents=100, minimum_commitment={"amount_cents": 1000})
    make_plan(client, "none", 100)
    make_customer(client)
    for external_id, plan in (("a", "plan"), ("b", "none"), ("c", "plan")):
        subscribe(client, plan=plan, external_id=external_id, name=external_id)
    client.at("2024-02-01T00:00:00Z")
    found = [(fee["external_subscription_id"], fee["item"]["type"]) for fee in only_invoice(client)["fees"]]
    assert found == [
        ("a", "subscription"),
        ("a", "commitment"),
        ("b", "subscription"),
        ("c", "subscription"),
        ("c", "commitment"),
    ]


@pytest.mark.parametrize(("name", "locale", "shown"), [(None, "de", "Mindestverpflichtung"), ("Least", "de", "Least")])
def test_the_document_shows_it_in_its_period(sandbox: Sandbox, name: str | None, locale: str, shown: str) -> None:
    client = sandbox("2024-01-10T00:00:00Z")
    commitment = {"amount_cents": 10_000, "invoice_display_name": name}
    make_plan(client, amount_cents=1000, minimum_commitment=commitment)
    make_customer(client, billing_configuration={"document_locale": locale})
    subscribe(client)
    client.at("2024-02-01T00:00:00Z")
    invoice = client.post(f"/invoices/{only_invoice(client)['lago_id']}/download")["invoice"]
    told = text(client.http.get(invoice["file_url"]).content)
    assert told.count("10.01.2024") == 1
    assert shown in told
    assert told.count("22 von 31 Tagen") == 2
