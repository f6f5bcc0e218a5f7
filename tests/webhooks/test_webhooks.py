"""Webhooks as a receiver sees them: signed, in order, again after a failure, from everything that happens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections import defaultdict
from collections.abc import Callable

import httpx
import jwt
import psycopg
import pytest
from lago_python_client.client import Client as Sdk

from support.client import Client
from support.receiver import Received, Receiver, receiving
from support.server import Server

Organization = Callable[[], Client]


def listen(client: Client, receiver: Receiver, path: str = "/hook", **attributes: object) -> str:
    endpoint = {"webhook_url": receiver.url + path, **attributes}
    return client.post("/webhook_endpoints", {"webhook_endpoint": endpoint})["webhook_endpoint"]["lago_id"]


def customer(client: Client, external_id: str, **attributes: object) -> None:
    client.post("/customers", {"customer": {"external_id": external_id, **attributes}})


def subscribe(client: Client, *, in_advance: bool = False) -> None:
    metric = {"name": "Calls", "code": "calls", "aggregation_type": "count_agg"}
    metric_id = client.post("/billable_metrics", {"billable_metric": metric})["billable_metric"]["lago_id"]
    charge = {"billable_metric_id": metric_id, "charge_model": "standard", "properties": {"amount": "0.5"}}
    plan = {"name": "P", "code": "p", "interval": "monthly", "amount_cents": 1000, "amount_currency": "EUR"}
    client.post("/plans", {"plan": {**plan, "pay_in_advance": in_advance, "charges": [charge]}})
    subscription = {"external_customer_id": "c1", "external_id": "s1", "plan_code": "p"}
    client.post("/subscriptions", {"subscription": subscription})


def types(received: list[Received]) -> list[str]:
    return sorted(got.type for got in received)


def test_all_that_happens_to_a_customer_is_told(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    listen(client, receiver)
    subscribe(client)
    client.put("/billable_metrics/calls", {"billable_metric": {"name": "All calls"}})
    client.put("/plans/p", {"plan": {"name": "Plan"}})
    customer(client, "c1", name="Ada")
    client.at("2024-02-01T00:00:00Z")
    client.delete("/subscriptions/s1")
    client.delete("/plans/p")
    client.delete("/billable_metrics/calls")
    told = receiver.wait_for(14)
    assert types(told) == [
        "billable_metric.created", "billable_metric.deleted", "billable_metric.updated",
        "customer.created", "customer.updated", "invoice.created", "invoice.created",
        "invoice.generated", "invoice.generated",
        "plan.created", "plan.deleted", "plan.updated", "subscription.started", "subscription.terminated",
    ]  # fmt: skip
    for got in told:
        assert list(got.message)[:3] == ["webhook_type", "object_type", "organization_id"]
        assert list(got.message)[3:] == [got.message["object_type"]]
        assert got.message["organization_id"] == client.organization_id
        assert got.headers["content-type"] == "application/json"


def test_an_invoice_is_told_as_the_api_shows_it(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    listen(client, receiver, event_types=["invoice.created"])
    subscribe(client, in_advance=True)
    (got,) = receiver.wait_for(1)
    told = got.message["invoice"]
    assert told == client.get(f"/invoices/{told['lago_id']}")["invoice"]
    assert [fee["amount_cents"] for fee in told["fees"]] == [1000]


def test_drafts_are_told_when_made_and_the_invoice_when_final(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    client.put("/organizations", {"organization": {"billing_configuration": {"invoice_grace_period": 3}}})
    subscribe(client)
    listen(client, receiver)
    client.at("2024-02-01T00:00:00Z")
    assert types(receiver.wait_for(2)) == ["invoice.drafted", "invoice.ready_to_finalize"]
    client.at("2024-02-04T00:00:00Z")
    assert [got.type for got in receiver.wait_for(4)[2:]] == ["invoice.created", "invoice.generated"]


def test_a_document_is_told_once_at_once_where_somebody_listens(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    endpoint = listen(client, receiver, event_types=["invoice.generated"])
    subscribe(client, in_advance=True)
    (got,) = receiver.wait_for(1)
    told = got.message["invoice"]
    assert told == client.post(f"/invoices/{told['lago_id']}/download")["invoice"]
    assert httpx.get(told["file_url"], timeout=60).content.startswith(b"%PDF")
    client.put(f"/webhook_endpoints/{endpoint}", {"webhook_endpoint": {"event_types": []}})
    client.at("2024-02-01T00:00:00Z")
    later = client.get("/invoices")["invoices"][0]["lago_id"]
    client.put(f"/webhook_endpoints/{endpoint}", {"webhook_endpoint": {"event_types": ["invoice.generated"]}})
    for _ in range(2):
        client.post(f"/invoices/{later}/download")  # is its first read
    assert [got.message["invoice"]["lago_id"] for got in receiver.wait_for(2)] == [told["lago_id"], later]


def test_a_skipped_zero_invoice_is_not_told(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    customer(client, "c1", finalize_zero_amount_invoice="skip")
    listen(client, receiver, event_types=["invoice.created", "customer.updated"])
    plan = {"name": "Free", "code": "free", "interval": "monthly", "amount_cents": 0, "amount_currency": "EUR"}
    client.post("/plans", {"plan": plan})
    client.post(
        "/subscriptions", {"subscription": {"external_customer_id": "c1", "external_id": "s1", "plan_code": "free"}}
    )
    client.at("2024-03-01T00:00:00Z")
    customer(client, "c1", name="told last")
    assert types(receiver.wait_for(1)) == ["customer.updated"]


def test_the_official_sdk_verifies_the_signature(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    listen(client, receiver)
    customer(client, "c1", name="Zoë & <Söhne> 測試 \u2028")
    (got,) = receiver.wait_for(1)
    public_key = Sdk(api_key=client.key, api_url=client.server.url).webhooks.public_key()
    claims = jwt.decode(got.headers["x-lago-signature"], public_key, algorithms=["RS256"], issuer=client.server.url)
    assert claims == {"data": got.body.decode(), "iss": client.server.url}
    assert "Zoë & <Söhne> 測試 \u2028".encode() in got.body
    text = client.send("GET", "/webhooks/public_key")
    assert text.headers["content-type"].startswith("text/plain")
    assert base64.b64decode(text.text) == public_key
    with pytest.raises(jwt.InvalidTokenError):
        jwt.decode(got.headers["x-lago-signature"][:-8] + "AAAAAAAA", public_key, algorithms=["RS256"])


def test_hmac_is_over_the_exact_bytes(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    listen(client, receiver, signature_algo="hmac")
    customer(client, "c1", name="Zoë")
    (got,) = receiver.wait_for(1)
    with psycopg.connect(client.server.database_url) as connection:
        row = connection.execute("SELECT hmac_key FROM organizations WHERE id = %s", [client.organization_id])
        (key,) = row.fetchone() or ("",)
    expected = base64.b64encode(hmac.new(key.encode(), got.body, hashlib.sha256).digest()).decode()
    assert got.headers["x-lago-signature"] == expected
    assert got.headers["x-lago-signature-algorithm"] == "hmac"


def test_a_failed_delivery_is_sent_again_unchanged_and_holds_back_only_its_own_object(
    organization: Organization, receiver: Receiver
) -> None:
    client = organization()
    listen(client, receiver)
    failed: set[str] = set()

    def fail_once(got: Received) -> tuple[int, bytes]:
        if got.message["customer"]["external_id"] == "c1" and not failed:
            failed.add(got.key)
            return 500, b"not now"
        return 200, b""

    receiver.answer = fail_once
    customer(client, "c1", name="first")
    receiver.wait_for(1)
    customer(client, "c1", name="second")
    customer(client, "c2")
    received = receiver.wait_for(4)
    told = [(got.message["customer"]["external_id"], got.message["customer"]["name"]) for got in received]
    assert told == [("c1", "first"), ("c2", None), ("c1", "first"), ("c1", "second")]
    assert (received[0].key, received[0].body) == (received[2].key, received[2].body)
    assert 2 < received[2].at - received[0].at < 8
    (log,) = client.get("/webhook_deliveries", {"webhook_type": "customer.created", "per_page": 1})[
        "webhook_deliveries"
    ]
    assert log["status"] == "succeeded"


def test_messages_about_one_object_arrive_in_their_order(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    listen(client, receiver)
    for number in range(15):
        for external_id in ("a", "b", "c"):
            client.send("POST", "/customers", {"customer": {"external_id": external_id, "name": str(number)}})
    names: dict[str, list[int]] = defaultdict(list)
    for got in receiver.wait_for(45):
        names[got.message["customer"]["external_id"]].append(int(got.message["customer"]["name"]))
    assert dict(names) == {key: list(range(15)) for key in "abc"}


def test_a_slow_and_a_dead_endpoint_delay_nobody_else(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    with receiving() as slow, receiving() as dead:
        dead.close()

        def crawl(_: Received) -> tuple[int, bytes]:
            time.sleep(3)
            return 200, b""

        slow.answer = crawl
        slow_endpoint, dead_endpoint, _ = (listen(client, hook) for hook in (slow, dead, receiver))
        began = time.monotonic()
        for number in range(30):
            client.send("POST", "/customers", {"customer": {"external_id": f"c{number}"}})
        received = receiver.wait_for(30)
        assert received[-1].at - began < 15
        assert "Timeout" in str(wait_for_delivery(client, slow_endpoint, "retrying")["response"])
        assert "Connect" in str(wait_for_delivery(client, dead_endpoint, "retrying")["response"])


def test_redirects_are_failures_and_long_answers_are_cut(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    moved, chatty = listen(client, receiver, "/moved"), listen(client, receiver, "/chatty")

    def answer(got: Received) -> tuple[int, bytes]:
        return (302, b"") if got.path == "/moved" else (200, b"x" * 1_000_000)

    receiver.answer = answer
    customer(client, "c1")
    receiver.wait_for(2)
    assert wait_for_delivery(client, moved, "retrying")["http_status"] == 302
    assert len(wait_for_delivery(client, chatty, "succeeded")["response"]) == 4000
    assert not [got for got in receiver.received if got.path == "/elsewhere"]


def wait_for_delivery(client: Client, endpoint: str, status: str) -> dict[str, object]:
    deadline = time.monotonic() + 20
    while True:
        answer = client.get("/webhook_deliveries", {"webhook_endpoint_id": endpoint, "status": status})
        if answer["webhook_deliveries"]:
            return answer["webhook_deliveries"][0]
        assert time.monotonic() < deadline, client.get("/webhook_deliveries", {"webhook_endpoint_id": endpoint})
        time.sleep(0.05)


def test_what_is_refused_is_not_told(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    listen(client, receiver)
    client.post("/customers", {"customer": {"external_id": "c1", "tax_codes": ["unknown"]}}, expect=404)
    client.post("/plans", {"plan": {"name": "P"}}, expect=422)
    customer(client, "c2")
    assert [got.message["customer"]["external_id"] for got in receiver.wait_for(1)] == ["c2"]
    assert client.get("/webhook_deliveries")["meta"]["total_count"] == 1


def test_event_types_select_and_no_endpoint_records_nothing(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    customer(client, "before")
    listen(client, receiver, "/none", event_types=[])
    listen(client, receiver, "/plans", event_types=["plan.created"])
    listen(client, receiver, "/all", event_types=["*"])
    customer(client, "c1")
    plan = {"name": "P", "code": "p", "interval": "monthly", "amount_cents": 0, "amount_currency": "EUR"}
    client.post("/plans", {"plan": plan})
    told = receiver.wait_for(3)
    assert sorted((got.path, got.type) for got in told) == [
        ("/all", "customer.created"), ("/all", "plan.created"), ("/plans", "plan.created"),
    ]  # fmt: skip


def test_past_messages_can_be_replayed_to_a_new_endpoint(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    listen(client, receiver, "/old")
    customer(client, "c1", name="one")
    client.at("2024-01-02T00:00:00Z")
    customer(client, "c1", name="two")
    receiver.wait_for(2, "/old")
    late = listen(client, receiver, "/late")
    replay = {"from_datetime": "2024-01-01T12:00:00Z", "event_types": ["customer.updated", "customer.created"]}
    answer = client.post(f"/webhook_endpoints/{late}/replay", {"replay": replay})
    assert answer == {"replay": {"deliveries_count": 1}}
    assert [got.message["customer"]["name"] for got in receiver.wait_for(1, "/late")] == ["two"]
    assert client.post(f"/webhook_endpoints/{late}/replay", {"replay": {"to_datetime": "2025-01-01"}})["replay"] == {
        "deliveries_count": 2
    }
    assert [got.message["customer"]["name"] for got in receiver.wait_for(3, "/late")] == ["two", "one", "two"]


def test_a_delivery_can_be_tried_again_by_hand_unless_it_arrived(
    organization: Organization, receiver: Receiver
) -> None:
    client = organization()
    endpoint = listen(client, receiver)
    receiver.answer = lambda _: (500, b"broken")
    customer(client, "c1")
    delivery = wait_for_delivery(client, endpoint, "retrying")
    assert (delivery["http_status"], delivery["response"], delivery["attempts"]) == (500, "broken", 1)
    receiver.answer = lambda _: (204, b"")
    shown = client.post(f"/webhook_deliveries/{delivery['lago_id']}/retry")["webhook_delivery"]
    assert json.loads(shown["payload"])["webhook_type"] == "customer.created"
    arrived = wait_for_delivery(client, endpoint, "succeeded")
    refused = client.post(f"/webhook_deliveries/{arrived['lago_id']}/retry", expect=405)
    assert refused["code"] == "is_succeeded"
    client.delete(f"/webhook_endpoints/{endpoint}")
    assert client.get("/webhook_deliveries")["meta"]["total_count"] == 0


def test_the_organization_shows_and_sets_its_first_url(organization: Organization) -> None:
    client = organization()
    organization_url = "https://example.com/hook"
    shown = client.put("/organizations", {"organization": {"webhook_url": organization_url}})["organization"]
    assert (shown["webhook_url"], shown["webhook_urls"]) == (organization_url, [organization_url])
    client.put("/organizations", {"organization": {"webhook_url": "nonsense"}}, expect=422)
    shown = client.put("/organizations", {"organization": {"webhook_url": None}})["organization"]
    assert (shown["webhook_url"], shown["webhook_urls"]) == (None, [])


def test_endpoints_are_checked(organization: Organization) -> None:
    client = organization()

    def refused(**endpoint: object) -> object:
        return client.post("/webhook_endpoints", {"webhook_endpoint": endpoint}, expect=422)["error_details"]

    assert refused(name="x") == {"webhook_url": ["value_is_mandatory"]}
    for url in ("ftp://example.com", "http://", "example.com", "https://exa mple.com", "http://[::1", "javascript:x"):
        assert refused(webhook_url=url) == {"webhook_url": ["url_is_invalid"]}
    assert refused(webhook_url="https://e.com", signature_algo="rot13") == {"signature_algo": ["value_is_invalid"]}
    for number in range(10):
        client.post("/webhook_endpoints", {"webhook_endpoint": {"webhook_url": f"https://e.com/{number}"}})
    assert refused(webhook_url="https://e.com/x") == {"base": ["Maximum number of webhook endpoints was reached"]}


def test_private_addresses_are_refused_unless_allowed(
    server: Server, sandbox: Callable[[], Client], receiver: Receiver
) -> None:
    client = sandbox()
    for number, host in enumerate(("127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]")):
        url = f"http://{host}:{receiver.port}/{number}"
        client.post("/webhook_endpoints", {"webhook_endpoint": {"webhook_url": url}})
    customer(client, "c1")
    deadline = time.monotonic() + 20
    while len(log := client.get("/webhook_deliveries", {"status": "retrying"})["webhook_deliveries"]) < 5:
        assert time.monotonic() < deadline, client.get("/webhook_deliveries")
        time.sleep(0.05)
    assert all("private network" in entry["response"] for entry in log)
    assert not receiver.received
    assert server.url == client.server.url
