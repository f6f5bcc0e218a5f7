"""A customer is gone at once; what it owes is billed, and its drafts are final five minutes later (spec 2 §1.5)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support.billing import (
    fees,
    figures,
    invoices,
    make_customer,
    make_metric,
    make_plan,
    standard,
    subscribe,
    subscription_amount,
    use,
)
from support.client import Client, Json, Sandbox


def with_two_drafts(sandbox: Sandbox) -> Client:
    """On 10 February December and January are drafts of 2900 each, and one subscription waits for June."""
    client = sandbox("2023-12-01T00:00:00Z", billing_configuration={"invoice_grace_period": 90})
    make_plan(client, amount_cents=2900, charges=[standard(make_metric(client), "1")])
    make_customer(client, name="Acme Inc.", city="Lyon")
    subscribe(client)
    subscribe(client, external_id="later", subscription_at="2024-06-01T00:00:00Z")
    client.at("2024-02-10T00:00:00Z")
    return client


def statuses(client: Client) -> list[str]:
    return [each["status"] for each in invoices(client)]


def test_two_drafts_and_the_final_invoice_are_final_after_five_minutes(sandbox: Sandbox) -> None:
    """Ex. 1.A."""
    client = with_two_drafts(sandbox)
    client.delete("/customers/acme")
    assert client.get("/subscriptions/sub", {"status": "terminated"})["subscription"]["status"] == "terminated"
    assert client.get("/subscriptions/later", {"status": "canceled"})["subscription"]["status"] == "canceled"
    assert statuses(client) == ["draft"] * 3

    use(client, "2024-02-05T00:00:00Z")  # late usage still counts
    client.at("2024-02-10T00:04:59Z")
    assert statuses(client) == ["draft"] * 3

    client.at("2024-02-10T00:05:00Z")
    billed = invoices(client)
    assert [each["status"] for each in billed] == ["finalized"] * 3
    assert [subscription_amount(each) for each in billed] == [2900, 2900, 1000]
    assert [fee["units"] for fee in fees(billed[2])] == ["1.0"]
    client.at("2024-07-01T00:00:00Z")
    assert [figures(each) for each in invoices(client)] == [figures(each) for each in billed]


def test_drafts_that_are_computed_again_meanwhile_are_final_in_time_all_the_same(sandbox: Sandbox) -> None:
    client = with_two_drafts(sandbox)
    client.delete("/customers/acme")
    client.post("/taxes", {"tax": {"name": "VAT", "code": "vat", "rate": 10, "applied_to_organization": True}})
    assert [each["taxes_amount_cents"] for each in invoices(client)] == [290, 290, 100]
    client.at("2024-02-10T00:05:00Z")
    assert statuses(client) == ["finalized"] * 3


def test_a_draft_that_is_due_before_stays_due_then(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z", billing_configuration={"invoice_grace_period": 1})
    make_plan(client, amount_cents=3100)
    subscribe(client)
    client.at("2024-02-01T23:58:00Z")
    client.delete("/customers/acme")
    client.at("2024-02-01T23:59:59Z")
    assert statuses(client) == ["draft"] * 2
    client.at("2024-02-02T00:00:00Z")
    assert statuses(client) == ["finalized"] * 2


def test_the_external_id_is_free_at_once_and_old_invoices_keep_the_old_customer(sandbox: Sandbox) -> None:
    client = with_two_drafts(sandbox)
    deleted = client.delete("/customers/acme")["customer"]
    again = make_customer(client, name="Another", city="Oslo")
    assert again["lago_id"] != deleted["lago_id"]
    subscribe(client)  # its subscription's id is free, too
    client.at("2024-03-01T00:00:00Z")

    old = invoices(client, status="finalized")
    assert [(each["customer"]["lago_id"], each["customer"]["name"]) for each in old] == [
        (deleted["lago_id"], "Acme Inc.")
    ] * 3
    fee = client.get(f"/fees/{old[0]['fees'][0]['lago_id']}")["fee"]
    assert (fee["lago_customer_id"], fee["external_customer_id"]) == (deleted["lago_id"], "acme")
    new = client.get("/customers/acme/invoices")["invoices"]
    assert [each["customer"]["name"] for each in new] == ["Another"]
    assert client.http.get(old[0]["file_url"]).content.startswith(b"%PDF")


def test_what_is_deleted_is_not_found(sandbox: Sandbox) -> None:
    client = sandbox()
    make_customer(client)
    client.delete("/customers/acme")
    for path in ("/customers/acme", "/customers/acme/subscriptions"):
        client.get(path, expect=404)
    assert client.delete("/customers/acme", expect=404)["code"] == "customer_not_found"


def test_deleting_twice_at_once_deletes_once(sandbox: Sandbox) -> None:
    client = with_two_drafts(sandbox)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.send("DELETE", "/customers/acme"), range(4)))
    client.settle()
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    assert len(invoices(client)) == 3


def test_deleting_and_subscribing_at_once(sandbox: Sandbox) -> None:
    """The subscription is the deleted customer's, and ended, or that of a new one of this name."""
    client = sandbox("2024-02-01T00:00:00Z")
    make_plan(client, amount_cents=2900)
    for number in range(6):
        customer, body = f"c{number}", {"plan_code": "plan", "external_id": f"s{number}"}
        make_customer(client, customer)
        subscription: Json = {"subscription": {"external_customer_id": customer, **body}}
        with ThreadPoolExecutor(2) as pool:
            deleting = pool.submit(client.send, "DELETE", f"/customers/{customer}")
            subscribing = pool.submit(client.send, "POST", "/subscriptions", subscription)
        assert (deleting.result().status_code, subscribing.result().status_code) == (200, 200)
        client.settle()
        made = subscribing.result().json()["subscription"]
        living = client.send("GET", f"/customers/{customer}")
        if living.status_code == 404:
            ended = client.get(f"/subscriptions/s{number}", {"status": "terminated"})["subscription"]
            assert ended["lago_id"] == made["lago_id"]
        else:
            assert living.json()["customer"]["lago_id"] == made["lago_customer_id"]
            assert client.get(f"/subscriptions/s{number}")["subscription"]["status"] == "active"


def test_deleting_and_changing_at_once(sandbox: Sandbox) -> None:
    client = sandbox()
    for number in range(6):
        first = make_customer(client, f"c{number}", name="Before")
        change: Json = {"customer": {"external_id": f"c{number}", "name": "After"}}
        with ThreadPoolExecutor(2) as pool:
            deleting = pool.submit(client.send, "DELETE", f"/customers/c{number}")
            changing = pool.submit(client.send, "POST", "/customers", change)
        assert (deleting.result().status_code, changing.result().status_code) == (200, 200)
        told = changing.result().json()["customer"]
        living = client.send("GET", f"/customers/c{number}")
        assert (living.status_code == 404) == (told["lago_id"] == first["lago_id"])


@pytest.mark.parametrize("grace", [0, 3])
def test_deleting_customers_while_they_are_billed_bills_every_day_once(sandbox: Sandbox, grace: int) -> None:
    """Deleted before the run of 1 March, a customer owes February; after it, a day of March as well."""
    client = sandbox("2024-02-01T00:00:00Z", billing_configuration={"invoice_grace_period": grace})
    make_plan(client, amount_cents=2900)
    customers = [f"c{number}" for number in range(12)]
    for customer in customers:
        subscribe(client, customer=customer, external_id=customer)
    client.at("2024-02-29T23:59:00Z")

    def move() -> httpx.Response:
        return client.send("PUT", "/test_clock", {"test_clock": {"now": "2024-03-01T00:00:00Z"}})

    with ThreadPoolExecutor(4) as pool:
        moving = pool.submit(move)
        deleted = list(pool.map(lambda customer: client.send("DELETE", f"/customers/{customer}"), customers))
    assert moving.result().status_code == 200
    assert {answer.status_code for answer in deleted} == {200}
    client.settle()
    client.at("2024-05-01T00:00:00Z")

    billed: dict[str, list[int | None]] = {customer: [] for customer in customers}
    for invoice in invoices(client):
        assert invoice["status"] == "finalized"
        billed[invoice["customer"]["external_id"]].append(subscription_amount(invoice))
    assert {tuple(amounts) for amounts in billed.values()} <= {(2900,), (2900, 94)}, billed
