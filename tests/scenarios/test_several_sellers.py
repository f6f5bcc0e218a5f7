"""Several billing entities: who issues an invoice, whose settings it follows, and what a change of them does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.billing import (
    fees,
    invoices,
    make_customer,
    make_metric,
    make_plan,
    only_invoice,
    only_period,
    standard,
    subscribe,
    use,
)
from support.client import Client, Json, Sandbox
from support.pdf import text


def make_seller(client: Client, code: str, **fields: Any) -> Json:
    body = {"code": code, "name": code.capitalize(), "document_number_prefix": code, **fields}
    return client.post("/billing_entities", {"billing_entity": body})["billing_entity"]


def change_seller(client: Client, code: str, **fields: Any) -> None:
    client.put(f"/billing_entities/{code}", {"billing_entity": fields})


def numbers(client: Client) -> list[str]:
    return sorted(each["number"] for each in invoices(client))


def test_a_run_makes_an_invoice_for_each_seller_and_each_numbers_its_own(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z", document_number_prefix="HOME")
    make_seller(client, "north")
    make_seller(client, "south", document_numbering="per_billing_entity")
    make_plan(client, amount_cents=1000)
    make_customer(client, "a", billing_entity_code="north")
    make_customer(client, "b")
    for customer, seller in (("a", None), ("a", "south"), ("a", None), ("b", None), ("b", "south")):
        external_id = f"{customer}-{seller}-{len(client.get('/subscriptions')['subscriptions'])}"
        subscribe(
            client, customer=customer, external_id=external_id, **({"billing_entity_code": seller} if seller else {})
        )
    client.at("2024-02-01T00:00:00Z")
    assert numbers(client) == [
        "HOME-002-001",
        "NORTH-001-001",
        "SOUTH-202402-001",
        "SOUTH-202402-002",
    ]
    found = {each["number"]: each for each in invoices(client)}
    assert [each["billing_entity_code"] for each in invoices(client, external_customer_id="a", currency="EUR")].count(
        "north"
    ) == 1
    assert found["NORTH-001-001"]["total_amount_cents"] == 2000  # its two subscriptions without a seller of their own
    assert found["SOUTH-202402-001"]["billing_entity_code"] == "south"
    assert {each["sequential_id"] for each in found.values()} == {1}  # of the customer with the seller


def test_a_customer_who_comes_back_to_a_seller_goes_on_with_its_numbers(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z", document_number_prefix="HOME")
    make_seller(client, "north")
    home = client.get("/billing_entities")["billing_entities"][0]["code"]
    make_plan(client, amount_cents=1000)
    make_customer(client)
    subscribe(client)
    for month, seller in (("02", "north"), ("03", "north"), ("04", home), ("05", "north")):
        client.at(f"2024-{month}-01T00:00:00Z")
        make_customer(client, billing_entity_code=seller)
    client.at("2024-06-01T00:00:00Z")
    assert [each["number"] for each in invoices(client)] == [
        "HOME-001-001",
        "NORTH-001-001",
        "NORTH-001-002",
        "HOME-001-002",
        "NORTH-001-003",
    ]


def test_the_issuer_gives_everything_but_the_time_zone_which_is_the_customers_own_sellers(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z", document_number_prefix="HOME")
    for code, rate in (("own", 12), ("issuing", 50)):
        client.post("/taxes", {"tax": {"name": code, "code": code, "rate": rate}})
    make_seller(
        client,
        "tokyo",
        timezone="Asia/Tokyo",
        net_payment_term=99,
        tax_codes=["own"],
        billing_configuration={"invoice_grace_period": 9, "document_locale": "de"},
    )
    make_seller(
        client,
        "paris",
        legal_name="Paris SARL",
        timezone="Europe/Paris",
        net_payment_term=10,
        tax_codes=["issuing"],
        billing_configuration={"invoice_grace_period": 2, "document_locale": "fr"},
    )
    make_plan(client, amount_cents=1000)
    make_customer(client, billing_entity_code="tokyo")
    subscription = subscribe(client, billing_entity_code="paris")
    assert subscription["billing_entity_code"] == "paris"
    client.at("2024-01-31T15:00:00Z")  # midnight in Tokyo
    draft = only_invoice(client)
    assert (draft["status"], draft["number"], draft["billing_entity_code"]) == ("draft", "PARIS-DRAFT", "paris")
    assert only_period(draft)["subscription_to_datetime"] == "2024-01-31T14:59:59.999Z"
    client.at("2024-02-02T15:00:00Z")
    final = only_invoice(client)
    assert (final["number"], final["issuing_date"]) == ("PARIS-001-001", "2024-02-03")
    assert (final["net_payment_term"], final["payment_due_date"]) == (10, "2024-02-13")
    assert [(tax["tax_code"], tax["amount_cents"]) for tax in final["applied_taxes"]] == [("issuing", 500)]
    assert final["customer"]["applicable_timezone"] == "Asia/Tokyo"
    printed = text(client.http.get(final["file_url"]).content)
    assert "Paris SARL" in printed
    assert "Tokyo" not in printed
    assert "Facture" in printed


@pytest.mark.parametrize("issuer", [{}, {"billing_entity_code": "south"}])
def test_usage_is_taxed_by_who_issues(sandbox: Sandbox, issuer: Json) -> None:
    client = sandbox()
    client.post("/taxes", {"tax": {"name": "Home", "code": "home", "rate": 20, "applied_to_organization": True}})
    client.post("/taxes", {"tax": {"name": "North", "code": "north", "rate": 12}})
    client.post("/taxes", {"tax": {"name": "South", "code": "south", "rate": 7}})
    for code in ("north", "south"):
        make_seller(client, code, tax_codes=[code])
    make_plan(client, charges=[standard(make_metric(client), "10")])
    make_customer(client, billing_entity_code="north")
    subscribe(client, **issuer)
    use(client, "2024-01-10T00:00:00Z")
    usage = client.get("/customers/acme/current_usage", {"external_subscription_id": "sub"})["customer_usage"]
    client.at("2024-02-01T00:00:00Z")
    taxes = 70 if issuer else 120
    assert (usage["taxes_amount_cents"], only_invoice(client)["taxes_amount_cents"]) == (taxes, taxes)


def test_a_draft_keeps_its_issuer_when_customer_and_subscription_move(sandbox: Sandbox) -> None:
    grace: Json = {"billing_configuration": {"invoice_grace_period": 5}}
    client = sandbox("2024-01-01T00:00:00Z", document_number_prefix="HOME", **grace)
    make_seller(client, "north", **grace)
    make_seller(client, "south")
    make_plan(client, amount_cents=1000)
    make_customer(client)
    subscribe(client)
    client.at("2024-02-02T00:00:00Z")
    make_customer(client, billing_entity_code="north")
    client.put("/subscriptions/sub", {"subscription": {"billing_entity_code": "south"}})
    draft = only_invoice(client)
    client.put(f"/invoices/{draft['lago_id']}/refresh", {})
    assert only_invoice(client)["number"] == "HOME-DRAFT"
    client.at("2024-02-06T00:00:00Z")
    assert only_invoice(client)["number"] == "HOME-001-001"
    client.at("2024-03-06T00:00:00Z")
    client.put("/subscriptions/sub", {"subscription": {"billing_entity_code": None}})
    client.at("2024-04-06T00:00:00Z")
    assert [each["number"] for each in invoices(client)] == ["HOME-001-001", "SOUTH-001-001", "NORTH-001-001"]


def test_an_upgrade_inherits_the_issuer_unless_it_names_another(sandbox: Sandbox) -> None:
    client = sandbox()
    north, south = (make_seller(client, code) for code in ("north", "south"))
    for code, amount_cents in (("plan", 1000), ("more", 2000), ("most", 3000)):
        make_plan(client, code=code, amount_cents=amount_cents, pay_in_advance=True)
    subscribe(client, billing_entity_id=north["lago_id"])
    assert subscribe(client, plan="more")["billing_entity_code"] == "north"
    assert subscribe(client, plan="most", billing_entity_id=south["lago_id"])["billing_entity_code"] == "south"
    billed = [(each["billing_entity_code"], each["total_amount_cents"]) for each in invoices(client)]
    assert billed == [("north", 1000), ("north", 2000), ("north", 0), ("south", 3000)]  # the last upgrade's two sides


def drafts_of_three(sandbox: Sandbox) -> Client:
    """January's drafts on 3 February: one customer inherits from the seller, one doesn't, one is another seller's."""
    client = sandbox("2024-01-01T00:00:00Z", billing_configuration={"invoice_grace_period": 20})
    make_seller(client, "north", net_payment_term=30, billing_configuration={"invoice_grace_period": 20})
    make_plan(client, amount_cents=1000)
    own = {"net_payment_term": 30, "billing_configuration": {"invoice_grace_period": 20}}
    make_customer(client, "inherits", billing_entity_code="north")
    make_customer(client, "decides", billing_entity_code="north", timezone="UTC", tax_codes=[], **own)
    make_customer(client, "elsewhere", **own)
    for customer in ("inherits", "decides", "elsewhere"):
        subscribe(client, customer=customer, external_id=customer)
    client.at("2024-02-03T00:00:00Z")
    return client


def dates(client: Client) -> dict[str, tuple[str, str, str]]:
    """Status, issuing date and due date of each customer's invoice."""
    return {
        each["customer"]["external_id"]: (each["status"], each["issuing_date"], each["payment_due_date"])
        for each in invoices(client)
    }


def test_a_sellers_new_settings_move_the_drafts_of_those_who_inherit_them(sandbox: Sandbox) -> None:
    client = drafts_of_three(sandbox)
    untouched = ("draft", "2024-02-21", "2024-03-22")
    assert dates(client) == dict.fromkeys(("inherits", "decides", "elsewhere"), untouched)
    others = {"decides": untouched, "elsewhere": untouched}

    change_seller(client, "north", net_payment_term=10)
    assert dates(client) == {"inherits": ("draft", "2024-02-21", "2024-03-02"), **others}

    change_seller(client, "north", billing_configuration={"invoice_grace_period": 25})
    assert dates(client) == {"inherits": ("draft", "2024-02-26", "2024-03-07"), **others}


def test_anchor_and_adjustment_move_drafts(sandbox: Sandbox) -> None:
    client = drafts_of_three(sandbox)
    keep: Json = {"subscription_invoice_issuing_date_adjustment": "keep_anchor"}
    change_seller(client, "north", billing_configuration=keep)
    found = dates(client)
    assert (found["inherits"][:2], found["decides"][:2]) == (("draft", "2024-02-01"), ("draft", "2024-02-01"))
    assert found["elsewhere"][:2] == ("draft", "2024-02-21")
    end: Json = {"subscription_invoice_issuing_date_anchor": "current_period_end"}
    change_seller(client, "north", billing_configuration=end)
    assert dates(client)["inherits"] == ("draft", "2024-01-31", "2024-03-01")


def test_a_grace_period_that_is_over_by_now_finalizes_at_once(sandbox: Sandbox) -> None:
    client = drafts_of_three(sandbox)
    change_seller(client, "north", billing_configuration={"invoice_grace_period": 1})
    found = dates(client)
    assert found["inherits"] == ("finalized", "2024-02-03", "2024-03-04")
    assert (found["decides"][0], found["elsewhere"][0]) == ("draft", "draft")


def test_what_dates_do_not_follow_leaves_drafts_alone(sandbox: Sandbox) -> None:
    client = drafts_of_three(sandbox)
    before = {each["lago_id"]: each for each in invoices(client)}
    client.at("2024-02-04T00:00:00Z")
    change_seller(client, "north", phone="1", invoice_footer="x", net_payment_term=30)
    assert {each["lago_id"]: each for each in invoices(client)} == before


def test_a_sellers_new_taxes_reach_the_drafts_of_those_without_their_own(sandbox: Sandbox) -> None:
    client = drafts_of_three(sandbox)
    for code, rate in (("north", 10), ("customer", 5)):
        client.post("/taxes", {"tax": {"name": code, "code": code, "rate": rate}})
    make_customer(client, "decides", tax_codes=["customer"])
    change_seller(client, "north", tax_codes=["north"])
    taxes = {each["customer"]["external_id"]: each["taxes_amount_cents"] for each in invoices(client)}
    assert taxes == {"inherits": 100, "decides": 50, "elsewhere": 0}


def test_a_sellers_new_time_zone_loses_no_event_and_bills_none_twice(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    make_seller(client, "north")
    make_plan(client, charges=[standard(make_metric(client), "1")])
    make_customer(client, "inherits", billing_entity_code="north")
    make_customer(client, "decides", billing_entity_code="north", timezone="UTC")
    for customer in ("inherits", "decides"):
        subscribe(client, customer=customer, external_id=customer)
    client.at("2024-02-01T00:00:00Z")
    change_seller(client, "north", timezone="America/New_York")  # five hours behind: it is still January there
    for hour in ("00", "02", "12"):
        for subscription in ("inherits", "decides"):
            use(client, f"2024-02-01T{hour}:00:00Z", subscription=subscription)
    client.at("2024-03-01T04:59:59Z")
    assert len(invoices(client, external_customer_id="inherits")) == 1
    client.at("2024-03-01T05:00:00Z")
    for customer in ("inherits", "decides"):
        billed = invoices(client, external_customer_id=customer)
        assert [[fee["units"] for fee in fees(each)] for each in billed] == [[], ["3.0"]]


def test_an_empty_invoice_is_issued_as_its_seller_wants_it(sandbox: Sandbox) -> None:
    client = sandbox()
    make_seller(client, "silent", finalize_zero_amount_invoice=False)
    make_seller(client, "home")
    make_plan(client)
    make_customer(client, "a", billing_entity_code="silent")
    make_customer(client, "b")
    subscribe(client, customer="a", external_id="a")
    make_customer(client, "c", billing_entity_code="silent")
    subscribe(client, customer="b", external_id="b", billing_entity_code="silent")
    subscribe(client, customer="c", external_id="c", billing_entity_code="home")
    client.at("2024-02-01T00:00:00Z")
    assert [(each["customer"]["external_id"], each["status"]) for each in invoices(client)] == [("c", "finalized")]


def test_a_partner_bills_the_seller_and_takes_none_of_its_numbers(sandbox: Sandbox) -> None:
    client = sandbox()
    make_seller(client, "north", document_numbering="per_billing_entity", legal_name="North AS", country="NO")
    make_plan(client, amount_cents=1000, pay_in_advance=True)
    partner: Json = {"name": "Reseller GmbH", "account_type": "partner", "billing_entity_code": "north"}
    make_customer(client, "plain", billing_entity_code="north")
    make_customer(client, "partner", **partner)
    for number, customer in enumerate(("partner", "plain", "partner")):
        subscribe(client, customer=customer, external_id=f"{customer}-{number}")
    assert [(each["number"], each["self_billed"]) for each in invoices(client)] == [
        ("NORTH-002-001", True),
        ("NORTH-202401-001", False),
        ("NORTH-002-002", True),
    ]
    listed = client.get("/invoices", {"self_billed": "true"})["invoices"]
    assert {each["customer"]["external_id"] for each in listed} == {"partner"}
    assert {fee["self_billed"] for each in invoices(client, self_billed="true") for fee in each["fees"]} == {True}
    printed = text(client.http.get(listed[0]["file_url"]).content)
    assert "Self-billing invoice" in printed
    assert printed.index("From Reseller GmbH") < printed.index("Bill to North AS")
    assert "on behalf of the supplier" in printed


def test_settings_that_change_during_a_run_leave_every_month_billed_once(sandbox: Sandbox) -> None:
    client = sandbox()
    make_seller(client, "north", billing_configuration={"invoice_grace_period": 3})
    make_plan(client, amount_cents=1000)
    names = [f"c{number}" for number in range(12)]
    for name in names:
        make_customer(client, name, billing_entity_code="north")
        subscribe(client, customer=name, external_id=name)
    client.at("2024-01-31T12:00:00Z")

    def change(number: int) -> int:
        configuration = {"invoice_grace_period": number % 4, "document_locale": "en"}
        fields = {"timezone": ("UTC", "Asia/Tokyo")[number % 2], "billing_configuration": configuration}
        return client.send("PUT", "/billing_entities/north", {"billing_entity": fields}).status_code

    with ThreadPoolExecutor(4) as pool:
        moving = pool.submit(client.send, "PUT", "/test_clock", {"test_clock": {"now": "2024-04-15T00:00:00Z"}})
        changing = list(pool.map(change, range(24)))
    assert moving.result().status_code == 200
    assert set(changing) == {200}
    client.settle()
    client.at("2024-04-30T14:00:00Z")
    billed = invoices(client)
    assert {each["status"] for each in billed} == {"finalized"}
    totals = dict.fromkeys(names, 0)
    for each in billed:
        totals[each["customer"]["external_id"]] += each["total_amount_cents"]
    assert totals == dict.fromkeys(names, 3000)
