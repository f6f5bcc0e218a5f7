"""A subscription that ends and begins again in one millisecond: an event of then counts once (spec 1 §1.7)."""

from __future__ import annotations

from typing import Any

from support.billing import fees, invoices, make_customer, make_metric, make_plan, standard, subscribe, usage_of, use
from support.client import Client, Json, Sandbox

NOW = "2024-01-10T12:00:00.500Z"
LATER = "2024-01-20T00:00:00Z"


def begin(sandbox: Sandbox, customer: Json | None = None) -> Client:
    client = sandbox()
    make_plan(client, charges=[standard(make_metric(client), "1")])
    make_customer(client, **customer or {})
    subscribe(client)
    client.at(NOW)
    return client


def counts(client: Client) -> list[tuple[str, list[int]]]:
    """For each invoice its status, and the events of its fees."""
    return [(each["status"], [fee["events_count"] for fee in fees(each)]) for each in invoices(client)]


def test_what_the_final_invoice_has_is_not_billed_again(sandbox: Sandbox) -> None:
    client = begin(sandbox)
    use(client, NOW)
    client.delete("/subscriptions/sub")
    subscribe(client)
    assert usage_of(client)["charges_usage"][0]["events_count"] == 0
    use(client, "2024-01-10T12:00:00.501Z")
    client.at("2024-02-01T00:00:00Z")
    assert counts(client) == [("finalized", [1]), ("finalized", [1])]


def test_what_comes_afterwards_is_the_new_ones(sandbox: Sandbox) -> None:
    client = begin(sandbox)
    client.delete("/subscriptions/sub")
    subscribe(client)
    use(client, NOW)
    client.at("2024-02-01T00:00:00Z")
    assert counts(client) == [("finalized", []), ("finalized", [1])]


def test_a_draft_gives_it_to_the_new_one(sandbox: Sandbox) -> None:
    client = begin(sandbox, {"billing_configuration": {"invoice_grace_period": 3}})
    use(client, NOW)
    use(client, "2024-01-10T12:00:00.499Z")
    client.delete("/subscriptions/sub")
    assert counts(client) == [("draft", [2])]
    subscribe(client)
    use(client, NOW)
    assert counts(client) == [("draft", [1])]
    client.at("2024-02-05T00:00:00Z")
    assert counts(client) == [("finalized", [1]), ("finalized", [2])]


def test_without_a_new_one_it_is_the_ended_ones(sandbox: Sandbox) -> None:
    client = begin(sandbox, {"billing_configuration": {"invoice_grace_period": 3}})
    client.delete("/subscriptions/sub")
    use(client, NOW)
    client.at(LATER)
    assert counts(client) == [("finalized", [1])]


def test_a_new_one_that_is_backdated_to_then_leaves_it_too(sandbox: Sandbox) -> None:
    client = begin(sandbox)
    use(client, NOW)
    client.delete("/subscriptions/sub")
    client.at(LATER)
    subscribe(client, subscription_at="2024-01-02T00:00:00Z")
    use(client, "2024-01-11T00:00:00Z")
    client.at("2024-02-01T00:00:00Z")
    assert counts(client) == [("finalized", [1]), ("finalized", [1])]


def test_several_lives_in_one_millisecond(sandbox: Sandbox) -> None:
    client = begin(sandbox)
    use(client, NOW)
    for _ in range(3):
        client.delete("/subscriptions/sub")
        subscribe(client)
    client.at("2024-02-01T00:00:00Z")
    found: list[Any] = [events for _, events in counts(client)]
    assert found == [[1], [], [], []]


def test_the_new_one_may_be_another_customers(sandbox: Sandbox) -> None:
    client = begin(sandbox)
    use(client, NOW)
    client.delete("/subscriptions/sub")
    make_customer(client, "other")
    subscribe(client, "other")
    client.at("2024-02-01T00:00:00Z")
    assert counts(client) == [("finalized", [1]), ("finalized", [])]
