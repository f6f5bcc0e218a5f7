"""Invoice numbers: without gaps, per customer or per seller, and for ever."""

from __future__ import annotations

import re

from support.billing import invoices, make_customer, make_plan, subscribe
from support.client import Client, Sandbox

CUSTOMERS = ("a", "b", "c")


def numbers(client: Client) -> list[str]:
    """In the order in which the invoices were made; those of one instant by number."""
    found = client.get("/invoices", {"per_page": 1000})["invoices"]
    return [each["number"] for each in sorted(found, key=lambda each: (each["created_at"], each["number"]))]


def number_by(client: Client, scheme: str, prefix: str) -> None:
    body = {"document_numbering": scheme, "document_number_prefix": prefix}
    client.put("/organizations", {"organization": body})


def test_numbers_go_on_without_a_gap_when_prefix_and_scheme_change(sandbox: Sandbox) -> None:
    client = sandbox("2023-06-01T00:00:00Z", document_number_prefix="bent-1")
    make_plan(client, amount_cents=1000)
    for customer in CUSTOMERS:
        make_customer(client, customer)
    for customer in CUSTOMERS:
        subscribe(client, customer=customer, external_id=customer)

    client.at("2023-09-30T00:00:00Z")
    expected = [f"BENT-1-00{customer}-00{month}" for month in (1, 2, 3) for customer in (1, 2, 3)]
    assert numbers(client) == expected

    number_by(client, "per_organization", "BENT-11")
    client.at("2023-10-01T00:00:00Z")
    expected += [f"BENT-11-202310-{number:03d}" for number in (10, 11, 12)]
    assert numbers(client) == expected
    october = client.get("/invoices", {"issuing_date_from": "2023-10-01"})["invoices"]
    assert [each["sequential_id"] for each in october] == [4, 4, 4]

    number_by(client, "per_customer", "BENT-11")
    client.at("2023-11-01T00:00:00Z")
    expected += [f"BENT-11-00{customer}-005" for customer in (1, 2, 3)]
    assert numbers(client) == expected

    make_plan(client, code="once", amount_cents=3000, pay_in_advance=True)
    client.at("2023-11-15T00:00:00Z")
    subscribe(client, customer="a", plan="once", external_id="sixteenth")
    expected += ["BENT-11-001-006"]
    assert numbers(client) == expected

    number_by(client, "per_organization", "BENT-11")
    client.at("2024-01-01T00:00:00Z")
    expected += [f"BENT-11-202312-{number:03d}" for number in (17, 18, 19)]
    expected += [f"BENT-11-202401-{number:03d}" for number in (20, 21, 22)]
    assert numbers(client) == expected


def test_the_month_in_a_number_is_the_sellers(sandbox: Sandbox) -> None:
    client = sandbox(
        "2023-09-30T23:10:00Z",
        timezone="Europe/Paris",
        document_numbering="per_organization",
        document_number_prefix="BENT-1",
    )
    make_plan(client, amount_cents=1000, pay_in_advance=True)
    make_customer(client, "a", timezone="America/Los_Angeles")
    subscribe(client, customer="a")
    assert numbers(client) == ["BENT-1-202310-001"]


def test_a_partners_invoices_take_no_number_of_the_seller(sandbox: Sandbox) -> None:
    client = sandbox("2023-09-01T00:00:00Z", document_numbering="per_organization", document_number_prefix="BENT-1")
    make_plan(client, amount_cents=1000)
    make_customer(client, "a")
    make_customer(client, "partner", account_type="partner")
    make_customer(client, "c")
    for customer in ("a", "partner", "c"):
        subscribe(client, customer=customer, external_id=customer)
    client.at("2023-11-01T00:00:00Z")
    assert numbers(client) == [
        "BENT-1-002-001",
        "BENT-1-202310-001",
        "BENT-1-202310-002",
        "BENT-1-002-002",
        "BENT-1-202311-003",
        "BENT-1-202311-004",
    ]
    assert {each["self_billed"] for each in invoices(client, external_customer_id="partner")} == {True}


def test_a_draft_takes_no_number_from_its_neighbours(sandbox: Sandbox) -> None:
    client = sandbox("2023-09-01T00:00:00Z", document_numbering="per_organization", document_number_prefix="BENT-1")
    make_plan(client, amount_cents=1000)
    make_customer(client, "a")
    make_customer(client, "b", billing_configuration={"invoice_grace_period": 3})
    make_customer(client, "c")
    for customer in CUSTOMERS:
        subscribe(client, customer=customer, external_id=customer)
    client.at("2023-10-01T00:00:00Z")
    assert numbers(client) == ["BENT-1-202310-001", "BENT-1-202310-002", "BENT-1-DRAFT"]
    client.at("2023-10-04T00:00:00Z")
    assert numbers(client) == ["BENT-1-202310-001", "BENT-1-202310-002", "BENT-1-202310-003"]


def test_numbers_of_many_customers_are_without_gaps(sandbox: Sandbox) -> None:
    client = sandbox("2023-12-01T00:00:00Z", document_numbering="per_organization", document_number_prefix="GAP")
    make_plan(client, amount_cents=1000)
    for number in range(25):
        subscribe(client, customer=f"c{number}", external_id=f"s{number}")
    client.at("2024-03-01T00:00:00Z")
    found = numbers(client)
    assert len(found) == 75
    assert sorted(int(number.rsplit("-", 1)[1]) for number in found) == list(range(1, 76))
    assert all(re.fullmatch(r"GAP-2024(01|02|03)-\d{3}", number) for number in found)


def test_a_deleted_customers_sequential_id_is_not_given_again(sandbox: Sandbox) -> None:
    client = sandbox(document_number_prefix="LAG-1234")
    assert make_customer(client, "a")["slug"] == "LAG-1234-001"
    client.delete("/customers/a")
    again = make_customer(client, "a")
    assert (again["sequential_id"], again["slug"]) == (2, "LAG-1234-002")
